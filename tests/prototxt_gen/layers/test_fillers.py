"""Which fillers Caffe has for which blobs (Caffe: filler.hpp)."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers import LAYERS
from prototxt_gen.layers.fillers import FILLERS, check_filler, filler_parameter
from prototxt_gen.proto import FillerParameter, LayerParameter
from prototxt_gen.text import parse_text


@pytest.mark.parametrize(
    ("kind", "shape", "accepted"),
    [
        *((kind, (4, 3, 2, 2), True) for kind in FILLERS),
        # Caffe: a Scale with num_axes 0 takes these for its one number, and ends on the others: "axis 0 out of range".
        ("constant", (), True),
        ("gaussian", (), True),
        ("uniform", (), True),
        ("xavier", (), False),
        ("msra", (), False),
        ("positive_unitball", (), False),
        ("bilinear", (), False),
        ("bilinear", (4, 3, 2, 3), False),
        ("orthogonal", (4, 3), False),
    ],
)
def test_fillers(kind: str, shape: tuple[int, ...], accepted: bool) -> None:
    filler = FillerParameter(type=kind)
    if accepted:
        check_filler(filler, shape)
    else:
        with pytest.raises(UnsupportedError, match=kind):
            check_filler(filler, shape)


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        ('type: "Scale" scale_param { filler { type: "gaussian" } bias_term: true }', ["gaussian", "constant"]),
        ('type: "PReLU"', ["constant"]),
        ('type: "InnerProduct" inner_product_param { num_output: 3 }', ["msra", "constant"]),
    ],
)
def test_the_filler_of_each_blob(layer: str, found: list[str]) -> None:
    message = parse_text(f'{layer} bottom: "x" top: "y"', LayerParameter())
    made = LAYERS[message.type].shape(message, [(2, 3)])
    assert [filler_parameter(message, made.fillers, index).type for index in range(len(made.blobs))] == found
