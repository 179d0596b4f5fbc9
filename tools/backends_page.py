"""Writes docs/onnx-backends.md: our exporter and caffe2onnx over the zoo and the conformance cases. Run by hand:

    python tools/backends_page.py --caffe2onnx c2o/bin/python --openvino ov/bin/python --openvino ov-new/bin/python

Each network runs in a process of its own; what was found is kept in runs/backends, and a second run goes on from there.
--openvino names a Python with OpenVINO, which then runs our files, too.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PATH = ROOT / "docs" / "onnx-backends.md"
RUNS = ROOT / "runs" / "backends"
LIMIT_S = 1800

# Networks of the zoo whose conversion is measured at the size of their card, too.
FULL = ("df1seg",)


def main() -> None:
    """Runs what has not run yet, and writes the page when nothing is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="cases to run again")
    parser.add_argument("--caffe2onnx", required=True, metavar="PYTHON")
    parser.add_argument("--openvino", action="append", default=[], metavar="PYTHON")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where results are kept")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.runs.mkdir(parents=True, exist_ok=True)
    if arguments.one:
        for name in arguments.names:
            result = case(name, arguments.caffe2onnx, arguments.runs)
            _file(arguments.runs, name).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
            print(json.dumps(result)[:300], flush=True)
        return
    zoo, conformance = cases()
    for group in [*([name] for name in zoo), conformance]:
        names = [name for name in group if name in arguments.names or not _file(arguments.runs, name).exists()]
        if names:
            command = [sys.executable, __file__, *names, "--one", "--caffe2onnx", arguments.caffe2onnx]
            subprocess.run([*command, "--runs", str(arguments.runs)], check=True, timeout=LIMIT_S)  # noqa: S603
    results = {name: json.loads(_file(arguments.runs, name).read_text("utf-8")) for name in [*zoo, *conformance]}
    versions = [openvino(python, arguments.runs, results) for python in arguments.openvino]
    PATH.write_text(page(zoo, conformance, results, _versions(arguments.caffe2onnx), versions), "utf-8")


def cases() -> tuple[list[str], list[str]]:
    """The names of the networks, each `NAME HEIGHTxWIDTH`, and of the cases of conformance."""
    from caffe_zoo.cards import CARDS
    from tools.reference_facts import REFERENCE

    zoo = []
    for card in CARDS.values():
        height, width = card.preprocessing.crop
        if card.kind == "segmentation":
            zoo.append(f"{card.name} {height // 4}x{width // 4}")
        if card.kind != "segmentation" or card.name in FULL:
            zoo.append(f"{card.name} {height}x{width}")
    return zoo, sorted(path.stem for path in (REFERENCE / "conformance").glob("*.npz"))


def _file(runs: Path, name: str) -> Path:
    return runs / f"{name.replace(' ', '_')}.json"


def case(name: str, python: str, runs: Path) -> dict[str, Any]:
    """What both backends do with a case, as the page tells it. Our file is kept beside, for OpenVINO.

    "merged" is caffe2onnx's, "kept" the same with batch norm as it is; "seconds" and "theirs" are times.
    """
    from converters.onnx.exporting import by_caffe2onnx, export_onnx
    from prototxt_gen.errors import NetworkError, UnsupportedError

    net, weights, inputs, expected = _network(name)
    found: dict[str, Any] = {"name": name}
    path = _file(runs, name).with_suffix(".onnx")
    start = time.perf_counter()
    export_onnx(net, weights, path, outputs=list(expected))
    found["seconds"] = round(time.perf_counter() - start, 3)
    found["ours"] = _difference(_outputs(path, inputs), expected)
    _save(runs, name, inputs, expected)
    for key, merged in (("merged", True), ("kept", False)):
        if not merged and " " not in name:
            continue
        try:
            model = by_caffe2onnx(net, weights, python, outputs=list(expected), merged=merged)
        except NetworkError as fault:
            found[key] = f"wrong: {_short(str(fault))}"
        except UnsupportedError as fault:
            found[key] = f"fails: {_short(str(fault))}"
        else:
            found[key] = _difference(_outputs(model.SerializeToString(), inputs), expected)
    found["theirs"] = _command_seconds(net, weights, python)
    return found


