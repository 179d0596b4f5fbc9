"""Every file pair that BVLC Caffe 1.0 answered for gives the same numbers here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from converters.pytorch.module import to_torch, weights_of
from converters.weights import load_weights
from prototxt_gen import read_prototxt
from tests.caffe_files import in_reference
from tools.reference_facts import REFERENCE

CASES = sorted(path.stem for path in (REFERENCE / "conformance").glob("*.npz"))
LEGACY = sorted(path.stem for path in (REFERENCE / "legacy").glob("*.npz"))
LOOSE = ("lrn", "mvn", "lstm", "rnn")


def check(path: Path, weights: Path | None, limit: float) -> torch.nn.Module:
    arrays = dict(np.load(path.with_suffix(".npz")))
    outputs = {key[5:]: value for key, value in arrays.items() if key.startswith("out__")}
    inputs = {key[4:]: torch.from_numpy(value) for key, value in arrays.items() if key.startswith("in__")}
    module = to_torch(read_prototxt(path.with_suffix(".prototxt")), weights, outputs=list(outputs))
    names = [node.name for node in module.graph.nodes if node.op == "placeholder"]
    with torch.no_grad():
        result = module(*(inputs[name] for name in names))
    for name, expected in outputs.items():
        found = (result[name] if isinstance(result, dict) else result).numpy()
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= limit * np.abs(expected).max()
    return module


@pytest.mark.parametrize("name", in_reference(*CASES))
def test_conformance(name):
    path = REFERENCE / "conformance" / name
    files = [path.with_suffix(suffix) for suffix in (".caffemodel", ".caffemodel.h5")]
    for weights in [file for file in files if file.exists()] or [None]:
        module = check(path, weights, 1e-4 if name.startswith(LOOSE) else 1e-5)
        if weights is not None:
            net = read_prototxt(path.with_suffix(".prototxt"))
            for layer, blobs in load_weights(weights, net).items():
                for before, after in zip(blobs, weights_of(module)[layer], strict=True):
                    if len(blobs) == 3:  # BatchNorm's statistics come back divided
                        before = before / blobs[2]
                    np.testing.assert_array_max_ulp(after, before, 1)


@pytest.mark.parametrize("name", in_reference(*LEGACY))
def test_legacy(name):
    path = REFERENCE / "legacy" / name
    check(path, path.with_suffix(".caffemodel"), 1e-4)  # there is an LRN in it
