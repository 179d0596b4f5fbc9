"""Facts from the reference beside the project, as numbers and digests that fit into the repository.

The reference is the folder ../shared/reference: descriptions of BVLC Caffe 1.0's schema, the files and logs of the DF
release, PL1A-Seg, what is known of the papers. `python tools/truths.py schema` and `release` write these facts.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from prototxt_gen import LayerParameter, NetParameter, fingerprint, read_prototxt

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"
RELEASE = REFERENCE / "release"
BLOCKS = ("res2.1", "res2.2", "res2.3", "res3.1", "res3.11", "res4.1", "res4.5", "res4.6")  # of DF2A: every kind


def digest(value: Any) -> str:
    """The first 16 digits of the SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


# ------------------------------------------------------------------------------------------------------------ schema


def default(kind: str, spelled: str) -> object:
    """A field's default, as a number if it is one; float and double rounded to float32."""
    if kind in ("float", "double"):
        return float(np.float32(spelled))
    return int(spelled) if kind.startswith(("int", "uint")) else spelled


def _rows(fields: Iterable[dict[str, Any]]) -> dict[str, list[object]]:
    """Number, label, type, default and whether it is packed, by field."""
    return {
        field["name"]: [
            field["number"],
            field["label"],
            field["type"],
            default(field["type"], field["default"]) if "default" in field else None,
            field.get("packed", False),
        ]
        for field in fields
    }


def schema() -> dict[str, Any]:
    """A digest of every message's rows and of every enum's values in BVLC Caffe 1.0; what the release's fork adds."""
    bvlc = json.loads((REFERENCE / "schema" / "bvlc_caffe_1.0.json").read_text("utf-8"))
    fork = json.loads((REFERENCE / "schema" / "release_fork_differences.json").read_text("utf-8"))["messages"]
    added = {name: _rows(change["added_or_changed"]) for name, change in fork.items()}
    return {
        "messages": {name: digest(_rows(fields)) for name, fields in sorted(bvlc["messages"].items())},
        "enums": {name: digest(values) for name, values in sorted(bvlc["enums"].items())},
        "fork": {name: {"fields": list(rows), "rows": digest(rows)} for name, rows in sorted(added.items()) if rows},
    }


# ----------------------------------------------------------------------------------------------------------- release


def layers_digest(layers: Iterable[LayerParameter]) -> str:
    """Layers without their weights, as the beginning of the fingerprint of a network of theirs."""
    return fingerprint(NetParameter(layer=layers))[:16]


def block_layers(net: NetParameter, name: str) -> list[LayerParameter]:
    """The layers of a block in a network of the release, where the dot is missing in names like res2.1skipConv/bn."""
    return [layer for layer in net.layer if layer.name.startswith((f"{name}.", f"{name}skip"))]


def shapes_digest(shapes: Iterable[Iterable[int]]) -> str:
    return digest([list(shape) for shape in shapes])


def _log(path: Path) -> dict[str, Any]:
    """Caffe's listing of a network: top shapes, memory, and the layers with the splits that it put in."""
    log = path.read_text("utf-8")
    shapes = [list(map(int, found.split())) for found in re.findall(r"Top shape: ([\d ]*)\(\d+\)", log)]
    layers = re.findall(r"Creating Layer (.*)", log)
    return {
        "memory": int(re.findall(r"Memory required for data: (\d+)", log)[-1]),
        "tops": shapes_digest(shapes),
        "layers": digest(layers),
    }


def _stored(name: str) -> NetParameter:
    """A file of weights as its bytes say, in BVLC's schema: an Interp of the fork is there as a Clip."""
    net = NetParameter()
    net.MergeFromString(lzma.decompress((REFERENCE / "nets" / f"{name}.xz").read_bytes()))
    return net


def _interps(net: NetParameter) -> list[str]:
    """The bytes of each Interp, without blobs, as the fork writes them, in hexadecimal digits."""
    # Partial: Caffe demands the limits of a Clip.
    return [layer.SerializePartialToString().hex() for layer in net.layer if layer.type == "Interp"]


