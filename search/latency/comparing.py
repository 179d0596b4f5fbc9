"""Two latency tables side by side: how their targets differ, and how the times of their common parts compare."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import UnsupportedError
from search.latency.agreement import kendall_tau
from search.latency.measuring import Entry
from search.latency.table import LatencyTable
from search.latency.targets import target_differences


class Pair(NamedTuple):
    """A part that both tables have: its time in each, in ms as measured, and how often the first fits the second."""

    label: str
    first: float
    second: float
    ratio: float


@dataclass(frozen=True)
class Comparison:
    """What two tables have in common.

    `pairs` are the common parts in the order of the first table. `ratio` is the median of second / first, `quartiles`
    and `extremes` are those of the ratios divided by it: how evenly one target is faster than the other. `tau` is
    Kendall's rank correlation of the common parts' times, nan for fewer than two. `untimed` are common parts that one
    table gives no time, which have no ratio. `differences` are (field, in the first, in the second) of the targets.
    """

    differences: tuple[tuple[str, str, str], ...]
    pairs: tuple[Pair, ...]
    untimed: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    ratio: float
    quartiles: tuple[float, float]
    extremes: tuple[float, float]
    tau: float

    @property
    def repeats(self) -> NDArray[np.float64]:
        """How far each common part's two times are apart, as shares of their mean."""
        first, second = np.array([[pair.first, pair.second] for pair in self.pairs]).T
        return 2 * np.abs(second - first) / (first + second)

    def outliers(self) -> list[Pair]:
        """The common parts, the one whose ratio is furthest from the median ratio first."""
        return sorted(self.pairs, key=lambda pair: -abs(np.log(pair.ratio / self.ratio)))


def compare_tables(
    first: LatencyTable, second: LatencyTable, names: tuple[str, str] = ("the first table", "the second table")
) -> Comparison:
    """Sets the parts of two tables side by side, by their keys, so that only equal networks are compared.

    UnsupportedError where no part is in both, which says why: their inputs have other sizes, or their networks have
    other blocks. `names` are what messages call the tables.
    """
    common = [key for key in first.entries if key in second.entries]
    if not common:
        raise UnsupportedError(f"{names[0]} and {names[1]}: no part is in both: {_reason(first, second, names)}")
    timed = [key for key in common if first.entries[key].ms > 0 and second.entries[key].ms > 0]
    if not timed:
        raise UnsupportedError(f"{names[0]} and {names[1]}: none of the {len(common)} common parts has a time in both")
    pairs = []
    for key in timed:
        one, other = first.entries[key], second.entries[key]
        pairs.append(Pair(one.label or other.label or key, one.ms, other.ms, other.ms / one.ms))
    ratios = np.array([pair.ratio for pair in pairs])
    ratio = float(np.median(ratios))
    low, high = (float(bound) for bound in np.percentile(ratios / ratio, (25, 75)))
    return Comparison(
        tuple(target_differences(first.target, second.target)),
        tuple(pairs),
        _labels((key, first.entries[key]) for key in common if key not in timed),
        _labels((key, entry) for key, entry in first.entries.items() if key not in second.entries),
        _labels((key, entry) for key, entry in second.entries.items() if key not in first.entries),
        ratio,
        (low, high),
        (float(ratios.min()) / ratio, float(ratios.max()) / ratio),
        kendall_tau([pair.first for pair in pairs], [pair.second for pair in pairs]),
    )


def _labels(entries: Iterable[tuple[str, Entry]]) -> tuple[str, ...]:
    return tuple(entry.label or key for key, entry in entries)


def _reason(first: LatencyTable, second: LatencyTable, names: tuple[str, str]) -> str:
    """Why two tables share nothing."""
    empty = [name for name, table in zip(names, (first, second), strict=True) if not table.entries]
    if empty:
        return f"{' and '.join(empty)}: there are no parts"
    sizes = [_input_sizes(table) for table in (first, second)]
    if all(sizes) and not set(sizes[0]) & set(sizes[1]):
        return f"they are for other input sizes: {', '.join(sizes[0])} and {', '.join(sizes[1])}"
    examples = [next(iter(_labels(table.entries.items()))) for table in (first, second)]
    return f"their networks have other parts, such as {examples[0]!r} and {examples[1]!r}"


def _input_sizes(table: LatencyTable) -> list[str]:
    """Height x width of the images that a table's networks take, as its stems' labels say."""
    found = (re.fullmatch(r"stem \S+ (\d+x\d+)", entry.label) for entry in table.entries.values())
    return sorted({match[1] for match in found if match})
