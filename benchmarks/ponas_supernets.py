"""What ways of training a supernet make of its networks: accuracies with inherited weights, as a table sees them.

For each way and seed one supernet of `ponas-small` is trained on the glyphs, shortly, and its table filled. A line says
how accurate the networks evaluated were: the mean of all, the mean within the first row and within the last one, and
the standard deviation of all. An epoch of a first path is taken off meta training, so that all are trained for equally
many batches.

Run: OMP_NUM_THREADS=1 python benchmarks/ponas_supernets.py
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from search import OneShot, Schedule, glyphs, parse_space, run_ponas
from search.spaces import PonasSpace
from search.training.one_shot import EVALUATIONS

# Words of the ways: how a path is drawn, how long the first one is trained alone.
WAYS = {
    f"{words}, --first-epochs {first}": (even, first)
    for even, words in ((True, "even"), (False, "by chance"))
    for first in (1, 0)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", action="append", choices=list(WAYS), help="may be repeated (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--epochs", type=int, default=4, help="of the first path and of meta training together")
    args = parser.parse_args()
    torch.set_num_threads(1)
    space, data = parse_space("ponas-small"), glyphs((32, 32))
    assert isinstance(space, PonasSpace)
    for way in args.way or WAYS:
        even, first = WAYS[way]
        for seed in args.seeds:
            schedule = Schedule(epochs=args.epochs - first, batch_size=64, base_lr=0.1, channels_last=True, seed=seed)
            settings = replace(OneShot(schedule), even=even, first_epochs=first, row_epochs=0.25)
            with tempfile.TemporaryDirectory() as folder:
                begin = time.process_time()
                run_ponas(space, data, folder, settings)
                told = json.loads((Path(folder) / EVALUATIONS).read_text())["told"]
            seen = np.array([accuracy for _, accuracy in told])
            # Behind the last row stands nothing: each of its candidates is in one network.
            last = len(space.layers[space.rows[-1]].candidates)
            each = len(space.layers[space.rows[0]].candidates) * settings.suffixes
            print(
                f"{way}, seed {seed}: mean {seen.mean():.1%}, first row {seen[:each].mean():.1%}, "
                f"last row {seen[-last:].mean():.1%}, standard deviation {100 * seen.std(ddof=1):.1f} points, "
                f"{len(seen)} networks, {time.process_time() - begin:.0f} s of CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
