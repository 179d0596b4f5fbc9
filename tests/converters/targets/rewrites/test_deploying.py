"""Networks made for training lose what measures them, and their data layers become Inputs."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from prototxt_gen import generate
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text
from tests.filling import fill_weights
from tests.targets import largest_difference, made_target

TRAINING = ("ImageData", "SoftmaxWithLoss", "Accuracy", "Silence")


@pytest.mark.parametrize(
    ("code", "shape", "labels"),
    [
        ("s8_b8_b16_c5", (2, 3, 64, 64), {}),
        ("s4-8_b8_b16_b16_p8-16_d8-4x2_u8_c5", (1, 3, 64, 96), {"label": (1, 1, 64, 96)}),
    ],
)
def test_a_train_val_network_becomes_a_deploy_network(code, shape, labels):
    """The size of labels need not be known for that."""
    net = generate(code, form="train_val", input_shape=shape)
    taken = {layer.type for layer in select_phase(net, "TEST").layer} - set(TRAINING)
    weights = fill_weights(net, labels)
    made = rewritten(net, weights, made_target(*taken))
    assert made.report.faults == () and made.exact
    assert not any(layer.type in TRAINING or layer.include or layer.loss_weight for layer in made.net.layer)
    assert [tuple(shape.dim) for shape in made.net.layer[0].input_param.shape] == [shape]
    final = {made.net.layer[-1].top[0]: made.net.layer[-1].top[0]}
    assert largest_difference(net, weights, made, final, labels) <= 1e-5


INPUTS = """
layer { name: "d" type: "HDF5Data" top: "data" top: "label" include { phase: TEST } hdf5_data_param { source: "x" } }
layer { name: "half" type: "Power" bottom: "label" top: "half" power_param { scale: 0.5 } }
layer { name: "s" type: "Split" bottom: "data" top: "data_0" top: "data_1" }
layer { name: "a" type: "InnerProduct" bottom: "data_0" top: "a" inner_product_param { num_output: 3 } }
layer { name: "b" type: "InnerProduct" bottom: "data_1" top: "b" inner_product_param { num_output: 3 } }
layer { name: "unused" type: "ReLU" bottom: "b" top: "unused" }
layer { name: "quiet" type: "Silence" bottom: "unused" }
layer { name: "prob" type: "Softmax" bottom: "b" top: "prob" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "a" bottom: "label" top: "loss" loss_weight: 2 }
layer { name: "more" type: "Power" bottom: "loss" top: "more" }
"""


def test_labels_and_all_that_is_behind_losses_go_and_other_outputs_stay():
    net = parse_text(INPUTS, NetParameter())
    shapes = {"data": (2, 4), "label": (2,)}
    made = rewritten(net, None, made_target("InnerProduct", "Softmax"), input_shapes=shapes)
    assert made.report.faults == ()
    assert [(layer.name, layer.type, *layer.bottom) for layer in made.net.layer] == [
        ("d", "Input"),
        ("a", "InnerProduct", "data"),
        ("b", "InnerProduct", "data"),
        ("prob", "Softmax", "b"),
    ]
    assert list(made.net.layer[0].top) == ["data"]
    said = {change.layer: change.what for change in made.changes}
    assert said["loss"] == "SoftmaxWithLoss left out: a is an output now"
    assert said["d"] == "HDF5Data as Input: data 2x4"
    assert said["unused"] == "left out: no layer takes its tops"


def test_an_input_of_labels_goes_and_one_of_words_stays():
    net = parse_text(
        """
        layer { name: "in" type: "Input" top: "words" top: "label"
                input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
        layer { name: "e" type: "Embed" bottom: "words" top: "e" embed_param { input_dim: 5 num_output: 4 } }
        layer { name: "fc" type: "InnerProduct" bottom: "e" top: "fc" inner_product_param { num_output: 3 } }
        layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc" }
        """,
        NetParameter(),
    )
    made = rewritten(net, None, made_target("Embed", "InnerProduct"))
    assert [layer.name for layer in made.net.layer] == ["in", "e", "fc"]
    assert [tuple(shape.dim) for shape in made.net.layer[0].input_param.shape] == [(2, 3)]


def test_images_are_described_as_the_data_layer_made_them():
    net = parse_text(
        """
        layer { name: "data" type: "ImageData" top: "data" top: "label"
                transform_param { crop_size: 8 mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.5 }
                image_data_param { batch_size: 2 } }
        layer { name: "r" type: "ReLU" bottom: "data" top: "r" }
        """,
        NetParameter(),
    )
    made = rewritten(net, None, made_target("ReLU"))
    assert made.changes[-1].what == "ImageData as Input: data 2x3x8x8; images come less 104, 117, 123, times 0.5"


def test_a_split_that_is_written_over_stays():
    net = parse_text(
        """
        layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "s" type: "Split" bottom: "x" top: "a" top: "b" }
        layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
        layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
        """,
        NetParameter(),
    )
    made = rewritten(net, None, made_target("ReLU", "Eltwise"))
    assert [fault.layer for fault in made.report.faults] == ["s"]


@pytest.mark.parametrize(
    "measure", ['"Accuracy" bottom: "data" bottom: "label"', '"EuclideanLoss" bottom: "data" bottom: "label"']
)
def test_a_network_that_only_measures_stays_at_fault(measure):
    """Without the measure nothing would be left of it."""
    net = parse_text(
        f"""
        layer {{ name: "in" type: "Input" top: "data" top: "label" input_param {{ shape {{ dim: 2 dim: 1 }} }} }}
        layer {{ name: "measure" type: {measure} top: "found" }}
        """,
        NetParameter(),
    )
    made = rewritten(net, None, made_target())
    assert [fault.layer for fault in made.report.faults] == ["measure"]
    assert list(made.net.layer) == list(net.layer)
