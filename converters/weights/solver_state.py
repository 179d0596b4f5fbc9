"""Reading a .solverstate, in both of its forms: what Caffe needs to go on training, besides the weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from converters.weights.blobs import Array, expect, read_blob
from converters.weights.hdf5 import blob_index, members, opened, read_dataset
from prototxt_gen import wire
from prototxt_gen.errors import FormatError
from prototxt_gen.wire import BYTES, VARINT

if TYPE_CHECKING:
    import h5py

_ITER, _LEARNED_NET, _HISTORY, _CURRENT_STEP = 1, 2, 3, 4


@dataclass(frozen=True)
class SolverState:
    """Where training stood: after `iteration` iterations, with the weights in the file `learned_net`.

    `history` holds the solver's arrays in its own order: for SGD one per learnable parameter, for AdaDelta and Adam
    two (Caffe: sgd_solver.cpp, adam_solver.cpp). `current_step` counts the steps of a multistep learning rate.
    """

    iteration: int
    learned_net: str
    history: tuple[Array, ...]
    current_step: int


def read_solver_state(path: str | os.PathLike[str]) -> SolverState:
    """Reads a .solverstate, or a .solverstate.h5 by its suffix. FileError and FormatError name the file."""
    if os.fspath(path).endswith(".h5"):
        return _read_hdf5(path)
    numbers: dict[int, int] = {}
    learned_net = ""
    history: list[Array] = []
    with wire.reading(path) as reader:
        for number, kind, value in reader.fields(reader.size):
            if number in (_ITER, _CURRENT_STEP):
                expect(reader, kind, VARINT, "not a solver state: iter or current_step")
                numbers[number] = wire.signed(value)
            elif number == _LEARNED_NET:
                expect(reader, kind, BYTES, "not a solver state: learned_net")
                learned_net = reader.text(value)
            elif number == _HISTORY:
                expect(reader, kind, BYTES, "not a solver state: history")
                history.append(read_blob(reader, reader.at + value, f"history {len(history)}"))
        if _ITER not in numbers:
            raise reader.fault(reader.size, "not a solver state: found no iter")
    return SolverState(numbers[_ITER], learned_net, tuple(history), numbers.get(_CURRENT_STEP, 0))


def _read_hdf5(path: str | os.PathLike[str]) -> SolverState:
    """Caffe: SGDSolver::SnapshotSolverStateToHDF5."""
    import h5py

    with opened(path) as file:
        group = file.get("history")
        if not isinstance(group, h5py.Group) or "iter" not in file:
            raise FormatError(f"{path}: found {', '.join(file) or 'nothing'}, expected iter and a group `history`")
        history = {
            blob_index(name, f"{path}: history"): read_dataset(dataset, f"{path}: history {name}")
            for name, dataset in members(group, path)
        }
        learned_net = np.asarray(file["learned_net"][()]).item() if "learned_net" in file else b""
        return SolverState(
            _number(file, "iter"),
            learned_net.decode("utf-8", "backslashreplace") if isinstance(learned_net, bytes) else str(learned_net),
            tuple(history[index] for index in sorted(history)),
            _number(file, "current_step"),
        )


def _number(file: h5py.File, name: str) -> int:
    """Caffe writes a number as an array of one."""
    return int(np.asarray(file[name][()]).item()) if name in file else 0
