"""The rules of Tiered Pruning: what can never happen, where they lead, what they do one by one."""

import json
import math
import random
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_zoo.cards import CARDS
from prototxt_gen.errors import ArchitectureError, CaffeError, FormatError
from search.spaces.tiered import Pick, TieredSpace
from search.strategies.tiered import Event, LayerChoices, LayerProbabilities, Rules, TieredPruning

SEEDS = st.integers(0, 10**6)
SPACE = TieredSpace()


def granules(number, size=32):
    return tuple(range(size, size * number + 1, size))


def choices_of(space):
    return [LayerChoices(len(layer.candidates), layer.widths, layer.optional) for layer in space.layers]


def drawn_layers(rng):
    """One to four layers; some without widths, some with two or three only."""
    return [
        LayerChoices(
            rng.randint(1, 4), granules(rng.choice([0, 1, 2, 3, 12, 50, 176]), rng.choice([8, 32])), rng.random() < 0.5
        )
        for _ in range(rng.randint(1, 4))
    ]


def drawn_rules(rng):
    """Any that make sense of up to four candidates."""
    first = rng.random() / 4
    return Rules(
        decay=rng.choice([0.0, 0.5, 0.9]),
        start=tuple(sorted([rng.random(), rng.random()])),
        lead=rng.choice([0.0, 0.1, 0.4]),
        momentum=rng.choice([0.0, 0.5, 0.95]),
        rate=rng.choice([0.1, 0.5, 3.0]),
        narrowing=rng.choice([0.1, 0.5, 0.9]),
        rest=rng.randint(2, 6),
        closing=rng.choice([0.5, 1.0, 3.0]),
        closed=rng.choice([0.5, 0.9, 1.0]),
        block_thresholds=(first, first + rng.random() / 2),
        layer_thresholds=(first, first + rng.random() / 4),
        layer_rest=rng.randint(1, 6),
    )


def anything(layer, rng):
    """Any probabilities of what is still searched of a layer."""
    shares = {number: rng.random() ** 3 + 1e-9 for number in layer.prunodes}
    return LayerProbabilities(
        {number: share / sum(shares.values()) for number, share in shares.items()},
        {number: rng.random() for number, one in layer.prunodes.items() if not one.frozen},
        rng.random() if layer.bypass else None,
    )


def run(pruning, seen, decisions, observed=3, begin=0):
    """The decisions from number `begin` on; gives the events of each. `seen` takes a layer's number and state."""
    for number in range(begin, decisions):
        for _ in range(observed):
            pruning.observe([seen(*pair) for pair in enumerate(pruning.layers)])
        yield pruning.decide(number / decisions)


def left(pruning):
    """The Prunodes still there, by layer and candidate."""
    return {(at, number): one for at, layer in enumerate(pruning.layers) for number, one in layer.prunodes.items()}


def towards(best, strength=0.4, rng=None, noise=0.0):
    """Probabilities of one layer, whose best width is the one of this index: the nearer path is preferred."""

    def seen(_, layer):
        large = {}
        for number, one in layer.prunodes.items():
            nearer = math.copysign(strength, best - (one.small + one.large) / 2)
            large[number] = min(max(0.5 + nearer + (rng.gauss(0, noise) if rng else 0.0), 0.0), 1.0)
        return LayerProbabilities({0: 1.0}, large)

    return seen


# What can never happen.


@given(SEEDS)
def test_whatever_the_probabilities_are(seed):
    rng = random.Random(seed)
    layers = drawn_layers(rng)
    pruning = TieredPruning(layers, drawn_rules(rng))
    blocks, frozen, gaps = set(left(pruning)), set(), {}
    for _ in run(pruning, lambda _, layer: anything(layer, rng), rng.choice([3, 30])):
        for choices, layer in zip(layers, pruning.layers, strict=True):
            # A layer has a block, or was optional and is gone.
            assert bool(layer.prunodes) != layer.gone and (choices.optional or not layer.gone)
            assert choices.optional or not layer.bypass
            assert set(layer.probabilities) == set(layer.prunodes)
        for (at, number), one in left(pruning).items():
            # Two paths, of widths of the layer, the small one narrower; one when frozen. The gap never grows.
            widths = layers[at].widths
            assert 0 <= one.small <= one.large < max(1, len(widths))
            assert {one.small_width, one.large_width} <= set(widths or (0,))
            assert one.gap <= gaps.get((at, number), one.gap)
            gaps[at, number] = one.gap
        # Nothing that was removed or frozen comes back.
        now = left(pruning)
        assert set(now) <= blocks and all(now[key].frozen for key in frozen & set(now))
        blocks, frozen = set(now), {key for key, one in now.items() if one.frozen}
    pruning.finish()
    assert pruning.done and not pruning.finish() and not pruning.decide(0.5)
    for choices, pick in zip(layers, pruning.picks(), strict=True):
        if pick is None:
            assert choices.optional
        else:
            assert pick[0] < choices.candidates and pick[1] in (choices.widths or (0,))


