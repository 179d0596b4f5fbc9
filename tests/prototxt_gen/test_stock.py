"""Linear maps along axes in stock Caffe's layers compute what their matrices do, in the form that is cheapest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from converters import to_torch
from prototxt_gen import LayerParameter, NetParameter
from prototxt_gen.stock import aligned, along_axes, channels, repeated, sliding


def run(steps, x):
    """What the steps make of an array, by PyTorch."""
    net = NetParameter()
    net.layer.append(LayerParameter(name="x", type="Input", top=["x"], input_param={"shape": [{"dim": x.shape}]}))
    weights = {}
    for place, step in enumerate(steps, 1):
        net.layer.append(step.layer(f"{place}", net.layer[-1].top[0], f"{place}"))
        weights |= {f"{place}": list(step.blobs)} if step.blobs else {}
    with torch.no_grad():
        return to_torch(net, weights)(torch.from_numpy(x)).numpy()


def multiplied(x, matrices):
    for axis, matrix in matrices.items():
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


def half_pixel(size, factor):
    """Bilinear enlargement at pixel centres."""
    places = ((np.arange(size * factor) + 0.5) / factor - 0.5).clip(0, size - 1)
    return (1 - np.abs(places[:, None] - np.arange(size))).clip(0)


CASES = {
    "nearest": ({2: repeated(4, 2), 3: repeated(5, 3)}, ["Deconvolution"]),
    "half pixel": ({2: half_pixel(4, 2), 3: half_pixel(5, 3)}, ["Deconvolution", "Scale"]),
    "aligned, whole gaps": ({2: aligned(4, 10), 3: aligned(5, 9)}, ["Deconvolution"]),
    "aligned": ({2: aligned(4, 11), 3: aligned(5, 12)}, ["InnerProduct", "Convolution"]),
    "every second": ({2: np.eye(4)[::2], 3: np.eye(5)[::2]}, ["Convolution"]),
    "means": ({2: np.kron(np.eye(2), [[0.5, 0.5]])}, ["Convolution"]),
    "zeros around": ({2: np.eye(7, 4, -2), 3: np.eye(7, 5, -1)}, ["Convolution"]),
    "channels": ({1: np.eye(3)[[2, 0, 1]]}, ["Convolution"]),
    "nothing": ({2: np.eye(4)}, []),
}


@pytest.mark.parametrize(("matrices", "layers"), CASES.values(), ids=CASES)
def test_forms(matrices, layers):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    steps = along_axes(x.shape, matrices)
    assert sorted(step.kind for step in steps) == sorted(layers)
    if steps:
        np.testing.assert_allclose(run(steps, x), multiplied(x, matrices), atol=1e-5)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 6), min_size=3, max_size=5), st.data())
def test_any_matrices(seed, shape, data):
    random = np.random.default_rng(seed)
    x = random.normal(size=shape).astype(np.float32)
    axes = data.draw(st.sets(st.integers(1, len(shape) - 1), min_size=1))
    kinds = st.sampled_from(["any", "picked", "repeated", "half pixel", "aligned", "strided"])
    matrices = {}
    for axis in axes:
        size, made = shape[axis], data.draw(st.integers(1, 7))
        matrices[axis] = {
            "any": random.normal(size=(made, size)),
            "picked": np.eye(size)[random.integers(0, size, made)],
            "repeated": repeated(size, made),
            "half pixel": half_pixel(size, made),
            "aligned": aligned(size, made),
            "strided": np.eye(size)[::made],
        }[data.draw(kinds)]
    steps = along_axes(x.shape, matrices)
    if steps:
        wanted = multiplied(x, matrices)
        np.testing.assert_allclose(run(steps, x), wanted, atol=1e-5 * max(1, np.abs(wanted).max()))


def test_a_doubled_map_costs_a_kernel_and_not_a_matrix():
    shape = (1, 8, 64, 64)
    (deconvolution, scale) = along_axes(shape, {2: half_pixel(64, 2), 3: half_pixel(64, 2)})
    made, costs = deconvolution.applied(shape)
    assert (made, costs) == ((1, 8, 128, 128), 8 * 64 * 64 * 16)
    assert scale.blobs[0].shape == (128, 128)


def test_the_kernel_of_a_doubled_line():
    found = sliding(half_pixel(5, 2))
    assert found is not None
    assert (found.kernel.tolist(), found.stride, found.begin) == ([0.25, 0.75, 0.75, 0.25], 2, 1)
    assert sliding(aligned(5, 12)) is None


def test_weights_are_fixed():
    layer = channels((1, 4, 2, 2), [3, 2, 1, 0]).layer("mix", "x", "y")
    assert [spec.lr_mult for spec in layer.param] == [0]
