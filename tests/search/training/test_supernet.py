"""The supernet: a path through it is the generated network of its choices, with its weights, to the last bit."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from converters.pytorch.module import to_torch
from converters.weights.fitting import fit_weights
from prototxt_gen.architectures import Unit
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from prototxt_gen.trace import trace
from search.spaces.ponas import PonasLayer, PonasSpace
from search.training.averaging import take_statistics
from search.training.supernet import Supernet, norms_of
from tests.search.training.small_ponas import SHAPE, SPACE

NET = Supernet(SPACE, seed=1)
PATHS = [(0, 0, 0), (1, 1, 1), (0, 1, 0), (1, 0, 1)]


def images(count: int = 4, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.rand((count, *shape[1:]), generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("choices", PATHS)
@pytest.mark.parametrize("training", [False, True])
def test_a_path_computes_what_the_generated_network_does_with_its_weights(choices, training):
    take_statistics(NET.path(choices), [images(16)])
    net = generate(SPACE.of_choices(choices), input_shape=SHAPE)
    weights = NET.weights_of(choices)
    assert fit_weights(trace(net), weights)[1] == [], "every blob, and no other"
    module = to_torch(net, weights).train(training)
    NET.train(training)
    assert torch.equal(module(images()), NET(images(), choices))
    assert torch.equal(module(images()), NET.path(choices)(images()))


@pytest.mark.slow
def test_of_the_papers_space_too():
    space = PonasSpace()
    net = Supernet(space).eval()
    rng = random.Random(0)
    choices = [rng.randrange(12) for _ in range(19)]
    module = to_torch(generate(space.of_choices(choices)), net.weights_of(choices))
    batch = images(1, space.input_shape)
    with torch.inference_mode():
        assert torch.equal(module(batch), net(batch, choices))
    # docs/ponas.md states these.
    assert sum(parameter.numel() for parameter in net.parameters()) == 45_105_116


def test_a_step_leaves_blocks_that_were_not_drawn_as_they_are():
    net = Supernet(SPACE).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for choices in ((0, 0, 0), (1, 1, 1)):
        before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
        optimizer.zero_grad()
        net(images(), choices).square().sum().backward()
        optimizer.step()
        drawn = {id(parameter) for parameter in net.path(choices).parameters()}
        for name, parameter in net.named_parameters():
            assert torch.equal(parameter, before[name]) != (id(parameter) in drawn), name


@pytest.mark.parametrize(
    ("source", "to", "part"),
    [
        ("k5e3", "k3e3", lambda expand, depthwise, project: (expand, depthwise[:, :, 1:4, 1:4], project)),
        ("k5e3", "k5e2", lambda expand, depthwise, project: (expand[:16], depthwise[:16], project[:, :16])),
    ],
)
def test_smaller_candidates_begin_as_parts_of_a_trained_block(source, to, part):
    """Whose inner channels are in the order of what the last convolution makes of them, the most first."""
    layer = PonasLayer(8, 1, tuple(Unit(int(code[1]), int(code[3])) for code in (source, to)))
    net = Supernet(replace(SPACE, layers=(layer,)))
    first, second = net.layers["1"].values()
    large = [first.get_parameter(f"convolution{number}.weight") for number in (1, 2, 3)]
    shared = net.stem.state_dict()["convolution1.weight"].clone()
    with torch.no_grad():
        large[2].copy_(torch.arange(24, 0, -1).view(1, -1, 1, 1))
    kept = [tensor.clone() for tensor in large]
    net.spread([0])
    for number, expected in enumerate(part(*kept), 1):
        assert torch.equal(second.get_parameter(f"convolution{number}.weight"), expected)
    assert all(torch.equal(tensor, before) for tensor, before in zip(large, kept, strict=True))
    assert torch.equal(net.stem.state_dict()["convolution1.weight"], shared)


def test_a_block_whose_kernel_has_an_empty_rim_computes_what_its_part_does():
    """Though inner channels stand in another order there, those of squeeze-and-excitation too."""
    layer = PonasLayer(16, 2, (Unit(5, 3, 0, True), Unit(3, 3, 0, True)))
    net = Supernet(replace(SPACE, layers=(layer,))).eval()
    with torch.no_grad():
        rim = net.layers["1"]["k5e3q"].get_parameter("convolution2.weight")
        rim[:] = F.pad(rim[:, :, 1:4, 1:4], (1, 1, 1, 1))
        before = net(images(), [1])
        net.spread([0])
        one, other = net(images(), [0]), net(images(), [1])
    assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(one, before, rtol=1e-4, atol=1e-5)
    assert net.largest() == [0]
    assert Supernet(SPACE).largest() == [1, 1, 1]


def test_training_moves_no_statistics_and_forgetting_makes_them_new():
    net = Supernet(SPACE).train()
    new = [norm.running_var.clone() for norm in norms_of(net)]
    net(images(), (0, 0, 0))
    assert all(torch.equal(norm.running_var, before) for norm, before in zip(norms_of(net), new, strict=True))
    take_statistics(net.path((0, 0, 0)), [images()])
    assert not all(torch.equal(norm.running_var, before) for norm, before in zip(norms_of(net), new, strict=True))
    net.forget_statistics()
    assert all(torch.equal(norm.running_var, before) for norm, before in zip(norms_of(net), new, strict=True))


def test_new_weights_follow_from_the_seed():
    one, two, other = Supernet(SPACE, 1), NET, Supernet(SPACE, 2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    name = "layers.2.k5e3.convolution1.weight"
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])


@pytest.mark.parametrize("choices", [(), (0, 0), (0, 0, 2), (-1, 0, 0), (0, 0, 0, 0)])
def test_choices_that_are_none(choices):
    with pytest.raises(ArchitectureError, match=r"expected one number below each of \[2, 2, 2\]"):
        NET(images(), choices)
