"""DF2 written as ONNX, and DF1 in onnxruntime from our file against the file of torch's own export.

Run: python benchmarks/onnx_export.py [--rounds 50] [--exports 15] [--size 224] [--threads N]

torch exports the module of `to_torch`: by its current exporter where onnxscript is installed, else by the one before.
The files run in turn, call by call, so that a busy machine slows both alike; figures are medians with quartiles, and
the ratio is the median of the rounds' ratios. Their outputs are compared first.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as runtime
import torch

from converters import export_onnx, save_weights, to_torch, weights_of
from prototxt_gen import generate, read_prototxt, write_prototxt

DF1 = "s32-64_b64x3_b128x3_b256x3-512_c1000"
DF2 = "s32-64_b64x2-128_b128x10-256_b256x4-512x2_c1000"


def summary(name: str, values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"  {name:<26}{middle:9.2f} ms   quartiles {low:.2f} to {high:.2f}"


def exports(folder: Path, count: int) -> None:
    """DF2 (72 MB) as ONNX: from objects, and from both files to the file; batch fixed and open, merged and not."""
    net = generate(DF2)
    weights = weights_of(to_torch(net))
    prototxt, caffemodel, output = folder / "df2.prototxt", folder / "df2.caffemodel", folder / "df2.onnx"
    write_prototxt(net, prototxt)
    save_weights(weights, caffemodel, net)
    calls = {
        "merged": lambda: export_onnx(net, weights, output),
        "batch norm kept": lambda: export_onnx(net, weights, output, merged=False),
        "open batch": lambda: export_onnx(net, weights, output, dynamic="batch"),
        "from both files, merged": lambda: export_onnx(read_prototxt(prototxt), caffemodel, output),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(count):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - begun))
    print("DF2 written as ONNX (imports are done)")
    for name, values in times.items():
        print(summary(name, values))


def torch_export(module: torch.nn.Module, x: torch.Tensor, path: Path) -> str:
    """Writes torch's own file; gives what wrote it."""
    current = find_spec("onnxscript") is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is deprecated
        torch.onnx.export(module, (x,), str(path), input_names=["data"], dynamo=current, verbose=False)
    return "dynamo=True" if current else "dynamo=False"


def session(path: Path, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def speed(folder: Path, rounds: int, size: int, threads: int) -> None:
    """DF1 from both files, interleaved."""
    torch.manual_seed(0)
    net = generate(DF1, input_shape=(1, 3, size, size))
    module = to_torch(net).eval()
    weights = weights_of(module)
    export_onnx(net, weights, folder / "fixed.onnx")
    export_onnx(net, weights, folder / "batch.onnx", dynamic="batch")
    x = torch.randn(1, 3, size, size)
    begun = time.perf_counter()
    how = torch_export(module, x, folder / "torch.onnx")
    print(f"DF1, 1x3x{size}x{size}, {threads} threads; torch.onnx.export, {how}: {time.perf_counter() - begun:.1f} s")
    names = {"ours": "fixed.onnx", "ours, open batch": "batch.onnx", "torch's": "torch.onnx"}
    sessions = {name: session(folder / file, threads) for name, file in names.items()}
    feed = {"data": x.numpy()}
    results = {name: one.run(None, feed)[0] for name, one in sessions.items()}
    largest = np.abs(results["torch's"]).max()
    for name in ("ours", "ours, open batch"):
        difference = np.abs(results[name] - results["torch's"]).max() / largest
        print(f"  {name}: largest difference / largest output {difference:.1e}")
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for one in sessions.values():
        for _ in range(5):
            one.run(None, feed)
    for round_ in range(rounds):
        for name in list(sessions) if round_ % 2 else reversed(list(sessions)):
            begun = time.perf_counter()
            sessions[name].run(None, feed)
            times[name].append(1000 * (time.perf_counter() - begun))
    for name, values in times.items():
        print(summary(name, values))
    for name in ("ours", "ours, open batch"):
        ratios = [one / other for one, other in zip(times[name], times["torch's"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"  {name} / torch's: {middle:.3f}   quartiles {low:.3f} to {high:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--exports", type=int, default=15)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    print(f"onnxruntime {runtime.__version__}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        exports(Path(folder), arguments.exports)
        speed(Path(folder), arguments.rounds, arguments.size, arguments.threads)


if __name__ == "__main__":
    main()
