"""dongfeng list: the networks of the zoo with their costs and what was published of them."""

from __future__ import annotations

import argparse

from caffe_zoo.cards import CARDS
from prototxt_gen.generator.networks import generate
from prototxt_gen.tables import aligned
from prototxt_gen.trace import trace

EXAMPLE = "dongfeng list"

_SCORES = {"top1": "top-1", "top5": "top-5", "miou_val": "mIoU"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments of its own."""


def run(args: argparse.Namespace) -> int:
    """Prints the table."""
    rows = [("name", "input", "parameters", "multiply-adds", *_SCORES.values(), "architecture")]
    for card in CARDS.values():
        height, width = card.preprocessing.crop
        layers = trace(generate(card.architecture, input_shape=(1, 3, height, width)))
        rows.append(
            (
                card.name,
                f"{height}x{width}",
                f"{sum(layer.parameters for layer in layers) / 1e6:.2f} M",
                f"{sum(layer.multiply_adds for layer in layers) / 1e6:.2f} M",
                *(f"{card.results[key]:.2%}" if key in card.results else "-" for key in _SCORES),
                str(card.architecture),
            )
        )
    print("\n".join(aligned(rows, right=range(1, len(rows[0]) - 1))))
    return 0
