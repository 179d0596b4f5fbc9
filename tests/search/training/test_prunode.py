"""A Prunode: two inner widths of a block for the price of one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from converters.pytorch.module import to_torch
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.parts import Part, parts
from search.spaces.tiered import Pick, TieredSpace, TieredStage
from search.training.prunode import Prunode

KINDS = ("inverted", "fused")


def part(kind: str, inner: int, stride: int = 1, kernel: int = 3) -> Part:
    """A block of 8 channels on 9x9."""
    stage = TieredStage(8 if stride == 1 else 12, (1, 1), stride, (kind,), (kernel,))
    space = TieredSpace((stage,), (8,), 3, (1, 3, 18, 18), head=None, granularity=1, expansion=8)
    return parts(space.of_picks([Pick(0, inner)]), space.input_shape, merged=False)[1]


def block(kind: str, inner: int = 48, stride: int = 1) -> Prunode:
    torch.manual_seed(0)
    made = Prunode(part(kind, inner, stride))
    for parameter in made.parameters():
        nn.init.normal_(parameter)
    return made.train()


X = torch.rand(4, 8, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("width", [1, 7, 47, 48])
def test_a_width_alone_is_the_generated_block_of_that_width(kind, stride, width):
    made, narrow = block(kind, stride=stride), part(kind, width, stride)
    made.set_widths(min(5, width), width)
    expected = to_torch(narrow.net, made.weights_of(narrow)).train()(X)
    assert torch.allclose(made(X, 1.0), expected, rtol=0, atol=1e-5)
    assert torch.allclose(made(X, torch.tensor(1.0)), expected, rtol=0, atol=1e-5)
    made.set_widths(width, 48)
    assert torch.allclose(made(X, 0.0), expected, rtol=0, atol=1e-5)
    assert torch.allclose(made(X, torch.tensor(0.0)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.25, 0.9])
@pytest.mark.parametrize("small", [3, 40])
def test_two_masks_mix_two_paths_before_the_last_batch_norm(kind, share, small):
    made = block(kind)
    made.set_widths(small, 44)
    projected = dict(made.block.named_modules())[made._last]
    norm = dict(made.block.named_modules())["batchnorm3" if kind == "inverted" else "batchnorm2"]
    paths = []
    for width in (small, 44):
        narrow = to_torch(part(kind, width).net, made.weights_of(part(kind, width))).train()
        last = dict(narrow.named_modules())[made._last]
        last.register_forward_hook(lambda module, given, made: paths.append(made))
        narrow(X)
    assert projected.weight.shape[1] == 48
    expected = norm((1 - share) * paths[0] + share * paths[1]) + X
    assert torch.allclose(made(X, share), expected, rtol=0, atol=1e-5)
    trained = torch.tensor(share, requires_grad=True)
    mixed = made(X, trained)
    assert torch.allclose(mixed, expected, rtol=0, atol=1e-5)
    weight = torch.rand(mixed.shape, generator=torch.Generator().manual_seed(1))
    (mixed * weight).sum().backward()
    step = 1e-2
    slope = ((made(X, share + step) - made(X, share - step)) * weight).sum() / (2 * step)
    assert trained.grad is not None and float(trained.grad) == pytest.approx(float(slope.detach()), rel=0.02)


def saved_bytes(made: Prunode, share: Tensor) -> int:
    """What a step keeps for its gradients."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        made(X, share).sum()
    return sum(kept.values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_keeps_little_more_than_one_block_and_computes_only_channels_that_count(kind):
    made = block(kind)
    share = torch.tensor(0.5, requires_grad=True)
    alone = saved_bytes(made, share)
    made.set_widths(1, 48)
    assert saved_bytes(made, share) < 1.05 * alone
    made.set_widths(1, 24)
    assert saved_bytes(made, share) < 0.7 * alone, "half the channels"


@pytest.mark.parametrize("kind", KINDS)
def test_shrinking_keeps_the_first_channels_and_what_the_block_computes(kind):
    made, narrow = block(kind), part(kind, 20)
    made.set_widths(20, 40)
    before, names = made(X, 0.0), [name for name, _ in made.named_parameters()]
    moved = made.shrink(narrow)
    assert torch.allclose(made(X), before, rtol=0, atol=1e-5)
    assert (made.inner, made.small, made.large) == (20, 20, 20)
    assert [name for name, _ in made.named_parameters()] == names, "the same keys in the same order"
    shapes = {name: parameter.shape for name, parameter in to_torch(narrow.net).named_parameters()}
    assert {name: parameter.shape for name, parameter in made.block.named_parameters()} == shapes
    for (old, new), parameter in zip(moved, made.parameters(), strict=True):
        assert new is parameter
        assert torch.equal(new, old[tuple(slice(size) for size in new.shape)])
    with pytest.raises(ArchitectureError, match=r"found a block of .* 8-20-8 .*, expected one as wide"):
        made.weights_of(part(kind, 21))


@pytest.mark.parametrize("widths", [(0, 8), (9, 8), (8, 49)])
def test_widths_that_are_none(widths):
    with pytest.raises(ArchitectureError, match=f"found widths {widths[0]} and {widths[1]}, expected up to 48"):
        block("fused").set_widths(*widths)
