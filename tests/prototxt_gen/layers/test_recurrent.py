"""The shape rules of recurrent, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        # Recurrence with states and a static input.
        ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 2)], [(7, 2, 5)]),
        (
            'type: "LSTM" top: "h" top: "hT" top: "cT" recurrent_param { num_output: 5 expose_hidden: true }',
            [(7, 2, 3), (7, 2), (2, 9), (1, 2, 5), (1, 2, 5)],
            [(7, 2, 5), (1, 2, 5), (1, 2, 5)],
        ),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


@pytest.mark.parametrize(
    ("layer", "bottoms", "blobs"),
    [
        ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 2)], [(20, 3), (20,), (20, 5)]),
        ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 2), (2, 9)],
         [(20, 3), (20,), (20, 9), (20, 5)]),
        ('type: "RNN" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 2)], [(5, 3), (5,), (5, 5), (5, 5), (5,)]),
        ('type: "RNN" recurrent_param { num_output: 5 }', [(7, 2, 3, 4), (7, 2), (2, 9)],
         [(5, 12), (5,), (5, 9), (5, 5), (5, 5), (5,)]),
    ],
)  # fmt: skip
def test_blobs(layer: str, bottoms: list[Shape], blobs: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).blobs) == blobs


@pytest.mark.parametrize(
    ("layer", "bottoms", "expected"),
    [
        ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 2), (2, 9)],
             7 * 2 * 20 * (3 + 5) + 2 * 20 * 9),
    ],
)  # fmt: skip
def test_multiply_adds(layer: str, bottoms: list[Shape], expected: int, apply) -> None:
    assert apply(layer, *bottoms).multiply_adds == expected


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2), (7, 2)], "3 axes"),
        ('type: "LSTM" recurrent_param { num_output: 5 }', [(7, 2, 3), (7, 3)], r"bottom\[1\]"),
        ('type: "LSTM" bottom: "x" bottom: "c" top: "x" recurrent_param { num_output: 5 }',
         [(7, 2, 3), (7, 2)], "in place"),
        ('type: "RNN" recurrent_param { num_output: 5 expose_hidden: true }', [(7, 2, 3), (7, 2)], "bottom"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
