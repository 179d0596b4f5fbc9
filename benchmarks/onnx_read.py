"""ResNet-50 of torchvision, random weights, from ONNX into Caffe: files of both of PyTorch's exporters, and the module.

Run: python benchmarks/onnx_read.py [--rounds 15]

Imports are done before. Nothing else that turns ONNX into Caffe could be installed beside it (on 2026-11-21 PyPI had no
onnx2caffe, and the scripts on GitHub import pycaffe), so what reading costs is held against onnx.load of the same file
and against an onnxruntime session for it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch

from converters import from_torch, read_onnx, save_weights
from prototxt_gen import write_prototxt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.torchvision_models import build, load_torchvision


def both_files(path: Path) -> None:
    net, weights = read_onnx(path)
    write_prototxt(net, path.with_suffix(".prototxt"))
    save_weights(weights, path.with_suffix(".caffemodel"), net)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torchvision, _library = load_torchvision()
    module, _ = build(torchvision, "resnet50")
    x = torch.randn(1, 3, 224, 224)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for name, choice in (("dynamo", {"dynamo": True, "external_data": False}), ("tracing", {"dynamo": False})):
            path = Path(folder) / f"{name}.onnx"
            torch.onnx.export(module, (x,), str(path), verbose=False, **choice)  # type: ignore[arg-type]
            calls: dict[str, Callable[[Path], Any]] = {
                "read_onnx": read_onnx,
                "read_onnx, both files of Caffe written": both_files,
                "onnx.load": onnx.load,
                "onnxruntime session": lambda file: onnxruntime.InferenceSession(str(file)),
            }
            times: dict[str, list[float]] = {what: [] for what in calls}
            for place in range(rounds + 1):
                for what, call in calls.items():
                    start = time.perf_counter()
                    call(path)
                    if place:
                        times[what].append(1e3 * (time.perf_counter() - start))
            print(f"{name} exporter, {path.stat().st_size:,} bytes, {len(read_onnx(path)[0].layer)} layers")
            for what, values in times.items():
                low, middle, high = statistics.quantiles(values, n=4)
                print(f"  {what:<40}{middle:9.1f} ms   quartiles {low:.1f} to {high:.1f}")
        for check in (False, True):
            start = time.perf_counter()
            from_torch(module, x, check=check)
            print(f"from_torch, check={check}: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