def _network(name: str) -> tuple[Any, Any, dict[str, Any], dict[str, Any]]:
    """A case's network and weights, inputs by top and the outputs that are right: Caffe's, or to_torch's."""
    import torch

    from caffe_zoo.cards import CARDS
    from converters import load_weights, to_torch, weights_of
    from prototxt_gen import generate, read_prototxt
    from tests.filling import fill_weights
    from tools.reference_facts import REFERENCE

    if " " not in name:
        path = REFERENCE / "conformance" / name
        net = read_prototxt(path.with_suffix(".prototxt"))
        files = [path.with_suffix(suffix) for suffix in (".caffemodel", ".caffemodel.h5")]
        file = next((file for file in files if file.exists()), None)
        given: Any = weights_of(to_torch(net)) if file is None else load_weights(file, net)
        with np.load(path.with_suffix(".npz")) as arrays:
            numbers = dict(arrays)
        inputs = {key[4:]: array for key, array in numbers.items() if key.startswith("in__")}
        return net, given, inputs, {key[5:]: array for key, array in numbers.items() if key.startswith("out__")}
    card, size = name.split(" ")
    shape = (1, 3, *map(int, size.split("x")))
    net = generate(CARDS[card].architecture, input_shape=shape)
    weights = fill_weights(net)
    data = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    module = to_torch(net, weights)
    meta: Any = module.meta["caffe"]
    with torch.no_grad():
        result = module(torch.from_numpy(data))
    tops = result if isinstance(result, Mapping) else {meta["outputs"][0]: result}
    return net, weights, {next(iter(meta["inputs"])): data}, {top: array.numpy() for top, array in tops.items()}


