"""The shape rules of sources, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        # Sources.
        ('type: "Parameter" parameter_param { shape { dim: 3 dim: 4 } }', [], [(3, 4)]),
        ('type: "DummyData" top: "a" top: "b" dummy_data_param { num: 2 channels: 3 channels: 1 height: 4 width: 5 }',
         [],
         [(2, 3, 4, 5), (2, 1, 4, 5)]),
        ('type: "Data" top: "d" top: "l" data_param { batch_size: 8 } transform_param { crop_size: 227 }', [],
         [(8, 3, 227, 227), (8,)]),
        ('type: "ImageData" top: "d" top: "l" image_data_param { new_height: 6 new_width: 7 is_color: false }', [],
         [(1, 1, 6, 7), (1,)]),
        ('type: "ImageData" top: "d" top: "l" transform_param { crop_h: 6 crop_w: 7 }', [], [(1, 3, 6, 7), (1,)]),
        ('type: "MemoryData" top: "d" top: "l" memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }', [],
         [(2, 3, 4, 5), (2,)]),
        ('type: "WindowData" top: "d" top: "l" window_data_param { batch_size: 2 } transform_param { crop_size: 9 }',
         [], [(2, 3, 9, 9), (2,)]),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "Data" data_param { batch_size: 2 }', [], "give this input's shape"),
        ('type: "ImageData" top: "a" top: "b"', [], "give this input's shape"),
        ('type: "HDF5Data" hdf5_data_param { batch_size: 2 }', [], "give this input's shape"),
        ('type: "Input" top: "a" top: "b" top: "c" input_param { shape { dim: 1 } shape { dim: 2 } }', [], "1 or 3"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
