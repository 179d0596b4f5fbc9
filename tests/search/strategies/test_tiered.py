"""The rules of Tiered Pruning: what moves, narrows, freezes and goes, and what can never happen."""

import random

import pytest

from search.strategies.tiered import LayerChoices, LayerProbabilities, Rules, TieredPruning


def granules(number, of=32):
    return tuple(range(of, of * number + 1, of))


def drawn_layers(rng):
    """One to four layers; some without widths, some with two or three only."""
    return [
        LayerChoices(
            rng.randint(1, 4), granules(rng.choice([0, 1, 2, 3, 12, 50, 176]), rng.choice([8, 32])), rng.random() < 0.5
        )
        for _ in range(rng.randint(1, 4))
    ]


def drawn_rules(rng):
    start = sorted([rng.random(), rng.random()])
    first, last = sorted([rng.random(), rng.random()])
    return Rules(
        decay=rng.choice([0.0, 0.5, 0.9]),
        start=(start[0], start[1]),
        lead=rng.choice([0.0, 0.1, 0.4]),
        momentum=rng.choice([0.0, 0.5, 0.95]),
        rate=rng.choice([0.1, 0.5, 3.0]),
        narrowing=rng.choice([0.1, 0.5, 0.9]),
        rest=rng.randint(1, 6),
        closing=rng.choice([0.5, 1.0, 3.0]),
        closed=rng.choice([0.5, 0.9, 1.0]),
        block_thresholds=(first, last),
        bypass_lead=rng.choice([0.0, 0.2]),
        bypass_rest=rng.randint(1, 6),
    )


def drawn_probabilities(pruning, rng):
    """Any probabilities, of nothing but what is still searched."""
    found = []
    for layer in pruning.layers:
        shares = {number: rng.random() ** 3 + 1e-9 for number in layer.prunodes}
        total = sum(shares.values())
        found.append(
            LayerProbabilities(
                {number: share / total for number, share in shares.items()},
                {number: rng.random() for number, one in layer.prunodes.items() if not one.frozen},
                rng.random() if layer.bypass else None,
            )
        )
    return found


def run(pruning, rng, decisions, begin=0):
    """The decisions from `begin` on, three observations before each; gives the events of each."""
    events = []
    for number in range(begin, decisions):
        for _ in range(3):
            pruning.observe(drawn_probabilities(pruning, rng))
        events.append(pruning.decide(number / decisions))
        yield events[-1]


def what_is_left(pruning):
    """The Prunodes still there, and those of them that are frozen, by layer and candidate."""
    all_of_them = {
        (number, candidate): one
        for number, layer in enumerate(pruning.layers)
        for candidate, one in layer.prunodes.items()
    }
    return set(all_of_them), {key for key, one in all_of_them.items() if one.frozen}


@pytest.mark.parametrize("seed", range(150))
def test_whatever_the_probabilities_are(seed):
    rng = random.Random(seed)
    layers = drawn_layers(rng)
    pruning = TieredPruning(layers, drawn_rules(rng))
    blocks, frozen = what_is_left(pruning)
    gaps = {}
    for _ in run(pruning, rng, rng.choice([3, 30, 100])):
        for number, (choices, layer) in enumerate(zip(layers, pruning.layers, strict=True)):
            # A layer has a block, or was optional and is gone.
            assert bool(layer.prunodes) != layer.gone and not (layer.gone and not choices.optional)
            assert not layer.bypass or choices.optional
            for candidate, one in layer.prunodes.items():
                # Two paths, of widths of the layer, the small one narrower; one when frozen.
                assert 0 <= one.small <= one.large < max(1, len(choices.widths))
                assert {one.small_width, one.large_width} <= set(choices.widths or (0,))
                assert one.gap <= gaps.get((number, candidate), one.gap)
                gaps[number, candidate] = one.gap
        left, now = what_is_left(pruning)
        assert left <= blocks and frozen & left <= now
        blocks, frozen = left, now
    pruning.finish()
    assert pruning.done and not pruning.finish() and not pruning.decide(0.5)
    for choices, pick in zip(layers, pruning.picks(), strict=True):
        assert (
            choices.optional if pick is None else pick[1] in (choices.widths or (0,)) and pick[0] < choices.candidates
        )
