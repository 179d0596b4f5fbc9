"""Folding batch normalisation changes no output."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.pytorch.module import to_torch
from converters.weights.merge import merge_batchnorm
from prototxt_gen import WeightsError, fingerprint, generate, select_phase
from prototxt_gen.trace import trace
from tests.filling import fill_weights, levels
from tests.released import released

SHAPES = {"data": (1, 3, 224, 224), "label": (1,)}


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((found - expected).abs().max() / expected.abs().max()).detach())


def random_weights(net) -> dict[str, list[np.ndarray]]:
    random = np.random.default_rng(0)
    weights = {}
    for row in trace(select_phase(net, "TEST")):
        blobs = [random.normal(size=shape).astype(np.float32) for shape in row.blob_shapes]
        if row.type == "BatchNorm":
            blobs[1] = np.abs(blobs[1]) * 7 + 1
            blobs[2][:] = 7
        if blobs:
            weights[row.name] = blobs
    return weights


@pytest.mark.parametrize("name", ["df1", "df2a"])
def test_released_networks(name):
    net = released(name)
    weights = fill_weights(net, SHAPES)
    merged, folded = merge_batchnorm(net, weights)
    assert [layer.name for layer in merged.layer] == [layer.name for layer in released(f"{name}_mergebn").layer]
    image = torch.from_numpy(levels("image", SHAPES["data"]))
    with torch.no_grad():
        before = to_torch(net, weights, outputs=["fc"], input_shapes=SHAPES)(image)
        after = to_torch(merged, folded, outputs=["fc"], input_shapes=SHAPES)(image)
    assert relative(after, before) <= 1e-4


@pytest.mark.parametrize(
    "code",
    [
        "s8-16_b16x2_n16-32_c10",
        "m8_i1.8e1_i12e1-k5e3q-e2_i1.16k7h30_i24e2q_h32_c10",
        "g8_f1.8h12_f12h20-k5h30_i1.12h20_c10",
    ],
)
def test_equals_the_generated_merged_network(code):
    merged, _ = merge_batchnorm(generate(code), random_weights(generate(code)))
    assert fingerprint(merged) == fingerprint(generate(code, merged=True))


@pytest.mark.parametrize(
    "layer",
    [
        'type: "Convolution" convolution_param { num_output: 6 kernel_size: 3 group: 2 }',
        'type: "Convolution" convolution_param { num_output: 6 kernel_size: 3 bias_term: false }',
        'type: "Deconvolution" convolution_param { num_output: 6 kernel_size: 4 stride: 2 group: 2 }',
        'type: "InnerProduct" inner_product_param { num_output: 6 }',
        'type: "InnerProduct" inner_product_param { num_output: 6 transpose: true bias_term: false }',
    ],
)
@pytest.mark.parametrize("scale", ["", "scale_param { bias_term: true }", "scale_param { bias_term: false }"])
def test_each_layer_that_absorbs(layer, scale, net_of):
    affine = f'layer {{ name: "s" type: "Scale" bottom: "n" top: "n" {scale} }}' if scale else ""
    net = net_of(
        f'layer {{ name: "l" bottom: "x" top: "l" {layer} }}'
        f'layer {{ name: "n" type: "BatchNorm" bottom: "l" top: "n" batch_norm_param {{ eps: 0.01 }} }} {affine}'
        'layer { name: "r" type: "ReLU" bottom: "n" top: "y" }',
        x=(2, 4, 7, 7),
    )
    weights = random_weights(net)
    merged, folded = merge_batchnorm(net, weights)
    assert [entry.type for entry in merged.layer][2:] == ["ReLU"]
    x = torch.randn(2, 4, 7, 7, generator=torch.Generator().manual_seed(1))
    assert relative(to_torch(merged, folded)(x), to_torch(net, weights)(x)) <= 1e-5


def test_sums_over_no_batches_are_zeros(net_of):
    net = net_of(
        'layer { name: "c" type: "Convolution" bottom: "x" top: "c"'
        " convolution_param { num_output: 1 kernel_size: 1 } }"
        'layer { name: "n" type: "BatchNorm" bottom: "c" top: "n" batch_norm_param { eps: 0.25 } }',
        x=(1, 1, 1, 1),
    )
    one = np.ones(1, np.float32)
    weights = {"c": [one.reshape(1, 1, 1, 1), one], "n": [5 * one, 5 * one, 0 * one]}
    assert merge_batchnorm(net, weights)[1]["c"][0].item() == 2


def test_faults_are_listed_together(net_of):
    net = net_of(
        "".join(
            f'layer {{ name: "c{i}" type: "Convolution" bottom: "x" top: "c{i}"'
            " convolution_param { num_output: 2 kernel_size: 1 } }"
            f'layer {{ name: "n{i}" type: "BatchNorm" bottom: "c{i}" top: "n{i}" }}'
            for i in range(2)
        ),
        x=(1, 2, 3, 3),
    )
    weights = random_weights(net)
    del weights["n0"]
    weights["n1"] = [np.ones(3, np.float32)] * 3
    with pytest.raises(WeightsError, match=r"(?s)'c0'.*missing.*'c1'.*\(3,\)"):
        merge_batchnorm(net, weights)
