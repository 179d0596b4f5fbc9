"""The stochastic supernet: with one path alone it is the generated network of that path, whatever a search has left."""

from __future__ import annotations

import copy
import random
from itertools import pairwise

import pytest
import torch

from converters.pytorch.module import to_torch
from converters.weights.fitting import fit_weights
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from prototxt_gen.summary import summarize
from prototxt_gen.trace import trace
from search.spaces.tiered import Pick, TieredSpace
from search.strategies.tiered import LayerChoices, Rules, TieredPruning
from search.training.averaging import take_statistics
from search.training.prunode import Prunode
from search.training.shares import Shares
from search.training.stochastic import StochasticSupernet, carry
from tests.search.training.small_tiered import SPACE, State, Widths, all_of, picks_of, some_of


def images(count: int = 4, space: TieredSpace = SPACE) -> torch.Tensor:
    return torch.rand((count, *space.input_shape[1:]), generator=torch.Generator().manual_seed(count))


def trained(shares: Shares) -> Shares:
    """As with gradients asked for: all paths are computed then, those of share 0 too."""
    return Shares(*(tensor.clone().requires_grad_() for tensor in shares))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("training", [False, True])
def test_one_path_alone_computes_what_the_generated_network_does_with_its_weights(seed, training):
    rng = random.Random(seed)
    left = some_of(SPACE, rng)
    net = StochasticSupernet(SPACE, seed)
    net.follow(left)
    picks = picks_of(SPACE, left, rng)
    take_statistics(net.path(picks), [images(16), images(8)])
    network, weights = generate(SPACE.of_picks(picks), input_shape=SPACE.input_shape), net.weights_of(picks)
    assert fit_weights(trace(network), weights)[1] == [], "every blob, and no other"
    expected = to_torch(network, weights).train(training)(images())
    net.train(training)
    shares = net.shares_of(picks)
    for found in (net(images(), shares), net(images(), trained(shares)), net.path(picks)(images())):
        assert torch.allclose(found, expected, rtol=0, atol=1e-5)
    assert expected.std() > 1e-3, "something to compare"


@pytest.mark.slow
def test_of_gpunet_too():
    space = TieredSpace(input_shape=(1, 3, 64, 64))
    net, rng = StochasticSupernet(space), random.Random(0)
    left = some_of(space, rng)
    net.follow(left)
    picks = picks_of(space, left, rng)
    take_statistics(net.path(picks), [images(2, space)])
    module = to_torch(generate(space.of_picks(picks), input_shape=space.input_shape), net.weights_of(picks))
    with torch.inference_mode():
        expected = module(images(1, space))
        found = net.eval()(images(1, space), net.shares_of(picks))
    assert torch.allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, float(expected.abs().max())))


def test_layers_are_sums_of_blocks_and_bypass_by_their_shares():
    net = StochasticSupernet(SPACE, 3).train()
    net.follow(all_of(SPACE))
    shares = net.draw("seed", 2.0)
    with torch.no_grad():
        x = net.stem(images())
        for layer, left in enumerate(net.places.widths):
            outputs = [net.prunode(layer, number)(x, float(shares.large[layer, number])) for number in left]
            mixed = sum(share * y for share, y in zip(shares.candidates[layer].tolist(), outputs, strict=False))
            bypass = float(shares.bypass[layer])
            x = (1 - bypass) * mixed + (bypass * x if bypass else 0)
        expected = net.head(x)
        assert torch.allclose(net(images(), shares), expected, rtol=0, atol=1e-5)
        assert torch.allclose(net(images(), Shares(*(one.detach() for one in shares))), expected, rtol=0, atol=1e-5)


