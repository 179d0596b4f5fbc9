"""Which content each layer reads, against what BVLC Caffe 1.0 computed of the same networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.pytorch.module import to_torch, total_loss, weights_of
from converters.weights import load_weights, save_weights
from prototxt_gen import NetworkError, UnsupportedError
from prototxt_gen.flow import flow_of, live_rows, output_names, passes_on
from prototxt_gen.trace import trace

INPUT = np.float32([-1, 2, -3, 4])


def power(name: str, bottom: str, top: str, **options: float) -> str:
    stated = " ".join(f"{key}: {value}" for key, value in options.items())
    return f'layer {{ name: "{name}" type: "Power" bottom: "{bottom}" top: "{top}" power_param {{ {stated} }} }}\n'


X = power("x0", "data", "x")
RESHAPE = 'layer { name: "rs" type: "Reshape" bottom: "x" top: "r" reshape_param { shape { dim: 2 dim: 2 } } }\n'
FLATTEN = 'layer { name: "fl" type: "Flatten" bottom: "x" top: "r" }\n'
RELU = 'layer { name: "re" type: "ReLU" bottom: "r" top: "r" }\n'
AFTER = power("p", "x", "p", scale=10)

# Layers, and what Caffe has under each name at the end.
SHARED = {
    "a reader behind the layer in place": (X + RESHAPE + RELU + AFTER, {"p": [0, 20, 0, 40], "x": [0, 2, 0, 4]}),
    "a reader before it": (X + AFTER + RESHAPE + RELU, {"p": [-10, 20, -30, 40], "x": [0, 2, 0, 4]}),
    "a reader between": (X + RESHAPE + AFTER + RELU, {"p": [-10, 20, -30, 40], "r": [0, 2, 0, 4]}),
    "Flatten": (X + FLATTEN + RELU + AFTER, {"p": [0, 20, 0, 40]}),
    "Split": (
        X + 'layer { name: "sp" type: "Split" bottom: "x" top: "r" top: "s" }' + RELU + power("p", "s", "p", scale=10),
        {"p": [0, 20, 0, 40], "s": [0, 2, 0, 4], "x": [0, 2, 0, 4]},
    ),
    "Concat of one": (
        X + 'layer { name: "k" type: "Concat" bottom: "x" top: "r" }' + RELU + AFTER,
        {"p": [0, 20, 0, 40]},
    ),
    "Slice into one": (
        X + 'layer { name: "k" type: "Slice" bottom: "x" top: "r" }' + RELU + AFTER,
        {"p": [0, 20, 0, 40]},
    ),
    "Concat of two copies": (
        X + 'layer { name: "k" type: "Concat" bottom: "x" bottom: "x" top: "r" }' + RELU + AFTER,
        {"p": [-10, 20, -30, 40], "r": [0, 2, 0, 4, 0, 2, 0, 4]},
    ),
    "a residual": (
        X
        + RESHAPE
        + RELU
        + 'layer { name: "b" type: "Reshape" bottom: "r" top: "b" reshape_param { shape { dim: 1 dim: 4 } } }'
        + 'layer { name: "s" type: "Eltwise" bottom: "x" bottom: "b" top: "s" }',
        {"s": [0, 4, 0, 8]},
    ),
    "a chain of views": (
        X
        + FLATTEN
        + 'layer { name: "v" type: "Reshape" bottom: "r" top: "v" reshape_param { shape { dim: 2 dim: 2 } } }'
        + RELU.replace('"r"', '"v"')
        + power("q", "r", "q", scale=10)
        + AFTER,
        {"p": [0, 20, 0, 40], "q": [0, 20, 0, 40]},
    ),
    "an input": (
        RESHAPE.replace('"x"', '"data"') + RELU + power("p", "data", "p", scale=10),
        {"p": [0, 20, 0, 40], "data": [0, 2, 0, 4]},
    ),
    "with weights": (
        X + RESHAPE + 'layer { name: "s" type: "Scale" bottom: "r" top: "r" scale_param { bias_term: true'
        ' filler { value: 2 } bias_filler { value: 1 } } }' + AFTER,
        {"p": [-10, 50, -50, 90], "r": [-1, 5, -5, 9]},
    ),
    "another shape in place": (
        X + FLATTEN + 'layer { name: "m" type: "MVN" bottom: "r" top: "r" }' + AFTER,
        {"p": [0, 0, 0, 0], "r": [0, 0, 0, 0]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SHARED)
def test_blobs_share_memory(case, net_of):
    layers, expected = SHARED[case]
    module = to_torch(net_of(layers, data=(1, 4)), outputs=list(expected))
    result = module(torch.from_numpy(INPUT.reshape(1, 4).copy()))
    result = result if len(expected) > 1 else {next(iter(expected)): result}
    rows = trace(net_of(layers, data=(1, 4)))
    shapes = {top: shape for row in rows for top, shape in zip(row.tops, row.top_shapes, strict=True)}
    for name, top in result.items():
        assert tuple(top.shape) == shapes[name]
        assert top.flatten().tolist() == pytest.approx(expected[name])


def test_shared_memory_at_other_batches(net_of):
    layers = X + 'layer { name: "rs" type: "Reshape" bottom: "x" top: "r" reshape_param { shape { dim: -1 dim: 2 } } }'
    module = to_torch(net_of(layers + RELU + AFTER, data=(1, 4)), outputs=["p", "r"])
    result = module(torch.tensor([[-1.0, 2, -3, 4], [5, -6, 7, -8]]))
    assert result["p"].tolist() == [[0, 20, 0, 40], [50, 0, 70, 0]]
    assert result["r"].shape == (4, 2)


def test_memory_written_over_in_part_is_refused(net_of):
    layers = X + FLATTEN + 'layer { name: "a" type: "ArgMax" bottom: "r" top: "r" }'
    assert to_torch(net_of(layers, data=(1, 4)))(torch.ones(1, 4)).shape == (1, 1, 1)
    with pytest.raises(UnsupportedError, match=r"layer 'p' \(Power\): bottom 'x' shares memory that layer 'a' partly"):
        to_torch(net_of(layers + AFTER, data=(1, 4)))


SLICE = 'layer { name: "s" type: "Slice" bottom: "x" top: "a" top: "b" }\n'
SILENCE = 'layer { name: "q" type: "Silence" bottom: "a" }\n'


def relu(bottom: str) -> str:
    return f'layer {{ name: "r" type: "ReLU" bottom: "{bottom}" top: "r" }}\n'


LATER_TOPS = {
    "of a Slice": (SLICE + relu("b"), {"x": (1, 4)}, None),
    "behind Silence": (SLICE + SILENCE + relu("b"), {"x": (1, 4)}, None),
    "by outputs": (SLICE + relu("b"), {"x": (1, 4)}, ["r"]),
    "the mask of a Pooling": (
        'layer { name: "p" type: "Pooling" bottom: "x" top: "a" top: "b" pooling_param { kernel_size: 2 } }'
        + SILENCE + relu("b"), {"x": (1, 1, 3, 3)}, None,
    ),
    "a hidden state": (
        'layer { name: "l" type: "LSTM" bottom: "x" bottom: "c" bottom: "h" bottom: "e" top: "a" top: "b" top: "d"'
        " recurrent_param { num_output: 2 expose_hidden: true } }" + relu("b"),
        {"x": (2, 1, 3), "c": (2, 1), "h": (1, 1, 2), "e": (1, 1, 2)}, ["r"],
    ),
    "the probabilities of a loss": (
        'layer { name: "l" type: "InfogainLoss" bottom: "x" bottom: "t" bottom: "h" top: "a" top: "b"'
        " loss_weight: 1 loss_weight: 0 }" + relu("b"), {"x": (2, 3), "t": (2,), "h": (1, 1, 3, 3)}, ["r"],
    ),
    "a BatchNorm's without its Scale's": (
        SLICE + 'layer { name: "n" type: "BatchNorm" bottom: "b" top: "n" }'
        'layer { name: "s2" type: "Scale" bottom: "n" top: "n2" }', {"x": (1, 4)}, ["n2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LATER_TOPS)
def test_a_later_top_is_read_without_the_first(case, net_of):
    layers, inputs, outputs = LATER_TOPS[case]
    net = net_of(layers, **inputs)
    module = to_torch(net, outputs=outputs)
    every = to_torch(net, weights_of(module), outputs=[row.tops[0] for row in trace(net) if row.tops])
    arrays = [torch.rand(shape).round() if len(shape) < 3 else torch.rand(shape) for shape in inputs.values()]
    found, expected = module(*arrays), every(*arrays)
    for name, top in (found if isinstance(found, dict) else {module.meta["caffe"]["outputs"][0]: found}).items():
        if name in expected:
            torch.testing.assert_close(top, expected[name])


def test_outputs_are_unread_tops_and_losses(net_of):
    layers = 'layer { name: "p" type: "Power" bottom: "x" top: "p" loss_weight: 2 }\n' + relu("p")
    rows = trace(net_of(layers, x=(1, 4)))
    flow = flow_of(rows)
    assert output_names(flow, None) == ["p", "r"]
    assert output_names(flow, ["r", "r"]) == ["r"]
    assert live_rows(rows, flow, ["r"])[0] == [0, 1, 2] and live_rows(rows, flow, ["p"])[0] == [0, 1]
    with pytest.raises(NetworkError, match=r"found 'q'.*expected tops of the network"):
        output_names(flow, ["q"])


def test_an_identity_permute_is_a_view_as_in_ssd(net_of):
    layers = 'layer {{ name: "p" type: "Permute" bottom: "x" top: "p" permute_param {{ order: 0 order: {} }} }}'
    assert [passes_on(trace(net_of(layers.format(axis), x=(1, 2, 3)))[-1]) for axis in (1, 2)] == [True, False]


DATA = np.float32([1, 2, 3, 4])
EUCLIDEAN = 'layer { name: "l" type: "EuclideanLoss" bottom: "data" bottom: "t" top: "l" loss_weight: 2 }\n'
T = 'layer { name: "t" type: "DummyData" top: "t" dummy_data_param { shape { dim: 1 dim: 4 } } }\n'
Y = power("y", "x", "y", scale=10)


def weighted(text: str, *weights: float) -> str:
    return text.replace("} }", "} " + " ".join(f"loss_weight: {weight}" for weight in weights) + " }")


DOUBLED = power("x0", "data", "x", scale=2)
# Layers over [1, 2, 3, 4], and the sum that Caffe's solver minimises.
LOSSES = {
    "no reader": (weighted(DOUBLED, 0.5), 10),
    "a reader": (weighted(DOUBLED, 0.5) + Y, 10),
    "a reader that is a loss, too": (weighted(DOUBLED, 0.5) + weighted(Y, 1), 210),
    "two readers": (weighted(DOUBLED, 0.5) + weighted(Y, 1) + power("z", "x", "z"), 210),
    "in place": (DOUBLED + weighted(power("i", "x", "x"), 0.5), 10),
    "in place and read": (DOUBLED + weighted(power("i", "x", "x", shift=1), 0.5) + weighted(Y, 1), 252),
    "an explicit Split": (
        'layer { name: "s" type: "Split" bottom: "data" top: "a" top: "b" loss_weight: 1 loss_weight: 2 }', 30,
    ),
    "a Split's read top alone keeps its weight": (
        'layer { name: "s" type: "Split" bottom: "data" top: "a" top: "b" loss_weight: 1 loss_weight: 2 }'
        + weighted(power("y", "b", "y", scale=10), 1), 120,
    ),
    "a Slice": ('layer { name: "s" type: "Slice" bottom: "data" top: "a" top: "b" loss_weight: 1 loss_weight: 1 }', 10),
    "a Slice's read top alone keeps its weight": (
        'layer { name: "s" type: "Slice" bottom: "data" top: "a" top: "b" loss_weight: 1 loss_weight: 1 }'
        + power("y", "a", "y"), 3,
    ),
    "both tops of a Slice are read": (
        'layer { name: "s" type: "Slice" bottom: "data" top: "a" top: "b" loss_weight: 1 loss_weight: 1 }'
        + power("y", "a", "y") + power("z", "b", "z"), 10,
    ),
    "a loss that others take": (T + EUCLIDEAN + power("p", "l", "p", scale=10), 30),
    "a loss behind Silence": (T + EUCLIDEAN + 'layer { name: "q" type: "Silence" bottom: "l" }', 30),
    "a sum of losses": (
        T + EUCLIDEAN.replace("loss_weight: 2", "") + weighted(power("p", "l", "p", scale=10), 1), 150,
    ),
    "a Reduction": (
        'layer { name: "r" type: "Reduction" bottom: "data" top: "r" loss_weight: 3 }', 30,
    ),
    "a view": (
        'layer { name: "e" type: "Reshape" bottom: "data" top: "r" reshape_param { shape { dim: 2 dim: 2 } }'
        " loss_weight: 1 }", 10,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LOSSES)
def test_what_the_solver_minimises(case, net_of):
    layers, expected = LOSSES[case]
    module = to_torch(net_of(layers, data=(1, 4)), phase="TRAIN")
    assert total_loss(module, module(torch.from_numpy(DATA.reshape(1, 4)))).item() == pytest.approx(expected)


def test_losses_left_out_of_the_result_are_named(net_of):
    net = net_of(weighted(DOUBLED, 0.5) + weighted(Y, 1), data=(1, 4))
    module = to_torch(net, outputs=["y"])
    with pytest.raises(NetworkError, match=r"found the tops \['y'\], expected the losses \['x'\] among them"):
        total_loss(module, module(torch.ones(1, 4)))


def test_a_loss_written_over_later_is_refused(net_of):
    net = net_of(weighted(X, 0.5) + RESHAPE + RELU, data=(1, 4))
    module = to_torch(net)
    with pytest.raises(UnsupportedError, match=r"change the losses \['x'\] after they are computed"):
        total_loss(module, module(torch.ones(1, 4)))


def test_a_loss_that_only_its_takers_make_count_is_none(net_of):
    """Caffe's solver shows such a loss and takes no gradient of it."""
    net = net_of(T + EUCLIDEAN.replace("loss_weight: 2", "") + power("p", "l", "p"), data=(1, 4))
    module = to_torch(net)
    with pytest.raises(NetworkError, match="no loss"):
        total_loss(module, module(torch.ones(1, 4)))


