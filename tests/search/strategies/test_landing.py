"""Landing on a latency, against all inner widths there are."""

import itertools
import math
import random

import pytest

from prototxt_gen.errors import ArchitectureError, UnsupportedError
from search.latency import Entry, LatencyTable
from search.latency.curves import Curve
from search.latency.levelling import Level
from search.latency.predicting import placed_parts
from search.spaces import TieredSpace, TieredStage
from search.spaces.tiered import Pick, TieredBlock
from search.strategies.landing import land

SPACE = TieredSpace(
    (TieredStage(8, (1, 1), 1, ("convolution",)), TieredStage(8, (1, 4), 2, ("inverted", "fused"))),
    (4,),
    5,
    (1, 3, 32, 32),
    head=None,
    granularity=8,
    expansion=8,
)


def made_up(ms, space=SPACE, **kept):
    """A table by a formula of each block, 0.5 ms for what is no block with an inner width."""
    entries = {}
    for piece, part in placed_parts(space).items():
        time = ms(piece) if isinstance(piece, TieredBlock) and piece.inner else 0.5
        entries.setdefault(part.key, Entry(time, (time, time), 1, part.label))
    return LatencyTable({"engine": "made up"}, entries, **kept)


def uneven(block):
    """More for more, but for some widths that a device does not like."""
    return block.inner / 8 + 3 * random.Random(f"{block.opens}{block.kind}{block.kernel}{block.inner}").random()


def all_widths(space, picks):
    """Every network of the same layers."""
    choices = [
        [pick] if pick is None or not layer.widths else [Pick(pick.candidate, inner) for inner in layer.widths]
        for layer, pick in zip(space.layers, picks, strict=True)
    ]
    return itertools.product(*choices)


def change(table, space, picks, landed):
    """By the definition: each layer's time as it was, times the squared logarithm of its ratio."""
    pieces = [space.block(number, pick, "Convolution") for number, pick in enumerate(picks) if pick is not None]
    pairs = [(one, two) for one, two in zip(picks, landed, strict=True) if one is not None]
    parts = placed_parts(space)
    return sum(
        table.part_nanoseconds(parts[piece]) * math.log(two.inner / one.inner) ** 2
        for piece, (one, two) in zip(pieces, pairs, strict=True)
        if one.inner
    )


@pytest.mark.parametrize(
    "kept",
    [{}, {"call_ms": 0.3, "level": Level(1.1, -0.2, 0.01)}, {"curve": Curve((1.0, 20.0, 60.0), (1.5, 18.0, 70.0))}],
    ids=["parts", "level", "curve"],
)
@pytest.mark.parametrize("tolerance", [0.03, 0.002])
def test_of_all_networks_within_it_changes_least(kept, tolerance):
    """Where blocks behind a sum take as long as those behind a convolution."""
    table, rng = made_up(uneven, **kept), random.Random(0)
    for picks in (
        [Pick(0, 0), Pick(1, 40), None, Pick(2, 64), Pick(0, 16)],
        [Pick(1, 0), Pick(3, 24), Pick(3, 24), None, None],
        [Pick(0, 0), Pick(0, 64), Pick(0, 64), Pick(0, 64), None],
    ):
        times = {one: table.predict(SPACE.of_picks(one), SPACE.input_shape) for one in all_widths(SPACE, picks)}
        for _ in range(4):
            goal = rng.choice(list(times.values())) * (1 + tolerance / 2)
            within = [one for one, ms in times.items() if goal * (1 - tolerance) <= ms <= goal]
            landed = land(SPACE, table, picks, goal, tolerance)
            best = min(change(table, SPACE, picks, one) for one in within)
            assert landed in within and change(table, SPACE, picks, landed) == pytest.approx(best)
            assert landed == land(SPACE, table, picks, goal, tolerance)


