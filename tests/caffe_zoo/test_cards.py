"""The cards against the release's published figures."""

from __future__ import annotations

import pytest

from caffe_zoo import card, list_models
from caffe_zoo.manifest import read_manifest
from prototxt_gen import CaffeError, fingerprint, generate, summarize
from tests.released import FACTS, NETWORKS

# Multiply-adds at the card's size, of everything that multiplies. The published ones of ResNets have two digits, cut
# or rounded; those of the segmentation networks are not published.
MULTIPLY_ADDS = {
    "df-lite": (515.5e6, 1e-4),
    "df1": (746.73e6, 1e-4),
    "df2": (1774.33e6, 1e-4),
    "df2a": (1916.14e6, 1e-4),
    "resnet18": (1.8e9, 0.02),
    "resnet50": (3.8e9, 0.02),
    "resnet101": (7.6e9, 0.02),
    "ponas_a": (328.9e6, 2e-4),
    "ponas_b": (351.2e6, 2e-4),
    "ponas_c": (379.3e6, 2e-4),
    "gpunet_p0": (1.87e9, 3e-3),
    "gpunet_p1": (3.24e9, 2e-3),
}
# What results.json calls the segmentation networks and the ways in which they were timed.
SCENES = {
    "df-lite_seg_d8": "dflite_seg_d8",
    "df1seg_d8": "df1_seg_d8",
    "df-lite_seg": "dflite_seg",
    "df1seg": "df1_seg",
    "df2seg1": "df2_seg1",
    "df2seg2": "df2_seg2",
    "pl1a_seg": "pl1a_seg",
}
TIMED = {
    "1080ti_1024x2048": "fps_1080ti",
    "1080ti_1024x1024": "fps_1080ti_1024x1024",
    "titanx_caffe_1024x2048": "fps_titanx_caffe",
    "tx2_640x384": "fps_tx2_384x640",
    "snapdragon845_640x384": "fps_snapdragon845",
}


def made(name, **options):
    known = card(name)
    return generate(known.architecture, input_shape=(1, 3, *known.preprocessing.crop), **options)


@pytest.mark.parametrize("name", MULTIPLY_ADDS)
def test_costs_are_the_published_ones(name):
    published, precision = MULTIPLY_ADDS[name]
    assert summarize(made(name)).multiply_adds == pytest.approx(published, rel=precision)


def test_the_zoo_is_whole():
    assert set(list_models()) == {*MULTIPLY_ADDS, *SCENES}


@pytest.mark.parametrize("name", list_models())
def test_a_card_and_its_network_fit(name):
    known = card(name)
    net = summarize(made(name, merged=True))
    (output,) = net.outputs.values()
    assert output[1] == known.architecture.classes
    assert (len(output) == 4) == (known.kind == "segmentation")
    assert (known.preprocessing.resize_shorter is None) == (known.kind == "segmentation")
    if name in SCENES:
        data = generate(known.architecture, form="train_val").layer[0]
        assert tuple(data.transform_param.mean_value) == pytest.approx(known.preprocessing.mean)
        assert data.transform_param.scale == pytest.approx(known.preprocessing.scale)


@pytest.mark.parametrize("name", ["df1", "df2", "df2a", *(name for name in SCENES if name != "pl1a_seg")])
def test_the_release_form_of_a_card_is_the_released_file(name):
    net = generate(card(name).architecture, form="release", merged=True)
    assert fingerprint(net) == NETWORKS[f"{name}_mergebn"]["fingerprint"]


@pytest.mark.parametrize(("name", "scene"), SCENES.items())
def test_scores_and_speeds_on_scenes_are_those_of_the_release(name, scene):
    facts = FACTS["cityscapes"][scene]
    results = dict(card(name).results)
    for key in ("miou_val", "miou_test"):
        assert results.pop(key, None) == facts.get(key)
    assert results == {TIMED[key]: value for key, value in facts["fps"].items()}


@pytest.mark.parametrize("name", ["df1", "df2", "df2a", "resnet18", "resnet50", "resnet101"])
def test_memory_and_multiply_adds_are_those_of_the_release(name):
    facts, results = FACTS["imagenet"][name], card(name).results
    assert results["memory_mb_caffe_50x224x224"] == facts["gpu_mem_mb_224_b50"]
    assert results["memory_mb_caffe_1x1024x1024"] == facts["gpu_mem_mb_1024_b1"]
    number, unit = float(facts["flops_paper"][:-1]), facts["flops_paper"][-1]
    assert results["multiply_adds_m"] == pytest.approx(number * {"M": 1, "G": 1000}[unit])


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet101"])
def test_compared_networks_have_the_figures_of_the_release(name):
    facts = FACTS["imagenet"][name]
    results = card(name).results
    assert results["top1"] == facts["top1"]
    assert results.get("latency_ms_tx2") == facts["latency_ms_tx2_224_b1"]
    assert card(name).weights == ()


@pytest.mark.parametrize("name", ["df1", "df2", "df2a"])
def test_results_and_weights_are_those_of_the_release(name):
    published = FACTS["imagenet"][name]
    results = card(name).results
    assert results["top1"] == published["top1"]
    assert results["top5"] == published["top5"]
    assert results["latency_ms_tx2"] == published["latency_ms_tx2_224_b1"]
    (weights,) = card(name).weights
    assert weights.google_drive_id == FACTS["weights"][weights.name]["google_drive_id"]
    assert weights.sha256 is None


def test_the_manifest_holds_every_released_network():
    assert len(NETWORKS) == 15


def test_the_manifest_has_the_fingerprints_of_what_the_cards_make():
    for stem, entry in read_manifest()["networks"].items():
        name = stem.removesuffix("_mergebn")
        net = generate(card(name).architecture, form="release", merged=stem != name)
        assert entry == {"architecture": str(card(name).architecture), "fingerprint": fingerprint(net)}


def test_a_missing_name_lists_the_names_there_are():
    with pytest.raises(CaffeError, match=r"no network 'df9' in the zoo; there are: .*df1, df2, df2a"):
        card("df9")
