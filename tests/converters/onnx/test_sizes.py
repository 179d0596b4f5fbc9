"""Open sizes: what stays open, and that what depends on a size is found."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters import to_torch, weights_of
from converters.onnx.exporting import to_graph
from prototxt_gen.errors import UnsupportedError
from tests.converters.onnx.checking import check, net_of, run_runtime

NUMBERS = np.random.default_rng(0)
CONV = """layer {{ name: "{0}" type: "Convolution" bottom: "{1}" top: "{0}"
         convolution_param {{ num_output: 4 kernel_size: {2} stride: {3} pad: {4} }} }}\n"""
UP = """layer {{ name: "{0}" type: "Deconvolution" bottom: "{1}" top: "{0}"
       convolution_param {{ num_output: 4 kernel_size: 4 stride: 2 pad: 1 }} }}\n"""
ADD = 'layer {{ name: "{0}" type: "Eltwise" bottom: "{1}" bottom: "{2}" top: "{0}" }}\n'
DENSE = (
    'layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}" inner_product_param {{ num_output: 5 }} }}\n'
)


def x(*shape):
    return {"x": NUMBERS.normal(size=shape).astype(np.float32)}


def test_names_of_open_sizes():
    net = net_of(CONV.format("c", "x", 3, 1, 1) + CONV.format("d", "c", 3, 2, 1), x=(1, 3, 20, 24))
    found = check(net, dynamic="sizes", outputs=["c", "d"], others=[x(2, 3, 7, 9), x(1, 3, 64, 33), x(3, 3, 21, 20)])
    assert found.graph.inputs == {"x": ("batch", 3, "height", "width")}
    assert found.graph.outputs == {"c": ("batch", 4, "height", "width"), "d": ("batch", 4, None, None)}
    found = check(net, dynamic="batch", outputs=["c", "d"], others=[x(5, 3, 20, 24)])
    assert found.graph.inputs == {"x": ("batch", 3, 20, 24)}
    assert found.graph.outputs == {"c": ("batch", 4, 20, 24), "d": ("batch", 4, 10, 12)}


def test_batches_of_a_classifier():
    net = net_of(CONV.format("c", "x", 3, 2, 1) + DENSE.format("fc", "c"), x=(10, 3, 8, 8))
    check(net, dynamic="batch", others=[x(1, 3, 8, 8), x(3, 3, 8, 8)])
    with pytest.raises(UnsupportedError, match=r"of the inputs \(1\): layer 'fc' \(InnerProduct\): its blobs are "):
        check(net, dynamic="sizes")


def test_sizes_that_a_network_does_not_take_are_passed_over():
    """Down by four and up again, added to itself: only multiples of 4 fit."""
    text = CONV.format("c", "x", 3, 2, 1) + CONV.format("d", "c", 3, 2, 1) + UP.format("u", "d") + UP.format("v", "u")
    net = net_of(text + CONV.format("same", "x", 3, 1, 1) + ADD.format("sum", "v", "same"), x=(1, 3, 32, 64))
    found = check(net, dynamic="sizes", others=[x(2, 3, 64, 32), x(1, 3, 4, 8)])
    assert found.graph.outputs == {"sum": ("batch", 4, "height", "width")}


def test_a_network_for_one_size_alone_is_refused():
    net = net_of(CONV.format("c", "x", 3, 2, 1) + ADD.format("s", "c", "fixed"), x=(1, 3, 8, 8), fixed=(1, 4, 4, 4))
    with pytest.raises(UnsupportedError, match=r"found no other height that it takes .*'s'.*fixed sizes"):
        check(net, dynamic="sizes")
    check(net, dynamic="batch", others=[x(2, 3, 8, 8) | {"fixed": NUMBERS.normal(size=(2, 4, 4, 4))}])


def test_a_batch_that_the_network_fixes_is_refused():
    text = 'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 1 dim: 3 } } }\n'
    net = net_of(text + ADD.format("s", "x", "p"), x=(1, 3))
    with pytest.raises(UnsupportedError, match=r"at batch 2: .*'s'.*fixed sizes"):
        to_graph(net, {"p": [np.ones((1, 3))]}, dynamic="batch")


def test_blobs_over_the_batch_are_refused():
    net = net_of('layer { name: "s" type: "Scale" bottom: "x" top: "y" scale_param { axis: 0 } }', x=(2, 3))
    with pytest.raises(UnsupportedError, match=r"'s' \(Scale\): its blobs are \[\(2,\)\] and \[\(1,\)\] at batch 2"):
        to_graph(net, {"s": [np.ones(2)]}, dynamic="batch")


def test_a_second_input_of_the_same_batch_and_size_is_open_too():
    text = ADD.format("s", "x", "y")
    found = check(net_of(text, x=(1, 3, 4, 5), y=(1, 3, 4, 5), z=(7, 3)), dynamic="sizes")
    assert set(found.graph.inputs.values()) == {("batch", 3, "height", "width")}
    text = 'layer { name: "s" type: "Scale" bottom: "x" bottom: "f" top: "s" scale_param { axis: 1 } }'
    found = check(net_of(text, x=(2, 3, 4, 5), f=(3,)), dynamic="sizes")
    assert found.graph.inputs == {"x": ("batch", 3, "height", "width"), "f": (3,)}


@pytest.mark.parametrize(
    "dynamic, shapes, text",
    [("batch", {}, "a batch"), ("sizes", {"x": (2, 3)}, "four axes"), ("batch", {"x": ()}, "a batch")],
)
def test_inputs_without_such_a_size_are_refused(dynamic, shapes, text):
    dummy = 'layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 } } }\n'
    relu = "".join(f'layer {{ name: "r{top}" type: "ReLU" bottom: "{top}" top: "r{top}" }}' for top in shapes)
    with pytest.raises(UnsupportedError, match=f"dynamic='{dynamic}': .*{text}"):
        to_graph(net_of(dummy + relu, **shapes), {}, dynamic=dynamic)


def test_constants_that_depend_on_a_size_are_found():
    """An emitter that writes the size down."""
    from converters.onnx.layers import EMITTERS

    right = EMITTERS.remove("ReLU")
    shape = lambda layer: layer.constant(list(layer.row.bottom_shapes[0]), "shape")  # noqa: E731
    EMITTERS.register("ReLU")(lambda layer: layer.node("Reshape", [*layer.bottoms, shape(layer)], layer.tops[0]))
    try:
        net = net_of('layer { name: "r" type: "ReLU" bottom: "x" top: "y" }', x=(1, 3, 4, 4))
        with pytest.raises(UnsupportedError, match=r"'r' \(ReLU\): its constants are not the same at batch 1 height 4"):
            to_graph(net, {}, dynamic="sizes")
        to_graph(net, {})
    finally:
        EMITTERS.remove("ReLU")
        EMITTERS.register("ReLU")(right)


def test_sizes_at_run_time_are_those_of_the_module():
    net = net_of(CONV.format("c", "x", 3, 2, 1) + UP.format("u", "c"), x=(1, 3, 9, 9))
    weights = weights_of(to_torch(net))
    found = to_graph(net, weights, dynamic="sizes")
    for height in range(1, 9):
        given = x(2, 3, height, 12 - height)
        assert (
            run_runtime(found, given)["u"].shape == to_torch(net, weights)(*map(torch.from_numpy, given.values())).shape
        )
