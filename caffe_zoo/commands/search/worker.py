"""dongfeng search worker: one more process that trains for a search, on this machine or another."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from caffe_zoo.commands.options import count
from caffe_zoo.commands.search.studies import add_storage, minutes, stopped_by_term
from caffe_zoo.commands.training import add_keep

EXAMPLE = (
    "dongfeng search worker --storage postgresql://search@db/search --data photos/ --out runs/photos --device cuda"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study to join; what differs between machines: folders and device."""
    add_storage(parser, required=True)
    parser.add_argument(
        "--data",
        default="digits",
        metavar="DATA",
        help="the images of the search, where they lie here: `digits` (default), `glyphs` or a folder",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where the weights go that this worker trains; workers may share it",
    )
    parser.add_argument("--device", default="cpu", help="where PyTorch trains: cpu (default), cuda, cuda:1, ...")
    parser.add_argument(
        "--threads", type=count, metavar="N", help="CPU threads to train with (default: PyTorch's choice)"
    )
    add_keep(parser)
    parser.add_argument(
        "--wait",
        type=minutes,
        default=0.0,
        metavar="MINUTES",
        help="how long to wait for the search to begin (default: it has begun)",
    )


def run(args: argparse.Namespace) -> int:
    """Trains until the search ends; returns the exit status."""
    import optuna
    import torch

    from search import counts_line, load_data, read_question, run_worker

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with stopped_by_term():
        try:
            question = read_question(args.storage, args.study, wait=60 * args.wait)
            data = load_data(args.data, question.space.input_shape)
            if args.threads:
                torch.set_num_threads(args.threads)
            search = run_worker(
                args.storage,
                data,
                args.out,
                study=args.study,
                device=args.device,
                progress=True,
                grace=args.grace,
                keep=args.keep or "boundary",
            )
        except KeyboardInterrupt:
            print(f"{args.out}: stopped; what it was training is given to other workers", file=sys.stderr)
            return 130
    print(counts_line(search.counts()))
    return 0
