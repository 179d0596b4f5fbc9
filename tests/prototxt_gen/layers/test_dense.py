"""The shape rules of dense, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "blobs"),
    [
        ('type: "InnerProduct" inner_product_param { num_output: 4 axis: -1 }', [(2, 3, 5)], [(4, 5), (4,)]),
        ('type: "InnerProduct" inner_product_param { num_output: 4 transpose: true bias_term: false }', [(2, 3, 5)],
         [(15, 4)]),
        ('type: "Embed" embed_param { num_output: 4 input_dim: 10 }', [(7, 2)], [(10, 4), (4,)]),
    ],
)  # fmt: skip
def test_blobs(layer: str, bottoms: list[Shape], blobs: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).blobs) == blobs


@pytest.mark.parametrize(
    ("layer", "bottoms", "expected"),
    [
        ('type: "InnerProduct" inner_product_param { num_output: 4 axis: 2 }', [(2, 3, 5)], 2 * 3 * 5 * 4),
    ],
)  # fmt: skip
def test_multiply_adds(layer: str, bottoms: list[Shape], expected: int, apply) -> None:
    assert apply(layer, *bottoms).multiply_adds == expected


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "InnerProduct" inner_product_param { num_output: 2 axis: 2 }', [(3, 4)], "axis"),
        # Caffe: "K_ == new_K, Input size incompatible with inner product parameters", when it runs in place.
        ('type: "InnerProduct" bottom: "b" top: "b" inner_product_param { num_output: 2 }', [(3, 4)], "in place"),
        # Caffe: blob.cpp, "Check failed: data_": it asks for memory where there is none.
        ('type: "InnerProduct" inner_product_param { num_output: 2 }', [(0, 4)], "1 number or more"),
        ('type: "InnerProduct" inner_product_param { num_output: 2 }', [(3, 0)], "1 number or more"),
        ('type: "Embed" embed_param { num_output: 2 input_dim: 3 }', [(3, 0)], "1 number or more"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
