"""All networks of a space written out, against the same networks made a message a layer, as pycaffe's NetSpec does.

The space is of DF1's size: its depths, 10 blocks, and eight widths; 19,448 networks. Every way writes what the others
do; they take turns in one process. NetSpec's way writes into memory only. Peak memory is that of a process of its own,
for a twentieth of the networks and for all.
Run with: python benchmarks/generate_space.py [--networks 19448] [--rounds 5] [--to FOLDER]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from generate import by_messages

from search.spaces import parse_space
from search.spaces.writing import Writing

SPACE = "s32-64_b3-3_b3-3_b4-4_w32-64-96-128-192-256-384-512_c1000_i3x224x224"
# So many are made the slow way in each round.
BY_MESSAGES = 300


def write_folder(networks: int, to: Path) -> None:
    Writing(parse_space(SPACE), 0, networks).into_folder(to / "folder")


def write_tar(networks: int, to: Path) -> None:
    Writing(parse_space(SPACE), 0, networks).into_tar(to / "file.tar")


def write_stream(networks: int, to: Path) -> None:
    del to
    with Path("/dev/null").open("wb") as stream:
        Writing(parse_space(SPACE), 0, networks).into_stream(stream)


WAYS: dict[str, Callable[[int, Path], None]] = {
    "into a folder, a file each": write_folder,
    "into a tar": write_tar,
    "to standard output (/dev/null)": write_stream,
}


def peak(way: str, networks: int, to: Path) -> float:
    """The peak memory in MB of a process that writes so many."""
    code = (
        "import resource, sys; from pathlib import Path; import generate_space as made; "
        "made.WAYS[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3])); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, way, str(networks), str(to)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    return int(done.stdout) / 1024


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=19_448)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--to", type=Path, help="where to write (default: the folder for temporary files)")
    args = parser.parse_args()
    space = parse_space(SPACE)
    some = list(space.between(0, BY_MESSAGES))
    texts = {}
    folders: list[Path] = []
    rates: dict[str, list[float]] = {name: [] for name in ["a message a layer, str(net)", *WAYS, "found there already"]}
    layers = statistics.mean(len(by_messages(one).layer) for one in some)
    print(
        f"{args.networks:,} of {space.count():,} networks of about {layers:.0f} layers, {args.rounds} rounds in turns"
    )
    for _ in range(args.rounds):
        begun = time.perf_counter()
        texts = {str(one): str(by_messages(one)) for one in some}
        rates["a message a layer, str(net)"].append(len(some) / (time.perf_counter() - begun))
        for name, way in WAYS.items():
            # Deleted at the end: for seconds after files are deleted, ext4 makes new ones many times as slowly.
            folders.append(to := Path(tempfile.mkdtemp(dir=args.to)))
            begun = time.perf_counter()
            way(args.networks, to)
            rates[name].append(args.networks / (time.perf_counter() - begun))
            if way is write_folder:
                for code, text in texts.items():
                    (path,) = to.glob(f"folder/*/{code}.prototxt")
                    assert path.read_text() == text
                begun = time.perf_counter()
                way(args.networks, to)
                rates["found there already"].append(args.networks / (time.perf_counter() - begun))
    first = rates["a message a layer, str(net)"]
    print(f"{'':<32} {'networks a second':>28} {'ratio':>8}")
    for name, found in rates.items():
        low, median, high = statistics.quantiles(found, n=4)
        ratio = statistics.median(one / other for one, other in zip(found, first, strict=True))
        print(f"{name:<32} {f'{median:,.0f} ({low:,.0f} to {high:,.0f})':>28} {ratio:>7.1f}x")
    for name in WAYS:
        peaks = []
        for networks in (args.networks // 20, args.networks):
            folders.append(to := Path(tempfile.mkdtemp(dir=args.to)))
            peaks.append(peak(name, networks, to))
        print(f"peak memory, {name}: {peaks[0]:.0f} MB for a twentieth, {peaks[1]:.0f} MB for all")
    for folder in folders:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
