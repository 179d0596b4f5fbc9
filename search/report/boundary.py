"""The boundary of a search: boundary.json for programs, and a table for people."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import stdev

from converters.engines import Engine, as_engine
from converters.targets.target import Target
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.files import write_bytes
from prototxt_gen.generator.networks import generate
from prototxt_gen.tables import aligned
from search.costs import COSTS, plain
from search.latency import measure
from search.latency.overview import whole
from search.report.for_target import ForTarget, write_for_target
from search.report.networks import write_network
from search.spaces import Architecture
from search.strategies.strategy import Strategy
from search.study.folder import (
    BOUNDARY,
    DEPLOY,
    MERGED,
    MERGED_WEIGHTS,
    OF_TARGET,
    WEIGHTS_OF_ANY_RUN,
    make_folder,
    network_folder,
)
from search.training.dataset import Dataset
from search.training.schedule import Schedule

FORMAT = "dongfeng boundary 2"


@dataclass(frozen=True)
class Found:
    """A network of the boundary. Latencies in ms at batch 1, accuracy in 0..1, paths relative to the run's folder.

    `accuracy` is the mean of `runs`, one for each seed that it was trained with; `spread` their standard deviation,
    None of one run; `expected` what the strategy expects of its accuracy after all results, where it has a model: the
    boundary is of those then; `foretold` what a table of accuracies said of it before. `source` says where the accuracy
    is from if not from this search.

    Latencies, "predicted" and, where an engine was given, "measured", are of the merged network, and so is
    `peak_memory`, of its activations in bytes; `prototxt` and `caffemodel` are unmerged, as they were trained, and so
    are parameters and multiply-adds (see search/costs.py). `energy_mj` is predicted, None where the table does not tell
    it. `caffemodel` is that of the most accurate run; None where
    the weights are not in this folder: on another machine that trained them, or nowhere, as of a training that gave
    none. Where it is, the merged network and its weights lie beside it. `for_target` is what became of the network in a
    search for a target, its files' paths relative to the run's folder, too.
    """

    code: str
    latency_ms: dict[str, float]
    accuracy: float
    runs: list[float]
    spread: float | None
    expected: float | None
    foretold: float | None
    source: str | None
    parameters: int
    multiply_adds: int
    peak_memory: int
    energy_mj: float | None
    prototxt: str
    caffemodel: str | None
    merged_prototxt: str | None
    merged_caffemodel: str | None
    for_target: ForTarget | None = None


def write_report(
    search: Strategy,
    out: str | os.PathLike[str],
    engine: Engine | str | None,
    data: Dataset | None = None,
    schedule: Schedule | None = None,
    *,
    sources: Mapping[str, str] | None = None,
    every: bool = False,
    target: Target | None = None,
) -> list[Found]:
    """Writes the boundary's prototxts beside their weights, then boundary.json; fastest network first.

    The networks are measured whole for it, on the engine's target. Without an engine, as when the table is another
    device's, only predictions are told. `data` and `schedule` are those of our own training; without them no train_val
    prototxts and solvers are written. `sources`: by code, where known results are from (see `known_sources`). With
    `every` the prototxts of all trained networks are written whose weights are here, of the boundary or not. With a
    `target`, that of the search, each network is written in its words, too, and checked (see for_target.py).
    """
    folder = Path(out)
    boundary = search.boundary()
    shape = search.space.input_shape
    whole = [generate(network.architecture, input_shape=shape, merged=True) for network in boundary]
    measured = (
        [{"measured": entry.ms} for entry in measure(as_engine(engine), whole)] if engine else [{} for _ in whole]
    )
    found = []
    for network, more in zip(boundary, measured, strict=True):
        architecture, predicted, accuracy = network[:3]
        runs = search.runs_of(architecture)
        own = network_folder(folder, architecture)
        make_folder(own)
        weights = sorted(own.glob(WEIGHTS_OF_ANY_RUN))
        kept = weights[0] if weights else None
        write_network(architecture, own, shape, data, schedule, kept)
        costs = {name: cost.of(architecture, shape) for name, cost in COSTS.items()}
        found.append(
            Found(
                code=str(architecture),
                latency_ms={"predicted": round(predicted, 6), **more},
                accuracy=accuracy,
                runs=runs,
                spread=stdev(runs) if len(runs) > 1 else None,
                expected=network.expected,
                foretold=network.foretold,
                source=(sources or {}).get(str(architecture)),
                parameters=costs["parameters"],
                multiply_adds=costs["multiply-adds"],
                peak_memory=costs["memory"],
                energy_mj=energy_of(search, architecture),
                prototxt=(own / DEPLOY).relative_to(folder).as_posix(),
                caffemodel=kept.relative_to(folder).as_posix() if kept else None,
                merged_prototxt=(own / MERGED).relative_to(folder).as_posix() if kept else None,
                merged_caffemodel=(own / MERGED_WEIGHTS).relative_to(folder).as_posix() if kept else None,
                for_target=None if target is None else _of_target(architecture, own, folder, shape, target, bool(kept)),
            )
        )
    on_it = {network.code for network in found}
    for one in search.trained() if every else ():
        own = network_folder(folder, one.architecture)
        weights = sorted(own.glob(WEIGHTS_OF_ANY_RUN))
        if weights and str(one.architecture) not in on_it:
            write_network(one.architecture, own, shape, data, schedule, weights[0])
            if target is not None:
                write_for_target(one.architecture, own, shape, target, True)
    document = {
        "format": FORMAT,
        "space": str(search.space),
        "data": data.identity if data else None,
        "classes": data.classes if data else None,
        "counts": search.counts(),
        "limits": {name: plain(limit) for name, limit in search.limits.items()},
        "latency_target": search.table.target,
        **({} if target is None else {"target": target.as_json()}),
        "networks": [asdict(network) for network in found],
    }
    write_bytes(folder / BOUNDARY, (json.dumps(document, indent=1) + "\n").encode())
    return found


def _of_target(
    architecture: Architecture,
    own: Path,
    folder: Path,
    shape: tuple[int, int, int, int],
    target: Target,
    weighted: bool,
) -> ForTarget:
    """Writes a network in the words of a target; paths are relative to the run's folder."""
    found = write_for_target(architecture, own, shape, target, weighted)
    below = own.relative_to(folder)
    return replace(
        found,
        prototxt=found.prototxt and (below / found.prototxt).as_posix(),
        caffemodel=found.caffemodel and (below / found.caffemodel).as_posix(),
        report=(below / found.report).as_posix(),
    )


