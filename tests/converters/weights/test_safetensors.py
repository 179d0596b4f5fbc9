"""Weights as .safetensors: the package may be missing, and files of others are refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from converters.weights import load_weights, save_weights
from prototxt_gen.errors import NotInstalledError


def test_safetensors_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'dongfeng\[safetensors\]'"):
        save_weights({}, tmp_path / "w.safetensors")


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "w.safetensors"
    caffe = {"format": "caffe"}
    for name, metadata in (
        ("a.0", {}),
        ("a.0", {"format": "pt"}),
        ("a.weight", caffe),
        ("a.1", caffe),
        ("a.00", caffe),
    ):
        library.save_file({name: np.ones(1)}, path, metadata)
        with pytest.raises(ValueError, match=str(path)):
            load_weights(path)
