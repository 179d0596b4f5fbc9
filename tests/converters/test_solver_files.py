"""Mean files and solver states: what Caffe wrote, and what the library or HDF5 write in Caffe's layout."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from converters.weights import load_weights
from converters.weights.mean import load_mean, save_mean
from converters.weights.solver_state import read_solver_state
from prototxt_gen.errors import FormatError, WeightsError
from prototxt_gen.proto import BlobProto, SolverState


def test_the_mean_of_caffe(reference: Path) -> None:
    found = load_mean(reference / "legacy" / "mean.binaryproto")
    assert np.array_equal(found, np.load(reference / "legacy" / "mean.npy"))


@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 3, 5, 4)])
def test_a_mean_goes_both_ways(shape: tuple[int, ...], tmp_path: Path) -> None:
    mean = np.random.default_rng(0).random(shape)
    path = tmp_path / "mean.binaryproto"
    save_mean(mean, path)
    assert np.array_equal(load_mean(path), mean.astype(np.float32).reshape(1, 3, 5, 4))
    blob = BlobProto.FromString(path.read_bytes())
    assert (blob.num, blob.channels, blob.height, blob.width, len(blob.data)) == (1, 3, 5, 4, 60)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 5, 4), (5, 4)])
def test_what_is_no_mean_is_not_written(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="expected"):
        save_mean(np.ones(shape), tmp_path / "mean.binaryproto")


def test_other_files_are_no_mean(reference: Path) -> None:
    with pytest.raises(FormatError, match="not a mean file"):
        load_mean(reference / "legacy" / "v2.caffemodel")


def test_a_solver_state(tmp_path: Path) -> None:
    state = SolverState(iter=70_000, learned_net="snap_iter_70000.caffemodel", current_step=2)
    for values in ([1, 2, 3, 4, 5, 6], [7, 8]):
        blob = state.history.add(data=values)
        blob.shape.dim.extend([2, len(values) // 2])
    path = tmp_path / "snap_iter_70000.solverstate"
    path.write_bytes(state.SerializeToString())
    found = read_solver_state(path)
    assert (found.iteration, found.learned_net, found.current_step) == (70_000, state.learned_net, 2)
    assert [array.tolist() for array in found.history] == [[[1, 2, 3], [4, 5, 6]], [[7], [8]]]


def test_a_solver_state_in_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "snap.solverstate.h5"
    with h5py.File(path, "w") as file:
        file["iter"], file["current_step"] = np.array([5], np.int32), np.array([1], np.int32)
        file["learned_net"] = np.bytes_("snap.caffemodel.h5")
        for index in range(11):
            file[f"history/{index}"] = np.full((1, 2), index, np.float32)
    found = read_solver_state(path)
    assert (found.iteration, found.learned_net, found.current_step) == (5, "snap.caffemodel.h5", 1)
    assert [array.tolist() for array in found.history] == [[[index, index]] for index in range(11)]


def test_other_files_are_no_solver_state(reference: Path) -> None:
    for name in ("legacy/v2.caffemodel", "legacy/mean.binaryproto", "conformance/ip_basic.caffemodel.h5"):
        with pytest.raises(FormatError, match=r"not a solver state|expected iter"):
            read_solver_state(reference / name)


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
