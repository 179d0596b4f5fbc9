"""Options that several commands share: their names, types and help."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prototxt_gen.errors import CaffeError
from prototxt_gen.passes.phase import PHASES

if TYPE_CHECKING:
    from converters.engines import Engine
    from prototxt_gen.architectures import Backbone, Decoder
    from search import Cut, TieredSpace
    from search.spaces import Space


def add_input_shapes(parser: argparse._ActionsContainer) -> None:
    """--input-shape for networks in files; `networks.input_shapes` reads it."""
    parser.add_argument(
        "--input-shape",
        type=_named_shape,
        action="append",
        metavar="[TOP=]N,C,H,W",
        help="shape of the network's first input, or of the input TOP (may be repeated); default: what the file says",
    )


def add_strict(parser: argparse._ActionsContainer) -> None:
    """--strict for networks in files; `networks.read_network` reads it."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="stop at fields that neither Caffe nor the DF release's fork knows, instead of leaving them out",
    )


def add_phase(parser: argparse.ArgumentParser, purpose: str) -> None:
    """--phase; `purpose` begins its help."""
    parser.add_argument(
        "--phase", choices=PHASES, help=f"{purpose}; default: the one that the network's `state` names, or else TEST"
    )


def add_merged(parser: argparse.ArgumentParser) -> None:
    """--merged for networks that are generated."""
    parser.add_argument("--merged", action="store_true", help="fold batch norm into the convolutions")


def add_zoo_network(parser: argparse.ArgumentParser, kind: str | None = None) -> None:
    """The positional argument `network`: a network of the zoo, of one kind or of any."""
    from caffe_zoo.cards import CARDS

    names = [name for name, card in CARDS.items() if kind in (None, card.kind)]
    parser.add_argument("network", help=f"one of {', '.join(names)}")


def add_running(parser: argparse.ArgumentParser, default: str = "torch") -> None:
    """--weights, --classes and the options of an engine for networks of the zoo that are run.

    `default` is what the help says of the engine that is taken without it.
    """
    parser.add_argument(
        "--weights",
        default="released",
        metavar="FILE",
        help="a file of weights, or ncnn's two files as NET.param.bin,NET.bin; "
        "default: the released weights that `dongfeng fetch` downloaded",
    )
    parser.add_argument(
        "--classes", type=count, metavar="N", help="number of classes of these weights, where the network's own differs"
    )
    add_engine(parser, default=default)


def add_engine(
    parser: argparse.ArgumentParser, purpose: str = "what runs the network", threads: str = "", default: str = "torch"
) -> None:
    """--engine, --threads, --engine-device and --precision; `engine_of` makes the engine.

    `purpose` begins the help of the first, `threads` is that of the second where it says more. `default` is what the
    help says is taken without it.
    """
    from converters.engines import ENGINES

    parser.add_argument("--engine", choices=list(ENGINES), default="torch", help=f"{purpose} (default: {default})")
    add_engine_options(parser, threads)


def add_engine_options(parser: argparse.ArgumentParser, threads: str = "") -> None:
    """--threads, --engine-device and --precision; `threads` is the help of the first, where it says more."""
    parser.add_argument(
        "--threads", type=count, metavar="N", help=threads or "CPU threads (default: the engine's own choice)"
    )
    parser.add_argument(
        "--engine-device",
        default="cpu",
        metavar="DEVICE",
        help="what the engine runs on: cpu (default), cuda, cuda:1, or what else it knows, such as OpenVINO's gpu",
    )
    parser.add_argument(
        "--precision",
        default="float32",
        metavar="TYPE",
        help="the numbers that the engine computes with: float32 (default), float16 or bfloat16, where it has them",
    )


def engine_of(args: argparse.Namespace, batch: int = 1, **others: Any) -> Engine:
    """The engine that the options of `add_engine` name; `others` are options of `make_engine` in their place."""
    from converters import make_engine

    options = {"device": args.engine_device, "precision": args.precision, "batch": batch}
    return make_engine(args.engine, args.threads or 0, **{**options, **others})


def add_input_size(parser: argparse.ArgumentParser) -> None:
    """--input-size for segmentation networks of the zoo."""
    parser.add_argument(
        "--input-size",
        type=size,
        metavar="HxW",
        help="segmentation: size of the images that the network sees; default: the network's own",
    )


def add_batch(parser: argparse.ArgumentParser, default: str) -> None:
    """--batch; `default` is what the help says is taken without it, which is None in the arguments."""
    parser.add_argument(
        "--batch", type=count, metavar="N", help=f"how many images to run at a time (default: {default})"
    )


def add_space(parser: argparse._ActionsContainer, purpose: str, required: bool = False) -> None:
    """--space; `purpose` is what its help begins with. `search.parse_space` reads its value."""
    parser.add_argument(
        "--space",
        required=required,
        metavar="SPACE",
        help=f"{purpose}: a code such as s8-16_b1-3_b1-3_w8-16-32_c10_i3x32x32, the name of a space in the package, or "
        "a YAML file (see docs/spaces.md)",
    )


