"""Writes docs/torchvision.md: which networks of torchvision become Caffe's, and how exactly. Run by hand:

    python tools/torchvision_page.py [NAME ...] [--caffe "PYTHON WITH CAFFE"]

Each network is converted in a process of its own, with a limit of time; what it found is kept in runs/torchvision, and
a second run goes on from there. --caffe names a Python that has pycaffe: with it networks run in real Caffe, too.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PATH = ROOT / "docs" / "torchvision.md"
RUNS = ROOT / "runs" / "torchvision"
LIMIT_S = 1800


def main() -> None:
    """Converts what is not yet converted, and writes the page when nothing is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--caffe", help="a command that runs a Python with pycaffe")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where results are kept")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        result = convert(arguments.names[0], arguments.caffe)
        (arguments.runs / f"{arguments.names[0]}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        return
    from tools.torchvision_models import load_torchvision, names

    torchvision, _library = load_torchvision()
    arguments.runs.mkdir(parents=True, exist_ok=True)
    listed = names(torchvision)
    for name in arguments.names or [name for group in listed.values() for name in group]:
        path = arguments.runs / f"{name}.json"
        if arguments.names or not path.exists():
            caffe = ["--caffe", arguments.caffe] if arguments.caffe else []
            command = [sys.executable, __file__, name, "--one", "--runs", str(arguments.runs), *caffe]
            try:
                subprocess.run(command, check=True, timeout=LIMIT_S)  # noqa: S603
            except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as fault:
                path.write_text(json.dumps({"name": name, "result": "failed", "why": str(fault)}) + "\n", "utf-8")
            print(path.read_text("utf-8").replace("\n", "")[:300], flush=True)
    paths = {name: arguments.runs / f"{name}.json" for group in listed.values() for name in group}
    missing = [name for name, path in paths.items() if not path.exists()]
    if missing:
        print(f"not yet converted: {', '.join(missing)}")
        return
    results = {name: json.loads(path.read_text("utf-8")) for name, path in paths.items()}
    PATH.write_text(page(listed, results, metadata.version("torchvision")), "utf-8")


def convert(name: str, caffe: str | None) -> dict[str, Any]:
    """What becomes of one network."""
    import torch

    from converters import to_torch
    from converters.onnx.from_torch import from_torch
    from prototxt_gen.errors import UnsupportedError
    from tools.torchvision_models import build, load_torchvision

    torchvision, _library = load_torchvision()
    module, data = build(torchvision, name)
    found: dict[str, Any] = {"name": name, "size": data.shape[-1]}
    warnings.simplefilter("ignore", UserWarning)
    faults: dict[str, str] = {}
    for dialect in ("bvlc", "fork"):
        start = time.perf_counter()
        try:
            net, weights = from_torch(module, data, dialect=dialect, check=False)
        except UnsupportedError as fault:
            faults[dialect] = str(fault)
            continue
        found["seconds"] = round(time.perf_counter() - start, 1)
        found |= {"result": dialect, "layers": len(net.layer), "kinds": sorted({layer.type for layer in net.layer})}
        with torch.no_grad():
            ours, theirs = to_torch(net, weights)(data), module(data)
        found["difference"] = max(
            _relative(one.numpy(), other.numpy()) for one, other in zip(_list(ours, theirs), _list(theirs), strict=True)
        )
        if caffe and dialect == "bvlc":
            found |= _in_caffe(name, module, data, net, weights, caffe)
        return found
    return found | {"result": "refused", "why": faults["bvlc"]}


def _list(tensors: Any, like: Any = None) -> list[Any]:
    """The outputs of a network, in the order of another's."""
    return [tensors[key] for key in (like or tensors)] if isinstance(tensors, dict) else [tensors]


def _relative(found: Any, expected: Any) -> float:
    return float(np.abs(found.reshape(expected.shape) - expected).max() / np.abs(expected).max())


def _in_caffe(name: str, module: Any, data: Any, net: Any, weights: Any, caffe: str) -> dict[str, Any]:
    """Runs the pair in real Caffe and compares what the module gives."""
    import torch

    from converters import save_weights
    from prototxt_gen import write_prototxt

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_prototxt(net, path.with_suffix(".prototxt"))
        save_weights(weights, path.with_suffix(".caffemodel"), net)
        entry = next(layer for layer in net.layer if layer.type == "Input")
        np.savez(str(path.with_suffix(".inputs.npz")), **{entry.top[0]: data.numpy()})
        command = [*shlex.split(caffe), str(shutil.copy(ROOT / "tools" / "run_in_caffe.py", folder)), folder]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
        if done.returncode:
            checks = [line for line in done.stderr.splitlines() if "Check failed" in line]
            return {"caffe": (checks or done.stderr.splitlines()[-1:] or ["?"])[0]}
        with torch.no_grad():
            expected = module(data)
        results = expected if isinstance(expected, dict) else {"": expected}
        blobs = dict(np.load(str(path.with_suffix(".outputs.npz"))))
    ends = [top for layer in net.layer for top in layer.top if not any(top in other.bottom for other in net.layer)]
    differences = [_relative(blobs.get(key, blobs[ends[-1]]), tensor.numpy()) for key, tensor in results.items()]
    return {"caffe": max(differences)}


_HEAD = """# Networks of torchvision in Caffe

<!-- Made by `python tools/torchvision_page.py`, by hand, with torchvision {version}. -->

Every classification and segmentation network that torchvision lists, with random weights, through `from_torch`: what
becomes stock BVLC Caffe 1.0, and what is refused and why. Batch norms have random factors and shifts and the statistics
of random data. The difference is the largest of any number of the outputs, over the output's largest: our module
(`to_torch`) against the original, and real BVLC Caffe 1.0 (CPU) against the original. Both compute in float32 in
another order, nothing else is different. Seconds are those of `from_torch` on two cores of a server, most of them
torch.export's.
"""


def page(listed: dict[str, list[str]], results: dict[str, dict[str, Any]], version: str) -> str:
    """The whole of docs/torchvision.md."""
    parts = [_HEAD.format(version=version)]
    kept = [result for result in results.values() if result["result"] == "bvlc"]
    parts.append(
        f"\n{len(results)} networks: {len(kept)} become stock Caffe, "
        f"{sum(result['result'] == 'fork' for result in results.values())} need a fork's layers, "
        f"{sum(result['result'] == 'refused' for result in results.values())} are refused. The largest difference is "
        f"{max(result['difference'] for result in kept):.1e}.\n"
    )
    for kind, group in listed.items():
        parts.append(f"\n## {kind.capitalize()}\n\n")
        parts.append(
            "| network | input | layers | difference | in BVLC Caffe | seconds |\n|---|---|---:|---:|---:|---:|\n"
        )
        parts.extend(_row(results[name]) for name in group if results[name]["result"] in ("bvlc", "fork"))
        refused = [results[name] for name in group if results[name]["result"] not in ("bvlc", "fork")]
        if refused:
            parts.append("\nRefused:\n\n| network | why |\n|---|---|\n")
            parts.extend(f"| `{result['name']}` | {_why(result['why'])} |\n" for result in refused)
    return "".join(parts)


def _row(result: dict[str, Any]) -> str:
    caffe = result.get("caffe")
    said = f"{caffe:.1e}" if isinstance(caffe, float) else (caffe or "-")
    mark = " (with a fork's layers)" if result["result"] == "fork" else ""
    return (
        f"| `{result['name']}`{mark} | {result['size']}x{result['size']} | {result['layers']} "
        f"| {result['difference']:.1e} | {said} | {result['seconds']:.1f} |\n"
    )


def _why(text: str) -> str:
    """The operators of a refusal with their reasons, each once."""
    import re

    reasons = dict.fromkeys(re.findall(r"\((\w+)\): (.*?)(?: \[|;?$)", text, re.MULTILINE))
    return "; ".join(f"{operator}: {reason}" for operator, reason in reasons) or text.splitlines()[0]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
