"""Files with channels last: inputs and outputs become maps with channels first, and a warning says so."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from converters.onnx.models.model import model_of
from converters.onnx.network import Options
from converters.onnx.reading import to_network
from prototxt_gen import UnsupportedError
from tests.converters.onnx.operators.checking import close, expected, model, node, normal, run, types

TO_FIRST = node("Transpose", "x", "first", perm=[0, 3, 1, 2])
CONV = node("Conv", "first w", "c", pads=[1] * 4)
TO_LAST = node("Transpose", "c", "y", perm=[0, 2, 3, 1])
WEIGHT = {"w": normal(40, 3, 3, 3)}


def read(nodes: Any, x: np.ndarray, outputs: str | None = None, dialect: str = "bvlc") -> Any:
    proto = model(nodes, {"x": x}, WEIGHT, outputs)
    net, weights = to_network(model_of(proto), Options(dialect))  # type: ignore[arg-type]
    return proto, net, weights


@pytest.mark.parametrize("dialect", ["bvlc", "fork"])
def test_an_input_that_is_only_transposed_has_channels_first(dialect: str):
    x = normal(1, 6, 5, 3)
    with pytest.warns(UserWarning, match=r"input 'x': in the file \(1, 6, 5, 3\) .* in the network \(1, 3, 6, 5\)"):
        proto, net, weights = read([TO_FIRST, CONV], x, dialect=dialect)
    assert types(net) == ["Convolution"] and list(net.layer[0].input_param.shape[0].dim) == [1, 3, 6, 5]
    close(run(net, weights, {"x": x.transpose(0, 3, 1, 2)}, ["c"]), expected(proto, {"x": x}))


def test_an_output_keeps_channels_first_in_stock_caffe():
    x = normal(1, 6, 5, 3)
    said = r"output 'y': in the file \(1, 6, 5, 40\) .* in the network \(1, 40, 6, 5\)"
    with pytest.warns(UserWarning, match="input"), pytest.warns(UserWarning, match=said):
        proto, net, weights = read([TO_FIRST, CONV, TO_LAST], x)
    assert types(net) == ["Convolution"] and net.layer[-1].top[0] == "y"
    [wanted] = expected(proto, {"x": x})
    close(run(net, weights, {"x": x.transpose(0, 3, 1, 2)}, ["y"]), [wanted.transpose(0, 3, 1, 2)])


def test_an_output_is_permuted_where_the_dialect_can():
    x = normal(1, 6, 5, 3)
    with pytest.warns(UserWarning, match="input"):
        proto, net, weights = read([TO_FIRST, CONV, TO_LAST], x, dialect="fork")
    assert types(net) == ["Convolution", "Permute"]
    close(run(net, weights, {"x": x.transpose(0, 3, 1, 2)}, ["y"]), expected(proto, {"x": x}))


def test_what_a_reshape_says_stays_as_in_the_file():
    x = normal(1, 40, 1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proto, net, weights = read([node("Transpose", "x", "y", perm=[0, 2, 3, 1])], x)
    assert types(net) == ["Reshape"]
    close(run(net, weights, {"x": x}, ["y"]), expected(proto, {"x": x}))


def test_numbers_may_be_scaled_with_channels_last():
    """As Keras does it: the scale of each channel follows, and a border is put around where the channels are."""
    x, constants = normal(1, 6, 5, 3), {"mean": normal(3), "std": 1 + normal(1, 1, 1, 3) ** 2, "half": np.float32(0.5)}
    nodes = [node("Sub", "x mean", "a"), node("Div", "a std", "b"), node("Mul", "half b", "d")]
    nodes += [node("Transpose", "d", "first", perm=[0, 3, 1, 2]), CONV, TO_LAST]
    nodes += [node("Pad", "y pads", "p"), node("Transpose", "p", "q", perm=[0, 3, 1, 2])]
    constants["pads"] = np.array([0, 0, 1, 0, 0, 1, 0, 2])
    proto = model(nodes, {"x": x}, WEIGHT | constants)
    with pytest.warns(UserWarning, match="input 'x'"):
        net, weights = to_network(model_of(proto), Options())
    close(run(net, weights, {"x": x.transpose(0, 3, 1, 2)}, ["q"]), expected(proto, {"x": x}))


@pytest.mark.parametrize("other", [node("Relu", "x", "r"), node("Transpose", "x", "r", perm=[0, 2, 1, 3])])
def test_an_input_with_other_readers_stays(other: Any):
    x = normal(1, 6, 5, 3)
    with pytest.raises(UnsupportedError, match="channels on axis 1"):
        read([TO_FIRST, CONV, other], x, "c r")


def test_an_input_that_is_not_a_map_stays():
    x = normal(1, 6, 3)
    proto, net, weights = read([node("Transpose", "x", perm=[0, 2, 1])], x)
    assert list(net.layer[0].input_param.shape[0].dim) == [1, 6, 3]
    close(run(net, weights, {"x": x}, ["y"]), expected(proto, {"x": x}))
