"""Limits of latency as people write them: "2ms", "1500us", "0.002s", "80% of resnet18", "1ms..2ms"."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from prototxt_gen.errors import ArchitectureError

_UNITS = {"": 1.0, "ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3}
_TIME = re.compile(r"(\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+|inf)\s*(ns|us|µs|μs|ms|s|)", re.IGNORECASE | re.ASCII)
_SHARE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*%\s*of\s+(\S+)", re.IGNORECASE | re.ASCII)
_EXPECTED = "milliseconds (2, 2ms, 1500us, 0.002s) or a share of a network's latency (80% of resnet18)"


class Known(NamedTuple):
    """A network's latency in ms, and in words where it comes from: "predicted by the table"."""

    ms: float
    source: str


class Limit(NamedTuple):
    """So many milliseconds; or, where there is a `network`, so many times its latency. `text` is how it was written."""

    amount: float
    network: str
    text: str

    def __str__(self) -> str:
        return self.text

    def resolved(self, latency_of: Callable[[str], Known]) -> Known:
        """The limit in ms, and in words how it comes about; `latency_of` is asked for a share's network."""
        if not self.network:
            return Known(self.amount, f"{self.amount:.6g} ms")
        known = latency_of(self.network)
        ms = self.amount * known.ms
        return Known(ms, f"{self.text} = {ms:.6g} ms ({self.network}: {known.ms:.6g} ms, {known.source})")


class Interval(NamedTuple):
    """The least and the most latency, both inclusive; None where there is no limit."""

    least: Limit | None = None
    most: Limit | None = None

    def resolved(self, latency_of: Callable[[str], Known]) -> tuple[tuple[float, float], list[str]]:
        """(least, most) in ms, 0 and infinity where there is no limit, and how each share comes about, in words.

        ArchitectureError where the least is above the most, and where the most is 0.
        """
        known = [limit.resolved(latency_of) if limit else None for limit in self]
        least = known[0].ms if known[0] else 0.0
        most = known[1].ms if known[1] else math.inf
        if most <= 0:
            raise ArchitectureError(f"latency: at most {self.most}: no network takes no time, expected more than 0 ms")
        if least > most:
            found = [f"{limit} ({one.ms:.6g} ms)" for limit, one in zip(self, known, strict=True) if one]
            raise ArchitectureError(f"latency: the least, {found[0]}, is above the most, {found[1]}")
        shares = [one.source for limit, one in zip(self, known, strict=True) if limit and one and limit.network]
        return (least, most), shares


def parse_limit(text: str) -> Limit:
    """The limit in a text. ArchitectureError where it is none."""
    time = _TIME.fullmatch(text.strip())
    if time is not None:
        ms = float(time[1]) * _UNITS[time[2].lower()]
        if math.isfinite(ms) or time[1].lower() == "inf":
            return Limit(ms, "", text.strip())
    share = _SHARE.fullmatch(text.strip())
    if share is not None:
        return Limit(float(share[1]) / 100, share[2], " ".join(text.split()))
    raise ArchitectureError(f"latency {text[:80]!r}: expected {_EXPECTED}")


def parse_interval(text: str) -> Interval:
    """The interval in a text: "1ms..2ms", "1ms.." (at least), "..2ms" or "2ms" (at most). ArchitectureError else."""
    least, dots, most = text.partition("..")
    if not dots:
        return Interval(None, parse_limit(text))
    if not least.strip() and not most.strip():
        raise ArchitectureError(f"latency {text[:80]!r}: expected an interval such as 1ms..2ms")
    return Interval(parse_limit(least) if least.strip() else None, parse_limit(most) if most.strip() else None)
