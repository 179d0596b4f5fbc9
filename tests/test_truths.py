"""Checks that need only the repository: what BVLC Caffe computed for small networks, costs and texts of the zoo."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest
import torch

from converters import load_weights, read_weights, save_weights, to_torch
from prototxt_gen import NetParameter, read_prototxt, summarize
from prototxt_gen.layers import LAYERS
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.text import parse_text
from tests.caffe_files import FAMILIES, SPELLINGS, WHOLE, family, saved, thinned, whole, write_family, write_spelling
from tests.filling import fill_inputs, fill_weights
from tests.released import FACTS
from tests.released import NETWORKS as MANIFEST
from tools import reference_facts
from tools.truths import CITYSCAPES, NETWORKS, RELEASE, SAVED, SCHEMA, SPELLED, TRUTHS, WHOLE_NUMBERS, networks

# What was not run in stock Caffe: layers that read or write files, and layers of forks or without code for the CPU.
NOT_RUN = {
    "Data", "DepthwiseConvolution", "HDF5Data", "HDF5Output", "ImageData", "InterpHalfPixel", "MemoryData", "Normalize",
    "Permute", "WindowData",
}  # fmt: skip


def compare_outputs(net, weights, inputs, path):
    """Our outputs against those of Caffe in a file."""
    with np.load(path) as found:
        expected = dict(found)
    module = to_torch(net, weights, outputs=list(expected))
    with torch.no_grad():
        result = module(*map(torch.from_numpy, inputs.values()))
    for name, truth in expected.items():
        numbers = (result[name] if isinstance(result, dict) else result).numpy()
        assert numbers.shape == truth.shape, name
        assert np.abs(numbers - truth).max() <= 1e-5 * np.abs(truth).max(), name


@pytest.mark.parametrize("name", FAMILIES)
def test_numbers_are_those_of_caffe(name, tmp_path):
    net = family(name)
    save_weights(fill_weights(net), tmp_path / "net.caffemodel", net)
    compare_outputs(net, load_weights(tmp_path / "net.caffemodel"), fill_inputs(net), TRUTHS / "layers" / f"{name}.npz")


@pytest.mark.parametrize("name", FAMILIES)
def test_stock_words_give_the_numbers_too_and_the_bytes_that_caffe_saves(name, tmp_path):
    path = write_family(name, tmp_path)
    stock = read_prototxt(path.with_suffix(".prototxt"))
    compare_outputs(stock, load_weights(path), fill_inputs(family(name)), TRUTHS / "layers" / f"{name}.npz")
    assert sha(path) == json.loads(SAVED.read_text("utf-8"))[name]


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_old_spelling_gives_caffes_numbers_and_the_bytes_that_caffe_saves(name, tmp_path):
    path = write_spelling(name, tmp_path)
    net = read_prototxt(path.with_suffix(".prototxt"))
    compare_outputs(net, path, fill_inputs(net), SPELLED)
    save_weights(read_weights(path, net), tmp_path / "again.caffemodel", saved(upgrade(net)))
    assert sha(tmp_path / "again.caffemodel") == json.loads(SAVED.read_text("utf-8"))[name]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_networks_give_caffes_numbers(name):
    net = whole(name)
    with torch.no_grad():
        found = to_torch(net, fill_weights(net))(*map(torch.from_numpy, fill_inputs(net).values()))
    with np.load(WHOLE_NUMBERS) as numbers:
        truth = numbers[name]
    assert np.abs(thinned(found.numpy()) - truth).max() <= 1e-5 * np.abs(truth).max()


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def test_every_type_that_caffe_runs_is_among_them():
    run = {layer.type for name in FAMILIES for layer in family(name).layer}
    assert run == set(LAYERS) - NOT_RUN
    assert {LAYERS[kind].family for kind in LAYERS} == set(FAMILIES)


def test_facts_of_the_reference_are_kept_as_they_are(reference):
    for path, facts in (
        (SCHEMA, reference_facts.schema),
        (RELEASE, reference_facts.release),
        (CITYSCAPES, reference_facts.cityscapes),
    ):
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
    assert found == json.loads(NETWORKS.read_text("utf-8")), "if the change is meant: python tools/truths.py networks"
