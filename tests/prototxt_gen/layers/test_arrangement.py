"""The shape rules of arrangement, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        ('type: "Crop" crop_param { axis: -2 offset: 1 offset: 2 }', [(1, 2, 6, 7), (9, 9, 5, 5)], [(1, 2, 5, 5)]),
        ('type: "Crop" crop_param { axis: 1 offset: 1 }', [(1, 5, 6, 7), (9, 2, 5, 5)], [(1, 2, 5, 5)]),
        # Axes from the end, and their older names.
        ('type: "Concat" concat_param { axis: -1 }', [(2, 3), (2, 4)], [(2, 7)]),
        ('type: "Concat" concat_param { concat_dim: 0 }', [(2, 3), (1, 3)], [(3, 3)]),
        ('type: "Slice" top: "a" top: "b" slice_param { slice_dim: 0 slice_point: 1 }', [(4, 3)], [(1, 3), (3, 3)]),
        ('type: "Slice" top: "a" top: "b" slice_param { axis: -1 }', [(4, 6)], [(4, 3), (4, 3)]),
        ('type: "Flatten" flatten_param { axis: -3 end_axis: -2 }', [(2, 3, 4, 5)], [(2, 12, 5)]),
        ('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } }', [(2, 3, 4)], [(2, 12)]),
        ('type: "Reshape" reshape_param { shape { dim: 2 dim: -1 } axis: 1 num_axes: 1 }', [(2, 6, 4)], [(2, 2, 3, 4)]),
        ('type: "Reshape" reshape_param { shape { dim: 1 } axis: -1 num_axes: 0 }', [(2, 6)], [(2, 6, 1)]),
        ('type: "Reshape" reshape_param { shape { } }', [(1, 1)], [()]),
        ('type: "Reshape" reshape_param { shape { } }', [()], [()]),
        ('type: "Reshape"', [(1,)], [()]),
        ('type: "Reshape" reshape_param { shape { } axis: 1 num_axes: 1 }', [(2, 1, 3)], [(2, 3)]),
        ('type: "Reshape" reshape_param { shape { dim: -1 } }', [()], [(1,)]),
        ('type: "Slice" top: "a" slice_param { axis: 1 }', [(1, 6)], [(1, 6)]),
        ('type: "Tile" tile_param { axis: -1 tiles: 3 }', [(2, 4)], [(2, 12)]),
        ('type: "Permute" permute_param { order: 0 order: 2 order: 3 }', [(2, 3, 4, 5)], [(2, 4, 5, 3)]),
        ('type: "BatchReindex"', [(2, 3, 4), (7,)], [(7, 3, 4)]),
        ('type: "Filter" top: "a" top: "b"', [(4, 3), (4,), (4, 1, 1)], [(4, 3), (4,)]),
        ('type: "Silence"', [(4, 3), (4,)], []),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "Crop" crop_param { offset: 3 }', [(1, 2, 5, 5), (1, 2, 3, 3)], "offset"),
        ('type: "Crop" crop_param { axis: 1 offset: 1 offset: 1 }', [(1, 2, 5, 5), (1, 2, 3, 3)], "offset"),
        ('type: "Concat"', [(1, 2, 5), (1, 2, 4)], r"bottom\[1\]: found shape \(1, 2, 4\)"),
        ('type: "Concat" concat_param { axis: 1 concat_dim: 1 }', [(1, 2, 5)], "concat_dim"),
        ('type: "Concat" concat_param { concat_dim: 3 }', [(1, 2, 5)], "concat_dim"),
        ('type: "Slice" top: "a" top: "b" top: "c"', [(2, 4)], "divisor"),
        ('type: "Slice" top: "a" top: "b" top: "c" slice_param { slice_point: 2 slice_point: 2 }',
         [(2, 4)], "slice_point"),
        ('type: "Slice" top: "a" top: "b" slice_param { slice_point: 5 }', [(2, 4)], "slice_point"),
        # Caffe sets the first up, and ends at the first read of the empty top: blob.cpp, "Check failed: data_".
        ('type: "Slice" top: "a" top: "b" slice_param { slice_point: 4 }', [(2, 4)], "no empty part"),
        ('type: "Slice" top: "a" top: "b" slice_param { slice_point: 0 }', [(2, 4)], "rising points from 1 to 3"),
        ('type: "Slice" top: "a" top: "b"', [(2, 0)], "1 number or more"),
        ('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } }', [(0, 3)], "1 number or more"),
        # In place Caffe reads the bottom by the top's shape, and ends.
        ('type: "Tile" bottom: "b" top: "b" tile_param { tiles: 2 }', [(2, 4)], "in place"),
        ('type: "Filter" bottom: "b" bottom: "c" top: "b"', [(2, 4), (2,)], "in place"),
        ('type: "Slice" top: "a" slice_param { slice_point: 3 }', [(2, 4)], "1 points"),
        # Caffe: slice_layer.cpp, "count == bottom[0]->count()"; split_layer.cpp, "does not allow in-place computation".
        ('type: "Slice" bottom: "b" top: "b" top: "c"', [(2, 4)], "in place"),
        ('type: "Split" bottom: "b" top: "b" top: "c"', [(2, 4)], "in place"),
        ('type: "Reshape" reshape_param { shape { dim: -1 dim: -1 } }', [(2, 4)], "-1 at most once"),
        ('type: "Reshape" reshape_param { shape { dim: 3 dim: -1 } }', [(2, 4)], "divisor"),
        ('type: "Reshape" reshape_param { shape { dim: 3 } }', [(2, 4)], "numbers"),
        ('type: "Reshape" reshape_param { shape { dim: 2 dim: 4 dim: 0 } }', [(2, 4)], "axis to copy"),
        ('type: "Tile"', [(2, 4)], "tiles"),
        ('type: "Permute" permute_param { order: 1 order: 1 }', [(7, 2)], "order"),
        ('type: "ShuffleChannel" shuffle_channel_param { group: 4 }', [(7, 6, 2, 2)], "group"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