def test_gradients_reach_every_path_and_every_probability_that_is_open():
    net = StochasticSupernet(SPACE).train()
    left = all_of(SPACE)
    left[3] = State({1: Widths(2, 2), 2: Widths(0, 1)}, False)
    net.follow(left)
    net(images(), net.draw("seed")).square().sum().backward()
    candidates, large, bypass = (parameter.grad for parameter in net.logits.parameters())
    for number, (layer, state) in enumerate(zip(SPACE.layers, left, strict=True)):
        assert bool(bypass[number].any()) == layer.optional == state.bypass
        for candidate, widths in state.prunodes.items():
            assert bool(candidates[number, candidate]) == (len(state.prunodes) > 1)
            assert bool(large[number, candidate].any()) == (widths.small != widths.large)
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_what_is_gone_or_has_no_share_is_not_computed(monkeypatch):
    computed = []
    at = Prunode.at
    monkeypatch.setattr(Prunode, "at", lambda self, *given: computed.append(self) or at(self, *given))
    net, left = StochasticSupernet(SPACE), all_of(SPACE)
    left[1] = State({}, False, True)
    del left[3].prunodes[0], left[3].prunodes[2]
    net.follow(left)
    net(images(), net.draw("seed"))
    assert len(computed) == sum(len(state.prunodes) for state in left)
    computed.clear()
    with torch.no_grad():
        shares = net.draw("seed", hard=True)
    net(images(), shares).sum().backward()
    blocks = [
        net.prunode(layer, int(shares.candidates[layer].argmax()))
        for layer, state in enumerate(left)
        if not state.gone and not shares.bypass[layer]
    ]
    assert computed == blocks, "one block of each layer that is not left out"
    there = {id(parameter) for piece in (net.stem, net.head, *blocks) for parameter in piece.parameters()}
    assert all((parameter.grad is not None) == (id(parameter) in there) for parameter in net.parameters())


