"""BatchNorm, LRN, MVN, Normalize and Softmax, held against to_torch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.converters.onnx.checking import check, check_layer, net_of, operators

NUMBERS = np.random.default_rng(0)
SHAPES = [(2, 3, 4, 5), (4, 3), (2, 3, 4), (2, 3, 2, 4, 3)]


def numbers(*shape):
    return NUMBERS.normal(size=shape).astype(np.float32)


def statistics(channels, factor=2.0):
    positive = np.abs(numbers(channels)) + np.float32(0.5)
    return [numbers(channels), positive, np.array([factor], np.float32)]


@pytest.mark.parametrize("options", ["", "use_global_stats: true", "use_global_stats: false"])
@pytest.mark.parametrize("phase", ["", "phase: TRAIN", "phase: TEST"])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm(shape, phase, options):
    text = f'type: "BatchNorm" {phase} batch_norm_param {{ eps: 0.01 {options} }}'
    made = check_layer(text, statistics(3), options={"merged": False}, x=numbers(*shape))
    stored = options == "use_global_stats: true" or (not options and phase != "phase: TRAIN")
    assert (operators(made) == ["BatchNormalization"]) == stored


def test_batch_norm_without_statistics():
    text = 'type: "BatchNorm" batch_norm_param { eps: 0.01 }'
    check_layer(text, statistics(3, 0), options={"merged": False}, x=numbers(2, 3, 4, 5))


@pytest.mark.parametrize("stored", ["true", "false"])
@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_with_its_scale(shape, bias, stored):
    options = f"batch_norm_param {{ use_global_stats: {stored} }}"
    net = net_of(
        f"""layer {{ name: "n" type: "BatchNorm" bottom: "x" top: "n" {options} }}
        layer {{ name: "s" type: "Scale" bottom: "n" top: "y" scale_param {{ bias_term: {bias} }} }}""",
        x=shape,
    )
    scale = [numbers(3), numbers(3)][: 1 + (bias == "true")]
    made = check(net, {"n": statistics(3), "s": scale}, merged=False)
    if stored == "true":
        assert operators(made) == ["BatchNormalization"]


REGIONS = ["ACROSS_CHANNELS", "WITHIN_CHANNEL"]
LRNS = list(itertools.product(REGIONS, [1, 3, 5], [0.5, 0, -0.01], [0.75, 0, -2], [1, 2.5]))


@pytest.mark.parametrize(("region", "size", "alpha", "beta", "k"), LRNS)
def test_lrn(region, size, alpha, beta, k):
    options = f"local_size: {size} alpha: {alpha} beta: {beta} k: {k} norm_region: {region}"
    made = check_layer(f'type: "LRN" lrn_param {{ {options} }}', x=numbers(2, 4, 5, 6))
    if region == "ACROSS_CHANNELS" and alpha > 0 and beta > 0:
        assert operators(made) == (["LRN"] if k == 1 else ["LRN", "Mul"])


@pytest.mark.parametrize("variance", ["true", "false"])
@pytest.mark.parametrize("across", ["true", "false"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4), (2, 3), (4,)])
def test_mvn(shape, across, variance):
    options = f"normalize_variance: {variance} across_channels: {across} eps: 0.01"
    check_layer(f'type: "MVN" mvn_param {{ {options} }}', x=numbers(*shape) + 3)


@pytest.mark.parametrize("whole", ["true", "false"])
@pytest.mark.parametrize("shared", ["true", "false"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4), (2, 3)])
def test_normalize(shape, shared, whole):
    options = f"across_spatial: {whole} channel_shared: {shared} eps: 0.01"
    factors = [numbers() if shared == "true" else numbers(3)]
    check_layer(f'type: "Normalize" norm_param {{ {options} }}', factors, x=numbers(*shape))


@pytest.mark.parametrize(("shape", "axis"), [(shape, axis) for shape in SHAPES for axis in range(-2, len(shape))])
def test_softmax(shape, axis):
    made = check_layer(f'type: "Softmax" softmax_param {{ axis: {axis} }}', x=numbers(*shape))
    assert operators(made) == ["Softmax"]


@pytest.mark.parametrize(
    "text",
    [
        'type: "BatchNorm" batch_norm_param { use_global_stats: false }',
        'type: "LRN" lrn_param { local_size: 3 alpha: 1 }',
        'type: "LRN" lrn_param { local_size: 3 alpha: 1 norm_region: WITHIN_CHANNEL }',
        'type: "MVN"',
        'type: "Normalize"',
        'type: "Softmax"',
    ],
)
def test_open_sizes(text):
    net = net_of(f'layer {{ name: "l" bottom: "x" top: "y" {text} }}', x=(2, 3, 4, 5))
    check(net, merged=False, dynamic="sizes", others=[{"x": numbers(3, 3, 7, 6)}, {"x": numbers(1, 3, 5, 9)}])
