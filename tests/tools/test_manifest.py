"""weights_manifest.json says of each released file what its card and its network say today."""

from __future__ import annotations

import pytest

from caffe_zoo.cards import card
from caffe_zoo.manifest import manifest_path, read_manifest
from tests.released import FACTS, NETWORKS
from tools.manifest import text
from tools.reference_facts import blobs_digest, digest

WEIGHTS = read_manifest()["weights"]


def test_the_manifest_is_current():
    assert manifest_path().read_text("utf-8") == text(), "run: make pages"


@pytest.mark.parametrize("name", WEIGHTS)
def test_released_files_are_described(name):
    entry, published = WEIGHTS[name], FACTS["weights"][name]
    assert entry["google_drive_id"] == published["google_drive_id"]
    assert entry["fingerprint"] == NETWORKS[published["network"]]["fingerprint"]
    assert entry["sha256"] is None
    assert entry["preprocessing"]["mean"] == published["mean"]
    assert entry["preprocessing"]["scale"] == pytest.approx(published["scale"])
    assert set(FACTS["advice"]) <= {digest(line) for line in entry["advice"]}


def test_every_published_file_is_described():
    assert WEIGHTS.keys() == FACTS["weights"].keys()


@pytest.mark.parametrize("name", FACTS["blobs"])
def test_blobs_are_those_that_caffe_writes(name):
    entry = WEIGHTS[f"{name}.caffemodel"]
    assert blobs_digest(entry["blobs"]) == FACTS["blobs"][name]
    assert sum(map(len, entry["blobs"].values())) == entry["number_of_blobs"]


def test_every_released_file_is_of_a_card():
    assert {entry["network"] for entry in WEIGHTS.values()} == {
        name for name in ("df1", "df2", "df2a", "df1seg", "df2seg1", "df2seg2", "df-lite_seg") if card(name).weights
    }