def add_target(parser: argparse._ActionsContainer, purpose: str) -> None:
    """--target, a toolchain; `purpose` is what its help begins with. `converters.read_target` reads its value."""
    parser.add_argument(
        "--target",
        metavar="NAME",
        help=f"{purpose}: a target of the package, or a .yaml file (see docs/targets.md; `dongfeng check --list` lists "
        "them)",
    )


def cut_to(args: argparse.Namespace, space: Space, shown: bool = True) -> Cut | None:
    """The space cut to what --target takes, which is printed where it is to be `shown`; None without --target."""
    if args.target is None:
        return None
    from search import cut_space

    found = cut_space(space, args.target)
    if shown:
        print(found, flush=True)
    return found


def taken_of(args: argparse.Namespace, networks: Sequence[tuple[str, Backbone | Decoder, Sequence[int]]]) -> list[bool]:
    """Which of these networks, by name, with their input shapes, --target takes; all without it.

    How many are left, and why others are not, is printed. CaffeError where none is.
    """
    if args.target is None:
        return [True] * len(networks)
    from converters import read_target
    from search.cutting.cut import network_faults

    target = read_target(args.target)
    faults = [network_faults(architecture, shape, target) for _, architecture, shape in networks]
    told = [f"{name}: {'; '.join(found)}" for (name, _, _), found in zip(networks, faults, strict=True) if found]
    if len(told) == len(networks):
        raise CaffeError(f"target {target.name}: takes none of the networks: {'; '.join(told)}")
    print(f"target {target.name}: {len(networks) - len(told)} of {len(networks)} networks are left", flush=True)
    for line in told:
        print(f"  left out: {line}", flush=True)
    return [not found for found in faults]


def add_knots(parser: argparse.ArgumentParser, then: str) -> None:
    """--knots; `then` says what becomes of the other widths. `with_knots` makes the space that is meant."""
    parser.add_argument(
        "--knots",
        type=count,
        metavar="N",
        help=f"of a space of Tiered Pruning: only N inner widths of each block, from the least to the most; {then}",
    )


def with_knots(space: Space | None, knots: int) -> TieredSpace:
    """The space with only so many inner widths of each block. CaffeError for no space, and where there are none."""
    from search import TieredSpace

    if space is None:
        raise CaffeError("--knots is for --space: a network has the inner widths that it has")
    if not isinstance(space, TieredSpace):
        raise CaffeError(f"--knots: found the space {space}, expected one of Tiered Pruning, which has inner widths")
    if space.knots is not None:
        raise CaffeError(f"--knots: the space {space} has {space.knots} already: give it whole")
    return replace(space, knots=knots)


def add_output(parser: argparse.ArgumentParser, purpose: str) -> None:
    """-o FILE; `purpose` is its help."""
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=purpose)


def input_shape(text: str) -> tuple[int, ...]:
    """The type of an option that is one shape N,C,H,W."""
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if len(shape) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not four numbers N,C,H,W, such as 1,3,224,224")
    return shape


def number(text: str) -> float:
    """The value of an option that is a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number")
    return value


def count(text: str) -> int:
    """The type of an option that is a whole number of at least 1."""
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def amount(text: str) -> int:
    """The type of an option that is a whole number such as 5000000, 500M or 1.5G."""
    return _whole(text, {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}, "500M or 1.5G")


def byte_count(text: str) -> int:
    """The type of an option that is a number of bytes such as 65536, 20MB or 16MiB."""
    units = {"": 1, "b": 1}
    for power, letter in enumerate("kmgt", 1):
        units |= {f"{letter}b": 1000**power, f"{letter}ib": 1024**power}
    return _whole(text, units, "65536, 20MB or 16MiB")


def millijoules(text: str) -> float:
    """The type of an option that is an energy such as 5mJ, 0.005J or 800uJ."""
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?) ?([mu]?)J", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an energy, such as 5mJ, 0.005J or 800uJ")
    return float(Fraction(found[1]) / {"": Fraction(1, 1000), "m": Fraction(1), "u": Fraction(1000)}[found[2]])


def _whole(text: str, units: Mapping[str, int], examples: str) -> int:
    found = re.fullmatch(r"(\d{1,18}(?:\.\d{1,18})?) ?([a-z]*)", text.lower(), re.ASCII)
    number = Fraction(found[1]) * units[found[2]] if found and found[2] in units else Fraction(1, 2)
    if number.denominator != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, such as {examples}")
    return int(number)


def percent(text: str) -> float:
    """The type of an option that is a share such as 1% or 0.5 %; 0.01 is 1 %, too, and 5 is taken for neither."""
    number, sign, rest = text.partition("%")
    try:
        value = float(number) / (100 if sign else 1)
    except ValueError:
        value = math.nan
    if rest or not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share above 0, such as 1%")
    if not sign and value >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} may mean {text}% or {100 * value:g}%: write which")
    return value


def size(text: str) -> tuple[int, int]:
    """The type of an option that is a size HxW."""
    height, _, width = text.partition("x")
    if not (text.isascii() and height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not height x width, such as 1024x2048")
    return int(height), int(width)


def _named_shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, numbers = text.rpartition("=")
    try:
        return name, tuple(int(part) for part in numbers.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape such as 1,3,224,224 or data=1,3,224,224") from None
