"""dongfeng choose: networks read off a table of accuracies, for any limits; written with the weights they inherit."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_zoo.commands.limits import latency_by, latency_limit
from caffe_zoo.commands.missing_parts import check_space
from caffe_zoo.commands.options import add_target, amount, byte_count, count, cut_to, millijoules
from caffe_zoo.commands.training import add_training, schedule_of
from prototxt_gen.errors import ArchitectureError, NotInstalledError
from prototxt_gen.files import write_bytes

if TYPE_CHECKING:
    from converters.targets.target import Target
    from converters.weights import Weights
    from search.report.chosen import Result
    from search.spaces import PonasSpace
    from search.strategies.choosing import TableChoices

EXAMPLE = "dongfeng choose runs/ponas --latency 2ms 3ms --data glyphs --out nets"

# What may be limited besides latency (see search/costs.py): how it is read, what it is, an example.
COSTS = {
    "multiply-adds": (amount, "multiply-adds for one image", "300M"),
    "parameters": (amount, "parameters", "5M"),
    "memory": (byte_count, "memory for activations, at its peak, in float32 with batch norm merged", "20MB"),
    "energy": (millijoules, "energy a run, as a --table with energies tells", "5mJ"),
}
# The options of `add_training`.
TRAINING = (
    *("epochs", "batch-size", "lr", "weight-decay", "label-smoothing", "mixed", "channels-last"),
    *("ema", "crop-area", "jitter", "no-mirror", "scales"),
)
CHOSEN, BOUNDARY, PICTURE = "chosen.csv", "boundary.csv", "boundary.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The tables, the limits, what is written, and how chosen networks are trained on."""
    parser.add_argument(
        "accuracies",
        type=Path,
        metavar="TABLE",
        help="the table of accuracies (see docs/ponas.md); or the folder of a search by PONAS, which has the table, "
        "the latencies and the supernet",
    )
    parser.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="table of latencies (see `dongfeng profile`); default: that in the search's folder, if there is one",
    )
    add_target(
        parser,
        "choose among the networks that this toolchain takes, and write each in its words, too, checked",
    )
    limits = parser.add_argument_group(
        "limits",
        "Several of one kind give several networks; of another kind there may be as many, one for each network, or one "
        "for all. Without any, the most accurate network is chosen.",
    )
    limits.add_argument(
        "--latency",
        type=latency_limit,
        nargs="+",
        action="extend",
        metavar="LIMIT",
        help="the most that a network may take: 2ms, 1500us, 0.002s, 2 (ms), or a share of a network's latency, "
        "'80%% of resnet18', by its name in the zoo or its code",
    )
    for name, (kind, what, example) in COSTS.items():
        limits.add_argument(
            f"--{name}-max",
            type=kind,
            nargs="+",
            action="extend",
            metavar="N",
            help=f"what a network may need at most: {what}, such as {example}",
        )
    limits.add_argument(
        "--boundary",
        nargs="?",
        const="",
        metavar="COST",
        help="networks for limits all over the space, of latency (default, where there is a table of it), "
        f"{', '.join(COSTS)}; limits given hold for all of them",
    )
    limits.add_argument("--number", type=count, metavar="N", help="how many limits a --boundary has (default: 200)")
    limits.add_argument(
        "--method",
        choices=("exact", "evolution", "greedy"),
        default="exact",
        help="exact (default): by the table, nothing within the limits loses less; others are to be held against it",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=f"write the networks and {CHOSEN}, which `dongfeng search --known` reads: one network into the folder "
        f"itself, several into networks/; of a --boundary {BOUNDARY} and {PICTURE}",
    )
    weights = parser.add_argument_group("weights, with --out")
    weights.add_argument(
        "--data",
        metavar="DATA",
        help="the images that the supernet was trained with, as `dongfeng search --data` takes them; digits and glyphs "
        "need not be said: networks are written with the weights that they have in it. Batch norm's "
        "statistics come from these images, and accuracy is measured on those held out",
    )
    weights.add_argument(
        "--weights",
        type=Path,
        metavar="PATH",
        help="the supernet, a file or the folder of a search by PONAS; default: that in the folder of the table",
    )
    weights.add_argument(
        "--fine-tune", action="store_true", help="train each network on from these weights, by the options below"
    )
    weights.add_argument("--device", default="cpu", help="where PyTorch computes: cpu (default) or cuda")
    weights.add_argument(
        "--threads",
        type=count,
        metavar="N",
        help="CPU threads (default: 1 for digits and glyphs, else PyTorch's choice)",
    )
    parser.add_argument("--seed", type=int, default=0, help="start of the random numbers (default: 0)")
    add_training(parser)