def blobs_digest(blobs: dict[str, list[list[int]]]) -> str:
    """A digest of the shapes of all blobs by layer, in their order."""
    return digest(list(blobs.items()))


def _blobs(net: NetParameter) -> str:
    return blobs_digest(
        {layer.name: [list(blob.shape.dim) for blob in layer.blobs] for layer in net.layer if layer.blobs}
    )


def _weights(entry: dict[str, Any]) -> dict[str, Any]:
    """What is published of one file of weights, and the preprocessing in its network."""
    net = read_prototxt(RELEASE / "prototxt" / entry["prototxt"])
    ((means, scale),) = {
        (tuple(layer.transform_param.mean_value), layer.transform_param.scale)
        for layer in net.layer
        if layer.type == "ImageData"
    }
    return {
        "google_drive_id": entry["google_drive_id"],
        "network": Path(entry["prototxt"]).stem,
        "mean": list(means),
        "scale": round(scale, 9),
    }


def _pl1a() -> dict[str, Any]:
    """The phone demo's network: a digest of its convolutions, its pools, sizes of Interp, layers without weights."""
    layers = json.loads((REFERENCE / "pl1a" / "layers.json").read_text("utf-8"))
    kinds = [layer["type"] for layer in layers]
    return {
        "convolutions": digest(
            [
                [layer["num_output"], layer["kernel_w"], layer["stride_w"], layer["pad_w"], layer.get("group", 1),
                 layer["weight_data_size"]]
                for layer in layers
                if layer["type"].startswith("Convolution")
            ]
        ),
        "pools": [[layer["kernel_h"], layer["kernel_w"]] for layer in layers if layer["type"] == "Pooling"],
        "sizes": [[layer["output_height"], layer["output_width"]] for layer in layers if layer["type"] == "Interp"],
        "counts": {kind: kinds.count(kind) for kind in ("ShuffleChannel", "Concat", "Slice")},
    }  # fmt: skip


def _ponas() -> dict[str, str]:
    """Per network a digest of its layers' expansion, kernel, squeeze-and-excitation, width and stride."""
    text = (REFERENCE / "papers" / "ponas.md").read_text("utf-8")
    lines = {name: re.search(rf"\b{name}: ([\d,| ]+)", text) for name in ("channels", "strides", "A", "B", "C")}
    found = {name: line[1].replace("|", " ").split() for name, line in lines.items() if line}
    return {
        name.lower(): digest(
            [
                [*map(int, unit.split(",")), int(width), int(stride)]
                for unit, width, stride in zip(found[name], found["channels"], found["strides"], strict=True)
            ]
        )
        for name in "ABC"
    }


def _gpunet() -> dict[str, str]:
    """Per network a digest of its inverted blocks' widths, kernels, strides and inner widths."""
    text = (REFERENCE / "papers" / "tiered_pruning.md").read_text("utf-8")
    made = {}
    for name in ("p0", "p1"):
        listed = re.search(rf"{name.upper()}: (.*?)(?=\n  P1:|\n  multiply)", text, re.DOTALL)
        assert listed is not None
        made[name] = digest(
            [
                [int(width), int(kernel), 2 if strided else 1, int(inner)]
                for width, kernel, strided, inner in re.findall(r"(?<!\S)(\d+) k(\d)( s2)? (\d+)", listed[1])
            ]
        )
    return made


# ---------------------------------------------------------------------------------------------------- Cityscapes logs


def log_lines(log: str) -> list[str]:
    """The lines of a log as a terminal shows them: a backspace goes back, what follows writes over."""
    lines = []
    for line in log.split("\n"):
        shown: list[str] = []
        place = 0
        for character in line:
            if character == "\b":
                place = max(place - 1, 0)
                continue
            shown[place : place + 1] = character
            place += 1
        lines.append("".join(shown).rstrip())
    return lines


