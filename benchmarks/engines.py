"""The zoo by every engine, and by OpenVINO's own interface on the exported file, in turns in one process.

All classification networks at 224x224 and DF1-Seg at 1024x2048, batch norm merged, in float32 unless another precision
is asked for, which OpenVINO alone and the engine openvino then share. Every side gets the same numbers, runs once
before it is timed, so that no other's threads are still awake, and its labels must be those of torch. A side's time is
what a caller waits: from an array to the scores as an array.

With --sessions N: one network timed alone, and again while N others of its kind are alive and run in turns with it.
Run with: python benchmarks/engines.py [--threads 2] [--rounds 15] [--precision bfloat16] [--sessions 40] [NETWORK ...]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from caffe_zoo.cards import CARDS, card
from caffe_zoo.models import network
from converters import export_onnx, make_engine, to_torch, weights_of
from prototxt_gen import CaffeError, generate

Array = NDArray[np.float32]
Run = Callable[[Array], Array]
PACKAGES = {"openvino": "openvino", "torch": "torch", "onnxruntime": "onnxruntime", "opencv": "cv2"}
PICTURES = 4
#: Runs of a side in a turn, of which the first is not timed.
RUNS = 3


def openvino_alone(path: Path, threads: int, precision: str) -> Run:
    """OpenVINO's own interface on a file: one request, no copy of inputs or outputs."""
    import openvino

    hints = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
    settings = {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hints[precision], "INFERENCE_NUM_THREADS": threads,
    }  # fmt: skip
    request = openvino.Core().compile_model(str(path), "CPU", settings).create_infer_request()

    def run(blob: Array) -> Array:
        return request.infer({0: blob}, share_inputs=True, share_outputs=True)[0]

    return run


def sides(name: str, threads: int, precision: str, folder: Path) -> tuple[dict[str, Run], tuple[int, ...]]:
    """By name, functions from a data blob to scores, and the blob's shape."""
    size = None if card(name).kind == "segmentation" else (224, 224)
    net = network(name, input_size=size, merged=True)
    weights = weights_of(to_torch(net))
    found: dict[str, Run] = {}
    shape: tuple[int, ...] = ()
    if find_spec("openvino"):
        path = folder / f"{name}.onnx"
        export_onnx(net, weights, path)
        found["OpenVINO alone"] = openvino_alone(path, threads, precision)
    for engine, package in PACKAGES.items():
        if find_spec(package):
            chosen = precision if engine == "openvino" else "float32"
            session = make_engine(engine, threads, precision=chosen).load(net, weights)
            (data, shape), (scores,) = *session.inputs.items(), session.outputs
            try:
                session.time()
            except CaffeError as fault:
                print(f"{name}: {engine}: {str(fault)[:100]}", file=sys.stderr)
                continue
            found[engine] = lambda blob, session=session, data=data, scores=scores: session.run({data: blob})[scores]
    return found, shape


def compare(name: str, args: argparse.Namespace, folder: Path) -> bool:
    """Prints a network's line; whether all labels are torch's."""
    engines, shape = sides(name, args.threads, args.precision, folder)
    numbers = np.random.default_rng(0)
    pictures = [numbers.normal(size=shape).astype(np.float32) for _ in range(PICTURES if shape[2] == 224 else 1)]
    labels = {
        side: np.concatenate([run(picture).argmax(1).ravel() for picture in pictures]) for side, run in engines.items()
    }
    same = {side: float((found == labels["torch"]).mean()) for side, found in labels.items()}
    times: dict[str, list[float]] = {side: [] for side in engines}
    for _ in range(args.rounds):
        for side, run in engines.items():
            spent = []
            for _ in range(RUNS):
                begun = perf_counter()
                run(pictures[0])
                spent.append((perf_counter() - begun) * 1e3)
            times[side].append(min(spent[1:]))
    columns = [f"{statistics.median(times[side]):>15.2f}" if side in times else f"{'-':>15}" for side in HEADS]
    ratios = [ours / theirs for ours, theirs in zip(times["openvino"], times["OpenVINO alone"], strict=True)]
    worst = min(same, key=lambda side: same[side])
    told = "equal" if same[worst] == 1 else f"{same[worst]:.5%} ({worst})"
    print(f"{name:<18}{''.join(columns)} {statistics.median(ratios):>7.3f}  {told}", flush=True)
    return same["openvino"] == same["OpenVINO alone"] == 1 or args.precision != "float32"


HEADS = ("OpenVINO alone", "openvino", "torch", "onnxruntime", "opencv")


def crowd(args: argparse.Namespace) -> None:
    """Prints how much sessions that are alive slow one of them, by engine."""
    net = generate("s32-64_b64_b128_b256_c10", input_shape=(1, 3, 112, 112), merged=True)
    weights = weights_of(to_torch(net))
    print(f"{'engine':<14}{'alone':>9}{'others idle':>13}{'in turns':>10}   ms, medians; {args.sessions} sessions")
    for name, package in PACKAGES.items():
        if not find_spec(package):
            continue
        engine = make_engine(name, args.threads)
        one = engine.load(net, weights)
        medians = []
        others = []
        for phase in ("alone", "idle", "turns"):
            if phase == "idle":
                others = [engine.load(net, weights) for _ in range(args.sessions - 1)]
            for session in (one, *others):
                session.time()
            found = []
            for number in range(20 * args.rounds):
                if phase == "turns":
                    others[number % len(others)].time()
                found.append(one.time())
            medians.append(statistics.median(found))
        print(f"{name:<14}{medians[0]:>9.3f}{medians[1]:>13.3f}{medians[2]:>10.3f}", flush=True)


def main() -> int:
    """Prints the table; the exit status is 1 where OpenVINO's labels are not torch's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--sessions", type=int, metavar="N")
    args = parser.parse_args()
    print(f"{args.threads} threads, {args.rounds} rounds, load average {os.getloadavg()[0]:.1f}")
    if args.sessions:
        crowd(args)
        return 0
    print(f"{'ms':<18}{''.join(f'{head:>15}' for head in HEADS)} {'ratio':>7}  labels")
    names = args.networks or [name for name, known in CARDS.items() if known.kind == "classification"] + ["df1seg"]
    with tempfile.TemporaryDirectory() as folder:
        same = [compare(name, args, Path(folder)) for name in names]
    return int(not all(same))


if __name__ == "__main__":
    sys.exit(main())
