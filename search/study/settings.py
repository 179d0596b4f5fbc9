"""What a study is asked, as it is stored: all that decides what a search does. It goes on with the same only."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from converters.targets.target import Target
from prototxt_gen.errors import FormatError
from search.costs import ENERGY, plain
from search.latency import LatencyTable
from search.latency.predicting import placed_parts
from search.spaces import Space, parse_space
from search.strategies.accuracy_table import AccuracyTable
from search.strategies.ending import Ending
from search.strategies.partial_order import PartialOrderPruning
from search.strategies.strategy import Strategy
from search.training.schedule import Schedule
from search.training.trainer import Trainer

#: The first format. Its studies had no other strategy and no other runs than these.
FIRST = "dongfeng study 1"
#: Settings of a search that goes by a table of accuracies, and of networks that inherit a supernet's weights.
ACCURACIES, SUPERNET, ONE_SHOT = "accuracy table", "supernet", "one-shot"
#: Of a search that trains the networks of a list; and of networks that begin with weights in files.
NETWORKS, BEGUN = "networks", "begun"
#: Of a search for a target (see search/cutting/cut.py): its name, version, date, and a digest of all that it says.
TARGET = "target"

# JSON has no infinity; and in a list of differences, words are clearer than None.
_MARGINS: dict[float | None, str] = {None: "measured", math.inf: "infinite"}
_OF_FIRST = {"strategy": "uniform", "margin": 0.0, "seeds": 1}


def settings_of(
    search: Strategy,
    trainer: Trainer,
    *,
    interval: tuple[float, float],
    strategy: str,
    margin: float | None,
    seed: int,
    seeds: int,
    ending: Ending | None = None,
    accuracies: AccuracyTable | None = None,
    networks: Sequence[str] = (),
    target: Target | None = None,
) -> dict[str, Any]:
    """As JSON values: the strategy and its margin, the space, latency and limits, the training, seeds a candidate.

    The latency table is represented by a digest of what it predicts the space with. Limits are there if there are any,
    the rule that ends trainings early, the text of a table of accuracies, without where that is from, a list of
    networks, and the target that the space is cut to.
    """
    return {
        "strategy": strategy,
        "margin": _MARGINS.get(margin, margin),
        "seeds": seeds,
        "space": str(search.space),
        "latency": plain(interval),
        **({"limits": {name: plain(limit) for name, limit in search.limits.items()}} if search.limits else {}),
        **({"ending": ending.settings()} if ending is not None else {}),
        **({ACCURACIES: replace(accuracies, provenance={}).text()} if accuracies is not None else {}),
        **({NETWORKS: list(networks)} if networks else {}),
        **({TARGET: target.as_json()} if target is not None else {}),
        "seed": seed,
        **trainer.settings,
        "latency table": _digest(_predicting(search)),
        **({"energies": _digest(_energies(search))} if ENERGY in search.limits else {}),
    }


def _digest(told: list[Any]) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def current(first: dict[str, Any]) -> dict[str, Any]:
    """The settings of a study of the first format in today's form."""
    return {**first, **_OF_FIRST}


@dataclass(frozen=True)
class Question:
    """What a study was asked, read back: enough to search as whoever began it does. `interval` is in ms.

    `supernet` says which one the candidates inherit their weights from, if they do: a digest of its weights;
    `one_shot` are its settings. `networks` are those that it trains, where it has a list of them; `begun` the digests
    of the weights that each begins with, by code. `target` is what the space was cut to, as `Target.as_json`.
    """

    space: Space
    interval: tuple[float, float]
    limits: dict[str, tuple[float, float]]
    strategy: str
    margin: float | None
    seeds: int
    seed: int
    schedule: Schedule
    ending: Ending | None
    accuracies: AccuracyTable | None = None
    supernet: str | None = None
    one_shot: dict[str, Any] | None = None
    networks: tuple[str, ...] = ()
    begun: dict[str, str] | None = None
    target: dict[str, str] | None = None

    @classmethod
    def of(cls, settings: dict[str, Any], source: str) -> Question:
        """From settings as `settings_of` makes them. FormatError, naming the `source`, for others."""
        try:
            trained = {field.name: settings[field.name] for field in fields(Schedule) if field.name in settings}
            return cls(
                space=parse_space(settings["space"]),
                interval=_range(settings["latency"]),
                limits={name: _range(limit) for name, limit in settings.get("limits", {}).items()},
                strategy=settings["strategy"],
                margin=_margin(settings["margin"]),
                seeds=int(settings["seeds"]),
                seed=int(settings["seed"]),
                schedule=Schedule(**trained),
                ending=_ending(settings.get("ending")),
                accuracies=_accuracies(settings.get(ACCURACIES), source),
                supernet=settings.get(SUPERNET),
                one_shot=settings.get(ONE_SHOT),
                networks=tuple(map(str, settings.get(NETWORKS, ()))),
                begun=settings.get(BEGUN),
                target=settings.get(TARGET),
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise FormatError(f"{source}: settings: {type(fault).__name__}: {fault}: not those of a search") from fault

    def search(self, table: LatencyTable) -> PartialOrderPruning:
        """The search at its beginning: nothing was told to it yet. Errors as `PartialOrderPruning`."""
        return PartialOrderPruning(
            self.space,
            table,
            self.interval,
            self.seed,
            self.limits,
            strategy=self.strategy,
            margin=self.margin,
            accuracies=self.accuracies,
            networks=self.networks,
        )


def _margin(stored: float | str) -> float | None:
    words = {word: margin for margin, word in _MARGINS.items()}
    return words[stored] if isinstance(stored, str) else float(stored)


def _ending(stored: dict[str, Any] | None) -> Ending | None:
    return None if stored is None else Ending(**{**stored, "looks": tuple(stored["looks"])})


def _accuracies(stored: str | None, source: str) -> AccuracyTable | None:
    return None if stored is None else AccuracyTable.parse(stored, f"{source}: {ACCURACIES}")


def _range(limit: list[float | None]) -> tuple[float, float]:
    least, most = limit
    return least or 0, math.inf if most is None else most


def _predicting(search: Strategy) -> list[Any]:
    """The times of the space's parts, and what the table makes of them where that is not their plain sum."""
    table = search.table
    placed = list(placed_parts(search.space).values())
    base, made = table.base_nanoseconds, [table.part_nanoseconds(part) for part in placed]
    times = {part.key: table.entries[part.key].ms for part in placed if part.key in table.entries}
    plain_sum = [round(times[part.key] * 1e6) if part.key in times else None for part in placed]
    if base == 0 and made == plain_sum and table.curve is None:
        return sorted(times.items())
    return [base, made, table.curve]


def _energies(search: Strategy) -> list[Any]:
    """What the table says of the energy of the space's parts, where that is limited."""
    energy = search.table.energy
    assert energy is not None  # a search that limits it was refused without
    told = [energy.part_nanojoules(part) for part in placed_parts(search.space).values()]
    return [energy.base_nanojoules, told, energy.curve]
