"""Networks read off a table of accuracies, for a limit of latency or of other costs: PONAS's last step.

PONAS (arXiv 2003.05112) takes the network whose candidates lose least accuracy in sum, within the limit, and says that
this takes about ten seconds. It is a multiple-choice knapsack, solved exactly here in milliseconds. Two quicker-to-tell
ways are here to be held against it: an evolution, which the authors name, and a greedy choice.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from numbers import Real
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone
from prototxt_gen.errors import ArchitectureError, FormatError
from search.costs import COSTS, LIMITED, cost_bound, cost_graph, ends, in_words
from search.latency import LatencyTable
from search.latency.graphs import Graph
from search.latency.limits import parse_limit
from search.latency.overview import Overview
from search.spaces import parse_space
from search.spaces.ponas import PonasSpace
from search.strategies.accuracy_table import AccuracyTable
from search.strategies.approximating import evolved, greedy
from search.strategies.knapsack import Knapsack

Method: TypeAlias = Literal["exact", "evolution", "greedy"]
LATENCY = "latency"

#: The most that a network may have: milliseconds, a latency in words ("5ms"), or numbers by cost.
Limit: TypeAlias = float | str | Mapping[str, float | str]


class Chosen(NamedTuple):
    """A network chosen by a table, and what is expected of it.

    `accuracy` in 0..1 is what the table expects, `loss` the sum of its candidates' losses. `costs` has all of
    `search.costs.COSTS`, and "latency" in ms where there is a latency table. `gap` says by how much the least loss may
    be smaller; 0 where it is known that nothing is better, None where a method does not tell.
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
    (mJ). `method` "exact" is solved exactly; "evolution", with its `seed`, and "greedy" need not find the best.

    ArchitectureError for a limit that no network meets: it says what the least is. UnsupportedError where the latency
    table lacks parts of the space, or there is none. FormatError for a table of another space than its rows are.
    """
    return Chooser(table, latency_table).choose(limit, method=method, seed=seed)


def boundary(
    table: AccuracyTable, latency_table: LatencyTable | None = None, cost: str = LATENCY, number: int = 200
) -> list[Chosen]:
    """The networks that `choose` gives under `number` limits of one cost, each once, those that cost least first.

    The limits are evenly spaced from the least to the most that a network of the space has.
    """
    return Chooser(table, latency_table).boundary(cost, number)


class Chooser:
    """Chooses any number of times from one table: what it knows of the space and of the costs is found once.

    FormatError where the table's rows are not those of its space.
    """

    def __init__(self, table: AccuracyTable, latency_table: LatencyTable | None = None) -> None:
        self.table, self.latency_table = table, latency_table
        self.space = space_of(table)
        self._row_costs: dict[str, list[NDArray[np.int64]]] = {}
        self._graphs: dict[str, Graph] = {}
        self._knapsacks: dict[tuple[tuple[str, ...], int | None], tuple[Knapsack, list[NDArray[np.intp]]] | None] = {}

    def choose(self, limit: Limit = math.inf, *, method: Method = "exact", seed: int = 0) -> Chosen:
        """As the function `choose`."""
        if method not in get_args(Method):
            raise ArchitectureError(f"method: found {method!r}, expected one of {', '.join(get_args(Method))}")
        limits = self._limits(limit)
        bounds = {name: self._most(name, most) for name, most in limits.items()}
        summed = tuple(name for name in bounds if self._sums(name))
        peak = bounds.get("memory")
        knapsack = self._knapsack(summed, peak)
        left = [bounds[name] - self._graph(name).base for name in summed]
        if knapsack is not None:
            solver, allowed = knapsack
            if method == "exact":
                found = solver.solve(left)
            else:
                found = greedy(solver, left) if method == "greedy" else evolved(solver, left, random.Random(seed))
            if found is not None:
                numbers = [int(kept[number]) for kept, number in zip(allowed, found.choices, strict=True)]
                return self._chosen(numbers, found.loss, found.gap)
        raise ArchitectureError(self._impossible(limits, method))

    def boundary(self, cost: str = LATENCY, number: int = 200) -> list[Chosen]:
        """As the function `boundary`."""
        least, most = self._ends(cost)
        found: dict[Backbone, Chosen] = {}
        for limit in np.linspace(least, most, number).tolist():
            # Rounding must not put the first one below the least.
            chosen = self.choose({cost: max(limit, least)})
            found[chosen.architecture] = chosen
        return list(found.values())

    def _knapsack(self, summed: tuple[str, ...], peak: int | None) -> tuple[Knapsack, list[NDArray[np.intp]]] | None:
        """Of the candidates whose own memory is at most `peak`, and which these are; None where a row has none."""
        key = (summed, peak)
        if key not in self._knapsacks:
            allowed = [np.arange(len(losses)) for losses in self.table.losses]
            if peak is not None:
                rows = self._costs_of("memory")
                allowed = [np.flatnonzero(costs <= peak) for costs in rows]
                if self._graph("memory").base > peak or not all(map(len, allowed)):
                    self._knapsacks[key] = None
                    return None
            costs = [
                np.stack([self._costs_of(name)[row][kept] for name in summed], axis=1)
                if summed
                else np.zeros((len(kept), 0), dtype=np.int64)
                for row, kept in enumerate(allowed)
            ]
            losses = [losses[kept] for losses, kept in zip(self.table.losses, allowed, strict=True)]
            self._knapsacks[key] = Knapsack(losses, costs), allowed
        return self._knapsacks[key]

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
        return cost_bound(self.space, name, (0, most), self.latency_table).most

    def _ends(self, name: str) -> tuple[float, float]:
        if name == LATENCY:
            return self._overview.fastest.ms, self._overview.slowest.ms
        if name not in LIMITED:
            raise ArchitectureError(f"cost: found {name!r}, expected one of {', '.join((LATENCY, *LIMITED))}")
        least, most = ends(self.space, name, self.latency_table)
        return least.cost, most.cost

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

    def _impossible(self, limits: Mapping[str, float], method: str) -> str:
        """Why nothing was found within limits."""
        told = []
        for name, most in limits.items():
            least = self._ends(name)[0]
            if least > most:
                has = f"the least of the space is {in_words(name, least, least)}"
                told.append(f"{name}: found {in_words(name, 0, most)}, but {has}")
        words = " and ".join(in_words(name, 0, most) for name, most in limits.items())
        if not told:
            told = [
                f"found no network with {words}; each of these limits alone is met"
                + ("" if method == "exact" else f"; {method} may miss networks, exact does not")
            ]
        return f"limit: {'; '.join(told)}"

    def _chosen(self, choices: Sequence[int], loss: float, gap: float | None) -> Chosen:
        costs: dict[str, float] = {}
        if self.latency_table is not None:
            costs[LATENCY] = float(self.latency_table.milliseconds(self._cost(LATENCY, choices)))
        costs |= {name: self._cost(name, choices) for name in COSTS}
        expected = float(self.table.expected(np.array([loss]))[0])
        return Chosen(self.space.of_choices(choices), expected, loss, costs, gap)

    def _cost(self, name: str, choices: Sequence[int]) -> int:
        """What a network costs, in the whole numbers of the cost's graph."""
        graph, rows = self._graph(name), self._costs_of(name)
        own = [int(costs[number]) for costs, number in zip(rows, choices, strict=True)]
        return int(graph.join.reduce([graph.base, *own]))


def space_of(table: AccuracyTable) -> PonasSpace:
    """The space of a table. FormatError where its rows are not the space's."""
    space = parse_space(table.space)
    if not isinstance(space, PonasSpace):
        raise FormatError(f"accuracy table: space: found {table.space}, expected one of layers with candidates")
    expected = [tuple(str(unit) for unit in space.layers[layer].candidates) for layer in space.rows]
    found = [row.candidates for row in table.rows]
    if found != expected:
        wrong = next(
            (
                f"row {number + 1}, {one}, expected {two}"
                for number, (one, two) in enumerate(zip(found, expected, strict=False))
                if one != two
            ),
            f"{len(found)} rows, expected {len(expected)}",
        )
        raise FormatError(f"accuracy table: rows: found {wrong}, as space {table.space} has")
    return space


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
