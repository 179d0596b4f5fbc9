"""What the networks of a space cost besides time: multiply-adds, parameters, memory, energy, and limits of these.

The first three are the network's own figures at batch 1, not estimates: multiply-adds and parameters are those of the
deploy network that a search hands out, as `dongfeng show` prints them; "memory" is the peak of the activations in bytes
of float32 (see prototxt_gen/memory.py) with batch norm merged, since that is what runs on a device, as latency is.
Merging leaves multiply-adds as they are and takes parameters and memory away, never adds. "energy" is what a latency
table predicts, in mJ a run, where it has energies (see search/latency/energy.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from numbers import Real
from typing import NamedTuple, TypeAlias

import numpy as np

from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import ArchitectureError, UnsupportedError
from prototxt_gen.generator.networks import generate
from prototxt_gen.generator.parts import Part
from prototxt_gen.proto import NetParameter
from prototxt_gen.summary import Summary, summarize
from search.decoder_memory import decoder_memory_graph
from search.latency import LatencyTable
from search.latency.energy import Energy
from search.latency.graphs import Bound, Graph
from search.latency.predicting import placed_parts, space_graph
from search.latency.table import NO_ENERGY
from search.spaces import DecoderSpace, Space


class Cost(NamedTuple):
    """A figure of a `Summary`, by attribute; of a network with batch norm merged or not.

    `join` makes that of a network out of those of its parts. The peak of memory is the largest of theirs: a backbone's
    parts run one after another, and nothing but a part's input and its top outlives it.
    """

    figure: str
    unit: str
    merged: bool
    join: np.ufunc

    def of_part(self, part: Part) -> int:
        """The figure of a part, a network of its own."""
        return int(getattr(_summary_of(part.net.SerializeToString()), self.figure))

    def of(self, architecture: Backbone | Decoder, input_shape: Sequence[int]) -> int:
        """The figure of a whole network."""
        net = generate(architecture, input_shape=input_shape, merged=self.merged)
        return int(getattr(summarize(net), self.figure))


# Several figures are asked for, each of all parts of a space.
@lru_cache(maxsize=1024)
def _summary_of(binary: bytes) -> Summary:
    return summarize(NetParameter.FromString(binary))


COSTS = {
    "multiply-adds": Cost("multiply_adds", "", True, np.add),
    "parameters": Cost("parameters", "", False, np.add),
    "memory": Cost("peak_memory", " bytes", True, np.maximum),
}

#: What a latency table must tell.
ENERGY = "energy"
#: All that may be limited besides latency.
LIMITED = (*COSTS, ENERGY)

#: What is left out, by cost: the most that a network may have, or (least, most).
Limits: TypeAlias = Mapping[str, float | Sequence[float]]


def cost_graph(space: Space, name: str, table: LatencyTable | None = None) -> Graph:
    """The graph whose `costs` are one of `LIMITED` of many architectures of the space at once.

    One of `COSTS` exactly; energy in nanojoules, before the curve of the `table`'s energies, if they have one.
    UnsupportedError for the memory of decoders on backbones that are chosen, too, and for energies that the table has
    not.
    """
    if name == ENERGY:
        energy = _energy(space, table)
        return space_graph(space, energy.part_nanojoules, energy.base_nanojoules)
    return _figure_graph(space, name)


# A tenth of a second or more each, and limits and reports of one space ask for them again.
@lru_cache(maxsize=16)
def _figure_graph(space: Space, name: str) -> Graph:
    cost = COSTS[name]
    if cost.join is not np.add and isinstance(space, DecoderSpace):
        return decoder_memory_graph(space)
    return space_graph(space, cost.of_part, join=cost.join, merged=cost.merged)


def cost_bound(space: Space, name: str, limit: tuple[float, float], table: LatencyTable | None = None) -> Bound:
    """What a limit of one of `LIMITED`, (least, most), leaves of the space. UnsupportedError as `cost_graph`."""
    return bound_of(cost_graph(space, name, table), name, limit, table)


def bound_of(graph: Graph, name: str, limit: tuple[float, float], table: LatencyTable | None = None) -> Bound:
    """As `cost_bound`, of the graph that `cost_graph` gives."""
    if name == ENERGY:
        assert table is not None and table.energy is not None  # or there were no graph
        return Bound(graph, *table.energy.nanojoules(limit))
    least, most = limit
    return Bound(graph, math.ceil(least), int(min(most, graph.dearest()[0])))


def ends(space: Space, name: str, table: LatencyTable | None = None) -> tuple[Placed, Placed]:
    """The network of the space that has the least of one of `LIMITED`, and the one that has the most."""
    graph = cost_graph(space, name, table)
    least, most = (
        Placed(as_told(name, cost, table), space.decode(vector)) for cost, vector in (graph.cheapest(), graph.dearest())
    )
    return least, most


def as_told(name: str, cost: int, table: LatencyTable | None = None) -> float:
    """A network's cost in the whole numbers of `cost_graph` as it is told: energy in mJ, by the table's curve."""
    if name != ENERGY:
        return cost
    assert table is not None and table.energy is not None  # or there were no graph
    return float(table.energy.millijoules(cost))


class Placed(NamedTuple):
    """A network of a space and what it costs."""

    cost: float
    architecture: Backbone | Decoder


def _energy(space: Space, table: LatencyTable | None) -> Energy:
    """The energies of a table that has those of all of a space's parts. UnsupportedError else."""
    if table is None or table.energy is None:
        raise UnsupportedError(NO_ENERGY)
    table.energy.check(list(placed_parts(space).values()), f"space {space}")
    return table.energy