@pytest.mark.parametrize(("share", "ratio"), [(0.5, 0.5), (0.75, 0.75), (1.5, 1.5)])
def test_wide_blocks_and_narrow_ones_change_by_the_same_ratio(share, ratio):
    """A thousandth of a millisecond for each inner channel, and nothing else but 2 ns."""
    space = TieredSpace(
        (TieredStage(16, (3, 3), 2, kernels=(3,)),), (16,), 5, (1, 3, 32, 32), head=None, granularity=4, expansion=32
    )
    table = made_up(lambda block: block.inner / 1000, space)
    table.entries = {
        key: entry if "inverted" in entry.label else entry._replace(ms=1e-6) for key, entry in table.entries.items()
    }
    picks = [Pick(0, 64), Pick(0, 320), Pick(0, 192)]
    landed = land(space, table, picks, share * 0.576 + 3e-6, 0.01)
    assert [pick.inner / before.inner for pick, before in zip(landed, picks, strict=True)] == pytest.approx(
        [ratio] * 3, rel=0.04
    )


def test_a_network_within_stays_as_it_is():
    table = made_up(uneven)
    picks = (Pick(1, 0), Pick(3, 24), None, Pick(0, 40), None)
    now = table.predict(SPACE.of_picks(picks), SPACE.input_shape)
    assert land(SPACE, table, picks, now, 0.0) == land(SPACE, table, list(picks), now * 1.02) == picks


def test_a_goal_that_cannot_be_met_says_what_can():
    table = made_up(lambda block: block.inner / 8)
    picks = [Pick(0, 0), Pick(0, 64), Pick(2, 16), None, None]
    # Stem, convolution and head take 1.5 ms, each of the two blocks 2 to 8, in whole milliseconds.
    for goal, share in ((5.4, "5.238 to 5.4 ms"), (18.1, "17.557 to 18.1 ms")):
        with pytest.raises(ArchitectureError, match=rf"{share}; there are such of 5\.5 to 17\.5 ms"):
            land(SPACE, table, picks, goal)
    with pytest.raises(ArchitectureError, match=r"take 6\.1875 to 6\.25 ms; there are such of 5\.5 to 17\.5 ms"):
        land(SPACE, table, picks, 6.25, 0.01)
    with pytest.raises(ArchitectureError, match=r"of 2\.5 to 2\.5 ms"):
        of_convolutions = TieredSpace(
            (TieredStage(8, (1, 3), 2, ("convolution",)),), (4,), 5, (1, 3, 32, 32), head=None
        )
        land(of_convolutions, made_up(uneven, of_convolutions), [Pick(0, 0), Pick(1, 0), Pick(0, 0)], 5.0)


@pytest.mark.parametrize(
    ("picks", "goal", "tolerance", "message"),
    [
        ([Pick(0, 0), Pick(0, 64), None, None, None], 0.0, 0.03, "goal of 0.0 ms"),
        ([Pick(0, 0), Pick(0, 64), None, None, None], math.inf, 0.03, "goal of inf ms"),
        ([Pick(0, 0), Pick(0, 64), None, None, None], 5.0, 1.0, "tolerance of 1.0"),
        ([Pick(0, 0), Pick(0, 64), None, None], 5.0, 0.03, "picks: found 4, expected 5"),
        ([Pick(0, 0), Pick(0, 60), None, None, None], 5.0, 0.03, "layer 2 has no candidate 0 of inner width 60"),
        ([Pick(0, 0), None, None, None, None], 5.0, 0.03, "layer 2 is left out"),
    ],
)
def test_what_cannot_land_is_refused(picks, goal, tolerance, message):
    with pytest.raises(ArchitectureError, match=message):
        land(SPACE, made_up(uneven), picks, goal, tolerance)


def test_parts_that_the_table_lacks_are_named():
    with pytest.raises(UnsupportedError, match=r"not in the latency table: .*stem"):
        land(SPACE, LatencyTable({}), [Pick(0, 0), Pick(0, 64), None, None, None], 5.0)
