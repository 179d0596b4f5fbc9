"""Solver states: what the library or HDF5 write in the layout of Caffe."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from converters.weights import load_weights, save_weights
from converters.weights.mean import save_mean
from converters.weights.solver_state import read_solver_state
from prototxt_gen.errors import FormatError
from prototxt_gen.proto import SolverState
from tests.caffe_files import caffe_file

# What a solver of BVLC Caffe 1.0 wrote after two steps of momentum 0.5, the second at half the rate.
STATE = bytes.fromhex(
    "08021216736e61705f697465725f322e63616666656d6f64656c1a202a180000b4bd0000b4bd0000b4bd0000b4bd0000b4bd0000b4bd3a040a"
    "0202031a0f2a08000034be000034be3a030a01022001"
)


def test_the_bytes_of_caffe(tmp_path: Path) -> None:
    (tmp_path / "snap_iter_2.solverstate").write_bytes(STATE)
    found = read_solver_state(tmp_path / "snap_iter_2.solverstate")
    assert (found.iteration, found.learned_net, found.current_step) == (2, "snap_iter_2.caffemodel", 1)
    assert [array.tolist() for array in found.history] == [[[-0.087890625] * 3] * 2, [-0.17578125] * 2]


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


def test_other_files_are_no_solver_state(tmp_path: Path) -> None:
    mean, hdf5 = tmp_path / "mean.binaryproto", tmp_path / "dense.caffemodel.h5"
    save_mean(np.ones((3, 5, 4)), mean)
    save_weights(load_weights(caffe_file("layers/dense", tmp_path)), hdf5)
    for path in (caffe_file("spelled/v2", tmp_path), mean, hdf5):
        with pytest.raises(FormatError, match=r"not a solver state|expected iter"):
            read_solver_state(path)
