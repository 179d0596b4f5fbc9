"""Networks read off a table of accuracies, for a limit of latency or of other costs: PONAS's last step.

PONAS (arXiv 2003.05112) takes the network whose candidates lose least accuracy in sum, within the limit, and says that
this takes about ten seconds. It is a multiple-choice knapsack, solved exactly here in milliseconds. Two other ways are
here to be held against it: an evolution, which the authors name, and a greedy choice.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from numbers import Real
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone
from prototxt_gen.errors import ArchitectureError, FormatError, UnsupportedError
from search.costs import COSTS, ENERGY, LIMITED, as_told, bound_of, cost_graph, in_words
from search.latency import LatencyTable
from search.latency.graphs import Graph
from search.latency.limits import parse_limit
from search.latency.overview import Overview
from search.spaces.codes import parse_space_code
from search.spaces.ponas import PonasSpace
from search.strategies.accuracy_table import AccuracyTable, Row
from search.strategies.approximating import evolved, greedy
from search.strategies.knapsack import TIE, Knapsack

Method: TypeAlias = Literal["exact", "evolution", "greedy"]
LATENCY, MEMORY = "latency", "memory"
# So many problems are kept to be solved under other limits.
_PROBLEMS = 16
# What numbers of costs are of, where they are told among others.
_WHAT = {"multiply-adds": " multiply-adds", "parameters": " parameters", "memory": " of memory"}

#: The most that a network may have: milliseconds, a latency in words ("5ms"), or numbers by cost.
Limit: TypeAlias = float | str | Mapping[str, float | str]


class Chosen(NamedTuple):
    """A network chosen by a table, and what is expected of it.

    `accuracy` in 0..1 is what the table expects, `loss` the sum of its candidates' losses. `costs` has all of
    `search.costs.COSTS`; "latency" in ms where there is a latency table, and "energy" in mJ where that tells it. `gap`
    says by how much the least loss may be smaller: 0 where nothing is better, None where a method does not tell.
    """

    architecture: Backbone
    accuracy: float
    loss: float
    costs: dict[str, float]
    gap: float | None


def choose(
    table: AccuracyTable,
    latency_table: LatencyTable | None = None,
    limit: Limit = math.inf,
    *,
    method: Method = "exact",
    seed: int = 0,
) -> Chosen:
    """The network of the table's space that loses least accuracy within a limit.

    `limit` is in milliseconds of the latency table; a text such as "5ms"; or the most by cost, several at once:
    {"latency": 5.0, "multiply-adds": 3e8}, of "latency", "multiply-adds", "parameters", "memory" (bytes) and "energy"
    (mJ). `method` "exact" is solved exactly (see knapsack.py), and of networks that lose equally little gives one that
    costs less of what is limited, or, where nothing is, of latency or multiply-adds. "evolution", with its `seed`, and
    "greedy" need not find the best. Who chooses often from one table makes `TableChoices` of it once.

    ArchitectureError for a limit that no network meets: it says what the least is. UnsupportedError where the latency
    table lacks parts of the space, or energies. FormatError for a table whose rows are not those of its space.
    """
    return TableChoices(table, latency_table).choose(limit, method=method, seed=seed)


def chosen_boundary(
    table: AccuracyTable,
    latency_table: LatencyTable | None = None,
    cost: str = LATENCY,
    number: int = 200,
    limits: Mapping[str, float | str] | None = None,
) -> list[Chosen]:
    """The networks that `choose` gives under `number` limits of one cost, each once, those that cost least first.

    The limits are evenly spaced from the least to the most that a network of the space has. Each network loses less
    than those before it. `limits`, as of `choose`, are the same for all; one of the `cost` itself is the most. Errors
    as `choose`.
    """
    others = dict(limits or {})
    most = others.pop(cost, math.inf)
    return TableChoices(table, latency_table).boundary(cost, number, others, most=most)


class _Problem(NamedTuple):
    """What is to be solved under limits of some costs: of each row the numbers of those candidates that are allowed."""

    knapsack: Knapsack
    allowed: list[NDArray[np.intp]]

    def choices(self, found: Sequence[int]) -> tuple[int, ...]:
        """Numbers of candidates from those that the knapsack gives."""
        return tuple(int(kept[number]) for kept, number in zip(self.allowed, found, strict=True))


class TableChoices:
    """Chooses any number of times from one table: what is known of the space and of its costs is found once.

    FormatError where the table's rows are not those of its space.
    """

    def __init__(self, table: AccuracyTable, latency_table: LatencyTable | None = None) -> None:
        self.table, self.latency_table = table, latency_table
        self.space = space_of(table)
        self._row_costs: dict[str, list[NDArray[np.int64]]] = {}
        self._graphs: dict[str, Graph] = {}
        self._problems: dict[tuple[tuple[str, ...], int | None], _Problem | None] = {}

    def choose(self, limit: Limit = math.inf, *, method: Method = "exact", seed: int = 0) -> Chosen:
        """As the function `choose`."""
        if method not in get_args(Method):
            raise ArchitectureError(f"method: found {method!r}, expected one of {', '.join(get_args(Method))}")
        limits = self._limits(limit)
        bounds = {name: self._most(name, most) for name, most in limits.items()}
        # Of networks that lose equally little the cheaper one is better, even where nothing is limited.
        usual = LATENCY if self.latency_table is not None else "multiply-adds"
        found = self._solved(bounds or {usual: self._most(usual, math.inf)}, method, seed)
        if found is None:
            raise ArchitectureError(self._impossible(limits, bounds, method))
        choices, gap = found
        return self._chosen(choices, gap)

    def boundary(
        self,
        cost: str = LATENCY,
        number: int = 200,
        limits: Mapping[str, float | str] | None = None,
        *,
        least: float = 0.0,
        most: float | str = math.inf,
    ) -> list[Chosen]:
        """As the function `chosen_boundary`, for limits of the cost of at least `least` and at most `most`."""
        if cost not in (LATENCY, *LIMITED):
            raise ArchitectureError(f"cost: found {cost!r}, expected one of {', '.join((LATENCY, *LIMITED))}")
        if number < 2:
            raise ArchitectureError(f"number: found {number}, expected at least 2 limits")
        own = self._limits({**(limits or {}), cost: most})
        highest = min(own.pop(cost, math.inf), self.ends(cost)[1])
        bounds = {name: self._most(name, limit) for name, limit in own.items()}
        first = self._least(cost, bounds)
        if first is None or first > highest:
            asked = {**own, cost: highest} if first is not None else own
            raise ArchitectureError(self._impossible(asked, {name: self._most(name, asked[name]) for name in asked}))
        lowest = min(max(least, first), highest)
        found: list[Chosen] = []
        # The same networks are those of smaller limits, down to what they cost.
        for limit in np.linspace(highest, lowest, number).tolist():
            if not found or limit < found[-1].costs[cost]:
                # Rounding must not put the last one below the least.
                found.append(self.choose({**own, cost: max(limit, lowest)}))
        found.reverse()
        # Where sums of losses are equal but for their rounding, the cheapest is enough.
        best = [np.inf, *np.minimum.accumulate([one.loss for one in found]).tolist()]
        return [one for one, before in zip(found, best, strict=False) if one.loss < before - TIE]

    def ends(self, cost: str) -> tuple[float, float]:
        """The least and the most that a network of the space has of a cost."""
        graph = self._graph(cost)
        return self._told(cost, graph.cheapest()[0]), self._told(cost, graph.dearest()[0])

    @cached_property
    def costs(self) -> tuple[str, ...]:
        """The names of all costs that can be told: all but "latency" and "energy" in any case."""
        if self.latency_table is None:
            return tuple(COSTS)
        try:
            self._graph(ENERGY)
        except UnsupportedError:
            return (LATENCY, *COSTS)
        return (LATENCY, *LIMITED)

    def _solved(
        self, bounds: Mapping[str, int], method: Method, seed: int
    ) -> tuple[tuple[int, ...], float | None] | None:
        """Choices within bounds, in whole numbers of the costs' graphs, and their gap; None where none are found."""
        summed = tuple(name for name in bounds if self._sums(name))
        problem = self._problem(summed, bounds.get(MEMORY))
        if problem is None:
            return None
        left = [bounds[name] - self._graph(name).base for name in summed]
        if method == "exact":
            found = problem.knapsack.solve(left)
        elif method == "greedy":
            found = greedy(problem.knapsack, left)
        else:
            found = evolved(problem.knapsack, left, random.Random(seed))
        return None if found is None else (problem.choices(found.choices), found.gap)

    def _problem(self, summed: tuple[str, ...], peak: int | None) -> _Problem | None:
        """Of the candidates whose own memory is at most `peak`; None where a row has none."""
        key = (summed, peak)
        if key not in self._problems:
            allowed = self._allowed(peak)
            if len(self._problems) >= _PROBLEMS:
                self._problems.clear()
            self._problems[key] = None
            if allowed is not None:
                losses = [losses[kept] for losses, kept in zip(self.table.losses, allowed, strict=True)]
                self._problems[key] = _Problem(Knapsack(losses, self._stacked(summed, allowed)), allowed)
        return self._problems[key]

    def _allowed(self, peak: int | None) -> list[NDArray[np.intp]] | None:
        """Of each row the candidates whose own memory is at most `peak`; None where a row has none."""
        if peak is None:
            return [np.arange(len(losses)) for losses in self.table.losses]
        allowed = [np.flatnonzero(costs <= peak) for costs in self._costs_of(MEMORY)]
        return allowed if self._graph(MEMORY).base <= peak and all(map(len, allowed)) else None

    def _stacked(self, names: Sequence[str], allowed: Sequence[NDArray[np.intp]]) -> list[NDArray[np.int64]]:
        """What candidates cost, (candidates, names) for each row."""
        rows = [self._costs_of(name) for name in names]
        return [
            np.array([costs[row][kept] for costs in rows], dtype=np.int64).reshape(len(names), len(kept)).T
            for row, kept in enumerate(allowed)
        ]

    def _graph(self, name: str) -> Graph:
        if name not in self._graphs:
            if name == LATENCY:
                self._graphs[name] = self._overview.graph
            else:
                self._graphs[name] = cost_graph(self.space, name, self.latency_table)
        return self._graphs[name]

    @cached_property
    def _overview(self) -> Overview:
        if self.latency_table is None:
            raise ArchitectureError("limit: found one of latency and no latency table, expected a table")
        return Overview(self.space, self.latency_table)

    def _sums(self, name: str) -> bool:
        return self._graph(name).join is np.add

    def _most(self, name: str, most: float) -> int:
        """The limit in the whole numbers of the cost's graph."""
        if name == LATENCY:
            return self._overview.nanoseconds((0.0, most))[1]
        return bound_of(self._graph(name), name, (0, most), self.latency_table).most

    def _told(self, name: str, cost: int) -> float:
        """A cost in the whole numbers of its graph as people read it."""
        return self._overview.ms(cost) if name == LATENCY else as_told(name, cost, self.latency_table)

    def _costs_of(self, name: str) -> list[NDArray[np.int64]]:
        """For each row what its candidates (candidates,) cost."""
        if name not in self._row_costs:
            self._row_costs[name] = row_costs(self.space, self._graph(name))
        return self._row_costs[name]

    def _limits(self, limit: Limit) -> dict[str, float]:
        """The limits by cost that are none of infinity. ArchitectureError lists those that are wrong."""
        given = dict(limit) if isinstance(limit, Mapping) else {LATENCY: limit}
        names, faults = (LATENCY, *LIMITED), []
        found: dict[str, float] = {}
        for name, most in given.items():
            if name not in names:
                faults.append(f"found {name!r}, expected one of {', '.join(names)}")
                continue
            if name == LATENCY and isinstance(most, str):
                parsed = parse_limit(most)
                if parsed.network:
                    faults.append(f"{name}: found {most!r}, expected milliseconds, such as 5 or '5ms'")
                    continue
                most = parsed.amount
            if isinstance(most, bool) or not isinstance(most, Real) or not most > 0:
                faults.append(f"{name}: found {most!r}, expected a number above 0")
                continue
            if not math.isinf(most):
                found[name] = int(most) if most == math.floor(most) else float(most)
        if faults:
            raise ArchitectureError(f"limit: {'; '.join(faults)}")
        return found

    def _impossible(self, limits: Mapping[str, float], bounds: Mapping[str, int], method: Method = "exact") -> str:
        """Why nothing was found within limits: for each that is below it, the least; or the least under the others."""
        ends = {name: self.ends(name)[0] for name in limits}
        faults = [
            f"{name}: found {in_words(name, 0, most)}, but the least of the space is "
            f"{in_words(name, ends[name], ends[name])}"
            for name, most in limits.items()
            if ends[name] > most
        ]
        if faults:
            return f"limit: {'; '.join(faults)}"
        words = " and ".join(f"{in_words(name, 0, most)}{_WHAT.get(name, '')}" for name, most in limits.items())
        if method != "exact":
            return f"limit: {method} found no network with {words}; it may miss some, 'exact' does not"
        for name in limits:
            others = {other: bound for other, bound in bounds.items() if other != name}
            least = self._least(name, others)
            if least is not None:
                told = f"{in_words(name, least, least)}{_WHAT.get(name, '')}"
                faults.append(f"within the other limit{'s' if len(others) > 1 else ''} the least is {told}")
        return f"limit: no network has {words}: {'; '.join(faults) or 'no two of these limits are met together'}"

    def _least(self, name: str, bounds: Mapping[str, int]) -> float | None:
        """The least of a cost within bounds of others; None where these alone are too much."""
        rows = self._costs_of(name)
        if not self._sums(name):
            # The peak of a network is that of one of its candidates, or of what all have.
            peaks = sorted({self._graph(name).base, *(int(cost) for costs in rows for cost in costs)})
            first = bisect.bisect_left(peaks, True, key=lambda peak: self._within({**bounds, name: peak}))
            return self._told(name, peaks[first]) if first < len(peaks) else None
        summed = tuple(other for other in bounds if self._sums(other))
        allowed = self._allowed(bounds.get(MEMORY))
        if allowed is None:
            return None
        losses = [costs[kept].astype(np.float64) for costs, kept in zip(rows, allowed, strict=True)]
        problem = _Problem(Knapsack(losses, self._stacked(summed, allowed)), allowed)
        found = problem.knapsack.solve([bounds[other] - self._graph(other).base for other in summed])
        return None if found is None else self._told(name, self._cost(name, problem.choices(found.choices)))

    def _within(self, bounds: Mapping[str, int]) -> bool:
        return self._solved(bounds, "exact", 0) is not None

    def _chosen(self, choices: Sequence[int], gap: float | None) -> Chosen:
        costs = {name: self._told(name, self._cost(name, choices)) for name in self.costs}
        loss = self.table.loss(np.array([choices]))
        return Chosen(self.space.of_choices(choices), float(self.table.expected(loss)[0]), float(loss[0]), costs, gap)

    def _cost(self, name: str, choices: Sequence[int]) -> int:
        """What a network costs, in the whole numbers of the cost's graph."""
        graph, rows = self._graph(name), self._costs_of(name)
        own = [int(costs[number]) for costs, number in zip(rows, choices, strict=True)]
        return int(graph.join.reduce([graph.base, *own]))


