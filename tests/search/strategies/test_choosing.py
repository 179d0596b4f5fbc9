"""Networks read off a table, against listing a whole space and asking everything of each network itself."""

import itertools
import math

import numpy as np
import pytest

from prototxt_gen.errors import ArchitectureError, FormatError, UnsupportedError
from search.costs import COSTS, in_words
from search.spaces.ponas import PonasSpace
from search.strategies.accuracy_table import AccuracyTable, named_rows
from search.strategies.choosing import TableChoices, choose, chosen_boundary
from search.strategies.knapsack import TIE
from tests.search.strategies.small_table import CODES, LATENCY_TABLES, SPACE, accuracy_table, energies, latency_table

TABLE = accuracy_table(5)
CHOICES = np.array(list(itertools.product(*(range(len(codes)) for codes in CODES))))
NETWORKS = [SPACE.of_choices(choices) for choices in CHOICES.tolist()]
LOSSES = TABLE.loss(CHOICES)
LATENCY = latency_table(energy=energies())
#: What each network of the space has of each cost, asked of the network itself: (96,) each.
ALL = {
    name: np.array([cost.of(network, SPACE.input_shape) for network in NETWORKS]) for name, cost in COSTS.items()
} | {
    "latency": np.array([LATENCY.predict(network, SPACE.input_shape) for network in NETWORKS]),
    "energy": np.array([LATENCY.predict_energy(network, SPACE.input_shape) for network in NETWORKS]),
}


def best_within(limits):
    """The least loss of all networks within limits; None where there are none."""
    inside = np.all([ALL[name] <= most for name, most in limits.items()], axis=0)
    return float(LOSSES[inside].min()) if inside.any() else None


def cases():
    """Limits from just below the least to the most, of each cost and of several at once."""
    for name, costs in ALL.items():
        for share in (0, 0.1, 0.5, 0.9, 1):
            yield {name: float(np.quantile(costs, share, method="lower"))}
    several = (["latency", "multiply-adds"], ["parameters", "memory"], ["latency", "parameters", "energy"], [*ALL])
    for names, share in itertools.product(several, (0.02, 0.1, 0.2, 0.35, 0.5)):
        yield {name: float(np.quantile(ALL[name], share)) for name in names}


CASES = list(cases())


def words_of(limits):
    return " ".join(f"{name} {most:.4g}" for name, most in limits.items())


def test_limits_at_once_are_sometimes_met_and_sometimes_not():
    found = [best_within(limits) for limits in CASES]
    assert len(set(found)) > 10 and found.count(None) >= 2


@pytest.mark.parametrize("limits", CASES, ids=words_of)
def test_no_network_of_the_space_is_better_within_the_limits(limits):
    least = best_within(limits)
    if least is None:
        with pytest.raises(ArchitectureError, match="limit: no network has"):
            choose(TABLE, LATENCY, limits)
        return
    chosen = choose(TABLE, LATENCY, limits)
    assert chosen.loss <= least + TIE and chosen.gap == 0
    assert all(chosen.costs[name] <= most for name, most in limits.items())
    for method in ("evolution", "greedy"):
        try:
            other = choose(TABLE, LATENCY, limits, method=method)
        except ArchitectureError as fault:
            # One limit alone is met by the cheapest network.
            assert len(limits) > 1
            assert "may miss some, 'exact' does not" in str(fault)
        else:
            assert other.loss >= least - 1e-12 and other.gap is None
            assert all(other.costs[name] <= most for name, most in limits.items())


@pytest.mark.parametrize("kind", LATENCY_TABLES)
def test_costs_are_those_of_the_network_itself_by_any_kind_of_table(kind):
    table = latency_table(1, **LATENCY_TABLES[kind])
    times = np.array([table.predict(network, SPACE.input_shape) for network in NETWORKS])
    for share in (0, 0.3, 0.6, 1):
        limit = float(np.quantile(times, share, method="lower"))
        chosen = choose(TABLE, table, limit)
        assert chosen.loss <= LOSSES[times <= limit].min() + TIE
        net = chosen.architecture
        assert chosen.costs["latency"] == table.predict(net, SPACE.input_shape) <= limit
        assert ("energy" in chosen.costs) == (table.energy is not None)
        if table.energy is not None:
            assert chosen.costs["energy"] == table.predict_energy(net, SPACE.input_shape)
        assert {name: chosen.costs[name] for name in COSTS} == {
            name: cost.of(net, SPACE.input_shape) for name, cost in COSTS.items()
        }
        assert chosen.accuracy == pytest.approx(TABLE.best - chosen.loss)


