"""Writes what weights_manifest.json says of each file of weights, from the cards. Run as `python tools/manifest.py`.

To be run after a card has changed. Names, networks, Drive ids and digests are
stated in the manifest itself; the rest follows from these and the cards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from caffe_zoo.cards import card
from caffe_zoo.manifest import manifest_path, read_manifest
from prototxt_gen.files import write_bytes
from prototxt_gen.fingerprints import fingerprint
from prototxt_gen.generator.networks import generate
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.trace import trace


def described(entry: Mapping[str, Any]) -> dict[str, Any]:
    """All that the manifest holds of one file: `entry` says its network, form, Drive id and digest.

    `fingerprint` is that of the released network, `blobs` are those of its layers in the phase TEST, in Caffe's order.
    """
    known = card(entry["network"])
    net = generate(known.architecture, form="release", merged=entry["merged"])
    height, width = known.preprocessing.crop
    rows = [row for row in trace(select_phase(net, "TEST"), {"data": (1, 3, height, width)}) if row.blob_shapes]
    preprocessing = known.preprocessing
    return {
        "network": entry["network"],
        "merged": entry["merged"],
        "google_drive_id": entry["google_drive_id"],
        "sha256": entry["sha256"],
        "fingerprint": fingerprint(net),
        "licence": known.licence,
        "paper": known.paper,
        "advice": list(known.advice),
        "results": dict(known.results),
        "preprocessing": {
            "channels": preprocessing.channels,
            "mean": list(preprocessing.mean),
            "scale": preprocessing.scale,
            "resize_shorter": preprocessing.resize_shorter,
            "crop": [height, width],
        },
        "number_of_blobs": sum(len(row.blob_shapes) for row in rows),
        "blobs": {row.name: [list(shape) for shape in row.blob_shapes] for row in rows},
    }


def text() -> str:
    """The whole manifest as it should be."""
    manifest = dict(read_manifest())
    manifest["weights"] = {name: described(entry) for name, entry in manifest["weights"].items()}
    return _json(manifest, 0) + "\n"


def _json(value: Any, depth: int) -> str:
    """JSON with an object's fields on lines of their own, arrays on one."""
    if not isinstance(value, Mapping) or not value:
        return json.dumps(value, ensure_ascii=False)
    inside, outside = "  " * (depth + 1), "  " * depth
    fields = [f"{inside}{json.dumps(key)}: {_json(field, depth + 1)}" for key, field in value.items()]
    return "{\n" + ",\n".join(fields) + f"\n{outside}}}"


if __name__ == "__main__":
    write_bytes(manifest_path(), text().encode())
