"""dongfeng list: the networks of the zoo with their costs and what was published of them."""

from __future__ import annotations

import argparse

from caffe_zoo.cards import CARDS
from prototxt_gen.generator.networks import generate
from prototxt_gen.summary import summarize

EXAMPLE = "dongfeng list"

_SCORES = {"top1": "top-1", "top5": "top-5", "miou_val": "mIoU"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments of its own."""


def run(args: argparse.Namespace) -> int:
    """Prints the table."""
    heads = " ".join(f"{head:>7}" for head in _SCORES.values())
    print(f"{'name':<14} {'input':>9} {'parameters':>11} {'multiply-adds':>13} {heads}  architecture")
    for card in CARDS.values():
        height, width = card.preprocessing.crop
        summary = summarize(generate(card.architecture, input_shape=(1, 3, height, width)))
        scores = (f"{card.results[key]:7.2%}" if key in card.results else f"{'-':>7}" for key in _SCORES)
        print(
            f"{card.name:<14} {f'{height}x{width}':>9} {summary.parameters / 1e6:>9.2f} M "
            f"{summary.multiply_adds / 1e6:>11.2f} M {' '.join(scores)}  {card.architecture}"
        )
    return 0
