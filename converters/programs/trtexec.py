"""The program `trtexec` of TensorRT: its printed summary and profile, its JSON files, and TensorRT 3's profiles.

NVIDIA/TensorRT: samples/common/sampleReporting.cpp, sampleOptions.cpp; TensorRT 3: samples/giexec.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from converters.engines.engine import Options, refused, split_device
from converters.programs.printed import milliseconds
from converters.programs.program import DEFAULTS, PROGRAMS, LayerTime, Program, Times
from converters.programs.rows import Layers
from prototxt_gen.errors import FormatError

# Precisions by the options that ask for them. Without --noTF32, GPUs since Ampere round the factors to 10 bits.
PRECISIONS = {"float32": ["--noTF32"], "tf32": [], "float16": ["--fp16"], "bfloat16": ["--bf16"]}

_PREFIX = r"(?:\[[\d/]+-[\d:]+\] )?(?:\[I\] )?"
_OLD_ROW = re.compile(r"^(.{40}) *(\S+)ms\s*$", re.MULTILINE)
_OLD_TOTAL = re.compile(r"^Time over all layers: *(\S+)ms\s*$", re.MULTILINE)
# How wide TensorRT 3 prints a row's name.
_OLD_WIDTH = 40
_COMPUTE = re.compile(rf"^{_PREFIX}GPU Compute Time: .*?median = (\S+) ms", re.MULTILINE)
_OLDER_COMPUTE = re.compile(rf"^{_PREFIX}GPU Compute\s*\n(?:.*\n){{0,3}}?{_PREFIX}median: (\S+) ms", re.MULTILINE)
_PROFILE = re.compile(rf"^{_PREFIX}=== Profile \((\d+) iterations \) ===\s*$", re.MULTILINE)
_TABLE_ROW = re.compile(rf"^{_PREFIX} *(\S.*?) {{2,}}(\S+) +(\S+)(?: +(\S+))? +(\S+)\s*$")
_FAULT = re.compile(r"^(?:\[[\d/]+-[\d:]+\] )?\[E\] .*", re.MULTILINE)
_PASSED, _FAILED = "&&&& PASSED TensorRT.trtexec", "&&&& FAILED TensorRT.trtexec"

# Layers that TensorRT adds to others: copies between memory layouts, before and after them.
_AROUND = (
    re.compile(r"^Reformatting CopyNode for (?:Network )?(?:Input|Output)(?: Tensor \d+ to)? "),
    re.compile(r" (?:input|output) reformatter \d+$"),
    re.compile(r" copy$"),
    re.compile(r"^(?:copied_)?(?:un)?(?:squeeze|reshape|shuffle|transpose)(?:_node)?_(?:before|after)_"),
    re.compile(r"_myl\d+_\d+$"),
)
# Layers that TensorRT adds between those of the network.
_OWN = re.compile(r"^\(Unnamed Layer\* \d+\).*|^\[.*\]$|^__my[le].*")
_FOREIGN = re.compile(r"^\{ForeignNode\[(.*)\]\}$")
# How often a row may stand in brackets of another.
_DEEPEST = 20
# Plugins by the beginning of their names, which end in numbers, for layers of the release's fork.
_PLUGINS = {"BiInterpolationPSP1_": "Interp"}


class TrtexecProgram(Program):
    """`trtexec` on an ONNX file: it builds an engine, which takes from seconds to minutes, and times it."""

    name, title, files = "trtexec", "trtexec", ("onnx",)

    def command(self, files: Mapping[str, str], iterations: int, options: Options = DEFAULTS) -> list[str]:
        """Without copies of inputs and outputs. `device` is "cuda" or "cuda:N"; "dla:N" runs what it can on a DLA.

        `files` may have more: an "engine" that was built before, which is taken instead of the ONNX file, and what to
        write: "save" (the engine), "times" and "profile" (JSON).
        """
        if "engine" not in files:
            self.need(files)
        source = f"--loadEngine={files['engine']}" if "engine" in files else f"--onnx={files['onnx']}"
        command = ["trtexec", source, f"--iterations={iterations}", "--duration=0"]
        command += ["--noDataTransfers", "--useSpinWait", *build_flags(options)]
        for kind, option in (("save", "saveEngine"), ("times", "exportTimes")):
            if kind in files:
                command.append(f"--{option}={files[kind]}")
        if "profile" in files:
            command += ["--separateProfileRun", f"--exportProfile={files['profile']}"]
        return command

    def wrote(self, text: str) -> bool:
        marks = ("TensorRT.trtexec", "=== Performance summary ===", "=== Profile (", "Time over all layers:")
        start = text.lstrip()[:400]
        return (
            any(mark in text for mark in marks)
            or bool(re.match(r'\[\s*\{\s*"(?:count|startEnqMs|startInMs|start ?enq)"', start))
            or "Building and running a GPU inference engine" in start
            or len(_OLD_ROW.findall(text)) > 1
        )

    def read(self, text: str, source: str) -> Times:
        """Times of the GPU's work, without copies of inputs and outputs.

        Of what it prints, `ms` is the median that it states, or the sum of the layers in a profile; of --exportTimes
        every run; of --exportProfile and of TensorRT 3's profile the sum of the layers.
        """
        if text.lstrip().startswith("["):
            start = text.lstrip()[1:].lstrip()
            if start[:1] in ("{", "]", ""):
                return _read_json(text, source)
        if _OLD_TOTAL.search(text) or ("=== " not in text and "TensorRT.trtexec" not in text):
            return _read_old(text, source)
        return _read_printed(text, source)

    def layers_of(self, row: str, layers: Layers) -> list[set[str]]:
        """The names that a row joins by " + ", " || " or as PWN(...), copies at the layer that they are made for.

        {ForeignNode[A...B]} is every layer from A to B; BiInterpolationPSP1_N is the Nth Interp.
        """
        cut = len(row) == _OLD_WIDTH
        found: list[set[str]] = []
        names = _names(row)
        for place, name in enumerate(names):
            foreign, plugin = _FOREIGN.match(name), _plugin(name, layers)
            if foreign:
                first, _, last = foreign[1].partition("...")
                found += layers.between(first, last or first)
            elif plugin:
                found.append(plugin)
            elif not _OWN.match(name):
                exact = layers.near(name)
                is_cut = cut and place == len(names) - 1 and not layers.exact(name)
                found.append(layers.beginning(name) | exact if is_cut else exact)
        return found


PROGRAMS.register("trtexec")(TrtexecProgram())


def build_flags(options: Options) -> list[str]:
    """Trtexec's options for a device and a precision; UnsupportedError for those that it does not have."""
    if options.precision not in PRECISIONS:
        raise refused("trtexec", "precision", options.precision, PRECISIONS)
    kind, number = split_device(options.device)
    if kind not in ("cuda", "dla"):
        raise refused("trtexec", "device", options.device, ["cuda", "cuda:N", "dla:N"])
    place = [f"--device={number or 0}"] if kind == "cuda" else [f"--useDLACore={number or 0}", "--allowGPUFallback"]
    return [*PRECISIONS[options.precision], *place]


