"""Tiered Pruning in a folder: for each goal a supernet searches one network, which is then trained as in any study.

In the folder lie `tiered.json`, what the run was begun with and how far it is, `tiered.log` for people, and for each
goal a folder `tiered/<goal>ms` with the files of that search (see search/training/tiered.py) and at the end
`found.json`, the network. The weights that the networks begin with lie in `beginnings`. What comes behind that is a
study like any other (see loop.py), in the same folder.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from converters.engines import Engine, as_engine
from converters.pytorch.module import to_torch, weights_of
from converters.targets.target import Target
from converters.weights import save_weights
from prototxt_gen.architectures import Backbone, parse_architecture
from prototxt_gen.errors import ArchitectureError, CaffeError, FormatError
from prototxt_gen.files import read_bytes, write_bytes
from prototxt_gen.generator.networks import generate
from prototxt_gen.json_files import parse_json
from search.cutting import Cut, as_cut
from search.latency import LatencyTable
from search.latency.checking import telling_networks
from search.latency.layer_latencies import Latencies, layer_latencies
from search.latency.measuring import measure
from search.latency.overview import Overview
from search.latency.predicting import space_parts
from search.spaces.tiered import Pick, Picks, TieredSpace
from search.strategies.landing import land
from search.strategies.listed import Listed
from search.strategies.strategy import Strategy
from search.strategies.tiered import LayerChoices, Rules, TieredPruning
from search.study.folder import LATENCY_TABLE, TIERED, TIERED_LOG, make_folder
from search.study.lock import beginning, held
from search.study.loop import measured_table, run_search
from search.study.notes import Notes
from search.study.storage import NAME
from search.training.averaging import take_statistics
from search.training.beginning import beginning_file, begun_trainer
from search.training.checkpoints import differences, read_kept
from search.training.dataset import Dataset
from search.training.processes import joined
from search.training.resizing import resized
from search.training.schedule import Schedule
from search.training.stochastic import StochasticSupernet
from search.training.tiered import Tiered, statistics_of, train_tiered
from search.training.trainer import mean_of, trainer_for
from search.training.training import check_device

_RUN = "dongfeng tiered run 1"
_FOUND = "dongfeng tiered network 1"

#: In the folder of a search: a folder for each goal; in that, the network that was found.
GOALS, FOUND = "tiered", "found.json"
# In the first one, until all searches are done: the supernet at the end of the warm-up.
WARM_UP = "warm-up.pt"
#: By how much, as a share of the goal, a measured latency may miss it.
TOLERANCE = 0.03
#: How many inner widths of each layer are measured; the others are interpolated.
KNOTS = 9
#: How many whole networks are measured beside, so that sums are near what networks take: goals are no sums.
CORRECTING = 12
# A network lands within this share below what is aimed at, so that the tolerance is left for the table's errors.
_LANDING = 0.005
# So often a network is measured and lands again.
_LANDINGS = 8


class FoundNetwork(NamedTuple):
    """The network that a search came to, for one goal; latencies are in ms.

    `searched` is the code of what the supernet ended with, `architecture` that of the same with other inner widths,
    as little as it took to be at the goal: so it is `predicted`, and so it was `measured`, None where nothing was.
    `remark` says what is wrong with it: that it misses the goal, and why; empty where nothing is.
    """

    goal: float
    searched: str
    architecture: str
    predicted: float
    measured: float | None
    remark: str


def goal_folder(folder: Path, goal: float) -> Path:
    """Where the files of the search for a goal lie."""
    return folder / GOALS / f"{goal:.6g}ms"


def run_tiered(
    space: TieredSpace,
    data: Dataset,
    out: str | os.PathLike[str],
    table: LatencyTable,
    goals: Sequence[float],
    settings: Tiered | None = None,
    rules: Rules | None = None,
    *,
    engine: Engine | None = None,
    tolerance: float = TOLERANCE,
    knots: int | None = None,
    told: Callable[[FoundNetwork], None] = lambda found: None,
    device: str = "cpu",
    progress: bool = False,
    readers: int | None = None,
    every: float = 60.0,
) -> list[FoundNetwork]:
    """A network of the space for each of the `goals`, in ms by the `table`, searched on `data` in the folder `out`.

    Each goal has a search of its own (see `train_tiered`), with `settings` and `rules`. Its network is brought to the
    goal by its inner widths (see `land`). With an `engine`, that of the table, it is measured whole; where that misses
    the goal by more than the share `tolerance`, the network is brought to another goal by what it was off, and measured
    again, a few times; the nearest stays. A goal that no inner widths of the layers found meet is told in `remark`.
    The weights that a network has in its supernet, with batch norm's statistics of its own, go into `beginnings`.
    `told` is called with each network, by the first process. `knots` is written down: how many inner widths of each
    layer the table was measured with, where that is known.

    `device`, `readers` and `every` are as in `train_tiered`, and so are the processes of a torchrun: all of them call
    this. Other processes that use the folder wait for it. Ended at any point, the same call goes on from there.

    ArchitectureError for goals that no network of the space is at. FormatError lists what differs from what the run was
    begun with. FileError when the folder cannot be written, or the disk is full. TrainingError when a loss is no
    number. UnsupportedError where the table lacks parts of the space.
    """
    settings, rules = settings or Tiered(), rules or Rules()
    data = data.with_mean(mean_of(space))
    folder = Path(out)
    _check_goals(space, table, goals, tolerance)
    latencies = layer_latencies(space, table)
    begun = {
        "space": str(space),
        "data": data.identity,
        "mean": list(data.train.mean),
        "goals": [float(goal) for goal in goals],
        "tolerance": tolerance,
        **({} if knots is None else {"knots": knots}),
        **settings.settings(),
        **{f"rules: {name}": value for name, value in rules.settings().items()},
    }
    found = []
    with joined(device) as (group, own), held(folder), beginning(folder) if group.first else nullcontext():
        check_device(own)
        words = f"{begun['space']}, {begun['data']}, goals of {', '.join(f'{goal:.6g}' for goal in goals)} ms"
        notes = Notes(folder / TIERED, folder / TIERED_LOG, _RUN, begun, words, len(goals), group, progress)
        for goal in goals:
            target = goal_folder(folder, goal)
            one = group.told(_there(target / FOUND, begun) if group.first else None)
            if group.told(one is None or not beginning_file(folder, one.architecture).exists()):
                if group.first:
                    make_folder(target)
                group.told(None)
                pruning = new_pruning(space, rules)
                supernet = train_tiered(
                    space,
                    data,
                    pruning,
                    latencies,
                    goal,
                    settings,
                    target,
                    own,
                    _of(notes, goal),
                    group=group,
                    readers=readers,
                    every=every,
                    # It is the same for all goals.
                    warm=folder / GOALS / WARM_UP if len(goals) > 1 else None,
                )
                picks = [None if pick is None else Pick(*pick) for pick in pruning.picks()]
                if one is None:
                    landed = _landed(space, table, latencies, picks, goal, tolerance, engine) if group.first else None
                    one = group.told(landed)
                if group.first:
                    _hand_out(space, supernet, picks, one, data, settings, own, readers, folder)
                    text = json.dumps({"format": _FOUND, "settings": begun, **one._asdict()}, indent=1)
                    write_bytes(target / FOUND, text.encode())
                    notes.log(found_words(one))
                # All wait until the files are there.
                group.told(None)
            found.append(one)
            if group.first:
                with notes.aside():
                    told(one)
        if group.first:
            notes.end()
            (folder / GOALS / WARM_UP).unlink(missing_ok=True)
        group.told(None)
    return found


def search_tiered(
    space: TieredSpace,
    data: Dataset,
    out: str | os.PathLike[str],
    engine: Engine | str | None = None,
    *,
    goals: Sequence[float] | Callable[[LatencyTable], Sequence[float]],
    tiered: Tiered | None = None,
    rules: Rules | None = None,
    knots: int = KNOTS,
    correct: int = CORRECTING,
    tolerance: float = TOLERANCE,
    scratch: bool = False,
    told: Callable[[FoundNetwork], None] = lambda found: None,
    schedule: Schedule | None = None,
    table: LatencyTable | None = None,
    device: str = "cpu",
    progress: bool = False,
    target: Target | Cut | str | os.PathLike[str] | None = None,
    **options: Any,
) -> Strategy:
    """From nothing to trained networks in the folder `out`: latencies, a search for each of the `goals`, then a study.

    Without a `table`, `knots` inner widths of each layer are measured on the `engine`, and the others interpolated; the
    table's remarks say how far off these may be. So many whole networks as `correct` says are measured beside, and
    correct the sums (see `LatencyTable.correct`); 0 for none. Goals are in ms, or a function gives them for the table.
    The networks are those of `run_tiered(space, data, out, table, goals, tiered, rules)`, measured on the engine and
    `told`. Then they are trained by `schedule`, on from the weights that they have in their supernets, or from
    `scratch`, as `run_search` does it with the strategy "listed": `options` are arguments of that, such as `storage`
    and `seeds`, and all others mean what they mean there; `keep` is "all" if it is not given, since each goal shall
    have its network. All is done in the space that is cut to the `target`.

    Ended at any point, the same call goes on. Workers may join when the study is there (see `run_worker`); processes of
    a torchrun train the supernets together, and are workers of one study then. Errors as `run_tiered` and `run_search`.
    """
    schedule = schedule or Schedule()
    cut = as_cut(space, target)
    if cut is not None:
        assert isinstance(cut.space, TieredSpace)  # as it is of the same kind
        space = cut.space
    folder = Path(out)
    storage, study = options.get("storage"), options.get("study", NAME)
    runs = None if table is not None and engine is None else as_engine(engine or "torch")
    coarse = replace(space, knots=min(knots, space.knots or knots))
    with joined(device) as (group, own):
        check_device(own)
        with held(folder), beginning(folder):
            if table is None:
                _check_knots(folder, knots)
            known = table or measured_table(coarse, runs, folder, storage, study, progress)
            if table is None and correct and runs is not None and not (folder / TIERED).exists():
                _corrected(known, coarse, runs, correct, folder, progress)
            used = known.interpolated(space) if known.missing(space_parts(space).values()) else known
        # All have their latencies before the first one holds the folder's beginning again.
        group.total([0.0], own)
        wanted = goals(used) if callable(goals) else goals
        same = runs if runs is not None and runs.target == used.target else None
        found = run_tiered(
            space,
            data,
            folder,
            used,
            wanted,
            tiered,
            rules,
            engine=same,
            tolerance=tolerance,
            knots=knots if table is None else None,
            told=told,
            device=device,
            progress=progress,
        )
    codes = list(dict.fromkeys(one.architecture for one in found))
    ending = options.get("ending")
    looks = ending.looks if ending else ()
    trainer = (
        trainer_for(space, data, schedule, device, looks)
        if scratch
        else begun_trainer(space, data, folder, codes, schedule, device, looks)
    )
    return run_search(
        space,
        trainer,
        folder,
        runs,
        table=used,
        schedule=schedule,
        device=device,
        progress=progress,
        strategy=Listed.name,
        margin=math.inf,
        networks=codes,
        target=cut,
        **{"trials": len(codes), "keep": "all", **options},
    )


def new_pruning(space: TieredSpace, rules: Rules | None = None) -> TieredPruning:
    """The rules of Tiered Pruning at the beginning of a search in a space."""
    return TieredPruning(
        [LayerChoices(len(layer.candidates), layer.widths, layer.optional) for layer in space.layers], rules
    )


def found_words(found: FoundNetwork) -> str:
    """A line about a network that was found."""
    blocks = sum(1 for _ in _network(found).blocks())
    measured = "" if found.measured is None else f", measured {found.measured:.4g} ms"
    remark = f"; {found.remark}" if found.remark else ""
    return (
        f"{found.goal:.6g} ms: {found.architecture}, {blocks} blocks, "
        f"predicted {found.predicted:.4g} ms{measured}{remark}"
    )


def read_found(path: Path) -> FoundNetwork:
    """The network in a found.json. FormatError for another file."""
    return _parsed(path)[0]


def _parsed(path: Path) -> tuple[FoundNetwork, dict[str, Any]]:
    document = parse_json(read_bytes(path), str(path), f"a {_FOUND!r}")
    try:
        if document["format"] != _FOUND:
            raise ValueError(f"format {document['format']!r}, expected {_FOUND!r}")
        return FoundNetwork(**{name: document[name] for name in FoundNetwork._fields}), dict(document["settings"])
    except (KeyError, TypeError, ValueError) as fault:
        raise FormatError(
            f"{path}: {type(fault).__name__}: {fault}: not what a search by Tiered Pruning wrote"
        ) from None


def _there(path: Path, begun: dict[str, Any]) -> FoundNetwork | CaffeError | None:
    """The network that lies there; None where there is none yet."""
    if not path.exists():
        return None
    try:
        found, settings = _parsed(path)
        if told := differences(settings, begun):
            raise FormatError(f"{path}: made with other settings: {'; '.join(told)}; choose another folder")
        return found
    except CaffeError as fault:
        return fault


def _check_knots(folder: Path, knots: int) -> None:
    """Before more is measured into the table of a run that has begun."""
    path = folder / TIERED
    if path.exists():
        known = {"knots": read_kept(path, _RUN)["settings"].get("knots")}
        if differs := differences(known, {"knots": knots}):
            raise FormatError(f"{path}: begun with other settings: {'; '.join(differs)}; choose another folder")


def _check_goals(space: TieredSpace, table: LatencyTable, goals: Sequence[float], tolerance: float) -> None:
    if not goals or not 0 < tolerance < 1:
        raise ArchitectureError(
            f"goals {list(goals)}, tolerance {tolerance}: expected goals in ms, and a share in 0..1"
        )
    overview = Overview(space, table)
    fastest, slowest = overview.fastest, overview.slowest
    if faults := [goal for goal in goals if not fastest.ms <= goal <= slowest.ms]:
        raise ArchitectureError(
            f"goals: no network of the space takes {', '.join(f'{goal:.6g}' for goal in faults)} ms: the fastest takes "
            f"{fastest.ms:.6g} ms, {fastest.architecture}, the slowest {slowest.ms:.6g} ms, {slowest.architecture}"
        )
    if len({goal_folder(Path(), goal) for goal in goals}) < len(goals):
        raise ArchitectureError(f"goals {list(goals)}: some are the same to six digits, expected different ones")


def _corrected(
    table: LatencyTable, space: TieredSpace, engine: Engine, number: int, folder: Path, progress: bool
) -> None:
    """Corrects a table by whole networks, once, where it is of this engine."""
    if table.correction is None and table.target == engine.target:
        table.correct(engine, telling_networks(table, space, number, space.input_shape), space.input_shape, progress)
        table.save(folder / LATENCY_TABLE)


def _of(notes: Notes, goal: float) -> Callable[[str, float], None]:
    return lambda stage, share: notes.report(f"{goal:.6g} ms", share, stage)


def _landed(
    space: TieredSpace,
    table: LatencyTable,
    latencies: Latencies,
    picks: Picks,
    goal: float,
    tolerance: float,
    engine: Engine | None,
) -> FoundNetwork | CaffeError:
    """The network at the goal, as near as it comes."""
    searched = str(space.of_picks(picks))
    tried: dict[str, tuple[float, FoundNetwork]] = {}
    aim = goal
    for _ in range(_LANDINGS):
        landed, fault = _near(space, table, latencies, picks, aim, tolerance)
        code = str(space.of_picks(landed))
        if code in tried:
            break
        predicted = latencies.predict(landed)
        try:
            measured = None if engine is None else _measured(space, landed, engine)
        except CaffeError as failed:
            return failed
        off = abs((predicted if measured is None else measured) / goal - 1)
        tried[code] = off, FoundNetwork(goal, searched, code, predicted, measured, fault)
        if off <= tolerance or measured is None:
            break
        # What the device takes beside what the table says of it.
        aim = goal * predicted / measured
    off, found = min(tried.values(), key=lambda one: one[0])
    remark = f"it misses the goal by {off:.1%}" + (f": {found.remark}" if found.remark else "")
    return found._replace(remark=remark if off > tolerance else "")


def _near(
    space: TieredSpace, table: LatencyTable, latencies: Latencies, picks: Picks, aim: float, tolerance: float
) -> tuple[Picks, str]:
    """The network with other inner widths that is predicted at `aim`, or the nearest to it and why it is not there."""
    fault = ""
    for share in (min(_LANDING, tolerance), tolerance):
        try:
            return land(space, table, picks, aim, share), ""
        except ArchitectureError as found:
            fault = str(found)
    nearest = min((tuple(picks), *_ends(latencies, picks)), key=lambda one: abs(latencies.predict(one) - aim))
    return nearest, fault


def _ends(latencies: Latencies, picks: Picks) -> Iterator[Picks]:
    """The fastest and the slowest network of the same layers."""
    for end in (np.argmin, np.argmax):
        after, found = "Convolution", list[Pick | None]()
        for layer, pick in zip(latencies.layers, picks, strict=True):
            if pick is None:
                found.append(None)
                continue
            found.append(Pick(pick.candidate, layer.widths[int(end(layer.blocks[after][pick.candidate]))]))
            after = layer.maker
        yield found


def _measured(space: TieredSpace, picks: Picks, engine: Engine) -> float:
    net = generate(space.of_picks(picks), input_shape=space.input_shape, merged=True)
    return float(measure(engine, [net])[0].ms)


def _hand_out(
    space: TieredSpace,
    supernet: StochasticSupernet,
    picks: Picks,
    found: FoundNetwork,
    data: Dataset,
    settings: Tiered,
    device: str,
    readers: int | None,
    folder: Path,
) -> None:
    """Writes the weights that a network begins with."""
    before, after = space.of_picks(picks), _network(found)
    net = generate(after, input_shape=space.input_shape)
    module = to_torch(net, resized(supernet.weights_of(picks), before, after, settings.schedule.seed)).to(device)
    take_statistics(module, statistics_of(space, data, settings, device, readers).batches)
    path = beginning_file(folder, str(after))
    make_folder(path.parent)
    save_weights(weights_of(module), path, net)


def _network(found: FoundNetwork) -> Backbone:
    architecture = parse_architecture(found.architecture)
    assert isinstance(architecture, Backbone)  # a space of Tiered Pruning has no others
    return architecture
