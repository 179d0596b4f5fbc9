"""A caffemodel of DF2's size ready as arrays: ours, the bare reading of the file, OpenCV, and protobuf whole.

All of them run in one process, in turns, on one file made on the spot, which is in the page cache; OpenCV (before 5)
also reads the prototxt. Peak memory is that of a fresh process for each, less what it had before the work.
Run with: python benchmarks/load_weights.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import __version__ as protobuf_version

from converters.weights import load_weights, save_weights
from prototxt_gen.binary import from_binary
from prototxt_gen.files import read_bytes
from prototxt_gen.generator.networks import generate
from prototxt_gen.text import write_prototxt
from prototxt_gen.trace import trace

DF2 = "s32-64_b64x2-128_b128x10-256_b256x4-512x2_c1000"


def make(folder: Path) -> None:
    """DF2's deploy network and random weights for it."""
    net = generate(DF2)
    rng = np.random.default_rng(0)
    weights = {
        layer.name: [rng.random(shape, np.float32) for shape in layer.blob_shapes]
        for layer in trace(net)
        if layer.blob_shapes
    }
    write_prototxt(net, folder / "df2.prototxt")
    save_weights(weights, folder / "df2.caffemodel", net)


def plain(folder: Path) -> Any:
    return read_bytes(folder / "df2.caffemodel")


def ours(folder: Path) -> Any:
    return load_weights(folder / "df2.caffemodel")


def opencv(folder: Path) -> Any:
    import cv2

    return cv2.dnn.readNetFromCaffe(str(folder / "df2.prototxt"), str(folder / "df2.caffemodel"))


def protobuf(folder: Path) -> Any:
    """The library parses the whole file, numpy converts its numbers."""
    net = from_binary(read_bytes(folder / "df2.caffemodel"))
    return {
        layer.name: [np.array(blob.data, np.float32).reshape(tuple(blob.shape.dim)) for blob in layer.blobs]
        for layer in net.layer
    }


PLAIN = "the file read, no more"
WAYS: dict[str, Callable[[Path], Any]] = {
    PLAIN: plain,
    "load_weights": ours,
    "cv2.dnn.readNetFromCaffe": opencv,
    "protobuf, then numpy": protobuf,
}


def resident(field: str) -> int:
    """VmRSS, the memory this process has, or VmHWM, the most it has had, in bytes. Linux only.

    Not ru_maxrss, which a process takes over from the one that started it.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) * 1024


def peak_of(way: str, folder: Path) -> int:
    """What one way needs beyond its imports, in a process of its own."""
    run = [sys.executable, __file__, "--memory", way, "--folder", str(folder)]
    return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def measure(rounds: int, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of every round, by way."""
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for way, load in WAYS.items():
            start = time.perf_counter()
            result = load(folder)
            taken = time.perf_counter() - start
            del result
            if number:  # the first round warms up
                times[way].append(taken * 1000)
    return times


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        if args.memory == "cv2.dnn.readNetFromCaffe":
            importlib.import_module("cv2")
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
        before = resident("VmRSS")
        kept = WAYS[args.memory](args.folder)
        print(resident("VmHWM") - before)
        del kept
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        size = (folder / "df2.caffemodel").stat().st_size
        times = measure(args.rounds, folder)
        peaks = {way: peak_of(way, folder) for way in WAYS}
    print(f"{size:,} bytes, {args.rounds} rounds in turns")
    opencv_version = version("opencv-python-headless")
    print(f"Python {sys.version.split()[0]}, protobuf {protobuf_version}, OpenCV {opencv_version}")
    print(f"{'':<25} {'ms':>22} {'/ reading':>10} {'peak / file':>12}")
    for way, values in times.items():
        low, median, high = statistics.quantiles(values, n=4)
        ratio = statistics.median(value / base for value, base in zip(values, times[PLAIN], strict=True))
        print(f"{way:<25} {f'{median:.1f} ({low:.1f} to {high:.1f})':>22} {ratio:>9.2f}x {peaks[way] / size:>11.2f}x")
    print("Medians over the rounds, quartiles in brackets; the ratio is the median of each round's own.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
