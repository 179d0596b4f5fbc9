"""weights_manifest.json says of each released file what its card and its network say today."""

from __future__ import annotations

import json

import pytest

from caffe_zoo.cards import card
from caffe_zoo.manifest import manifest_path, read_manifest
from converters import load_weights
from prototxt_gen import fingerprint, read_prototxt
from tools.manifest import text

WEIGHTS = read_manifest()["weights"]


def test_the_manifest_is_current():
    assert manifest_path().read_text("utf-8") == text(), "run: make pages"


@pytest.mark.parametrize("name", WEIGHTS)
def test_released_files_are_described(reference, name):
    entry = WEIGHTS[name]
    released = json.loads((reference / "release" / "results.json").read_text())
    assert entry["google_drive_id"] == released["weights"][name]["google_drive_id"]
    net = read_prototxt(reference / "release" / "prototxt" / released["weights"][name]["prototxt"])
    assert entry["fingerprint"] == fingerprint(net)
    assert entry["sha256"] is None
    (transform,) = {
        (tuple(layer.transform_param.mean_value), layer.transform_param.scale)
        for layer in net.layer
        if layer.type == "ImageData"
    }
    assert transform == (tuple(entry["preprocessing"]["mean"]), pytest.approx(entry["preprocessing"]["scale"]))
    assert set(released["advice_from_the_authors"]) <= set(entry["advice"])


@pytest.mark.parametrize(
    ("name", "file"),
    [("df1", "nets/df1.caffemodel"), ("df1seg_mergebn", "nets/df1seg_mergebn.fork.caffemodel")],
)
def test_blobs_are_those_that_caffe_writes(unpacked, name, file):
    weights = load_weights(unpacked(file))
    entry = WEIGHTS[f"{name}.caffemodel"]
    assert {layer: [list(blob.shape) for blob in blobs] for layer, blobs in weights.items()} == entry["blobs"]
    assert sum(map(len, weights.values())) == entry["number_of_blobs"]


def test_every_released_file_is_of_a_card():
    assert {entry["network"] for entry in WEIGHTS.values()} == {
        name for name in ("df1", "df2", "df2a", "df1seg", "df2seg1", "df2seg2", "df-lite_seg") if card(name).weights
    }
