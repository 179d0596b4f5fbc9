"""The files of a network that a search hands out, so that Caffe can go on training where the search left off."""

from __future__ import annotations

from pathlib import Path

from prototxt_gen.generator.networks import generate
from prototxt_gen.generator.solver import solver
from prototxt_gen.text import write_prototxt
from search.spaces import Architecture
from search.study.folder import DEPLOY, SOLVER, TRAIN_VAL
from search.training.dataset import Dataset
from search.training.schedule import Schedule


def write_network(
    architecture: Architecture,
    target: Path,
    shape: tuple[int, int, int, int],
    data: Dataset | None,
    schedule: Schedule | None,
) -> None:
    """Writes the deploy and train_val prototxts of an architecture and its solver into the folder `target`.

    `shape` is (1, channels, height, width). The weights lie there already (see study/working.py). Without data and
    schedule, as when a function of the user's has trained it, only the deploy prototxt.
    """
    write_prototxt(generate(architecture, input_shape=shape), target / DEPLOY)
    if data is None or schedule is None:
        return
    batch = min(schedule.batch_size, len(data.train))
    epoch = schedule.steps(len(data.train)) // schedule.epochs
    steps = epoch * schedule.epochs
    training = generate(architecture, form="train_val", input_shape=(batch, *shape[1:]))
    training.layer[0].transform_param.mirror = data.mirrored
    write_prototxt(training, target / TRAIN_VAL)
    write_prototxt(
        # Every build of Caffe runs on the CPU; with CUDA one would change this word to GPU.
        solver(
            TRAIN_VAL,
            max_iter=steps,
            base_lr=schedule.base_lr,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
            test_iter=-(-len(data.held_out) // batch),
            test_interval=epoch,
            display=epoch,
            snapshot=steps,
            solver_mode="CPU",
        ),
        target / SOLVER,
    )