@given(SEEDS)
@settings(max_examples=30)
def test_the_events_tell_all_that_happens(seed):
    rng = random.Random(seed)
    pruning = TieredPruning(drawn_layers(rng), drawn_rules(rng))

    def kept():
        return (
            {key: (one.small_width, one.large_width) for key, one in left(pruning).items()},
            [(layer.bypass, layer.gone) for layer in pruning.layers],
        )

    widths, layers = kept()
    for events in run(pruning, lambda _, layer: anything(layer, rng), 20):
        for event in events:
            if event.kind == "block removed":
                del widths[event.layer, event.candidate]
            elif event.kind == "layer removed":
                widths = {key: one for key, one in widths.items() if key[0] != event.layer}
                layers[event.layer] = (False, True)
            elif event.kind == "layer kept":
                layers[event.layer] = (False, False)
            else:
                before = widths[event.layer, event.candidate]
                now = widths[event.layer, event.candidate] = (event.small, event.large)
                assert now != before and (event.kind == "frozen") == (event.small == event.large)
                assert event.kind != "moved" or now[1] - now[0] == before[1] - before[0]
                assert event.kind != "narrowed" or now[1] - now[0] < before[1] - before[0]
                assert event.kind != "frozen" or event.small in before
        assert (widths, layers) == kept()


@given(SEEDS)
@settings(max_examples=30)
def test_a_state_restored_has_the_same_future(seed):
    """At any decision, through JSON, to the last bit."""
    rng = random.Random(seed)
    layers, rules, decisions = drawn_layers(rng), drawn_rules(rng), 20
    whole, cut, end = TieredPruning(layers, rules), rng.randrange(decisions), rng.random()
    list(run(whole, lambda _, layer: anything(layer, rng), decisions, begin=decisions - cut))
    other = TieredPruning(layers, rules)
    other.restore(json.loads(json.dumps(whole.state())))
    assert other.layers == whole.layers

    def future(pruning):
        drawn = random.Random(end)
        return list(run(pruning, lambda _, layer: anything(layer, drawn), decisions))

    assert future(whole) == future(other) and whole.finish() == other.finish() and whole.state() == other.state()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_left_of_the_space_is_a_network_of_it(seed):
    rng = random.Random(seed)
    pruning = TieredPruning(choices_of(SPACE), Rules())
    for _ in run(pruning, lambda _, layer: anything(layer, rng), 30):
        picks = [pick and Pick(*pick) for pick in pruning.picks()]
        found = SPACE.of_picks(picks)
        # A stage keeps its layer of stride 2.
        assert [block.stride for block in found.blocks()].count(2) == 5


# Where they lead.


@pytest.mark.parametrize("name", ["gpunet_p0", "gpunet_p1"])
def test_probabilities_that_favour_a_network_lead_to_it(name):
    """Its blocks, its widths, its layers; from the whole space, within 60 decisions."""
    network = CARDS[name].architecture
    best = SPACE.picks_of(network)
    pruning = TieredPruning(choices_of(SPACE))

    def seen(at, layer):
        if best[at] is None:
            return anything(layer, random.Random(0))._replace(bypass=0.9 if layer.bypass else None)
        candidate, inner = best[at]
        others = 0.2 / max(1, len(layer.prunodes) - 1)
        return LayerProbabilities(
            {number: 0.8 if number == candidate else others for number in layer.prunodes},
            {
                number: 0.9 if inner > (one.small_width + one.large_width) / 2 else 0.1
                for number, one in layer.prunodes.items()
                if not one.frozen
            },
            0.1 if layer.bypass else None,
        )

    list(run(pruning, seen, 60, pruning.rules.every))
    assert pruning.done
    assert SPACE.of_picks([pick and Pick(*pick) for pick in pruning.picks()]) == network


