"""What a clone proves by itself: numbers that BVLC Caffe computed of small networks, costs and texts of the zoo's."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from converters import load_weights, save_weights, to_torch
from prototxt_gen import NetParameter, read_prototxt, summarize
from prototxt_gen.layers import LAYERS
from prototxt_gen.text import parse_text
from tests.filling import fill_inputs, fill_weights
from tests.released import FACTS
from tests.released import NETWORKS as MANIFEST
from tools import reference_facts
from tools.truths import NETWORKS, RELEASE, SCHEMA, TRUTHS, networks

FAMILIES = sorted(path.stem for path in (TRUTHS / "layers").glob("*.prototxt"))
# What no stock Caffe runs: data layers and outputs want files, the others are of forks or not written for the CPU.
UNTOLD = {
    "Data", "DepthwiseConvolution", "HDF5Data", "HDF5Output", "ImageData", "InterpHalfPixel", "MemoryData", "Normalize",
    "Permute", "WindowData",
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_are_those_of_caffe(family, tmp_path):
    path = TRUTHS / "layers" / f"{family}.prototxt"
    net = read_prototxt(path)
    save_weights(fill_weights(net), tmp_path / "net.caffemodel", net)
    with np.load(path.with_suffix(".npz")) as found:
        expected = dict(found)
    module = to_torch(net, load_weights(tmp_path / "net.caffemodel"), outputs=list(expected))
    with torch.no_grad():
        found = module(*map(torch.from_numpy, fill_inputs(net).values()))
    for name, truth in expected.items():
        numbers = found[name].numpy()
        assert numbers.shape == truth.shape, name
        assert np.abs(numbers - truth).max() <= 1e-5 * np.abs(truth).max(), name


def test_every_type_that_caffe_runs_is_among_them():
    told = {
        layer.type for family in FAMILIES for layer in read_prototxt(TRUTHS / "layers" / f"{family}.prototxt").layer
    }
    assert told == set(LAYERS) - UNTOLD
    assert {LAYERS[kind].family for kind in LAYERS} == set(FAMILIES)


def test_facts_of_the_reference_are_kept_as_they_are(reference):
    for path, facts in ((SCHEMA, reference_facts.schema), (RELEASE, reference_facts.release)):
        assert facts() == json.loads(path.read_text("utf-8")), f"python tools/truths.py {path.stem}"
    assert reference_facts.fingerprints() == {name: entry["fingerprint"] for name, entry in MANIFEST.items()}


def test_logged_networks_have_what_caffe_logged_of_them(reference):
    """A log of `caffe time` has the network's text too."""
    for name, log in FACTS["timed"].items():
        text = (reference / "release" / "logs" / f"log_{name}_caffetime_titanx.txt").read_text("utf-8")
        found = re.search(r"Initializing net from parameters: \n(.*?)\n[IWE]\d{4} ", text, re.DOTALL)
        summary = summarize(parse_text(found[1], NetParameter()), phase="TRAIN")
        assert (reference_facts.shapes_digest(summary.top_shapes), summary.memory) == (log["tops"], log["memory"])


def test_costs_and_texts_of_the_zoo():
    found = json.loads(json.dumps(networks()))
    assert found == json.loads(NETWORKS.read_text("utf-8")), "if it is meant: python tools/truths.py networks"