IDLE = (
    'layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 2 } }'
    'layer { name: "n" type: "BatchNorm" bottom: "a" top: "n" }'
    'layer { name: "n/s" type: "Scale" bottom: "n" top: "n" scale_param { bias_term: true } }'
    'layer { name: "q" type: "Silence" bottom: "n" }'
    'layer { name: "b" type: "InnerProduct" bottom: "x" top: "b" inner_product_param { num_output: 3 } }'
    'layer { name: "c" type: "InnerProduct" bottom: "b" top: "c" inner_product_param { num_output: 4 } }'
)


@pytest.mark.parametrize("outputs", [None, ["b"], ["c"]])
def test_layers_that_no_output_needs_keep_their_blobs(outputs, net_of, tmp_path):
    net = net_of(IDLE, x=(1, 2))
    whole = {row.name: [np.random.default_rng(1).normal(size=shape).astype(np.float32) for shape in row.blob_shapes]
             for row in trace(net) if row.blob_shapes}  # fmt: skip
    whole["n"] = [whole["n"][0], np.abs(whole["n"][1]), np.float32([1])]
    module = to_torch(net, whole, outputs=outputs)
    found = weights_of(module)
    assert {name: [blob.shape for blob in blobs] for name, blobs in found.items()} == {
        row.name: list(row.blob_shapes) for row in trace(net) if row.blob_shapes
    }
    for name, blobs in whole.items():
        for one, other in zip(blobs, found[name], strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(module(torch.ones(1, 2))[0]) == (3 if outputs == ["b"] else 4)
    assert {name for name, parameter in module.named_parameters() if parameter.requires_grad} == {
        "b.weight", "b.bias", *(["c.weight", "c.bias"] if outputs != ["b"] else []),
    }  # fmt: skip
    save_weights(found, tmp_path / "net.caffemodel", net)
    assert {name: len(blobs) for name, blobs in load_weights(tmp_path / "net.caffemodel").items()} == {
        "a": 2, "n": 3, "n/s": 2, "b": 2, "c": 2,
    }  # fmt: skip


def test_fresh_blobs_are_filled_for_layers_that_no_output_needs_too(net_of):
    weights = weights_of(to_torch(net_of(IDLE, x=(1, 2)), outputs=["b"]))
    assert set(weights) == {"a", "b", "c", "n", "n/s"} and weights["c"][1].tolist() == [0] * 4


def test_what_an_idle_layer_shares_is_trained(net_of):
    layer = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "x" top: "{0}" param {{ name: "w" }}'
        " inner_product_param {{ num_output: 2 bias_term: false }} }}"
    )
    module = to_torch(net_of(layer.format("a") + layer.format("b"), x=(1, 2)), outputs=["b"])
    with torch.no_grad():
        module.b.weight.fill_(7)
    assert module.b.weight.requires_grad
    assert weights_of(module)["a"][0].tolist() == [[7, 7], [7, 7]]


