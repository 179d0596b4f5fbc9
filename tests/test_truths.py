"""What a clone proves by itself: numbers that BVLC Caffe computed of small networks, costs and texts of the zoo's."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from converters import load_weights, save_weights, to_torch
from prototxt_gen import read_prototxt
from prototxt_gen.layers import LAYERS
from tests.filling import fill_inputs, fill_weights
from tools.truths import NETWORKS, TRUTHS, networks

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


def test_costs_and_texts_of_the_zoo():
    found = json.loads(json.dumps(networks()))
    assert found == json.loads(NETWORKS.read_text("utf-8")), "if it is meant: python tools/truths.py networks"