def _outputs(model: Path | bytes, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A model's outputs in onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_outputs()]
    feed = {value.name: np.asarray(inputs[value.name], np.float32) for value in session.get_inputs()}
    return dict(zip(names, session.run(names, feed), strict=True))


def _difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> float | str:
    """The largest difference of any output over this output's largest number, or what is wrong."""
    worst = 0.0
    for name, wanted in expected.items():
        got = found.get(name)
        if got is None or got.shape != wanted.shape:
            return f"wrong: `{name}` is {'missing' if got is None else list(got.shape)}, not {list(wanted.shape)}"
        worst = max(worst, float(np.abs(got - wanted).max() / max(np.abs(wanted).max(), 1e-30)))
    return worst


def _save(runs: Path, name: str, inputs: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    import onnx

    path = _file(runs, name)
    taken = [value.name for value in onnx.load(path.with_suffix(".onnx")).graph.input]
    arrays: dict[str, Any] = {top: np.asarray(inputs[top], np.float32) for top in taken}
    np.savez(str(path.with_suffix(".inputs.npz")), **arrays)
    np.savez(str(path.with_suffix(".expected.npz")), **dict(expected))


def _command_seconds(net: Any, weights: Any, python: str) -> float:
    """How long caffe2onnx's own command takes for the pair as it is, until it has written its file or failed."""
    from converters import save_weights
    from prototxt_gen import write_prototxt

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net"
        write_prototxt(net, path.with_suffix(".prototxt"))
        save_weights(weights, path.with_suffix(".caffemodel"), net)
        start = time.perf_counter()
        command = [str(Path(python).absolute()), "-m", "caffe2onnx.convert", "--prototxt", str(path) + ".prototxt"]
        subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603
        return round(time.perf_counter() - start, 1)


def _short(text: str) -> str:
    """What a message says of caffe2onnx, in the length of a table's cell."""
    said = text.partition(": caffe2onnx ")[2]
    said = re.sub(r"^(?:gets|fails at) ", "", said)
    said = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", said)
    said = said.replace(" wrong: found numbers that differ by ", ": off by ").replace(", expected at most 0.0001", "")
    said = re.sub(r"Failed type not support: \w+", "unknown type", said)
    said = said.replace("`", "'").replace("|", "/")
    return said if len(said) <= 120 else f"{said[:117]}..."


def openvino(python: str, runs: Path, results: Mapping[str, dict[str, Any]]) -> tuple[str, dict[str, float | str]]:
    """OpenVINO's version, and by case how far it is off with our file, or what it says against it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in results:
            for suffix in (".onnx", ".inputs.npz"):
                (Path(folder) / f"{_file(runs, name).stem}{suffix}").symlink_to(_file(runs, name).with_suffix(suffix))
        program = shutil.copy(ROOT / "tools" / "run_in_openvino.py", folder)
        done = subprocess.run(  # noqa: S603
            [str(Path(python).absolute()), "-E", program, folder], capture_output=True, text=True, check=True
        )
        found: dict[str, float | str] = {}
        for name in results:
            path = _file(Path(folder), name)
            with np.load(str(_file(runs, name).with_suffix(".expected.npz"))) as expected:
                if path.with_suffix(".outputs.npz").exists():
                    with np.load(str(path.with_suffix(".outputs.npz"))) as outputs:
                        found[name] = _difference(dict(outputs), dict(expected))
                else:
                    fault = path.with_suffix(".fault.txt").read_text("utf-8")
                    found[name] = f"fails: {' '.join(fault.split())[-160:]}"
    return done.stdout.split()[0].partition("-")[0], found


def _versions(python: str) -> str:
    """The versions of the environment that has caffe2onnx."""
    program = (
        "import platform, onnx, google.protobuf as p, numpy as n;"
        "print('Python', platform.python_version() + ', onnx', onnx.__version__ + ', protobuf', p.__version__"
        " + ', numpy', n.__version__)"
    )
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


_HEAD = """# Two ways to ONNX: ours and caffe2onnx

<!-- Made by `python tools/backends_page.py`, by hand: change that file. -->

`export_onnx` writes ONNX by itself. With `backend="caffe2onnx"` the published package of this name, version 2.0.1,
writes the file instead. It asks for onnx 1.6, which has wheels for Python 3.7 at the latest, so it runs in an
environment of its own. One command makes it:

```sh
{install}
```

and from then on

```sh
dongfeng convert net.prototxt net.caffemodel net.onnx --backend caffe2onnx --backend-python c2o/bin/python
```

or `export_onnx(net, weights, "net.onnx", backend="caffe2onnx", python="c2o/bin/python")`. What it writes gets our opset
and IR, Caffe's names for its inputs, outputs and layers, and is run beside our own file on random inputs: every layer's
numbers must be ours within 1e-4 of the largest. Where they are not, the first such layer is named, and nothing is
written. When one would want it: to have a file from a second, independent converter beside ours, for a toolchain that
was tuned to what caffe2onnx writes (a Pad before every pooling, Reshape and Gemm for an inner product), or to see
whether a file that it wrote earlier was right. For everything else ours does more, and faster.

It also runs in newer Pythons, with `c2o/bin/pip install --no-deps caffe2onnx==2.0.1` and then `"onnx<1.14"
"protobuf<3.21" "numpy<1.24"`. There its files state a newer opset, in which its Dropout does not run, but its Softmax
over maps is right; with Python 3.11 and later it is many times slower.

**Machine:** {machine}. **Versions:** Python {python}, torch {torch}, onnx {onnx}, onnxruntime
{onnxruntime}; for caffe2onnx {theirs}. Measured on {day}; the machine was
busy with other work, so trust ratios more than seconds.

A number is the largest difference of any output over that output's largest, in onnxruntime: from what BVLC Caffe 1.0
computed for the conformance cases, from `to_torch` for the zoo. "Off by" is caffe2onnx's first wrong layer against our
own.
"""


def page(
    zoo: Sequence[str],
    conformance: Sequence[str],
    results: Mapping[str, dict[str, Any]],
    theirs: str,
    openvinos: Sequence[tuple[str, Mapping[str, float | str]]],
) -> str:
    """The whole of docs/onnx-backends.md."""
    from converters.onnx.caffe2onnx import HOW_TO_INSTALL

    parts = [
        _HEAD.format(
            install=HOW_TO_INSTALL,
            machine=_machine(),
            python=platform.python_version(),
            theirs=theirs,
            day=date.today().isoformat(),
            **{name: importlib.metadata.version(name) for name in ("torch", "onnx", "onnxruntime")},
        )
    ]
    parts.append(
        "\n## The zoo\n\n"
        "Random weights; segmentation networks at a quarter of their height and width, DF1-Seg also at all of it.\n"
        "Seconds: `export_onnx` from arrays to the file; caffe2onnx's own command on the same pair in files, alone,\n"
        "until it has written its file or failed.\n\n"
        f"{_count(zoo, results)}\n\n"
        "| network | input | ours | caffe2onnx | with batch norm kept | seconds, ours | seconds, caffe2onnx |\n"
        "|---|---|---|---|---|---:|---:|\n"
    )
    for name in zoo:
        found = results[name]
        network, size = name.split(" ")
        kept = "the same" if _is_same(found) else _cell(found["kept"])
        parts.append(
            f"| `{network}` | {size} | {_cell(found['ours'])} | {_cell(found['merged'])} | {kept} "
            f"| {found['seconds']:.1f} | {found['theirs']:.1f} |\n"
        )
    parts.append(
        f"\n## Conformance cases\n\n{_count(conformance, results)}\n\n"
        "| case | ours | caffe2onnx | seconds, ours | seconds, caffe2onnx |\n|---|---|---|---:|---:|\n"
    )
    for name in conformance:
        found = results[name]
        parts.append(
            f"| `{name}` | {_cell(found['ours'])} | {_cell(found['merged'])} "
            f"| {found['seconds']:.3f} | {found['theirs']:.1f} |\n"
        )
    if openvinos:
        parts.append(_judges([*zoo, *conformance], results, openvinos))
    return "".join(parts)


def _judges(
    names: Sequence[str],
    results: Mapping[str, dict[str, Any]],
    openvinos: Sequence[tuple[str, Mapping[str, float | str]]],
) -> str:
    """Our own files in other runtimes."""
    runtimes = [("onnxruntime", {name: results[name]["ours"] for name in names})]
    runtimes += [(f"OpenVINO {version}", dict(found)) for version, found in openvinos]
    lines = [
        "\n## Our files in OpenVINO\n\nThe same files, on the CPU, with `INFERENCE_PRECISION_HINT` f32.\n\n"
        "| runtime | right to 1e-5 | right to 1e-4 | wrong | fails |\n|---|---:|---:|---:|---:|\n"
    ]
    for title, found in runtimes:
        numbers = [value for value in found.values() if isinstance(value, float)]
        fails = sum(isinstance(value, str) for value in found.values())
        close = sum(value <= 1e-5 for value in numbers)
        near = sum(1e-5 < value <= 1e-4 for value in numbers)
        lines.append(f"| {title} | {close} | {near} | {len(numbers) - close - near} | {fails} |\n")
    odd = [name for name in names if any(not _is_right(found[name]) for _, found in runtimes)]
    if odd:
        lines.append(
            "\nWhat is not right to 1e-4 somewhere:\n\n"
            f"| case | {' | '.join(title for title, _ in runtimes)} |\n|---|{'---|' * len(runtimes)}\n"
        )
        lines += [f"| `{name}` | {' | '.join(_cell(found[name]) for _, found in runtimes)} |\n" for name in odd]
    return "".join(lines)


def _count(names: Sequence[str], results: Mapping[str, dict[str, Any]]) -> str:
    """How many each backend does."""
    ours = sum(_is_right(results[name]["ours"]) for name in names)
    theirs = [results[name]["merged"] for name in names]
    right = sum(map(_is_right, theirs))
    wrong = sum(isinstance(value, str) and value.startswith("wrong") for value in theirs)
    return (
        f"Of {len(names)}, ours does {ours} right; caffe2onnx {right} right, {wrong} wrong, and it fails at "
        f"{len(names) - right - wrong}."
    )


def _is_right(found: float | str) -> bool:
    return not isinstance(found, str) and found <= 1e-4


def _is_same(found: Mapping[str, Any]) -> bool:
    return isinstance(found["merged"], str) and found["merged"] == found["kept"]


def _cell(found: float | str) -> str:
    if isinstance(found, str):
        return found.replace("|", "/")
    return f"{found:.0e}" if found else "0"


def _machine() -> str:
    """The processor, its cores and the memory."""
    import os

    text = Path("/proc/cpuinfo").read_text("utf-8")
    model = re.search(r"model name\s*: (.*)", text)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model[1].strip() if model else platform.processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
