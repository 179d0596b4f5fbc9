"""dongfeng convert --target: a network and its weights in the words of a toolchain, checked before they are written."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_zoo.cards import CARDS
from caffe_zoo.commands.networks import generated_shape, input_shapes, read_network, write_pair
from caffe_zoo.commands.paths import check_outputs
from prototxt_gen.errors import CaffeError, NetworkError, UnsupportedError
from prototxt_gen.generator.networks import generate
from prototxt_gen.passes.upsampling import without_upsampling
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace

if TYPE_CHECKING:
    from converters.targets.comparing import OutputDifference
    from converters.targets.forms import Change
    from converters.targets.rewriting import Rewritten

_MOST_NAMES = 3
# Runs of networks up to this size take a few seconds, so that a refusal can say what an approximation would cost.
_CHEAP = 20 * 10**9
# An approximation is seen on several images, what is exact on one.
_IMAGES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; `run` reads them."""
    group = parser.add_argument_group("a network for a toolchain (`dongfeng check --list` lists those known)")
    group.add_argument(
        "--target",
        metavar="NAME",
        help="write the network's TEST phase in the words of this target, by rewrites that change none of its numbers; "
        "a name, or a .yaml file of your own; NET.prototxt may be the name of a network of the zoo",
    )
    group.add_argument(
        "--prototxt",
        dest="target_prototxt",
        type=Path,
        metavar="FILE",
        help="where to write it (default: beside the weights, OUT.prototxt)",
    )
    group.add_argument(
        "--approximate",
        action="store_true",
        help="also by rewrites that compute nearly the same; what they cost is printed in numbers before it is written",
    )
    group.add_argument(
        "--accelerated",
        action="store_true",
        help="also rewrite layers that the target runs on its CPU, where its accelerator takes another form of them",
    )
    group.add_argument(
        "--without-upsampling",
        action="store_true",
        help="leave out the bilinear Deconvolution that enlarges the scores at the end: the outputs are smaller then, "
        "as of the networks -d8",
    )


def check(args: argparse.Namespace) -> None:
    """CaffeError for arguments that do not go together."""
    if args.target is None:
        for option in ("target_prototxt", "approximate", "accelerated", "without_upsampling"):
            if getattr(args, option):
                raise CaffeError(f"--{option.removeprefix('target_').replace('_', '-')} is for --target alone")
        return
    if args.prototxt is None:
        raise CaffeError(
            "--target needs the network before the weights: dongfeng convert NET.prototxt NET.caffemodel "
            "OUT.caffemodel --target NAME --prototxt OUT.prototxt"
        )
    if args.output.suffix != ".caffemodel":
        raise CaffeError(f"--target: found {args.output}, expected an output .caffemodel")
    if args.stock or args.dialect or args.phase:
        raise CaffeError("--stock, --dialect and --phase do not go with --target, which says all of that")
    if args.target_prototxt is None:
        args.target_prototxt = args.output.with_suffix(".prototxt")
    # Weights in the target's words fit the network as it was no longer, so that they never take the old ones' place.
    check_outputs([args.output, args.target_prototxt], [args.weights, *([] if _zoo(args) else [args.prototxt])])


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    """Writes the pair, after it has said what was changed and how far the numbers are; gives the weights.

    UnsupportedError lists everything that cannot be done, and says what approximations would cost.
    """
    from converters import read_target
    from converters.targets.files import check_weights, differences, numbers_of
    from converters.targets.rewriting import rewritten

    target = read_target(args.target)
    if _zoo(args):
        asked = [shape for _, shape in args.input_shape or ()]
        name = str(args.prototxt)
        net = generate(CARDS[name].architecture, **generated_shape(asked[0] if asked else None, name))
        net.name = name
    else:
        net = read_network(args.prototxt, args)
    shapes = input_shapes(args, net)
    weights = _weights(args, net, shapes)
    if args.without_upsampling:
        net, cut = without_upsampling(net, weights)
        weights = {name: blobs for name, blobs in weights.items() if name != cut}
        print(f"{cut}: left out: the outputs are as small as what it took")

    def rewrite(approximate: bool) -> Rewritten:
        return rewritten(
            net, weights, target, approximate=approximate, accelerated=args.accelerated, input_shapes=shapes
        )

    made = rewrite(args.approximate)
    if left := _left(made):
        message = f"{args.prototxt}: {target.name} takes no {'' if args.approximate else 'exact '}form of {left}"
        if not args.approximate and len((nearly := rewrite(True)).report.faults) < len(made.report.faults):
            message += f"; --approximate {_offer(net, weights, nearly, shapes)}"
        raise UnsupportedError(message)
    check_weights(made, shapes)
    for line in _changes(made.changes):
        print(line)
    if made.renamed:
        print("renamed: " + ", ".join(f"{old} -> {new}" for old, new in made.renamed.items()))
    print(made.report)
    found = differences(net, weights, made, shapes, 1 if made.exact else _IMAGES)
    for line in _compared(found, made.exact):
        print(line)
    assert made.weights is not None
    write_pair(made.net, made.weights, args.target_prototxt, args.output, shapes, numbers_of(target))
    print(f"{args.target_prototxt}: {len(made.net.layer)} layers")
    return made.weights