def checked_limits(
    limits: Limits | None, space: Space, table: LatencyTable | None = None
) -> dict[str, tuple[float, float]]:
    """(least, most) by cost, in the order of `LIMITED`.

    ArchitectureError lists all faults: costs of other names, ranges that are none, and limits that no architecture of
    the space meets. UnsupportedError as `cost_graph`.
    """
    given = dict(limits or {})
    faults = [f"found {name!r}, expected one of {', '.join(LIMITED)}" for name in given if name not in LIMITED]
    found = {}
    for name in LIMITED:
        if name not in given:
            continue
        bounds = _bounds(given[name])
        if bounds is None:
            expected = "the most, or (least, most) with 0 <= least <= most"
            faults.append(f"{name}: found {given[name]!r}, expected {expected}")
            continue
        least, most = bounds
        (cheapest, cheap), (dearest, dear) = ends(space, name, table)
        if most < cheapest:
            has = f"the least of the space is {in_words(name, cheapest, cheapest)}, of {cheap}"
            faults.append(f"{name}: found {in_words(name, least, most)}, but {has}")
        elif least > dearest:
            has = f"the most of the space is {in_words(name, dearest, dearest)}, of {dear}"
            faults.append(f"{name}: found {in_words(name, least, most)}, but {has}")
        found[name] = bounds
    if faults:
        raise ArchitectureError(f"limits: {'; '.join(faults)}")
    return found


def _bounds(limit: float | Sequence[float]) -> tuple[float, float] | None:
    """(least, most) as Python's numbers, whole ones as integers; None where the limit is no range."""
    given = (0, limit) if not isinstance(limit, Sequence) else tuple(limit)
    if len(given) != 2 or not all(isinstance(bound, Real) for bound in given):
        return None
    least, most = (
        int(bound) if math.isfinite(bound) and bound == math.floor(bound) else float(bound) for bound in given
    )
    return (least, most) if 0 <= least <= most and math.isfinite(least) else None


def in_words(name: str, least: float, most: float) -> str:
    """A range of "latency" in ms, of "energy" in mJ or of a cost: "at most 500,000,000" or "2.5 to 7 ms"."""
    measured = {"latency": " ms", ENERGY: " mJ"}
    unit = measured[name] if name in measured else COSTS[name].unit
    low, high = (f"{bound:,.6g}" if name in measured else f"{bound:,}" for bound in (least, most))
    if least == most:
        return f"{low}{unit}"
    if math.isinf(most):
        return f"at least {low}{unit}"
    return f"{low} to {high}{unit}" if least > 0 else f"at most {high}{unit}"


def plain(limit: tuple[float, float]) -> list[float | None]:
    """A range for JSON, which has no infinity."""
    return [bound if math.isfinite(bound) else None for bound in limit]