def test_two_layers_of_one_name(net_of):
    """Caffe gives the blobs to the first and leaves the second to its filler."""
    layer = 'layer {{ name: "a" type: "InnerProduct" bottom: "{}" top: "{}" inner_product_param {{ {} }} }}'
    net = net_of(
        layer.format("x", "a", "num_output: 3") + layer.format("a", "b", "num_output: 2 bias_filler { value: 5 }"),
        x=(1, 2),
    )
    module = to_torch(net, {"a": [np.ones((3, 2)), np.ones(3)]}, outputs=["a", "b"])
    assert module(torch.ones(1, 2))["a"].tolist() == [[3, 3, 3]]
    assert module.state_dict()["a%~2.bias"].tolist() == [5, 5]
    assert [blob.shape for blob in weights_of(module)["a"]] == [(3, 2), (3,)]


WEIGHED = "loss_weight: 2"
#: By what stands behind a Parameter with the numbers 1, 2, 3, the loss that BVLC Caffe counts.
PARAMETERS = {
    f'layer {{ name: "f" type: "Flatten" bottom: "p" top: "f" flatten_param {{ axis: 0 }} {WEIGHED} }}': 12,
    f'layer {{ name: "f" type: "Reshape" bottom: "p" top: "f" reshape_param {{ shape {{ dim: -1 }} }} {WEIGHED} }}': 0,
    f'layer {{ name: "f" type: "Concat" bottom: "p" top: "f" concat_param {{ axis: 0 }} {WEIGHED} }}': 0,
    f'layer {{ name: "f" type: "Slice" bottom: "p" top: "f" slice_param {{ axis: 0 }} {WEIGHED} }}': 0,
    f'layer {{ name: "f" type: "ReLU" bottom: "p" top: "p" {WEIGHED} }}': 0,
    f'layer {{ name: "f" type: "Split" bottom: "p" top: "f" top: "g" {WEIGHED} loss_weight: 0 }}': 12,
    f"""layer {{ name: "f" type: "Concat" bottom: "p" top: "f" concat_param {{ axis: 0 }} {WEIGHED} }}
        layer {{ name: "r" type: "Power" bottom: "p" top: "r" }}""": 12,
    f"""layer {{ name: "f" type: "Flatten" bottom: "p" top: "f" flatten_param {{ axis: 0 }} {WEIGHED} }}
        layer {{ name: "r" type: "Power" bottom: "f" top: "r" }}""": 12,
    f"""layer {{ name: "f" type: "Reshape" bottom: "p" top: "f" reshape_param {{ shape {{ dim: -1 }} }} }}
        layer {{ name: "g" type: "ReLU" bottom: "f" top: "f" {WEIGHED} }}""": 0,
    f"""layer {{ name: "f" type: "Flatten" bottom: "p" top: "f" flatten_param {{ axis: 0 }} }}
        layer {{ name: "g" type: "Concat" bottom: "f" top: "g" concat_param {{ axis: 0 }} {WEIGHED} }}""": 12,
}


@pytest.mark.parametrize("layers", PARAMETERS)
def test_a_loss_weight_in_the_diff_of_a_parameters_blob_is_lost(layers, net_of):
    parameter = 'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 3 } } }\n'
    module = to_torch(net_of(parameter + layers, x=(2,)), {"p": [np.array([1, 2, 3], np.float32)]}, phase="TRAIN")
    result = module(torch.zeros(2))
    if PARAMETERS[layers]:
        assert float(total_loss(module, result)) == PARAMETERS[layers]
    else:
        with pytest.raises(NetworkError, match="found no loss"):
            total_loss(module, result)