def _zoo(args: argparse.Namespace) -> bool:
    return str(args.prototxt) in CARDS and not args.prototxt.exists()


def _weights(args: argparse.Namespace, net: NetParameter, shapes: Mapping[str, Sequence[int]] | None) -> Any:
    """The weights, checked against the network where its shapes are known; what is written is checked in any case."""
    from converters import load_weights, read_weights
    from converters.formats import STATE_DICT_SUFFIXES

    try:
        return read_weights(args.weights, net, input_shapes=shapes)
    except (NetworkError, UnsupportedError):  # such as the labels of a data layer, which go
        if args.weights.suffix in STATE_DICT_SUFFIXES:
            raise
        return load_weights(args.weights, net)


def _left(made: Rewritten) -> str:
    """What the target does not take, in words."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for fault in made.report.faults:
        if fault.outcome != "cpu":
            groups.setdefault((fault.type, fault.field, fault.found, fault.allowed), []).append(fault.layer)
    said = []
    for (kind, field, found, allowed), layers in groups.items():
        names = ", ".join(map(repr, layers))
        subject = f"layer{'s' * (len(layers) > 1)} {names} ({kind})" if layers[0] else "the network"
        said.append(f"{subject}: {field}: found {found}, expected {allowed}")
    return "; ".join(said)


def _offer(net: NetParameter, weights: Any, nearly: Rewritten, shapes: Mapping[str, Sequence[int]] | None) -> str:
    """What approximations would change, and what they would cost where that is seen soon."""
    from converters.targets.files import differences

    inexact = [change for change in nearly.changes if not change.exact]
    said = f"would change {len(inexact)} layer{'s' * (len(inexact) != 1)} ({inexact[0].what}, ...)" if inexact else ""
    left = len([fault for fault in nearly.report.faults if fault.outcome != "cpu"])
    said += f" and leave {left} of these" if left else ""
    try:
        costs = sum(row.multiply_adds for row in trace(nearly.net, None))
        found = differences(net, weights, nearly, shapes) if costs <= _CHEAP else None
    except (NetworkError, UnsupportedError):
        found = None
    return f"{said}: {', '.join(map(str, found))}" if found else said


def _changes(changes: Sequence[Change]) -> list[str]:
    """One line for all layers of one change."""
    groups: dict[tuple[str, str, bool], list[str]] = {}
    for change in changes:
        groups.setdefault((change.rewrite, change.what, change.exact), []).append(change.layer)
    lines = []
    for (rewrite, what, exact), layers in groups.items():
        more = f" and {len(layers) - _MOST_NAMES} more" if layers[_MOST_NAMES:] else ""
        lines.append(f"{', '.join(layers[:_MOST_NAMES])}{more}: {what} ({rewrite}{'' if exact else '; approximate'})")
    return lines or ["nothing to change"]


def _compared(found: Sequence[OutputDifference] | None, exact: bool) -> list[str]:
    if found is None:
        return ["not compared: some layers are of types that are not known here"]
    if exact:
        worst = max(one.largest for one in found)
        said = f"differ by at most {worst:.1e} of the largest value" if worst else "are equal"
        return [f"computes the same: outputs {said}"]
    return [f"computes nearly the same: {one}" for one in found]
