"""Where things are in the folder of a search."""

from __future__ import annotations

from pathlib import Path

from prototxt_gen.errors import FileError
from prototxt_gen.files import reason
from search.spaces import Architecture

STUDY = "study.db"
LATENCY_TABLE = "latency.json"
BOUNDARY = "boundary.json"
# Of a search for a target: how the space was cut to what that takes.
TARGET = "target.json"
# Of a run of PONAS: its table, what it was begun with, its log.
ACCURACIES = "accuracy.json"
PONAS, PONAS_LOG = "ponas.json", "ponas.log"
# Of a run of Tiered Pruning: what it was begun with, its log.
TIERED, TIERED_LOG = "tiered.json", "tiered.log"
# Of processes, not of people: who uses the folder, who begins the search, which workers live.
LOCK = ".lock"
BEGINNING = ".beginning"
WORKERS = ".workers"
# Why trainings came to nothing, one file each.
FAILURES = "failed"

# In the folder of a network.
WEIGHTS = "weights.caffemodel"
WEIGHTS_OF_ANY_RUN = "weights*.caffemodel"
DEPLOY = "deploy.prototxt"
TRAIN_VAL = "train_val.prototxt"
SOLVER = "solver.prototxt"
# The same network with batch norm merged into its convolutions.
MERGED = "merged.prototxt"
MERGED_WEIGHTS = "merged.caffemodel"
# And in the words of the target that was searched for, by the target's name.
OF_TARGET = ("{}.prototxt", "{}.caffemodel", "{}.json")


def network_folder(folder: Path, architecture: Architecture | str) -> Path:
    """Where the files of a candidate lie."""
    return folder / "networks" / str(architecture)


def weights_file(folder: Path, architecture: Architecture | str, run: int) -> Path:
    """Where the weights of a candidate's run lie; runs are numbered from 0."""
    return network_folder(folder, architecture) / (WEIGHTS if run == 0 else f"weights.run{run}.caffemodel")


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it where they are missing. FileError names it and the reason."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise FileError(f"{folder}: cannot be made: {reason(fault)}") from fault
