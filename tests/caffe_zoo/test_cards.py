"""The cards against the release's published figures."""

from __future__ import annotations

import json

import pytest

from caffe_zoo import card, list_models
from caffe_zoo.manifest import read_manifest
from prototxt_gen import CaffeError, fingerprint, generate, summarize

# Multiply-adds at 224x224 of convolutions and fc, and parameters of the inference network.
MULTIPLY_ADDS = {"df-lite": 515.5e6, "df1": 746.73e6, "df2": 1774.33e6, "df2a": 1916.14e6}


@pytest.mark.parametrize("name", list_models())
def test_costs_are_the_published_ones(name):
    summary = summarize(generate(card(name).architecture))
    assert summary.multiply_adds == pytest.approx(MULTIPLY_ADDS[name], rel=1e-4)


@pytest.mark.parametrize("name", ["df1", "df2", "df2a"])
def test_results_and_weights_are_those_of_the_release(reference, name):
    released = json.loads((reference / "release" / "results.json").read_text())
    results = card(name).results
    assert results["top1"] == released["imagenet"][name]["top1"]
    assert results["top5"] == released["imagenet"][name]["top5"]
    assert results["latency_ms_tx2"] == released["imagenet"][name]["latency_ms_tx2_224_b1"]
    (weights,) = card(name).weights
    assert weights.google_drive_id == released["weights"][weights.name]["google_drive_id"]
    assert weights.sha256 is None


def test_the_manifest_holds_every_released_classification_network():
    networks = read_manifest()["networks"]
    for name in ("df1", "df2", "df2a"):
        for merged, stem in ((False, name), (True, f"{name}_mergebn")):
            net = generate(card(name).architecture, form="release", merged=merged)
            assert networks[stem]["fingerprint"] == fingerprint(net)
            assert networks[stem]["architecture"] == str(card(name).architecture)


def test_a_missing_name_lists_the_names_there_are():
    with pytest.raises(CaffeError, match=r"no network 'df9' in the zoo; there are: .*df1, df2, df2a"):
        card("df9")
