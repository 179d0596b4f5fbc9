"""Layers that move numbers compute the same by one another, and by convolutions with weights 0 and 1."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from tests.targets import check_forms, largest_difference, made_target, one_layer, rule

SHAPE = (2, 6, 4, 5)

FORMS = {
    "Reshape": ('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } }', [SHAPE], {"Flatten"}),
    "Slice": ('type: "Slice" top: "a" top: "b"', [SHAPE], {"Convolution Convolution", "Slice"}),
    "Slice at a point": (
        'type: "Slice" top: "a" top: "b" slice_param { slice_point: 2 }',
        [SHAPE],
        {"Convolution Convolution"},
    ),
    "Concat": ('type: "Concat"', [SHAPE, (2, 3, 4, 5)], {"Convolution Convolution Eltwise"}),
    "a Tile of channels": ('type: "Tile" tile_param { tiles: 2 }', [SHAPE], {"Convolution"}),
    "a Tile of one row": ('type: "Tile" tile_param { axis: 2 tiles: 3 }', [(2, 6, 1, 5)], {"Deconvolution"}),
    "a Tile of rows": ('type: "Tile" tile_param { axis: 2 tiles: 3 }', [SHAPE], {"Convolution"}),
    "a Crop": ('type: "Crop" crop_param { offset: 1 }', [SHAPE, (2, 1, 2, 3)], {"Convolution Convolution"}),
}


@pytest.mark.parametrize(("layer", "shapes", "expected"), FORMS.values(), ids=FORMS)
def test_every_form_computes_the_same(layer, shapes, expected):
    found = {types for forms in check_forms(one_layer(layer, *shapes)).values() for types in forms}
    assert expected <= found


def test_a_shuffle_unit_where_there_is_no_slice():
    net = one_layer('type: "Slice" top: "a" top: "b"', SHAPE)
    made = rewritten(net, {}, made_target("Convolution"))
    assert made.report.passed
    assert largest_difference(net, {}, made, {"a": "a", "b": "b"}) == 0


def test_slice_points_are_stated_where_the_target_asks_for_them():
    net = one_layer('type: "Slice" top: "a" top: "b" top: "c"', SHAPE)
    made = rewritten(net, {}, made_target("Slice", rules=[rule("Slice", "len(slice_point) == tops - 1")]))
    assert list(made.net.layer[1].slice_param.slice_point) == [2, 4]
