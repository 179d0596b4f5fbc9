"""The files of a network that a search hands out, so that Caffe can go on training where the search left off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from converters.weights import load_weights, save_weights
from converters.weights.merge import merge_batchnorm
from prototxt_gen.architectures import Backbone
from prototxt_gen.generator.networks import generate
from prototxt_gen.generator.solver import solver
from prototxt_gen.text import write_prototxt
from search.spaces import Architecture
from search.study.folder import DEPLOY, MERGED, MERGED_WEIGHTS, SOLVER, TRAIN_VAL

if TYPE_CHECKING:  # torch takes seconds to import, and prototxts need none
    from search.training.dataset import Dataset
    from search.training.schedule import Schedule


def write_network(
    architecture: Architecture,
    target: Path,
    shape: tuple[int, int, int, int],
    data: Dataset | None,
    schedule: Schedule | None,
    weights: Path | None = None,
) -> None:
    """Writes the deploy and train_val prototxts of an architecture and its solver into the folder `target`.

    `shape` is (1, channels, height, width). `weights` is the file, which lies there already (see study/working.py), of
    those to merge batch norm into: the merged network is written, too, and its weights. Without data and schedule, as
    when a function of the user's has trained it, there are no train_val prototxt and no solver.
    """
    deploy = generate(architecture, input_shape=shape)
    write_prototxt(deploy, target / DEPLOY)
    if weights is not None:
        merged = generate(architecture, input_shape=shape, merged=True)
        write_prototxt(merged, target / MERGED)
        save_weights(merge_batchnorm(deploy, load_weights(weights, deploy))[1], target / MERGED_WEIGHTS, merged)
    if data is None or schedule is None:
        return
    batch = min(schedule.batch_size, len(data.train))
    epoch = schedule.steps(len(data.train)) // schedule.epochs
    steps = epoch * schedule.epochs
    training = generate(architecture, form="train_val", input_shape=(batch, *shape[1:]))
    if isinstance(architecture, Backbone):
        # Caffe reads label maps apart from their images, and would mirror the images alone.
        training.layer[0].transform_param.mirror = data.mirrored and schedule.mirror
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