def space_of(table: AccuracyTable) -> PonasSpace:
    """The space of a table. FormatError where it is no code of one, or the table's rows are not the space's."""
    try:
        # A table is from others: its text names no files.
        space = parse_space_code(table.space)
    except ArchitectureError as fault:
        raise FormatError(f"accuracy table: {fault}") from None
    if not isinstance(space, PonasSpace):
        raise FormatError(f"accuracy table: space: found {table.space}, expected one of layers with candidates")
    expected = [[str(unit) for unit in space.layers[layer].candidates] for layer in space.rows]
    if len(table.rows) != len(expected):
        raise FormatError(f"accuracy table: found {len(table.rows)} rows, expected {len(expected)}, as {space} has")
    faults = [
        f"row {number}, {row.layer}: found {', '.join(row.candidates)}, expected {', '.join(codes)}"
        for number, (row, codes) in enumerate(zip(table.rows, expected, strict=True), 1)
        if list(row.candidates) != codes
    ]
    if faults:
        raise FormatError(f"accuracy table of space {space}: {'; '.join(faults)}")
    return space


def table_within(table: AccuracyTable, space: PonasSpace) -> AccuracyTable:
    """The table of a space within its own, such as one that is cut to a target: networks are expected to be as before.

    Rows of layers that leave no choice any more are gone; what their candidates lose is in `best`. FormatError as
    `space_of`; ArchitectureError where the space has other layers or candidates.
    """
    known = dict(zip(space_of(table).rows, zip(table.rows, table.losses, strict=True), strict=True))
    rows, loss = [], 0.0
    for number, (row, losses) in known.items():
        codes = [str(unit) for unit in space.layers[number].candidates] if number < len(space.layers) else []
        places = [row.candidates.index(code) for code in codes if code in row.candidates]
        if not places or len(places) < len(codes):
            found = ", ".join(codes) or "no such layer"
            raise ArchitectureError(f"space {space}: {row.layer}: found {found}, expected some of {row.candidates}")
        loss += float(losses[places].min())
        if number in space.rows:
            rows.append(Row(row.layer, tuple(codes), tuple(row.accuracies[place] for place in places)))
    best = float(table.expected(np.array([loss]))[0])
    made = replace(table, space=str(space), rows=tuple(rows), best=best)
    space_of(made)
    return made


def row_costs(space: PonasSpace, graph: Graph) -> list[NDArray[np.int64]]:
    """For each row of a space what each of its candidates (candidates,) costs by a graph, beside the graph's base."""
    found = []
    for row, layer in enumerate(space.rows):
        columns = [number for number, column in enumerate(space.columns) if column.layer == layer]
        count = len(space.layers[layer].candidates)
        choices = np.zeros((count, len(space.rows)), dtype=np.int64)
        choices[:, row] = np.arange(count)
        # All ways are in state 0 between layers.
        state, total = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        values = space.vectors_of(choices)[:, columns]
        for value, column in zip(values.T, columns, strict=True):
            after, costs = graph.layers[column]
            total = graph.join(total, costs[state, value])
            state = after[state, value]
        found.append(total)
    return found
