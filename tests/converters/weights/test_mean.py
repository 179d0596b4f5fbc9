"""Mean files: what Caffe wrote, there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.weights.mean import load_mean, save_mean
from prototxt_gen.errors import FormatError, WeightsError
from prototxt_gen.proto import BlobProto


def test_the_mean_of_caffe(reference: Path) -> None:
    found = load_mean(reference / "legacy" / "mean.binaryproto")
    assert np.array_equal(found, np.load(reference / "legacy" / "mean.npy"))


@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 3, 5, 4)])
def test_a_mean_goes_both_ways(shape: tuple[int, ...], tmp_path: Path) -> None:
    mean = np.random.default_rng(0).random(shape)
    path = tmp_path / "mean.binaryproto"
    save_mean(mean, path)
    assert np.array_equal(load_mean(path), mean.astype(np.float32).reshape(1, 3, 5, 4))
    blob = BlobProto.FromString(path.read_bytes())
    assert (blob.num, blob.channels, blob.height, blob.width, len(blob.data)) == (1, 3, 5, 4, 60)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 5, 4), (5, 4)])
def test_what_is_no_mean_is_not_written(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="expected"):
        save_mean(np.ones(shape), tmp_path / "mean.binaryproto")


def test_other_files_are_no_mean(reference: Path) -> None:
    with pytest.raises(FormatError, match="not a mean file"):
        load_mean(reference / "legacy" / "v2.caffemodel")