def score_tables(lines: Iterable[str]) -> dict[str, dict[str, tuple[float, float]]]:
    """{title: {name: (IoU, nIoU)}} of the score tables in some lines."""
    tables: dict[str, dict[str, tuple[float, float]]] = {}
    for line in lines:
        if heading := re.match(r"(classes|categories) +IoU", line):
            tables[heading[1]] = {}
        elif row := re.match(r"(.{14}): (\S+) +(\S+)$", line):
            tables[list(tables)[-1]][row[1].strip()] = (float(row[2]), float(row[3]))
    for table in tables.values():
        table.pop("Score Average", None)
    return tables


def table_digest(lines: Iterable[str]) -> str:
    """A digest of the headings and rows of score tables, without the means (a log takes those of unrounded scores)."""
    rows = [line.rstrip() for line in lines if re.match(r"(classes|categories) +IoU|.{14}: \S+ +\S+\s*$", line)]
    return digest([line for line in rows if "Average" not in line])


def cityscapes() -> dict[str, Any]:
    """The numbers in one log of scores and digests of its tables' lines; shares and prior by class."""
    # The reader's own newlines must not swallow the carriage returns of the progress line.
    lines = log_lines((RELEASE / "logs" / "pred_df1seg_mergebn_val.txt").read_bytes().decode())
    start = next(index for index, line in enumerate(lines) if line.startswith("-----"))
    end = next(index for index in range(start + 3, len(lines)) if lines[index].startswith("-----"))
    rows = {}
    for line in lines[start + 3 : end]:
        name, _, numbers = line.partition("|")
        rows[name.strip()] = " ".join(f"{float(number):g}" for number in numbers.split())
    tables = score_tables(lines)
    return {
        "rows": rows,
        "scores": {
            title: {name: f"{iou:g} {weighted:g}" for name, (iou, weighted) in table.items()}
            for title, table in tables.items()
        },
        "matrix": digest(lines[start : end + 1]),
        "tables": table_digest(lines),
    }


# ------------------------------------------------------------------------------------------------------- all of these


def _networks() -> dict[str, NetParameter]:
    """The networks of the release by name, also those which only its logs hold."""
    return {path.name.partition(".")[0]: read_prototxt(path) for path in sorted((RELEASE / "prototxt").iterdir())}


def fingerprints() -> dict[str, str]:
    """Fingerprints of the release's networks; the project keeps them in weights_manifest.json."""
    return {name: fingerprint(net) for name, net in _networks().items()}


def release() -> dict[str, Any]:
    """All facts of the DF release, the phone demo and the papers that tests compare the project with."""
    results = json.loads((RELEASE / "results.json").read_text("utf-8"))
    networks = _networks()
    parameters = {}
    for path in sorted((REFERENCE / "nets").glob("*.npz")):
        with np.load(path) as counted:
            parameters[path.stem] = int(counted["params"])
    fork = _stored("df1seg_mergebn.fork.caffemodel")
    logs = RELEASE / "logs"
    return {
        "blocks": {
            name: {block: layers_digest(block_layers(networks[name], block)) for block in BLOCKS}
            for name in ("df2a", "df2a_mergebn")
        },
        "parameters": parameters,
        "validated": {path.name[4:-8]: _log(path) for path in sorted(logs.glob("log_*_val.txt"))},
        "timed": {
            path.name[4:].partition("_caffetime")[0]: _log(path) for path in sorted(logs.glob("log_*_caffetime_*.txt"))
        },
        "weights": {name: _weights(entry) for name, entry in results["weights"].items()},
        **{kind: results[kind] for kind in ("imagenet", "cityscapes")},
        "advice": [digest(line) for line in results["advice_from_the_authors"]],
        "blobs": {"df1": _blobs(_stored("df1.caffemodel")), "df1seg_mergebn": _blobs(fork)},
        "interps": _interps(fork),
        "pl1a": _pl1a(),
        "ponas": _ponas(),
        "gpunet": _gpunet(),
    }
