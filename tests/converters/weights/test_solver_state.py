"""Solver states: what the library or HDF5 write in the layout of Caffe."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from converters.weights.solver_state import read_solver_state
from prototxt_gen.errors import FormatError
from prototxt_gen.proto import SolverState


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
