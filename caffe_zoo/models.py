"""The zoo's networks by name, as PyTorch modules."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from caffe_zoo.cards import CARDS, card
from prototxt_gen.networks import generate

if TYPE_CHECKING:
    from torch import nn


def list_models() -> list[str]:
    """The names that `card` and `create_model` know."""
    return list(CARDS)


def create_model(
    name: str, weights: str | os.PathLike[str] | Mapping[str, Sequence[np.ndarray]] | None = None
) -> nn.Module:
    """The network as a PyTorch module: images (N, 3, 224, 224), preprocessed as its card says, to logits (N, 1000).

    `weights` is a file of the release (merged or not is told apart by its layers), or what `load_weights` gives;
    without it the module is freshly initialised. Nothing is downloaded. With weights it is in evaluation mode.
    """
    # torch takes seconds to import; the names and cards of the zoo should not wait for it.
    from converters.module import to_torch
    from converters.weights import load_weights

    architecture = card(name).architecture
    if weights is None:
        return to_torch(generate(architecture))
    if isinstance(weights, str | os.PathLike):
        weights = load_weights(weights)
    merged = not any(layer.endswith("/bn") for layer in weights)
    return to_torch(generate(architecture, merged=merged), weights).eval()
