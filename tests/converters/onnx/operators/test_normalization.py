from __future__ import annotations

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, node, normal, refused, types


def statistics(channels: int) -> dict[str, np.ndarray]:
    return {
        "s": normal(channels),
        "b": normal(channels, seed=1),
        "m": normal(channels, seed=2),
        "v": np.abs(normal(channels, seed=3)) + 0.1,
    }


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5), (1, 3, 2, 4, 2)])
def test_batch_normalization_has_its_epsilon(shape):
    net = check(node("BatchNormalization", "x s b m v", epsilon=0.01), {"x": normal(*shape)}, statistics(3))
    assert types(net) == ["BatchNorm", "Scale"]
    assert net.layer[1].batch_norm_param.use_global_stats


def test_batch_normalization_by_the_batch_is_refused():
    training = node("BatchNormalization", "x s b m v", "y mean var", training_mode=1)
    refused(training, {"x": normal(2, 3, 4)}, statistics(3), outputs="y", match="training_mode")


@pytest.mark.parametrize("size", [1, 3, 5])
def test_lrn_of_odd_sizes_is_one_layer(size):
    nodes = node("LRN", "x", size=size, alpha=0.5, beta=0.6, bias=2.0)
    assert types(check(nodes, {"x": normal(2, 7, 3, 4)})) == ["LRN"]


@pytest.mark.parametrize(("size", "shape"), [(2, (2, 7, 3, 4)), (4, (2, 7, 3, 4)), (3, (2, 5)), (4, (2, 5, 3))])
def test_lrn_of_even_sizes_and_other_shapes(size, shape):
    """Expected by ONNX's definition: onnxruntime takes odd sizes of four axes, onnx.reference sums wrongly."""
    x = normal(*shape)
    padded = np.pad(np.square(x), [(0, 0), ((size - 1) // 2, size // 2), *[(0, 0)] * (x.ndim - 2)])
    sums = sum(padded[:, place : place + shape[1]] for place in range(size))
    check(node("LRN", "x", size=size, alpha=0.5, beta=0.6, bias=2.0), {"x": x}, by=[x / (2 + 0.5 / size * sums) ** 0.6])


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 4, 5), (1, 3, 2, 3, 4)])
def test_instance_normalization_adds_epsilon_to_the_variance(shape):
    nodes = node("InstanceNormalization", "x s b", epsilon=0.3)
    check(nodes, {"x": normal(*shape)}, {"s": normal(3), "b": normal(3, seed=1)})


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_normalization(groups):
    constants = {"s": normal(6), "b": normal(6, seed=1)}
    check(node("GroupNormalization", "x s b", num_groups=groups), {"x": normal(2, 6, 4, 5)}, constants, opset=21)


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -2])
def test_layer_normalization(axis):
    shape = (2, 3, 4, 5)
    constants = {"s": normal(*shape[axis:]), "b": normal(*shape[axis:], seed=1)}
    for inputs in ("x s", "x s b"):
        check(node("LayerNormalization", inputs, axis=axis, epsilon=0.1), {"x": normal(*shape)}, constants)


def test_layer_normalization_of_channels_that_lie_last_for_it():
    nodes = [
        node("Transpose", "x", "nhwc", perm=[0, 2, 3, 1]),
        node("LayerNormalization", "nhwc s b", "normal"),
        node("Transpose", "normal", perm=[0, 3, 1, 2]),
    ]
    net = check(nodes, {"x": normal(2, 3, 4, 5)}, {"s": normal(3), "b": normal(3, seed=1)})
    assert types(net) == ["Convolution", "Tile", "Eltwise", "Power", "Convolution", "Power", "Tile", "Eltwise", "Scale"]


@pytest.mark.parametrize("axes", [[2, 3], [1, 2, 3]])
def test_mean_variance_normalization_is_mvn(axes):
    assert types(check(node("MeanVarianceNormalization", "x", axes=axes), {"x": normal(2, 3, 4, 5)})) == ["MVN"]


@pytest.mark.parametrize(("order", "axis"), [(1, 1), (2, 1), (2, -1), (2, 0), (1, 2)])
def test_norms_leave_zeros(order, axis):
    x = normal(2, 3, 4)
    x[:, :, 1] = 0
    x[1] = 0
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    wanted = np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)
    check(node("LpNormalization", "x", p=order, axis=axis), {"x": x}, by=[wanted])


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("opset", [11, 13])
def test_softmax_along_an_axis_or_over_all_behind_it(operator, opset):
    for shape in ((2, 3), (2, 3, 4, 5), (2, 3, 1, 1), (6,)):
        for axis in (-len(shape), *range(1, len(shape))):
            check(node(operator, "x", axis=axis), {"x": 3 * normal(*shape)}, opset=opset)
    check(node(operator, "x"), {"x": normal(2, 3, 4)}, opset=opset)


def test_log_softmax_of_far_values_and_of_large_ones():
    x = np.float32([[-200, 0, 200, 10], [10000, 10001, 10003, 10000.5]])
    check(node("LogSoftmax", "x", axis=1), {"x": x})
    check(node("LogSoftmax", "x", axis=1), {"x": x[1:]})