@given(SEEDS)
@settings(max_examples=40)
def test_what_always_favours_one_end_ends_there_by_any_rules(seed):
    """As long as the schedule does not close the gap, and each contest is long enough for a lead."""
    rng = random.Random(seed)
    widths = granules(rng.choice([2, 3, 12, 50, 176]))
    for seen, end in ((1.0, widths[-1]), (0.0, widths[0])):
        pruning = TieredPruning([LayerChoices(1, widths, False)], drawn_rules(rng))
        while not pruning.done:
            for _ in range(10):
                pruning.observe([LayerProbabilities({0: 1.0}, {0: seen})])
            pruning.decide(0.0)
        assert pruning.picks() == [(0, end)]


@pytest.mark.parametrize("number", [2, 3, 12, 50, 176])
@pytest.mark.parametrize("decisions", [60, 150])
def test_a_hidden_best_width_is_found(number, decisions):
    for best in sorted({0, 1, number // 3, number // 2, number - 2, number - 1}):
        pruning = TieredPruning([LayerChoices(1, granules(number), False)])
        list(run(pruning, towards(best), decisions, pruning.rules.every))
        assert pruning.done and pruning.picks() == [(0, 32 * (best + 1))]


@pytest.mark.parametrize("number", [12, 50, 176])
def test_a_hidden_best_width_is_nearly_found_from_noise(number):
    """Single probabilities are wrong in 31 of 100 steps; whichever they favour, by as much."""
    errors = []
    for seed in range(12):
        rng = random.Random(seed)
        best = rng.randrange(number)
        pruning = TieredPruning([LayerChoices(1, granules(number), False)])
        list(run(pruning, towards(best, 0.2, rng, 0.4), 60, pruning.rules.every))
        pruning.finish()
        errors.append(abs(pruning.picks()[0][1] / 32 - 1 - best) / number)
    assert np.median(errors) <= 0.05 and max(errors) <= 0.2


def decisions_needed(number):
    """The most, over best widths all over the range, where nothing presses."""
    needed = []
    for best in range(0, number, max(1, number // 20)):
        pruning = TieredPruning([LayerChoices(1, granules(number), False)])
        needed.append(0)
        while not pruning.done:
            for _ in range(pruning.rules.every):
                pruning.observe([towards(best)(0, pruning.layers[0])])
            pruning.decide(0.0)
            needed[-1] += 1
    return max(needed)


def test_decisions_grow_with_the_logarithm_of_the_widths():
    for number in (2, 12, 50, 176, 1000):
        assert decisions_needed(number) <= 4 + 6 * math.log2(number)


# What they do, one by one.

#: Every decision goes by the last probability alone; a gap may be any.
PLAIN = {"decay": 0.0, "start": (0.2, 0.6), "momentum": 0.5, "rate": 0.5, "narrowing": 0.5, "rest": 2, "lead": 0.2}


@pytest.mark.parametrize(
    ("rules", "seen", "expected"),
    [
        # Of widths 0 to 20, from 4 and 12: both move, by half the gap, then by half of that more.
        ({}, [0.7], [("moved", 8, 16)]),
        ({"rate": 0.25}, [0.7, 0.7, 0.7], [("moved", 6, 14), ("moved", 9, 17), ("narrowed", 13, 20)]),
        ({"rate": 0.25, "momentum": 0.0}, [0.7, 0.7, 0.7], [("moved", 6, 14), ("moved", 8, 16), ("moved", 10, 18)]),
        # Without a lead nothing moves.
        ({}, [0.59, 0.41, 0.5], [None, None, None]),
        # Another direction: what leads stays, the gap narrows; then it moves that way.
        ({}, [0.7, 0.3, 0.3], [("moved", 8, 16), ("narrowed", 8, 12), ("moved", 6, 10)]),
        ({"narrowing": 0.75}, [0.7, 0.3], [("moved", 8, 16), ("narrowed", 8, 14)]),
        # Against an edge the one behind comes nearer; at a gap of one, the leader is frozen.
        ({}, [0.3, 0.3], [("moved", 0, 8), ("narrowed", 0, 2)]),
        ({}, [0.3] * 5, [("moved", 0, 8), ("narrowed", 0, 2), ("narrowed", 0, 1), None, ("frozen", 0, 0)]),
        # At a gap of one: on and on in one direction; to and fro, or nowhere, is rest.
        ({"start": (0.2, 0.25)}, [0.7, 0.7, 0.7], [("moved", 5, 6), ("moved", 6, 7), ("moved", 7, 8)]),
        (
            {"start": (0.2, 0.25)},
            [0.7, 0.7, 0.3, 0.7],
            [("moved", 5, 6), ("moved", 6, 7), ("moved", 5, 6), ("frozen", 6, 6)],
        ),
        ({"start": (0.2, 0.25)}, [0.5, 0.59], [None, ("frozen", 5, 5)]),
        ({"start": (0.2, 0.25)}, [0.5, 0.5], [None, ("frozen", 4, 4)]),
    ],
)
def test_a_prunode_step_by_step(rules, seen, expected):
    pruning = TieredPruning([LayerChoices(1, tuple(range(1, 22)), False)], Rules(**{**PLAIN, **rules}))
    for probability, event in zip(seen, expected, strict=True):
        pruning.observe([LayerProbabilities({0: 1.0}, {0: probability})])
        told = pruning.decide(0.0)
        wanted = [] if event is None else [Event(event[0], 0, 0, event[1] + 1, event[2] + 1)]
        assert told == wanted


def test_the_schedule_narrows_the_gap_around_what_leads_and_closes_it():
    rules = Rules(**{**PLAIN, "start": (0.0, 1.0), "lead": 0.9}, closing=1.0, closed=1.0)
    assert [rules.most(progress, 21) for progress in (0.0, 0.25, 0.5, 0.75, 0.99, 1.0)] == [20, 15, 10, 5, 1, 0]
    for probability, widths in ((0.6, (10, 20)), (0.4, (0, 10)), (0.5, (5, 15))):
        pruning = TieredPruning([LayerChoices(1, tuple(range(1, 22)), False)], rules)
        pruning.observe([LayerProbabilities({0: 1.0}, {0: probability})])
        assert pruning.decide(0.25) == [Event("narrowed", 0, 0, widths[0] + 1, widths[1] + 1)]
        assert not pruning.decide(0.5)
        assert [event.kind for event in pruning.decide(1.0)] == ["frozen"] and pruning.done


def test_a_moved_prunode_begins_a_new_contest():
    pruning = TieredPruning([LayerChoices(1, granules(12), False)], Rules(decay=0.9, lead=0.1))
    for _ in range(20):
        pruning.observe([LayerProbabilities({0: 1.0}, {0: 0.9})])
    assert [event.kind for event in pruning.decide(0.0)] == ["moved"]
    assert left(pruning)[0, 0].probability == 0.5 and not pruning.decide(0.0)


def test_thresholds_rise_until_decided_and_stay_there():
    rules = Rules(decided=0.5)
    found = [rules.threshold((0.1, 0.5), progress) for progress in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert found == pytest.approx([0.1, 0.3, 0.5, 0.5, 0.5])


def test_blocks_go_one_at_a_time_below_a_threshold_that_rises():
    pruning = TieredPruning([LayerChoices(4, (), False)], Rules(decay=0.0, block_thresholds=(0.05, 0.45), decided=1.0))
    shares = {0: 0.4, 1: 0.04, 2: 0.03, 3: 0.53}
    pruning.observe([LayerProbabilities(shares, {})])
    assert pruning.decide(0.0) == [Event("block removed", 0, 2)]
    assert pruning.layers[0].probabilities == pytest.approx({0: 0.4 / 0.97, 1: 0.04 / 0.97, 3: 0.53 / 0.97})
    assert pruning.decide(0.0) == [Event("block removed", 0, 1)]
    # 0.43 and 0.57 are left; the threshold reaches 0.43 at a progress of 0.95.
    assert not pruning.decide(0.9) and pruning.decide(0.96) == [Event("block removed", 0, 0)]
    assert pruning.done and pruning.picks() == [(3, 0)]


@pytest.mark.parametrize(
    ("seen", "kind", "pick"),
    [
        ([0.95] * 3, "layer removed", None),
        ([0.05] * 3, "layer kept", (0, 0)),
        # Not in a row, or not by enough.
        ([0.95, 0.95, 0.5, 0.95, 0.95], None, None),
        ([0.95, 0.95, 0.05, 0.05], None, (0, 0)),
        ([0.89] * 9, None, None),
        ([0.5] * 9, None, (0, 0)),
    ],
)
def test_layers_go_when_the_bypass_has_won_for_long_enough(seen, kind, pick):
    pruning = TieredPruning([LayerChoices(1, (), True)], Rules(decay=0.0, layer_thresholds=(0.1, 0.5), layer_rest=3))
    told = []
    for bypass in seen:
        pruning.observe([LayerProbabilities({0: 1.0}, {}, bypass)])
        told += pruning.decide(0.0)
    assert told == ([Event(kind, 0)] if kind else [])
    assert pruning.done == (kind is not None) and pruning.picks() == [pick]
    assert [event.kind for event in pruning.finish()] == (
        [] if kind else ["layer removed" if pick is None else "layer kept"]
    )
    assert pruning.done and pruning.picks() == [pick]


def test_a_width_is_searched_only_where_there_is_a_choice():
    pruning = TieredPruning(
        [LayerChoices(1, (), False), LayerChoices(1, (64,), False), LayerChoices(1, (32, 64), False)]
    )
    assert [layer.prunodes[0].frozen for layer in pruning.layers] == [True, True, False]
    assert pruning.picks() == [(0, 0), (0, 64), (0, 32)]
    assert pruning.finish() == [Event("frozen", 2, 0, 32, 32)]


# What is refused.


def test_rules_name_all_fields_that_are_out_of_range():
    wrong = {
        "every": 0,
        "decay": 1.0,
        "start": (0.5, 0.5001, 1),
        "lead": -0.1,
        "momentum": 1.0,
        "rate": 0.0,
        "narrowing": 1.0,
        "rest": 0,
        "closing": math.inf,
        "closed": 0.0,
        "decided": 1.1,
        "block_thresholds": (0.5, 0.1),
        "layer_thresholds": (0.1, 0.6),
        "layer_rest": 0,
    }
    assert set(wrong) == {one.name for one in fields(Rules)}
    with pytest.raises(CaffeError) as caught:
        Rules(**wrong)
    assert all(f"{name}: found {value}, expected " in str(caught.value) for name, value in wrong.items())
    with pytest.raises(CaffeError, match="decay: found nan"):
        Rules(decay=math.nan)


def test_rules_are_json_values():
    rules = Rules(lead=0.25, start=(0.1, 0.9))
    assert Rules(**json.loads(json.dumps(rules.settings()))) == rules


def test_layers_that_leave_nothing_to_search_are_refused():
    wrong = [(0, (), False), (1, (64, 32), False), (1, (0, 32), False), (30, (), False), (1, (), False)]
    with pytest.raises(ArchitectureError) as caught:
        TieredPruning([LayerChoices(*one) for one in wrong])
    for number, found in enumerate(("0 candidates", r"widths (64, 32)", "widths (0, 32)", "30 candidates")):
        assert f"layer {number}: found {found}" in str(caught.value)
    assert "layer 4" not in str(caught.value)


def test_what_is_no_probability_is_refused_and_nothing_is_entered():
    pruning = TieredPruning([LayerChoices(2, granules(12), True), LayerChoices(1, granules(2), False)])
    before = pruning.state()
    with pytest.raises(ArchitectureError) as caught:
        pruning.observe([LayerProbabilities({0: 0.5}, {0: math.nan, 1: 0.5}), LayerProbabilities({0: 1.0}, {0: 1.5})])
    assert str(caught.value) == (
        "Tiered Pruning: layer 0: large path of candidate 0: found nan, expected a probability; "
        "layer 0: candidate 1: found None, expected a probability; "
        "layer 0: bypass: found None, expected a probability; "
        "layer 1: large path of candidate 0: found 1.5, expected a probability"
    )
    with pytest.raises(ArchitectureError, match="found 1 layers, expected 2"):
        pruning.observe([LayerProbabilities({}, {})])
    for progress in (-0.1, 1.1, math.nan):
        with pytest.raises(ArchitectureError, match="progress"):
            pruning.decide(progress)
    assert pruning.state() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda layers: layers.pop(),
        lambda layers: layers[0].update(candidates=[]),
        lambda layers: layers[0].pop("bypass"),
        lambda layers: layers[0]["candidates"][0].update(large=12),
        lambda layers: layers[0]["candidates"][0].update(small=9, large=3),
        lambda layers: layers[0]["candidates"][0].update(candidate=2),
        lambda layers: layers[0]["candidates"][1].update(candidate=0),
        lambda layers: layers[1].update(bypass=True),
        lambda layers: layers[1].update(gone=True),
        lambda layers: layers[1].update(gone=True, candidates=[]),
    ],
)
def test_a_state_of_other_layers_is_refused(change):
    pruning = TieredPruning([LayerChoices(2, granules(12), True), LayerChoices(1, granules(2), False)])
    before, values = pruning.state(), pruning.state()
    change(values["layers"])
    with pytest.raises(FormatError, match="found a state that is not one of these layers"):
        pruning.restore(values)
    assert pruning.state() == before