def _read_json(text: str, source: str) -> Times:
    if not text.rstrip().endswith("]"):
        raise FormatError(f"{source}: ends before its closing ']': it is cut off")
    try:  # numbers that C++ has a word for and JSON has none
        rows = json.loads(re.sub(r":\s*([+-]?(?:nan|inf)\b\S*?)(\s*[,}])", r': "\1"\2', text))
    except (ValueError, RecursionError) as fault:
        raise FormatError(f"{source}: not the JSON that trtexec writes: {fault}") from fault
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise FormatError(f"{source}: found {'no rows' if not rows else 'other values'}, expected objects")
    if "count" not in rows[0]:
        runs = _column(rows, "computeMs", lambda place: f"run {place}", source)
        return Times(_positive(runs, source), details={"whole": "runs"})
    count = rows[0]["count"]
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise FormatError(f"{source}: count: found {count!r}, expected a whole number, at least 1")
    names = [row.get("name") for row in rows[1:]]
    nameless = [str(place) for place, name in enumerate(names, 1) if not isinstance(name, str)]
    if nameless:
        raise FormatError(f"{source}: name: found none in rows {', '.join(nameless)}, expected a layer's")
    times = _column(rows[1:], "averageMs", lambda place: names[place - 1], source)
    layers = [LayerTime(name, ms) for name, ms in zip(names, times, strict=True)]
    return _profile(layers, {"iterations": count}, {}, source)


def _column(rows: list[dict[str, Any]], field: str, subject: Any, source: str) -> list[float]:
    missing = [subject(place) for place, row in enumerate(rows, 1) if field not in row]
    if missing:
        raise FormatError(f"{source}: {field}: missing in {', '.join(missing[:8])}, expected in every row")
    return milliseconds([(subject(place), str(row[field])) for place, row in enumerate(rows, 1)], source)


def _read_old(text: str, source: str) -> Times:
    """TensorRT 3's profile, whose rows cut off names."""
    total = _OLD_TOTAL.findall(text)
    if len(total) != 1:
        found = "ends before" if not total else f"found {len(total)} times"
        raise FormatError(f"{source}: {found} 'Time over all layers', expected a whole profile of one network")
    rows = [(name.rstrip(), number) for name, number in _OLD_ROW.findall(text)]
    *times, stated = milliseconds([*rows, ("Time over all layers", total[0])], source)
    layers = [LayerTime(name, ms) for (name, _), ms in zip(rows, times, strict=True)]
    # Each number is rounded to a thousandth.
    if abs(sum(times) - stated) > 0.0005 * (len(times) + 1) + 1e-9:
        raise FormatError(f"{source}: the rows sum to {sum(times):.3f} ms, 'Time over all layers' says {stated} ms")
    details = {"precision": "float16" if "Half2 support requested" in text else "float32"}
    return _profile(layers, details, {}, source, stated)