@pytest.mark.parametrize(
    ("limit", "same"),
    [
        (1.2, {"latency": 1.2}),
        ("1.2ms", 1.2),
        ("1200us", 1.2),
        ("1.2", 1.2),
        ({"latency": "1.2ms"}, 1.2),
        (math.inf, {}),
    ],
)
def test_ways_to_write_a_limit(limit, same):
    assert choose(TABLE, LATENCY, limit) == choose(TABLE, LATENCY, same)


def test_without_a_limit_and_without_a_table():
    chosen = choose(TABLE)
    assert chosen.loss == 0 and chosen.accuracy == TABLE.best
    assert set(chosen.costs) == set(COSTS)
    with pytest.raises(ArchitectureError, match="found one of latency and no latency table"):
        choose(TABLE, limit=1.0)
    with pytest.raises(UnsupportedError, match="energy"):
        choose(TABLE, latency_table(), {"energy": 1.0})


@pytest.mark.parametrize("name", ALL)
def test_a_limit_below_all_networks_says_what_the_least_is(name):
    least = ALL[name].min()
    words = f"{least:,.6g}" if name in ("latency", "energy") else f"{least:,}"
    with pytest.raises(ArchitectureError, match=rf"{name}: found at most .*, but the least of the space is {words}"):
        choose(TABLE, LATENCY, {name: least * 0.999})
    assert choose(TABLE, LATENCY, {name: float(least)}).costs[name] == least


@pytest.mark.parametrize("limits", [limits for limits in CASES if best_within(limits) is None], ids=words_of)
def test_limits_that_are_not_met_together_say_what_the_others_leave_of_each(limits):
    for name, most in limits.items():
        assert best_within({name: most}) is not None
    with pytest.raises(ArchitectureError) as fault:
        choose(TABLE, LATENCY, limits)
    for name in limits:
        inside = np.all([ALL[other] <= most for other, most in limits.items() if other != name], axis=0)
        if inside.any():
            least = ALL[name][inside].min()
            assert f"the least is {in_words(name, least, least)}" in str(fault.value)
    assert str(fault.value).count("the least is") == sum(
        best_within({other: most for other, most in limits.items() if other != name}) is not None for name in limits
    )


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ({"weight": 1}, "found 'weight', expected one of latency, multiply-adds"),
        ({"parameters": 0}, "parameters: found 0, expected a number above 0"),
        ({"parameters": True}, "parameters: found True"),
        ({"parameters": "5M"}, "parameters: found '5M'"),
        ({"latency": math.nan}, "latency: found nan"),
        ("80% of resnet18", "found '80% of resnet18', expected milliseconds"),
        ("soon", "latency 'soon'"),
        ({"weight": 1, "memory": -1}, "weight.*memory: found -1"),
    ],
)
def test_what_is_no_limit_is_refused(limit, told):
    with pytest.raises(ArchitectureError, match=told):
        choose(TABLE, LATENCY, limit)


def test_other_methods_are_refused():
    with pytest.raises(ArchitectureError, match="found 'luck', expected one of exact, evolution, greedy"):
        choose(TABLE, LATENCY, 1.0, method="luck")


@pytest.mark.parametrize("cost", ALL)
def test_a_boundary_is_what_each_limit_gives(cost):
    found = chosen_boundary(TABLE, LATENCY, cost, 300)
    costs, losses = [one.costs[cost] for one in found], [one.loss for one in found]
    assert costs == sorted(costs) and losses == sorted(losses, reverse=True)
    assert len(set(costs)) == len(set(losses)) == len(found) >= 2
    for limit in np.linspace(ALL[cost].min(), ALL[cost].max(), 300).tolist():
        limit = max(limit, float(ALL[cost].min()))
        given = [one for one in found if one.costs[cost] <= limit][-1]
        assert given.loss <= best_within({cost: limit}) + 2 * TIE


