"""Weights at other inner widths: narrower blocks keep their first channels, wider ones give what they gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.pytorch.module import to_torch
from prototxt_gen.architectures import Backbone, parse_architecture
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from search.training.resizing import resized
from tests.filling import fill_weights

SHAPE = (1, 3, 32, 32)
# A convolution, a fused block, an inverted one that halves its maps, and one that adds its input.
CODE = "g8_k8_f8h{}_i16h{}-k5h{}_h32_c5"
WIDTHS = (24, 32, 40)


def network(*widths: int) -> Backbone:
    found = parse_architecture(CODE.format(*widths))
    assert isinstance(found, Backbone)
    return found


def weights_of(architecture: Backbone) -> dict[str, list[np.ndarray]]:
    return fill_weights(generate(architecture, input_shape=SHAPE))


def outputs(architecture: Backbone, weights) -> torch.Tensor:
    images = torch.randn(2, *SHAPE[1:], generator=torch.Generator().manual_seed(1)) * 40
    with torch.no_grad():
        return to_torch(generate(architecture, input_shape=SHAPE), weights).eval()(images)


@pytest.mark.parametrize("widths", [(32, 32, 40), (24, 64, 40), (24, 32, 48), (56, 72, 80)])
def test_a_wider_block_gives_what_it_gave(widths):
    """Fused, inverted with stride 2, inverted with its input added, and all three."""
    before, after = network(*WIDTHS), network(*widths)
    weights = weights_of(before)
    wide = resized(weights, before, after)
    torch.testing.assert_close(outputs(after, wide), outputs(before, weights), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("widths", [(8, 32, 40), (24, 16, 40), (24, 32, 8), (8, 16, 24)])
def test_a_narrower_block_is_its_first_channels(widths):
    """As when the network before has its other inner channels switched off, where the last convolution reads them."""
    before, after = network(*WIDTHS), network(*widths)
    weights = weights_of(before)
    off = {name: [blob.copy() for blob in blobs] for name, blobs in weights.items()}
    for block, other in zip(before.blocks(), after.blocks(), strict=True):
        if block.inner:
            off[f"{block.name}.project"][0][:, other.inner :] = 0
    narrow = resized(weights, before, after)
    torch.testing.assert_close(outputs(after, narrow), outputs(before, off), rtol=1e-4, atol=1e-5)


def test_some_wider_some_narrower_and_what_does_not_change_stays():
    """Blobs of the shapes that the other network has; those that need not change stay."""
    before, after = network(*WIDTHS), network(32, 32, 24)
    weights = weights_of(before)
    found = resized(weights, before, after)
    shapes = {name: [blob.shape for blob in blobs] for name, blobs in weights_of(after).items()}
    assert {name: [blob.shape for blob in blobs] for name, blobs in found.items()} == shapes
    assert all(blob.dtype == np.float32 and blob.flags.c_contiguous for blobs in found.values() for blob in blobs)
    stay = [name for name in weights if not name.startswith(("res3.1", "res4.2"))]
    assert all(same(found[name], weights[name]) for name in stay) and len(stay) == 19
    for name in ("res3.1.project/bn", "res4.2.project/bn_scale"):
        assert same(found[name], weights[name])


def test_new_channels_take_part_in_training_and_follow_from_the_seed():
    """What reads them begins with zeros, they do not: so the gradient of what reads them is none."""
    before, after = network(*WIDTHS), network(32, 40, 48)
    weights = weights_of(before)
    one, again, other = (resized(weights, before, after, seed) for seed in (3, 3, 4))
    module = to_torch(generate(after, input_shape=SHAPE), one).train()
    module(torch.randn(4, *SHAPE[1:], generator=torch.Generator().manual_seed(0))).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
    for block, inner in (("res3.1", 24), ("res4.1", 32), ("res4.2", 40)):
        reads = gradients[f"{block}.project.weight"][:, inner:]
        assert (reads.abs().sum(dim=(0, 2, 3)) > 0).all(), block
    assert all(same(one[name], again[name]) for name in one)
    drawn = [name for name in one if not same(one[name], other[name])]
    first = [f"{block}.{layer}" for block, layer in (("res3.1", "expand"), ("res4.1", "expand"), ("res4.2", "expand"))]
    assert drawn == sorted([*first, "res4.1.depthwise", "res4.2.depthwise"], key=list(one).index)


@pytest.mark.parametrize(
    "code",
    [
        "g8_k8_f8h24_i16h32_h32_c5",
        "g8_k8_f8k5h24_i16h32-k5h40_h32_c5",
        "g8_k8_i8h24_i16h32-k5h40_h32_c5",
        "g8_k8_f8h24_i16h32-k5h40_h64_c5",
        "g8_k8_f8h24_i16h32-k5h40_h32_c6",
        "g8_k8_f8h24_i16h32-k5h16_h32_c5",
    ],
    ids=["a layer less", "another kernel", "another kind", "another head", "other classes", "no expansion"],
)
def test_other_networks_are_refused(code):
    before = network(*WIDTHS)
    with pytest.raises(ArchitectureError, match=r"found more than other inner widths than g8_k8_f8h24.* has$"):
        resized(weights_of(before), before, parse_architecture(code))


def same(one, other) -> bool:
    """Whether blobs are equal to the last bit."""
    return all(np.array_equal(*two) for two in zip(one, other, strict=True))
