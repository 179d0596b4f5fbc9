"""The handwritten digits that scikit-learn carries: images for a search that needs no download."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from prototxt_gen.errors import NotInstalledError
from search.training.dataset import Dataset, Split, preprocess, resized

# The digits are few, so a third is held out: an accuracy is then known to half a percent.
HELD_OUT = 3


def digits(size: tuple[int, int]) -> Dataset:
    """The 1,797 handwritten digits of scikit-learn, 8x8 of 17 greys, enlarged to `size` (height, width).

    They are preprocessed as colour images are: three equal channels, Caffe's means and scale. So Caffe with the
    train_val.prototxt of a search, and any device that preprocesses for the DF networks, see the same numbers. A fixed
    third is held out. NotInstalledError without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as fault:
        raise NotInstalledError("scikit-learn", "digits", "the handwritten digits") from fault
    loaded = load_digits()
    # 16 is white; nearest whole greys, so that the images could be saved and read as they are.
    small = np.rint(loaded.images * (255 / 16)).astype(np.uint8)
    pixels = np.stack([resized(Image.fromarray(image), size[::-1]) for image in small])
    images = preprocess(np.repeat(pixels[..., None], 3, axis=-1))
    labels = torch.from_numpy(loaded.target.astype(np.int64))
    order = np.random.RandomState(0).permutation(len(labels))
    held_out, train = np.split(order, [len(order) // HELD_OUT])

    def split(chosen: NDArray[np.int64]) -> Split:
        kept = images[chosen]
        return Split(labels[chosen], lambda indices, rng: kept[list(indices)])

    identity = f"digits {size[0]}x{size[1]}"
    return Dataset(identity, tuple(map(str, loaded.target_names)), split(train), split(held_out))
