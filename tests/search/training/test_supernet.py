"""The supernet: a path through it is the generated network of its choices, with its weights, to the last bit."""

from __future__ import annotations

import random

import pytest
import torch

from converters.pytorch.module import to_torch
from converters.weights.fitting import fit_weights
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from prototxt_gen.trace import trace
from search.spaces.ponas import PonasSpace
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