def run(args: argparse.Namespace) -> int:
    """Chooses, writes and prints; returns the exit status."""
    from search import AccuracyTable, LatencyTable
    from search.report.chosen import chosen_table
    from search.spaces import PonasSpace
    from search.strategies.choosing import TableChoices, space_of, table_within
    from search.study.folder import ACCURACIES, LATENCY_TABLE

    _check(args)
    source = args.accuracies / ACCURACIES if args.accuracies.is_dir() else args.accuracies
    path = args.table or source.parent / LATENCY_TABLE
    accuracies = AccuracyTable.load(source)
    latencies = None
    # Beside a table that was named itself, nothing is taken unasked.
    if args.table or (args.accuracies.is_dir() and path.exists()):
        latencies = LatencyTable.load(path)
    if latencies is None:
        asked = [f"--{name}" for name in ("latency", "energy-max") if _given(args, name)]
        asked += [f"--boundary {args.boundary}"] if args.boundary in ("latency", "energy") else []
        if asked:
            raise ArchitectureError(f"{' and '.join(asked)}: found no table of latencies, expected one: --table FILE")
    whole = space_of(accuracies)
    cut = cut_to(args, whole)
    if cut is not None:
        assert isinstance(cut.space, PonasSpace)  # as it is of the same kind
        accuracies = table_within(accuracies, cut.space)
    choices = TableChoices(accuracies, latencies)
    if latencies is not None:
        check_space(choices.space, latencies, path)
        for remark in latencies.remarks():
            print(f"{path}: {remark}", file=sys.stderr)
    if args.boundary is not None:
        return _boundary(args, choices, path)
    results = _chosen(args, choices, path)
    if args.out:
        results = _written(args, choices, results, source.parent, whole, cut.target if cut else None)
    print(chosen_table(results))
    if args.out:
        print(f"{args.out}: {CHOSEN}, {'networks/' if len(results) > 1 else 'and the network'}")
    for result in results:
        if result.chosen.gap:
            print(f"{result.limits}: a network may lose {result.chosen.gap:.3g} less", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> None:
    """ArchitectureError lists the options that say nothing beside the others."""
    faults = []
    if args.boundary is not None:
        for name in ("data", "weights", "fine-tune", *TRAINING):
            faults += [f"--{name} with --boundary"] if _given(args, name) else []
        faults += ["--method with --boundary, which is exact"] if args.method != "exact" else []
    elif args.number:
        faults.append("--number without --boundary")
    if (args.data or args.weights or args.fine_tune) and not args.out:
        faults.append("weights to write, and no --out")
    elif not args.out and args.boundary is None:
        # With --out, the solver of Caffe is written by them, too.
        faults += [f"--{name}, an option of training, and no --out" for name in TRAINING if _given(args, name)]
    if faults:
        raise ArchitectureError(f"found {'; '.join(faults)}")


def _given(args: argparse.Namespace, option: str) -> Any:
    """What was said of an option; None or False where nothing was."""
    return getattr(args, option.replace("-", "_"))


def _chosen(args: argparse.Namespace, choices: TableChoices, path: Path) -> list[Result]:
    """The networks for all limits. ArchitectureError lists the limits that cannot be met."""
    from search.report.chosen import Result, limit_words

    found, faults = [], []
    for limits in _limits(args, choices, path):
        try:
            chosen = choices.choose(limits, method=args.method, seed=args.seed)
        except ArchitectureError as fault:
            faults.append(str(fault))
        else:
            found.append(Result(chosen, limit_words(limits)))
    if faults:
        raise ArchitectureError("; ".join(dict.fromkeys(faults)))
    return found


def _limits(args: argparse.Namespace, choices: TableChoices, path: Path) -> list[dict[str, float]]:
    """The limits of each network that is asked for, in ms and numbers."""
    given: dict[str, list[Any]] = {}
    if args.latency:
        table = choices.latency_table
        assert table is not None  # or `run` had refused it
        known = [limit.resolved(latency_by(table, choices.space, path)) for limit in args.latency]
        shares = [one.source for one, limit in zip(known, args.latency, strict=True) if limit.network]
        print("".join(f"{share}\n" for share in shares), end="")
        given["latency"] = [one.ms for one in known]
    given |= {name: numbers for name in COSTS if (numbers := _given(args, f"{name}-max"))}
    number = max(map(len, given.values()), default=1)
    if any(len(values) not in (1, number) for values in given.values()):
        counts = ", ".join(f"{len(values)} of {name}" for name, values in given.items())
        raise ArchitectureError(
            f"limits: found {counts}, expected one of each, or as many of each as there are networks"
        )
    return [
        {name: values[place if len(values) > 1 else 0] for name, values in given.items()} for place in range(number)
    ]


def _boundary(args: argparse.Namespace, choices: TableChoices, path: Path) -> int:
    """The networks for limits all over the space, printed and written."""
    from search.report.chosen import Result, chosen_csv, chosen_table, draw_chosen, limit_words
    from search.study.folder import make_folder

    cost = args.boundary or ("latency" if choices.latency_table is not None else "multiply-adds")
    limits, *more = _limits(args, choices, path)
    if more:
        raise ArchitectureError(f"--boundary: found {1 + len(more)} limits of a kind, expected one of each")
    others = {name: most for name, most in limits.items() if name != cost}
    found = choices.boundary(cost, args.number or 200, others, most=limits.get(cost, math.inf))
    results = [Result(chosen, limit_words({cost: chosen.costs[cost], **others})) for chosen in found]
    print(chosen_table(results))
    if args.out:
        make_folder(args.out)
        write_bytes(args.out / BOUNDARY, chosen_csv(results).encode())
        written = BOUNDARY
        try:
            draw_chosen(found, cost, args.out / PICTURE)
            written += f", {PICTURE}"
        except NotInstalledError as fault:
            print(fault, file=sys.stderr)
        print(f"{args.out}: {written}")
    return 0


def _written(
    args: argparse.Namespace,
    choices: TableChoices,
    results: Sequence[Result],
    folder: Path,
    whole: PonasSpace,
    toolchain: Target | None,
) -> list[Result]:
    """The networks written into files one after another, with weights where these were asked for.

    `whole` is the space of the supernet, of which that of `choices` may be a cut.
    """
    from search.report.chosen import chosen_csv, write_chosen
    from search.study.folder import network_folder

    shape = choices.space.input_shape
    trained = _trained(args, choices, folder, whole)
    done: list[Result] = []
    for result in results:
        architecture = result.chosen.architecture
        same = next((other for other in done if other.chosen.architecture == architecture), None)
        if same is not None:
            done.append(result._replace(accuracy=same.accuracy, source=same.source, for_target=same.for_target))
            continue
        target = network_folder(args.out, architecture) if len(results) > 1 else args.out
        if trained is None:
            made = write_chosen(architecture, target, shape, toolchain=toolchain)
        else:
            result, weights = trained.of(result)
            made = write_chosen(architecture, target, shape, trained.data, trained.schedule, weights, toolchain)
        done.append(result._replace(for_target=made))
        # Each network once, whichever limits it is for; at once, as the next one may take hours.
        once = {one.chosen.architecture: one for one in reversed(done)}
        write_bytes(args.out / CHOSEN, chosen_csv(list(once.values())[::-1]).encode())
    return done


def _trained(args: argparse.Namespace, choices: TableChoices, folder: Path, whole: PonasSpace) -> _Trained | None:
    """Where weights come from; None where the networks are written without.

    A supernet that lies beside the table is taken unasked if its images need no files. Of other images it is said that
    they are needed.
    """
    from search.training.loading import NAMED
    from search.training.one_shot import SUPERNET

    place = args.weights or folder
    path = place / SUPERNET if place.is_dir() else place
    data = args.data
    if (data or args.weights or args.fine_tune) and not path.exists():
        raise ArchitectureError(f"{path}: found no supernet, expected one there or at --weights PATH")
    if data is None and path.exists():
        settings = choices.table.provenance.get("settings")
        identity = str(settings.get("data")) if isinstance(settings, dict) else ""
        data = next((name for name in NAMED if identity.startswith(f"{name} ")), None)
        if data is None and not (args.weights or args.fine_tune):
            print(f"{path}: its weights are written with --data, the images that it was trained with", file=sys.stderr)
    if data is None and (args.weights or args.fine_tune):
        raise ArchitectureError("--weights and --fine-tune: found no images, expected --data")
    return None if data is None else _Trained(args, whole, path, data)


class _Trained:
    """The weights of chosen networks: those that they have in a supernet, or what training makes of these."""

    def __init__(self, args: argparse.Namespace, space: PonasSpace, path: Path, data: str) -> None:
        import torch

        from search import load_data
        from search.training.inheriting import inheriting_from
        from search.training.loading import NAMED

        named = NAMED.get(data)
        threads = args.threads or (1 if named else None)
        if threads:
            torch.set_num_threads(threads)
        self.schedule = schedule_of(args, named.schedule if named else None)
        images = load_data(data, space.input_shape)
        self.trainer = inheriting_from(path, images, self.schedule, args.device)
        if self.trainer.supernet.space != space:
            raise ArchitectureError(
                f"{path}: a supernet of {self.trainer.supernet.space}, expected one of the table's space, {space}"
            )
        self.data, self.shape, self.seed = self.trainer.data, space.input_shape, args.seed
        self.fine_tunes = args.fine_tune

    def of(self, result: Result) -> tuple[Result, Weights]:
        """A network with its accuracy, and its weights."""
        from prototxt_gen import generate
        from search.progress import progress_bar

        net = generate(result.chosen.architecture, input_shape=self.shape)
        if not self.fine_tunes:
            training = self.trainer.untrained(net)
            source = f"weights of the supernet, {self.data.identity}"
        else:
            with progress_bar(100, "fine-tuning", "%", True) as bar:
                training = self.trainer(net, self.seed, lambda share, accuracy: bar.update(100 * share - bar.n))
            source = f"fine-tuned for {self.schedule.epochs} epochs, {self.data.identity}"
        assert training.weights is not None  # as our own trainings give them
        return result._replace(accuracy=training.accuracy, source=source), training.weights
