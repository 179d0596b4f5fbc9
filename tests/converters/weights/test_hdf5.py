"""Weights in HDF5: names and shared blobs in Caffe's layout, and files that are not in it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from converters.weights import load_weights, save_weights
from prototxt_gen.errors import FormatError, WeightsError
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text


def damage(path: Path, kind: str) -> None:
    with h5py.File(path, "w") as file:
        if kind == "no data":
            file["weights"] = np.ones(3)
        elif kind == "a text":
            file["data/a/0"] = "text"
        elif kind == "a dataset for a layer":
            file["data/a"] = np.ones(3)
        elif kind == "a name for an index":
            file["data/a/weight"] = np.ones(3)
        elif kind == "2^40 values":
            file.create_dataset("data/a/0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))
        elif kind == "a link to another file":
            file["data/a"] = h5py.ExternalLink("/etc/other.h5", "/data/a")
        elif kind == "a link to nothing":
            file["data/a"] = h5py.SoftLink("/nothing")


@pytest.mark.parametrize(
    "kind",
    [
        "no data",
        "a text",
        "a dataset for a layer",
        "a name for an index",
        "2^40 values",
        "a link to another file",
        "a link to nothing",
    ],
)
def test_hdf5_of_another_layout_is_one_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel.h5"
    damage(path, kind)
    with pytest.raises(FormatError, match=str(path)):
        load_weights(path)


def test_groups_in_a_circle_end(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel.h5"
    with h5py.File(path, "w") as file:
        file["data/a/0"] = np.ones(3)
        file["data/a/again"] = file["data"]
    assert load_weights(path)["a"][0].tolist() == [1, 1, 1]


def test_bytes_that_are_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    with pytest.raises(FormatError, match=str(path)):
        load_weights(path)


def test_hdf5_names_that_cannot_be_kept_are_listed(tmp_path: Path) -> None:
    weights = {name: [np.ones(1)] for name in ("", "a//b", "/a", "b/", "./c", "d", "d/0", "d/1", "e")}
    with pytest.raises(WeightsError) as caught:
        save_weights(weights, tmp_path / "w.caffemodel.h5")
    message = str(caught.value)
    for name in ("", "a//b", "/a", "b/", "./c", "d/0"):
        assert f"layer {name!r}:" in message
    for name in ("d/1", "e"):
        assert f"layer {name!r}:" not in message


def test_hdf5_blobs_that_layers_share(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "w.caffemodel.h5"
    with h5py.File(path, "w") as file:
        file["data/first/0"], file["data/first/1"], file["data/second/1"] = np.ones((2, 3)), np.zeros(2), np.full(2, 5)
        file.create_group("data/third")
    own_bias, shared_bias = 'param { name: "w" } param { }', 'param { name: "w" } param { name: "b" }'
    layers = (("first", shared_bias), ("second", own_bias), ("third", shared_bias))
    net = parse_text("".join(f'layer {{ name: "{name}" {param} }}' for name, param in layers), NetParameter())
    with pytest.raises(WeightsError, match="'second': found blobs"):
        load_weights(path)
    found = load_weights(path, net)
    assert found["second"][0] is found["first"][0] is found["third"][0]
    assert found["second"][1].tolist() == [5, 5]
    assert found["third"][1] is found["first"][1]