def energy_of(search: Strategy, architecture: Architecture | str) -> float | None:
    """The predicted mJ of a network a run; None where the search's table does not tell it."""
    try:
        return round(search.table.predict_energy(architecture, search.space.input_shape), 6)
    except UnsupportedError:
        return None


def boundary_table(found: Sequence[Found]) -> str:
    """The boundary as text, one row a network."""
    kinds = [kind for kind in ("predicted", "measured") if all(kind in network.latency_ms for network in found)]
    expects = any(network.expected is not None for network in found)
    foretells = any(network.foretold is not None for network in found)
    has_energy = any(network.energy_mj is not None for network in found)
    targets = dict.fromkeys(network.for_target.target for network in found if network.for_target)
    titles = (
        *(f"ms {kind}" for kind in kinds),
        "accuracy",
        *(["expected"] if expects else []),
        *(["by the table"] if foretells else []),
        "parameters",
        "multiply-adds",
        "memory (bytes)",
        *(["mJ"] if has_energy else []),
        *targets,
        "architecture",
    )
    rows = [
        (
            *(f"{network.latency_ms[kind]:.3f}" for kind in kinds),
            _accuracy(network),
            *([_percent(network.expected)] if expects else []),
            *([_percent(network.foretold)] if foretells else []),
            f"{network.parameters:,}",
            f"{network.multiply_adds:,}",
            f"{network.peak_memory:,}",
            *(["" if network.energy_mj is None else f"{network.energy_mj:.4g}"] if has_energy else []),
            *(str(network.for_target or "") for _ in targets),
            f"{network.code} ({network.source})" if network.source else network.code,
        )
        for network in found
    ]
    return "\n".join(aligned([titles, *rows], right=range(len(titles) - 1)))


def checked_words(found: Sequence[Found], target: str) -> str:
    """What became of the boundary's networks for the target of a search, in words; faults with the networks' codes."""
    made = [(network.code, network.for_target) for network in found if network.for_target]
    taken = sum(one.taken for _, one in made)
    differences = [one.off_by for _, one in made if one.off_by is not None]
    most = max(differences, default=0.0)
    told = f"off by at most {most:.1e} of the largest" if most else "the same"
    off_by = f"; with their weights, outputs are {told}" if differences else ""
    faults = [f"\n  {code}: {'; '.join(one.faults)}" for code, one in made if not one.taken]
    files = f"networks/*/{OF_TARGET[0].format(target)}"
    return f"target {target}: {taken} of {len(made)} networks are taken: {files}{off_by}{''.join(faults)}"


def _accuracy(network: Found) -> str:
    """The mean and, of several runs, their standard deviation and number."""
    if network.spread is None:
        return f"{network.accuracy:.2%}"
    return f"{network.accuracy:.2%} ± {network.spread:.2%} of {len(network.runs)}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def counts_line(counts: dict[str, int]) -> str:
    """How much of the space a search has decided about, in one sentence."""
    rest = counts["in_interval"] - counts["trained"] - counts["pruned"] - counts.get("failed", 0)
    exact = not any(name in counts for name in ("in_interval_error", "pruned_error"))

    def number(name: str) -> str:
        return f"{'about ' if f'{name}_error' in counts else ''}{whole(counts[name])}"

    left_out = [
        f"{name.removeprefix('outside_')} {number(name)}"
        for name in counts
        if name.startswith("outside_") and not name.endswith("_error")
    ]
    limits = f" and the limits (left out by {', by '.join(left_out)})" if left_out else ""
    failed = f", {number('failed')} failed" if "failed" in counts else ""
    return (
        f"{number('space')} architectures in the space, {number('in_interval')} in the latency interval{limits}: "
        f"{number('trained')} trained{failed}, {number('pruned')} pruned without training, "
        f"{'' if exact else 'about '}{whole(rest)} not looked at"
    )
