"""The strategy `listed`: the networks of a list in its order, those that are left of them, and no others."""

from __future__ import annotations

import math

import pytest

from prototxt_gen.errors import ArchitectureError
from search.spaces import BackboneSpace
from search.strategies.partial_order import PartialOrderPruning
from tests.search.study.quick import table

SPACE = BackboneSpace(((1, 2), (1, 2)), (4, 8), stem=(4, 4), classes=3, input_shape=(1, 3, 16, 16))
TABLE = table(SPACE)
# Not by latency, nor as the space counts them.
CODES = [str(SPACE.at(place)) for place in (5, 1, 8, 3)]


def searching(networks=CODES, **changes) -> PartialOrderPruning:
    options = {"interval": (0.0, math.inf), "limits": None, "margin": math.inf} | changes
    return PartialOrderPruning(
        SPACE, TABLE, options["interval"], 0, options["limits"], strategy="listed", margin=options["margin"],
        networks=networks,
    )  # fmt: skip


def asked(search, number=100, training=()) -> list[str]:
    return [str(one) for one in search.ask(number, training)]


def test_they_come_in_their_order():
    assert asked(searching()) == CODES
    assert asked(searching(CODES[::-1])) == CODES[::-1]
    assert asked(searching(), 2) == CODES[:2]


def test_what_was_trained_failed_or_is_training_does_not_come_again():
    search = searching()
    first, second, third, fourth = search.ask(4)
    search.tell(first, 0.5)
    search.tell(second, None)
    assert asked(search, training=[third]) == CODES[3:]
    search.tell(fourth, 0.25)
    search.tell(third, 0.25)
    assert asked(search) == []
    assert [str(one.architecture) for one in search.trained()] == [CODES[0], CODES[3], CODES[2]]


def test_told_what_another_process_trained_it_goes_on_behind():
    """A search that is begun anew and told the results so far asks as the first one would."""
    search, again = searching(), searching()
    for one, accuracy in zip(search.ask(2), (0.2, 0.9), strict=True):
        search.tell(one, accuracy)
        again.tell(one, accuracy)
    assert asked(again) == asked(search) == CODES[2:]


def test_a_network_that_is_there_twice_is_trained_once():
    assert asked(searching([*CODES, CODES[0], *CODES])) == CODES


def test_those_that_are_no_candidates_are_told_all_together():
    """Of another space, slower than the limit, larger than the limit."""
    slow = max(CODES, key=lambda code: TABLE.predict(_parsed(code), SPACE.input_shape))
    limit = TABLE.predict(_parsed(slow), SPACE.input_shape) * 0.999
    other = "s4-4_b4_b16_c3"
    with pytest.raises(ArchitectureError) as found:
        searching([other, *CODES], interval=(0.0, limit))
    assert str(found.value).startswith(f"strategy listed: {other} is not in the space; ")
    assert f"{slow} is outside the interval or the limits" in str(found.value)
    with pytest.raises(ArchitectureError, match=f"{CODES[0]} is outside the interval or the limits"):
        searching(limits={"parameters": 1500})


def test_without_a_list_there_is_nothing_to_ask_for():
    with pytest.raises(ArchitectureError, match="strategy listed: found no list of networks"):
        searching(())


def _parsed(code):
    from prototxt_gen.architectures import parse_architecture

    return parse_architecture(code)
