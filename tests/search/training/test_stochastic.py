"""The stochastic supernet: with one path alone it is the generated network of that path, whatever a search has left."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch

from converters.pytorch.module import to_torch
from converters.weights.fitting import fit_weights
from prototxt_gen.generator.networks import generate
from prototxt_gen.trace import trace
from search.training.stochastic import StochasticSupernet
from tests.search.training.small_tiered import SPACE, all_of, picks_of, some_of


def images(count: int = 4) -> torch.Tensor:
    shape = (count, *SPACE.input_shape[1:])
    return torch.rand(shape, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("seed", range(12))
def test_one_path_alone_computes_what_the_generated_network_does_with_its_weights(seed):
    rng = random.Random(seed)
    left = some_of(SPACE, rng)
    net = StochasticSupernet(SPACE, seed)
    net.follow(left)
    picks = picks_of(SPACE, left, rng)
    network, weights = generate(SPACE.of_picks(picks), input_shape=SPACE.input_shape), net.weights_of(picks)
    assert fit_weights(trace(network), weights)[1] == [], "every blob, and no other"
    expected = to_torch(network, weights).train()(images())
    shares = net.shares_of(picks)
    assert torch.allclose(net.train()(images(), shares), expected, rtol=0, atol=1e-5)
    for tensor in shares:  # all paths are computed then, those of share 0 too
        tensor.requires_grad_()
    assert torch.allclose(net(images(), shares), expected, rtol=0, atol=1e-5)


def test_it_gets_smaller_with_every_removal():
    left, rng = all_of(SPACE), random.Random(0)
    net = StochasticSupernet(SPACE)
    sizes = [net.size()]
    for state in left:
        for number in list(state.prunodes)[1:]:
            del state.prunodes[number]
            net.follow(left)
            sizes.append(net.size())
        if state.bypass:
            state.prunodes, state.gone, state.bypass = {}, True, False
            net.follow(left)
            sizes.append(net.size())
    for before, after in pairwise(sizes):
        assert after.parameters < before.parameters
        assert after.multiply_adds < before.multiply_adds
    net(images(), net.shares_of(picks_of(SPACE, left, rng)))