FEWEST = int(ALL["parameters"].min())
TIME_OF_FEWEST = float(ALL["latency"][ALL["parameters"] == FEWEST].min())


def test_a_boundary_within_other_limits():
    others = {"memory": int(ALL["memory"].min()), "parameters": int(np.quantile(ALL["parameters"], 0.6))}
    inside = np.all([ALL[name] <= most for name, most in others.items()], axis=0)
    assert 0 < inside.sum() < len(inside)
    least, most = ALL["latency"][inside].min(), np.quantile(ALL["latency"], 0.7)
    found = chosen_boundary(TABLE, LATENCY, number=300, limits={**others, "latency": most})
    assert found[0].costs["latency"] == least < found[-1].costs["latency"] <= most
    for limit in np.linspace(least, most, 300).tolist():
        given = [one for one in found if one.costs["latency"] <= max(limit, least)][-1]
        assert given.loss <= best_within({**others, "latency": max(limit, least)}) + 2 * TIE
        assert all(given.costs[name] <= other for name, other in others.items())


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"latency": 0.001}, "latency: found at most 0.001 ms, but the least of the space is"),
        ({"memory": 1}, "memory: found at most 1 bytes, but"),
        ({"parameters": FEWEST, "latency": float(np.nextafter(TIME_OF_FEWEST, 0))}, "no network has"),
    ],
)
def test_a_boundary_within_limits_that_are_not_met_is_refused(limits, told):
    with pytest.raises(ArchitectureError, match=told):
        chosen_boundary(TABLE, LATENCY, limits=limits)


def test_a_boundary_of_no_cost_or_of_no_limits_is_refused():
    with pytest.raises(ArchitectureError, match="cost: found 'weight'"):
        chosen_boundary(TABLE, LATENCY, "weight")
    with pytest.raises(ArchitectureError, match="number: found 1"):
        chosen_boundary(TABLE, LATENCY, number=1)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"space": "s8_b1-2_w8-16_c5_i3x24x24"}, "layers with candidates"),
        ({"space": "/etc/hostname"}, "accuracy table: "),
        ({"space": "ponas-small"}, "accuracy table: "),
        ({"rows": TABLE.rows[:-1]}, "found 2 rows, expected 3"),
        ({"rows": (TABLE.rows[1], TABLE.rows[0], TABLE.rows[2])}, "row 1, layer 2: found .*; row 2, layer 1: found "),
        ({"space": str(PonasSpace())}, "found 3 rows, expected 19"),
    ],
)
def test_a_table_whose_rows_are_not_its_spaces_is_refused(changed, told):
    with pytest.raises(FormatError, match=told):
        choose(accuracy_table(5, **changed))


def test_a_latency_table_without_some_parts_is_refused():
    table = latency_table()
    _, entry = table.entries.popitem()
    with pytest.raises(UnsupportedError, match=f"not in the latency table: {entry.label}"):
        choose(TABLE, table, 5.0)


def test_one_object_for_many_choices_gives_what_each_alone_does():
    choices = TableChoices(TABLE, LATENCY)
    for limits in CASES:
        if best_within(limits) is not None:
            assert choices.choose(limits) == choose(TABLE, LATENCY, limits)


@pytest.mark.slow
def test_in_the_papers_space_what_is_chosen_is_proved_to_be_best():
    """19 layers of 12 candidates: what no listing reaches."""
    space, rng = PonasSpace(), np.random.default_rng(0)
    codes = [[str(unit) for unit in space.layers[layer].candidates] for layer in space.rows]
    rows = named_rows([f"layer {layer}" for layer in space.rows], codes, [rng.uniform(0.6, 0.7, 12) for _ in codes])
    found = chosen_boundary(AccuracyTable(str(space), rows, 0.75), cost="multiply-adds", number=40)
    assert len(found) > 10 and all(one.gap == 0 for one in found)
    assert found[-1].loss == 0 < found[0].loss