def _read_printed(text: str, source: str) -> Times:
    if _FAILED in text or (_PASSED not in text and "TensorRT.trtexec" in text):
        faults = _FAULT.findall(text) or text.strip().splitlines()[-1:]
        what = "trtexec failed" if _FAILED in text else f"ends before {_PASSED!r}: it is cut off"
        raise FormatError(f"{source}: {what}: {' '.join(faults)[:400]}")
    details: dict[str, Any] = {}
    for field, pattern in (("device", "Selected Device: (.+)"), ("precision", r"Precision: (\S+)")):
        found = re.search(rf"^{_PREFIX}{pattern}", text, re.MULTILINE)
        if found:
            details[field] = found[1].strip()
    if "precision" in details:
        details["precision"] = _precision(details["precision"])
    version = re.search(r"TensorRT version: (\S+)|\[TensorRT v(\d+)\]", text)
    versions = {"tensorrt": _version(version[1] or version[2])} if version else {}
    layers = _printed_profile(text, source)
    stated = _COMPUTE.findall(text) or _OLDER_COMPUTE.findall(text)
    if not stated and layers:
        return _profile(layers, details, versions, source)
    if len(stated) != 1:
        raise FormatError(f"{source}: GPU Compute Time: found {len(stated)}, expected one summary of times")
    median = milliseconds([("GPU Compute Time", stated[0])], source)
    return Times(_positive(median, source), layers, versions, {"whole": "median", **details})


def _printed_profile(text: str, source: str) -> list[LayerTime]:
    heads = list(_PROFILE.finditer(text))
    if not heads:
        return []
    if len(heads) > 1:
        raise FormatError(f"{source}: found {len(heads)} profiles, expected one")
    rows: list[tuple[str, str]] = []
    for line in text[heads[0].end() :].lstrip("\n").splitlines()[1:]:
        row = _TABLE_ROW.match(line)
        if row is None:
            break
        if row[1] == "Total":
            sums, count = milliseconds(rows, source), int(heads[0][1])
            return [LayerTime(name, ms / count) for (name, _), ms in zip(rows, sums, strict=True)]
        rows.append((row[1], row[2]))
    raise FormatError(f"{source}: profile: ends before its row 'Total': it is cut off")


def _profile(
    layers: list[LayerTime], details: dict[str, Any], versions: dict[str, str], source: str, total: float | None = None
) -> Times:
    whole = _positive([sum(layer.ms for layer in layers) if total is None else total], source)
    return Times(whole, layers, versions, {"whole": "sum of the layers", **details})


def _positive(times: list[float], source: str) -> list[float]:
    if not times or min(times) <= 0:
        raise FormatError(f"{source}: times: found {min(times, default='none')}, expected more than 0 ms")
    return times


def _precision(printed: str) -> str:
    """By our words, the least exact type that an engine may use: FP32+FP16."""
    for word, name in (("INT8", "int8"), ("FP8", "fp8"), ("BF16", "bfloat16"), ("FP16", "float16")):
        if word in printed:
            return name
    return "float32"


def _version(printed: str) -> str:
    """8.4.1 of 8.4.1, 8401 or v8401; 10.3.0 of 100300."""
    if not printed.isdecimal():
        return printed
    number = int(printed)
    large, small = (10000, 100) if number >= 100000 else (1000, 100)
    return f"{number // large}.{number % large // small}.{number % small}"


def _names(row: str, depth: int = 0) -> list[str]:
    """The names that a row joins, without what it says around them."""
    for pattern in _AROUND:
        row = pattern.sub("", row)
    if _FOREIGN.match(row):
        return [row]
    pieces = _split(row, re.compile(r" \+ | \|\| | \+$|\+(?=\S)"))
    if len(pieces) == 1 and row.startswith("PWN(") and row.endswith(")"):
        pieces = _split(row[4:-1], re.compile(", "))
    elif len(pieces) == 1:
        return [row]
    # No row of TensorRT is deeper.
    return [name for piece in pieces for name in _names(piece, depth + 1)] if depth < _DEEPEST else [row]


def _split(text: str, between: re.Pattern[str]) -> list[str]:
    """The pieces between separators outside of brackets."""
    pieces, begin, place, depth = [], 0, 0, 0
    while place < len(text):
        found = between.match(text, place) if depth == 0 else None
        if found:
            pieces.append(text[begin:place])
            begin = place = found.end()
            continue
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(text[place], 0)
        depth, place = max(depth, 0), place + 1
    return [piece for piece in (*pieces, text[begin:]) if piece.strip()]


def _plugin(name: str, layers: Layers) -> set[str]:
    for beginning, kind in _PLUGINS.items():
        number = name.removeprefix(beginning)
        if name.startswith(beginning) and number.isdecimal():
            return layers.nth(kind, int(number))
    return set()
