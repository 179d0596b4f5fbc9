"""dongfeng profile next: which networks to time next on a device that times only whole networks."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.options import add_space, add_target, count, cut_to
from caffe_zoo.commands.profile.fit import COLUMNS, read_measured
from prototxt_gen.errors import FileError

EXAMPLE = (
    "dongfeng profile next --space s32-64_b1-3_b1-3_b1-4_w64-128-256-512_c1000_i3x224x224 --count 20 --out first/ "
    "-o first.csv\n"
    "  dongfeng profile next --space s32-64_b1-3_b1-3_b1-4_w64-128-256-512_c1000_i3x224x224 --times first.csv "
    "--out second/ -o second.csv"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The space, what is timed already, what is written."""
    add_space(parser, "the networks that the table is for", required=True)
    add_target(parser, "cut the space to what this toolchain takes, and write the networks in its words")
    parser.add_argument(
        "--times", nargs="+", type=Path, default=[], metavar="CSV", help="networks timed already, as for `profile fit`"
    )
    parser.add_argument("--count", type=count, default=20, metavar="N", help="how many networks (default: 20)")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where each network's prototxt, caffemodel and ONNX are written, named after its code",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="CSV",
        help="the networks, with a column for the milliseconds; must not exist",
    )
    parser.add_argument("--seed", type=int, default=0, help="which networks stand for a large space (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Chooses, writes the networks, then the list of them."""
    from caffe_zoo.commands.paths import make_folder, progress
    from prototxt_gen import generate
    from prototxt_gen.files import write_bytes
    from search import next_networks, parse_space
    from search.latency.far.exporting import contents_of

    if args.output.exists():
        raise FileError(f"{args.output}: exists, and may hold times; choose another name, or `--times {args.output}`")
    space = parse_space(args.space)
    cut = cut_to(args, space)
    space = space if cut is None else cut.space
    timed = read_measured(args.times, some=False)
    chosen = next_networks(space, args.count, timed.networks, timed.numbers, seed=args.seed)
    make_folder(args.out)
    with progress(len(chosen), "writing networks") as bar:
        for network in chosen:
            net = generate(network, input_shape=space.input_shape, merged=True)
            kinds = ("prototxt", "caffemodel", "onnx")
            for kind, content in contents_of(net, str(network), kinds, cut.target if cut else None).items():
                write_bytes(args.out / f"{network}.{kind}", content)
            bar.update()
    lines = [",".join(COLUMNS), *(f"{network}," for network in chosen)]
    write_bytes(args.output, ("\n".join(lines) + "\n").encode())
    print(f"{args.out}: {len(chosen)} networks, the most telling first")
    print(
        f"{args.output}: fill in the milliseconds of each, then: dongfeng profile fit "
        f"{' '.join(map(str, [*args.times, args.output]))} --space {space} --device-name NAME -o latency.json"
    )
    return 0
