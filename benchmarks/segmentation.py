"""DF1-Seg at 1024x2048 on the CPU with two threads, by several engines in turns.

BVLC Caffe 1.0 needs 0.96 s for it on the machine where these figures are recorded: given, not measured here. All sides
get the same network, batch norm merged, and the same weights, and end at the scores of full size. They take turns in
one process, so that a busy moment hits them all.
Run with: python benchmarks/segmentation.py [--rounds 10] [--size 1024x2048] [--compile]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch

from caffe_zoo.models import network, runner
from converters import make_engine, to_torch, weights_of

CAFFE_SECONDS = 0.96
THREADS = 2


def sides(size: tuple[int, int], compiled: bool) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """By name, functions of a data blob that give the scores."""
    net = network("df1seg", input_size=size, merged=True)
    weights = weights_of(to_torch(net))
    eager = to_torch(net, weights)

    def plain(blob: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return eager(torch.from_numpy(blob)).numpy()

    found = {"torch, eager": plain, "torch, channels last (dongfeng's)": runner(net, weights, "torch")}
    if compiled:
        fast = torch.compile(to_torch(net, weights).to(memory_format=torch.channels_last))

        def fused(blob: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return fast(torch.from_numpy(blob).to(memory_format=torch.channels_last)).numpy()

        found["torch.compile, channels last"] = fused
    for engine in ("onnxruntime", "openvino"):
        if find_spec(engine) and find_spec("onnx"):
            found[f"{engine} (dongfeng's)"] = runner(net, weights, make_engine(engine, THREADS))
    return found


def main() -> int:
    """Prints the table; the exit status is 1 when none of dongfeng's engines is faster than Caffe."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--size", default="1024x2048", metavar="HxW")
    parser.add_argument("--compile", action="store_true", help="also torch.compile; it needs a C++ compiler")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    height, width = map(int, args.size.split("x"))
    blob = np.random.default_rng(0).normal(size=(1, 3, height, width)).astype(np.float32)
    engines = sides((height, width), args.compile)
    answers = [run(blob) for run in engines.values()]
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], atol=1e-3 * np.abs(answers[0]).max())
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(args.rounds):
        for name, run in engines.items():
            begun = time.perf_counter()
            run(blob)
            times[name].append(time.perf_counter() - begun)
    print(f"df1seg, merged, 1x3x{height}x{width}, {THREADS} threads, {args.rounds} rounds in turns")
    print(f"Python {sys.version.split()[0]}, torch {torch.__version__}, load average {os.getloadavg()[0]:.1f}")
    print(f"{'engine':<34} {'median, s':>9} {'fastest, s':>10}")
    for name, found in times.items():
        print(f"{name:<34} {statistics.median(found):>9.3f} {min(found):>10.3f}")
    print(f"{'BVLC Caffe 1.0 (given)':<34} {CAFFE_SECONDS:>9.3f}" if (height, width) == (1024, 2048) else "")
    best = min(statistics.median(found) for name, found in times.items() if "dongfeng" in name)
    return int((height, width) == (1024, 2048) and best >= CAFFE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