def test_it_gets_smaller_with_every_removal():
    left = all_of(SPACE)
    net = StochasticSupernet(SPACE)
    sizes = [net.size()]
    for number, state in enumerate(left):
        for candidate in list(state.prunodes)[1:]:
            del state.prunodes[candidate]
            net.follow(left)
            sizes.append(net.size())
        if SPACE.layers[number].widths:
            state.prunodes = dict.fromkeys(state.prunodes, Widths(1, 1))
            net.follow(left)
            sizes.append(net.size())
        if state.bypass and number % 2:
            state.prunodes, state.gone, state.bypass = {}, True, False
            net.follow(left)
            sizes.append(net.size())
    for before, after in pairwise(sizes):
        assert after.parameters < before.parameters
        assert after.multiply_adds < before.multiply_adds
    picks = [
        None if state.gone else Pick(0, layer.widths[1] if layer.widths else 0)
        for layer, state in zip(SPACE.layers, left, strict=True)
    ]
    alone = summarize(generate(SPACE.of_picks(picks), input_shape=SPACE.input_shape))
    assert sizes[-1].multiply_adds == alone.multiply_adds, "one path is left"
    assert sizes[-1].parameters == sum(
        blob.size for name, blobs in net.weights_of(picks).items() for blob in blobs if not name.endswith("/bn")
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_training_goes_on_to_the_last_bit_from_a_state_and_what_was_left(layout):
    """After blocks went and widths were frozen: weights, momentum, and what Adam knows of the logits."""

    def begun(left: list[State]) -> tuple:
        net = StochasticSupernet(SPACE, 1)
        net.follow(left)
        net.to(memory_format=layout).train()
        weights = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        return net, weights, torch.optim.Adam(net.logits.parameters(), lr=0.1)

    def step(
        net: StochasticSupernet, weights: torch.optim.Optimizer, logits: torch.optim.Optimizer, number: int
    ) -> None:
        for optimizer in (weights, logits):
            optimizer.zero_grad()
        net(images(), net.draw(str(number))).square().mean().backward()
        for optimizer in (weights, logits):
            optimizer.step()

    left = all_of(SPACE)
    net, weights, logits = begun(left)
    for number in range(2):
        step(net, weights, logits, number)
    kept = {name: weights.state[parameter]["momentum_buffer"].clone() for name, parameter in net.named_parameters()}
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    del left[3].prunodes[1]
    left[3].prunodes[0] = Widths(2, 2)
    left[4].prunodes[2] = Widths(1, 6)
    left[2] = State({}, False, True)
    followed = net.follow(left)
    carry(weights, followed)
    carry(logits, followed, net.logits)
    assert [id(one) for one in weights.param_groups[0]["params"]] == [id(one) for one in net.parameters()]
    assert set(map(id, weights.state)) == {id(one) for one in net.parameters()}
    assert sorted(followed.begun) == [(3, 0), (4, 2)]
    for name, parameter in net.named_parameters():
        some = tuple(slice(size) for size in parameter.shape)
        assert torch.equal(parameter, before[name][some])
        assert torch.equal(weights.state[parameter]["momentum_buffer"], kept[name][some])
    assert not (net.logits.large[4, 2].any() or logits.state[net.logits.large]["exp_avg"][4, 2].any())
    assert net.logits.large[4, 1].any() and logits.state[net.logits.large]["exp_avg"][4, 1].any()

    again, own, others = begun(left)
    again.load_state_dict(net.state_dict())
    again.logits.load_state_dict(net.logits.state_dict())
    own.load_state_dict(copy.deepcopy(weights.state_dict()))
    others.load_state_dict(copy.deepcopy(logits.state_dict()))
    for number in range(2, 4):
        step(net, weights, logits, number)
        step(again, own, others, number)
    for one, other in zip(
        (*net.parameters(), *net.logits.parameters()), (*again.parameters(), *again.logits.parameters()), strict=True
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize("seed", range(3))
def test_a_search_of_any_course_leaves_one_network_of_the_space(seed):
    """By the rules of Tiered Pruning, with logits that go anywhere."""
    rules = Rules(every=1, decay=0.0)
    search = TieredPruning([LayerChoices(len(one.candidates), one.widths, one.optional) for one in SPACE.layers], rules)
    net = StochasticSupernet(SPACE, seed).train()
    net.follow(search.layers)
    weights = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    generator = torch.Generator().manual_seed(seed)
    sizes = [net.size()]
    for step in range(1, 21):
        with torch.no_grad():
            for logits in net.logits.parameters():
                logits += torch.randn(logits.shape, dtype=logits.dtype, generator=generator)
        search.observe(net.probabilities())
        search.decide(step / 20)
        carry(weights, net.follow(search.layers))
        with torch.no_grad():
            shares = net.draw(f"{seed} {step}", hard=bool(step % 2))
        net(images(2), shares).square().mean().backward()
        weights.step()
        sizes.append(net.size())
        for layer, left in zip(SPACE.layers, net.places.widths, strict=True):
            assert left or layer.optional
            for small, large in left.values():
                assert 0 <= small <= large <= max(0, len(layer.widths) - 1), "two widths, of those that it may have"
    assert all(after.parameters <= before.parameters for before, after in pairwise(sizes))
    picks = [None if pick is None else Pick(*pick) for pick in search.picks()]
    module = to_torch(generate(SPACE.of_picks(picks), input_shape=SPACE.input_shape), net.weights_of(picks)).train()
    assert torch.allclose(module(images()), net(images(), net.shares_of(picks)), rtol=0, atol=1e-5)
    assert sum(one.numel() for one in module.parameters()) == sizes[-1].parameters, "and nothing else"


def test_new_weights_follow_from_the_seed_and_blocks_of_a_kind_begin_alike():
    one, again, other = (StochasticSupernet(SPACE, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    name = "layers.4.ik5.block.convolution2.weight"
    large, small = one.state_dict()[name], one.state_dict()[name.replace("ik5", "i")]
    assert not torch.equal(large, other.state_dict()[name])
    assert torch.equal(small, large[:, :, 1:4, 1:4])
    name = "layers.4.fk5.block.convolution2.weight"
    assert torch.equal(one.state_dict()[name], one.state_dict()[name.replace("fk5", "f")])
    assert not torch.equal(one.state_dict()[name], one.state_dict()[name.replace("4", "5", 1)])


def test_training_moves_no_statistics():
    net = StochasticSupernet(SPACE).train()
    net.follow(all_of(SPACE))
    before = {name: buffer.clone() for name, buffer in net.named_buffers() if "running" in name}
    net(images(), net.draw("seed"))
    assert all(torch.equal(dict(net.named_buffers())[name], buffer) for name, buffer in before.items())


def test_what_is_not_there():
    net, left = StochasticSupernet(SPACE), all_of(SPACE)
    picks = [Pick(0, layer.widths[-1] if layer.widths else 0) for layer in SPACE.layers]
    with pytest.raises(ArchitectureError, match="supernet: found 2 layers, expected 6"):
        net.follow(left[:2])
    del left[3].prunodes[0]
    left[4].prunodes[0] = Widths(2, 2)
    left[2].bypass = False
    net.follow(left)
    for asked in (net.shares_of, net.path, net.weights_of):
        with pytest.raises(ArchitectureError, match="layer 4: found no candidate 0"):
            asked(picks)
    picks[3] = Pick(1, picks[3].inner)
    for asked in (net.shares_of, net.path, net.weights_of):
        with pytest.raises(ArchitectureError, match=r"found (width|a block)"):
            asked(picks)
    picks[4] = None
    net.path(picks)
    picks[2] = None
    with pytest.raises(ArchitectureError, match="layer 3 is left out"):
        net.shares_of(picks)
    with pytest.raises(ArchitectureError, match=r"what is gone: layer 4: candidates \[0, 1, 2, 3\], was \[1"):
        net.follow(all_of(SPACE))
