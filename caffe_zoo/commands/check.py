"""dongfeng check: which layers of a network a toolchain does not take or computes otherwise, and what helps."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from caffe_zoo.cards import CARDS
from caffe_zoo.commands import models
from caffe_zoo.commands.networks import generated_shape, input_shapes, read_network, resolve_architecture
from caffe_zoo.commands.options import add_input_shapes, add_strict
from prototxt_gen.binary import Numbers
from prototxt_gen.errors import CaffeError
from prototxt_gen.generator.networks import generate
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.passes.upsampling import without_upsampling
from prototxt_gen.proto import NetParameter
from prototxt_gen.tables import aligned
from prototxt_gen.text import unknown_fields

if TYPE_CHECKING:
    from converters.targets.checking import Report

EXAMPLE = (
    "dongfeng check df1seg --target rknn2\n"
    "  dongfeng check net.prototxt net.caffemodel --target rknn2 --target my_board.yaml\n"
    "  dongfeng check net.caffemodel --target all\n"
    "  dongfeng check --list"
)
_ALL = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The network, and the targets."""
    parser.add_argument(
        "network",
        nargs="?",
        help="a network of the zoo, an architecture's code, a .prototxt, or a .caffemodel that holds both",
    )
    parser.add_argument("weights", nargs="?", type=Path, help="its weights, in any format")
    parser.add_argument(
        "--target",
        action="append",
        metavar="NAME",
        help=f"a target of the package, or a .yaml file; may be repeated; {_ALL}: all those of the package",
    )
    parser.add_argument(
        "--accelerated", action="store_true", help="layers that the target would run on its CPU are faults, too"
    )
    parser.add_argument(
        "--without-upsampling",
        action="store_true",
        help="check the network without the bilinear Deconvolution that enlarges its scores at the end",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON: a list, one entry for a target")
    parser.add_argument("--list", action="store_true", help="list the targets of the package, with version and date")
    add_input_shapes(parser)
    add_strict(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the reports; 1 where there are faults."""
    from converters import advise, list_targets, read_target
    from converters.targets.files import numbers_of

    if args.list:
        return _list(args)
    if args.network is None or not args.target:
        raise CaffeError("expected a network and --target NAME; --list lists the targets")
    names = [name for asked in args.target for name in (list_targets() if asked == _ALL else [asked])]
    targets = [read_target(name) for name in dict.fromkeys(names)]
    networks: dict[Any, _Network] = {}
    reports = []
    for target in targets:
        # Only in a .caffemodel fields have numbers.
        numbers = numbers_of(target) if Path(args.network).suffix == ".caffemodel" else {}
        key = tuple(sorted(numbers.items()))
        network = networks[key] = networks.get(key) or _network(args, numbers)
        reports.append(
            advise(
                without_upsampling(network.net, network.weights)[0] if args.without_upsampling else network.net,
                target,
                network.weights,
                accelerated=args.accelerated,
                input_shapes=network.shapes,
                unread=network.unread,
            )
        )
    if args.json:
        print(json.dumps([report.as_json() for report in reports], indent=1, allow_nan=False))
    else:
        _print(args, reports, list(dict.fromkeys(names)), None if args.without_upsampling else _upsampling(network))
    return 0 if all(report.passed for report in reports) else 1


class _Network(NamedTuple):
    """A network as it was given: with its weights where there are some, and fields of its text that were left out."""

    net: NetParameter
    weights: Mapping[str, Sequence[Any]] | None
    shapes: dict[str, tuple[int, ...]] | None
    unread: Mapping[str, Sequence[str]]


def _network(args: argparse.Namespace, numbers: Numbers) -> _Network:
    """The network; errors are those of its files. `numbers`: of fields, where a target wrote the .caffemodel."""
    from converters import read_network as read_binary

    path, weights, unread = Path(args.network), args.weights, {}
    if path.suffix in models.SUFFIXES:
        raise CaffeError(f"{path}: convert it first: dongfeng convert {path} NET.prototxt NET.caffemodel")
    if path.suffix == ".caffemodel":
        if weights is not None:
            raise CaffeError(f"{path}: holds a network and its weights, expected no other weights beside it")
        net, weights = read_binary(path, numbers), path
        if not (net.layer or net.layers):
            raise CaffeError(f"{path}: found no layers, expected a network")
    elif args.network.endswith((".prototxt", ".txt")) or path.exists():
        net = read_network(path, args)
        net.name = net.name or path.stem
        unread = unknown_fields(path)
    else:
        asked = [shape for _, shape in args.input_shape or ()]
        net = generate(resolve_architecture(args.network), **generated_shape(asked[0] if asked else None, args.network))
        net.name = args.network
    shapes = input_shapes(args, net)
    return _Network(net, None if weights is None else _weights(weights, net, shapes), shapes, unread)


def _weights(path: Path, net: NetParameter, shapes: dict[str, tuple[int, ...]] | None) -> Mapping[str, Sequence[Any]]:
    """The weights, held against their network; by their names alone where it has layers of types not known here."""
    from converters import load_weights, read_weights
    from prototxt_gen.layers import LAYERS

    if all(layer.type in LAYERS for layer in upgrade(net).layer):
        return read_weights(path, net, input_shapes=shapes)
    return load_weights(path)


def _list(args: argparse.Namespace) -> int:
    from converters import list_targets, read_target

    targets = [read_target(name) for name in list_targets()]
    if args.json:
        fields = ("name", "title", "version", "date", "about")
        print(json.dumps([{field: getattr(target, field) for field in fields} for target in targets], indent=1))
    else:
        rows = [(target.name, target.version, target.date, target.title) for target in targets]
        print("\n".join(aligned([("target", "version", "looked at", "toolchain"), *rows])))
    return 0


def _upsampling(network: _Network) -> str | None:
    """The name of the layer that --without-upsampling would leave out; None where there is none."""
    try:
        return without_upsampling(network.net, network.weights)[1]
    except CaffeError:
        return None


def _print(args: argparse.Namespace, reports: Sequence[Report], names: Sequence[str], upsampling: str | None) -> None:
    """A table of all targets where there are several, then one report after another, and what to do next."""
    from converters.targets.wording import summary

    if len(reports) > 1:
        print(f"{summary(reports)}\n")
    print("\n\n".join(map(str, reports)))
    told = [line for report, name in zip(reports, names, strict=True) for line in _next(args, report, name, upsampling)]
    if told:
        print("\n" + "\n".join(told))


def _next(args: argparse.Namespace, report: Report, name: str, upsampling: str | None) -> list[str]:
    """What to do about a report's faults."""
    told = _rewrites(args, report, name)
    if any(fault.layer == upsampling for fault in report.faults):
        told.append(f"{name}: --without-upsampling leaves out {upsampling!r}; the outputs are smaller then")
    return told


def _rewrites(args: argparse.Namespace, report: Report, name: str) -> list[str]:
    """Which faults rewrites take away, and by which command."""
    if report.passed:
        return []
    helped = [fault for fault in report.faults if fault.rewrite]
    if report.shapeless and len(helped) < len(report.faults):
        return [
            f"{name}: rewrites of layers need shapes: ask again with --input-shape for {', '.join(report.shapeless)}"
        ]
    if not helped:
        return [f"{name}: no rewrite is known for these faults"]
    if left := len(report.faults) - len(helped):
        return [
            f"{name}: rewrites take {len(helped)} of {len(report.faults)} faults away; {left} must be mended by hand"
        ]
    own = args.network in CARDS or Path(args.network).suffix in (".prototxt", ".txt")
    words = ["dongfeng convert", args.network if own else "NET.prototxt", str(args.weights or "NET.caffemodel")]
    words += [f"OUT.caffemodel --target {name} --prototxt OUT.prototxt"]
    words += [] if all(fault.exact for fault in helped) else ["--approximate"]
    words += ["--accelerated"] if args.accelerated else []
    for top, shape in args.input_shape or ():
        words.append(f"--input-shape {f'{top}=' if top else ''}{','.join(map(str, shape))}")
    return [f"{name}: rewrites take all faults away: {' '.join(words)}"]
