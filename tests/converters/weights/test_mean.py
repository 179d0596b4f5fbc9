"""Mean files: what Caffe wrote, there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.weights.mean import load_mean, save_mean
from prototxt_gen.errors import FormatError, WeightsError
from prototxt_gen.proto import BlobProto
from tests.caffe_files import caffe_file

# What compute_image_mean of BVLC Caffe 1.0 wrote of two images of 3x2 pixels.
MEAN = bytes.fromhex(
    "08011003180220032a48000018410000b841000012420000484200007e4200009a420000a04000009441000000420000364200006c42000091"
    "420000003f000060410000dc410000244200005a4200008842"
)


def test_the_bytes_of_caffe(tmp_path: Path) -> None:
    (tmp_path / "mean.binaryproto").write_bytes(MEAN)
    found = load_mean(tmp_path / "mean.binaryproto")
    channels = [
        [[first, first + 13.5, first + 27], [first + 40.5, first + 54, first + 67.5]] for first in (9.5, 5, 0.5)
    ]
    assert found.tolist() == [channels]
    save_mean(found, tmp_path / "again.binaryproto")
    assert (tmp_path / "again.binaryproto").read_bytes() == MEAN


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


@pytest.mark.parametrize("name", ["spelled/v2", "spelled/v1", "layers/dense"])
def test_other_files_are_no_mean(name: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="not a mean file"):
        load_mean(caffe_file(name, tmp_path))
