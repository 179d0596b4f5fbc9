"""Networks of the zoo in the words of targets: nothing left at fault, and the same numbers."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from caffe_zoo.cards import CARDS
from converters import check_target, for_target, read_target
from converters.targets.rewriting import rewritten
from prototxt_gen import generate
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text, to_text
from tests.filling import fill_weights
from tests.targets import largest_difference, made_target, rule

#: Networks of each family, small.
SMALL = {
    "DF": "s8-16_b16x2_b32x2_b32-64_c10",
    "DF bottlenecks": "s8-16_n4x2_n8x2_c10",
    "ResNet": "r8_v1.8x2_v16_c10",
    "ResNet bottlenecks": "r8_w1.8_w16x2_c10",
    "PONAS": "m8_i1.8e1_i16k5e6-k3e3_i16k7e3q-k5e3q_h64_c10",
    "GPUNet": "g8_k8_f1.8e2_f16k5e3_i16e3q_h32_c10",
}


@pytest.mark.parametrize("target", ["bvlc", "rknn2"])
@pytest.mark.parametrize("code", SMALL.values(), ids=SMALL)
def test_backbones_of_every_family_pass_and_compute_the_same(code, target):
    net = generate(code, input_shape=(1, 3, 64, 64))
    before = to_text(net)
    weights = fill_weights(net)
    made = for_target(net, weights, read_target(target))
    assert made.report.faults == () and made.exact
    assert check_target(made.net, read_target(target)).passed
    assert to_text(net) == before
    assert largest_difference(net, weights, made) <= 1e-5
    if not made.changes:
        assert to_text(made.net) == before


def test_a_network_of_ponas_has_no_clip_left_for_rknn2():
    net = generate(CARDS["ponas_a"].architecture, input_shape=(1, 3, 64, 64))
    made = rewritten(net, None, read_target("rknn2"))
    assert made.report.faults == ()
    assert "Clip" in {layer.type for layer in net.layer}
    assert "Clip" not in {layer.type for layer in made.net.layer}
    assert sum(layer.type == "ReLU6" for layer in made.net.layer) == sum(layer.type == "Clip" for layer in net.layer)


@pytest.mark.parametrize("code", ["s8-16_b16x2_b32_c10", "r8_v1.8x2_v16_c10"])
def test_a_network_made_for_training_runs_on_nnie(code):
    net = generate(code, form="train_val", input_shape=(2, 3, 64, 64))
    weights = fill_weights(net)
    made = for_target(net, weights, read_target("nnie"))
    types = {layer.type for layer in made.net.layer}
    assert not types & {"ImageData", "SoftmaxWithLoss", "Accuracy", "BatchNorm"}
    output = made.net.layer[-1].top[0]
    assert largest_difference(net, weights, made, {output: output}) <= 1e-5


def test_without_weights_the_structure_is_the_same():
    net = generate(SMALL["GPUNet"], input_shape=(1, 3, 64, 64))
    target = made_target(
        *{layer.type for layer in net.layer} - {"Clip", "Scale", "BatchNorm"}, "ReLU6", "Tile", "Reshape"
    )
    with_weights = rewritten(net, fill_weights(net), target)
    alone = rewritten(net, None, target)
    assert to_text(alone.net) == to_text(with_weights.net)
    assert alone.weights is None
    assert alone.report.faults == with_weights.report.faults == ()


def test_what_has_no_form_is_listed_whole():
    net = parse_text(
        """
        layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
        layer { name: "a" type: "BNLL" bottom: "data" top: "a" }
        layer { name: "b" type: "Unheard" bottom: "a" top: "b" }
        """,
        NetParameter(),
    )
    with pytest.raises(UnsupportedError, match=r"no exact form of layer 'a' .BNLL.*layer 'b' .Unheard"):
        for_target(net, None, made_target("ReLU"))


def test_layers_on_the_cpu_do_not_stop_a_network_for_the_accelerator():
    net = parse_text(
        """
        layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
        layer { name: "a" type: "BNLL" bottom: "data" top: "a" }
        """,
        NetParameter(),
    )
    made = for_target(net, None, made_target(cpu=["BNLL"]), accelerated=True)
    assert [fault.outcome for fault in made.report.faults] == ["cpu"]


def test_batch_norm_is_folded_where_a_convolution_must_have_a_bias():
    net = generate("s8_b8_b16_c5", input_shape=(1, 3, 32, 32))
    types = {layer.type for layer in net.layer}
    weights = fill_weights(net)
    made = rewritten(net, weights, made_target(*types, rules=[rule("Convolution", "bias_term")]))
    assert made.report.faults == ()
    assert {change.rewrite for change in made.changes} == {"folded into the layer before"}
    assert largest_difference(net, weights, made) <= 1e-5


def test_phases_of_layers_are_left_out_where_the_network_has_the_same():
    """TensorRT's parser passes over layers with phase TEST, which Caffe writes into every layer that it saves."""
    net = generate("s8_b8_b16_c5", input_shape=(1, 3, 32, 32))
    for layer in net.layer:
        layer.phase = 1
    target = read_target("tensorrt8")
    assert {fault.field for fault in check_target(net, target).faults} == {"phase"}
    weights = fill_weights(net)
    made = for_target(net, weights, target)
    assert made.report.passed
    assert largest_difference(net, weights, made) <= 1e-6


def test_a_phase_of_its_own_stays():
    net = parse_text(
        """
        layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
        layer { name: "a" type: "Dropout" bottom: "data" top: "a" phase: TRAIN }
        """,
        NetParameter(),
    )
    assert for_target(net, None, read_target("bvlc")).net.layer[1].phase == 0
    assert for_target(net, None, read_target("bvlc")).net.layer[1].HasField("phase")
