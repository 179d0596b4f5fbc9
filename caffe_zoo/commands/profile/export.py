"""dongfeng profile export: a space's parts as files, and a script that times them on a device without Python."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from caffe_zoo.commands.networks import generated_shape, resolve_architecture
from caffe_zoo.commands.options import add_knots, add_space, add_target, count, cut_to, size, taken_of, with_knots
from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import CaffeError
from prototxt_gen.generator.networks import generate

EXAMPLE = (
    "dongfeng profile export --space s32-64_b1-3_b1-3_b1-4_w64-128-256-512_c1000_i3x224x224 --check 10 "
    "--tool trtexec --out blocks/\n"
    "  dongfeng profile export --network df1 df2 --tool own --command 'mytool --model {onnx}' "
    "--pattern 'avg: ([0-9.]+) ms' --out blocks/"
)


_DEVICES = {"trtexec": "cuda"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The networks, the tool, what is written."""
    from converters.programs import PROGRAMS

    subject = parser.add_mutually_exclusive_group(required=True)
    add_space(subject, "the networks whose parts are exported")
    subject.add_argument(
        "--network", nargs="+", metavar="NAME|CODE", help="networks of the zoo, or architectures' codes"
    )
    add_target(
        parser,
        "cut the space to what this toolchain takes, or leave out networks, and write all in its words; the imported "
        "table is of the same parts",
    )
    add_knots(parser, "`dongfeng profile interpolate` then tells the others from the imported table")
    parser.add_argument("--input-size", type=size, metavar="HxW", help="size of the images, with --network")
    parser.add_argument("--tool", required=True, choices=[*PROGRAMS, "own"], help="what times them on the device")
    parser.add_argument(
        "--command",
        dest="tool_command",
        metavar="WORDS",
        help="for --tool own: the tool and its arguments, with {onnx}, {prototxt}, {caffemodel}, {name} and "
        "{iterations} where these stand",
    )
    parser.add_argument(
        "--pattern", metavar="REGEX", help="for --tool own: what its output says of the time, one group: the number"
    )
    parser.add_argument("--unit", metavar="UNIT", help="for --tool own: s, ms (default), us or ns")
    parser.add_argument(
        "--version-command", metavar="WORDS", help="for --tool own: a command that prints the tool's version"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to write")
    parser.add_argument(
        "--files",
        choices=("all", "onnx", "caffe"),
        default="all",
        help="write for each network prototxt, caffemodel and ONNX (all, default), or only what some tools need",
    )
    parser.add_argument(
        "--check", type=count, default=0, metavar="N", help="also so many whole networks, which tell the table's error"
    )
    parser.add_argument("--seed", type=int, default=0, help="which whole networks --check draws (default: 0)")
    parser.add_argument("--rounds", type=count, default=3, metavar="N", help="how often all are timed (default: 3)")
    parser.add_argument(
        "--iterations",
        type=count,
        default=50,
        metavar="N",
        help="runs of the heaviest network in a round, lighter ones run more often (default: 50)",
    )
    parser.add_argument("--threads", type=count, metavar="N", help="CPU threads (default: the tool's own choice)")
    parser.add_argument(
        "--engine-device",
        metavar="DEVICE",
        help="what runs them there, as the tool calls it: cpu, cuda, gpu, nnapi, ... (default: cpu; cuda for trtexec)",
    )
    parser.add_argument("--precision", default="float32", help="float32 (default), float16, bfloat16, int8")


def run(args: argparse.Namespace) -> int:
    """Says how much it will write, and writes it."""
    from converters import read_target
    from converters.engines.engine import Options
    from converters.programs import OwnCommand
    from search import parse_space
    from search.latency.far import plan, write_export
    from search.progress import progress_bar

    if args.space and args.input_size:
        raise CaffeError("--input-size is for --network alone: a space's code has its size")
    space = parse_space(args.space) if args.space else None
    cut = None if space is None else cut_to(args, space)
    space = space if cut is None else cut.space
    space = space if args.knots is None else with_knots(space, args.knots)
    planned = plan(
        _networks(args) if space is None else space,
        _tool(args),
        Options(args.threads or 0, args.engine_device or _DEVICES.get(args.tool, "cpu"), args.precision),
        files=args.files,
        rounds=args.rounds,
        iterations=args.iterations,
        check=args.check,
        seed=args.seed,
        target=None if args.target is None else read_target(args.target),
    )
    networks = planned.export.networks
    whole = sum(network.kind == "network" for network in networks)
    kinds = f"{len(networks) - whole - 1} parts, {whole} whole networks, one that does nothing"
    print(f"{args.out}: {planned.files} files of about {_in_words(planned.bytes)}: {kinds}", flush=True)
    with progress_bar(len(networks), "writing networks", "network", True) as bar:
        export, program = write_export(planned, args.out, bar.update)
    tool = program.words[0] if isinstance(program, OwnCommand) else program.name
    written = sum(file.bytes for network in export.networks for file in network.files.values())
    print(f"{args.out}: {_in_words(written)} written; on the device, where {tool} is:")
    print(f"  sh {args.out.name or args.out}/measure.sh")
    print(f"then copy the folder results/ that it writes into {args.out}, and here:")
    print(f"  dongfeng profile import {args.out} -o latency.json")
    return 0


def _networks(args: argparse.Namespace) -> list[tuple[Backbone | Decoder, Sequence[int] | None]]:
    """The networks that are asked for, and that the target takes, with the shapes of their inputs."""
    asked = (1, 3, *args.input_size) if args.input_size else None
    found = [(resolve_architecture(text), generated_shape(asked, text).get("input_shape")) for text in args.network]
    shapes = [
        (text, architecture, shape or generate(architecture).layer[0].input_param.shape[0].dim)
        for text, (architecture, shape) in zip(args.network, found, strict=True)
    ]
    return [one for one, is_taken in zip(found, taken_of(args, shapes), strict=True) if is_taken]


def _tool(args: argparse.Namespace) -> dict[str, str]:
    """The tool as an export holds it. CaffeError for options that do not go together."""
    own = {
        "command": args.tool_command,
        "pattern": args.pattern,
        "unit": args.unit,
        "version": args.version_command,
    }
    given = {name: value for name, value in own.items() if value is not None}
    if args.tool != "own":
        if given:
            raise CaffeError(f"--{', --'.join(given)}: for --tool own alone, found --tool {args.tool}")
        return {"name": args.tool}
    if missing := [name for name in ("command", "pattern") if name not in given]:
        raise CaffeError(f"--tool own: needs --{' and --'.join(missing)}")
    return {"name": "own", **given}


def _in_words(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e3:,.0f} kB"
