"""A table held against whole networks: those that a correction learns from, and others that it is checked with."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from converters.engines import Engine
from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.generator.networks import generate
from search.latency.agreement import Agreement, agreement
from search.latency.correcting import telling
from search.latency.measuring import Entry, measure
from search.latency.table import LatencyTable
from search.progress import progress_bar
from search.spaces import Space

# Of so many random networks those are chosen that tell most.
_CANDIDATES = 300


@dataclass(frozen=True)
class Check:
    """Networks measured whole beside their predictions, all in ms; `agreement` says how far they are apart."""

    networks: tuple[str, ...]
    predicted: tuple[float, ...]
    measured: tuple[Entry, ...]
    agreement: Agreement

    @property
    def worst_network(self) -> str:
        """The code of the network whose prediction is furthest off."""
        return self.networks[self.agreement.worst_index]

    def document(self) -> dict[str, Any]:
        """The check as plain JSON values."""
        return {
            "format": "dongfeng latency check 1",
            **{field: value for field, value in vars(self.agreement).items() if field not in ("worst_index", "tau")},
            "tau": None if math.isnan(self.agreement.tau) else self.agreement.tau,
            "worst_network": self.worst_network,
            "networks": [
                {"network": network, "predicted_ms": predicted, "measured_ms": entry.ms, "spread": entry.spread}
                for network, predicted, entry in zip(self.networks, self.predicted, self.measured, strict=True)
            ],
        }


def check(
    table: LatencyTable,
    engine: Engine,
    networks: Sequence[Backbone | Decoder | str],
    input_shape: Sequence[int] | None = None,
    *,
    corrected: bool | None = None,
    rounds: int = 24,
    progress: bool = False,
) -> Check:
    """Measures networks whole, in interleaved rounds, and compares them with the table's predictions.

    UnsupportedError for networks that the table's correction has learnt from, and as `LatencyTable.predict`;
    FormatError when the engine is not the table's target.
    """
    table.check_target(engine)
    codes = [str(network) for network in networks]
    seen = sorted(set(codes) & learnt_from(table)) if corrected is not False else []
    if seen:
        raise UnsupportedError(f"check: the table has learnt from {', '.join(seen)}: give other networks")
    predicted = [table.predict(network, input_shape, corrected) for network in networks]
    nets = [generate(network, input_shape=input_shape, merged=True) for network in networks]
    with progress_bar(len(nets) * rounds, "measuring whole networks", "run", progress) as bar:
        measured = measure(engine, nets, bar.update, rounds)
    return Check(
        tuple(codes), tuple(predicted), tuple(measured), agreement(predicted, [entry.ms for entry in measured])
    )


def learnt_from(table: LatencyTable) -> set[str]:
    """The codes of the networks that were measured whole for this table's correction."""
    return set(table.correction.networks if table.correction else ())


def unseen_networks(table: LatencyTable, space: Space, count: int, seed: int = 0) -> list[Backbone | Decoder]:
    """So many different random networks of a space that the table has not learnt from; or as many as there are."""
    return _drawn(space, count, random.Random(f"check {seed}"), learnt_from(table))


def telling_networks(
    table: LatencyTable,
    subject: Space | Sequence[Backbone | Decoder | str],
    count: int,
    input_shape: Sequence[int] | None = None,
    seed: int = 0,
) -> list[Backbone | Decoder | str]:
    """Of a list of networks, or of many random ones of a space, so many that tell most about a correction of the table.

    UnsupportedError where their parts are not in the table.
    """
    networks: list[Backbone | Decoder | str]
    if isinstance(subject, Space):
        input_shape = subject.input_shape
        networks = [*_drawn(subject, max(_CANDIDATES, 4 * count), random.Random(f"correct {seed}"), set())]
    else:
        networks = list(subject)
    sums = [table.sum_of(network, input_shape) for network in networks]
    return [networks[index] for index in telling(sums, count)]


def _drawn(space: Space, count: int, rng: random.Random, unwanted: set[str]) -> list[Backbone | Decoder]:
    found: dict[str, Backbone | Decoder] = {}
    # Small spaces may not have as many; after so many misses there are hardly any left.
    for _ in range(20 * count + 100):
        if len(found) == count:
            break
        architecture = space.sample(rng)
        if str(architecture) not in unwanted:
            found[str(architecture)] = architecture
    return list(found.values())
