"""Layers in other words compute what they did, by PyTorch; each word goes where a target does not take it."""

from __future__ import annotations

import pytest

from converters.targets.rewriting import rewritten
from prototxt_gen import NetParameter
from prototxt_gen.text import parse_text
from tests.targets import check_forms, largest_difference, made_target, one_layer, rule

MAP = (2, 6, 4, 5)
FORMS = [
    # the layer, the shapes of its bottoms, the rewrite, the layers of one of its forms
    ('type: "Softmax" softmax_param { axis: -2 }', [MAP], "axes counted from the front", "Softmax"),
    ('type: "Reshape" reshape_param { axis: -1 shape { dim: 1 } }', [MAP], "axes counted from the front", "Reshape"),
    ('type: "Flatten" flatten_param { axis: -3 end_axis: -2 }', [MAP], "axes counted from the front", "Flatten"),
    ('type: "Concat" concat_param { concat_dim: 2 }', [MAP, MAP], "axes counted from the front", "Concat"),
    ('type: "Slice" top: "a" top: "b" slice_param { slice_dim: 2 }', [MAP], "axes counted from the front", "Slice"),
    ('type: "InnerProduct" inner_product_param { num_output: 3 transpose: true }', [MAP], "weights transposed",
     "InnerProduct"),
    ('type: "InnerProduct" inner_product_param { num_output: 3 axis: 2 transpose: true bias_term: false }', [MAP],
     "weights transposed", "InnerProduct"),
    ('type: "Concat"', [MAP], "one bottom passed on", "Split"),
    ('type: "Concat"', [MAP], "one bottom passed on", "Power"),
    ('type: "Reshape" reshape_param { axis: 1 num_axes: 0 shape { dim: 1 } }', [MAP], "the whole shape", "Reshape"),
    ('type: "Reshape" reshape_param { axis: 4 shape { dim: 1 dim: 1 } }', [MAP], "the whole shape", "Reshape"),
    ('type: "Reshape" reshape_param { axis: 1 num_axes: 2 shape { dim: -1 } }', [MAP], "the whole shape", "Reshape"),
    ('type: "Flatten" flatten_param { axis: 1 end_axis: 2 }', [MAP], "the whole shape", "Reshape"),
    ('type: "Flatten" flatten_param { axis: 0 }', [MAP], "the whole shape", "Reshape"),
    ('type: "Permute" permute_param { order: 2 order: 0 }', [MAP], "all axes", "Permute"),
    ('type: "Pooling" pooling_param { global_pooling: true }', [MAP], "the kind stated", "Pooling"),
    ('type: "Pooling" pooling_param { kernel_size: 2 round_mode: CEIL }', [MAP], "the kind stated", "Pooling"),
    ('type: "LRN" lrn_param { local_size: 3 }', [MAP], "k taken out", "LRN"),
    ('type: "LRN" lrn_param { local_size: 3 alpha: 2 beta: 0.6 k: 3 }', [MAP], "k taken out", "LRN Power"),
    ('type: "LRN" lrn_param { local_size: 3 k: 3 norm_region: WITHIN_CHANNEL }', [MAP], "k taken out", "LRN"),
    ('type: "Swish" swish_param { beta: 2 }', [MAP], "factors by Powers", "Power Swish Power"),
    ('type: "Swish" swish_param { beta: 0 }', [MAP], "factors by Powers", "Power"),
    ('type: "Exp" exp_param { base: 2 scale: 0.5 shift: 1 }', [MAP], "factors by Powers", "Power Exp"),
    ('type: "Exp"', [MAP], "factors by Powers", "Exp"),
    ('type: "Log" log_param { base: 10 scale: 0.1 shift: 9 }', [MAP], "factors by Powers", "Power Log Power"),
    ('type: "Interp" interp_param { zoom_factor: 2 shrink_factor: 3 }', [MAP], "its size stated", "Interp"),
    ('type: "Interp"', [MAP, (2, 3, 9, 8)], "its size stated", "Interp"),
    ('type: "Scale" scale_param { bias_term: true }', [MAP, (6, 4)], "a bias of its own", "Scale Bias"),
    ('type: "Normalize" norm_param { channel_shared: false }', [MAP], "factors of channels behind",
     "Normalize Scale"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shapes", "rewrite", "types"), FORMS, ids=lambda value: str(value)[:60])
def test_each_form_computes_the_same(layer, shapes, rewrite, types):
    assert types in check_forms(one_layer(layer, *shapes))[rewrite]


@pytest.mark.parametrize(
    ("layer", "rewrite"),
    [
        ('type: "Softmax" softmax_param { axis: 2 }', "axes counted from the front"),
        ('type: "InnerProduct" inner_product_param { num_output: 3 }', "weights transposed"),
        ('type: "InnerProduct" param { name: "w" } inner_product_param { num_output: 3 transpose: true }',
         "weights transposed"),
        ('type: "Interp" interp_param { zoom_factor: 2 pad_beg: -1 }', "its size stated"),
        ('type: "Normalize" norm_param { channel_shared: true }', "factors of channels behind"),
        ('type: "Permute" permute_param { order: 0 order: 1 order: 3 order: 2 }', "all axes"),
    ],
)  # fmt: skip
def test_what_is_said_already_or_has_no_other_word_stays(layer, rewrite):
    assert rewrite not in check_forms(one_layer(layer, MAP))


NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 6 } } }
layer { name: "z" type: "Input" top: "z" input_param { shape { dim: 1 dim: 6 } } }
layer { name: "cut" type: "Slice" bottom: "x" top: "a" top: "b" top: "c" }
layer { name: "t" type: "TanH" bottom: "b" top: "t" }
"""


def test_tops_that_no_layer_takes_are_passed_on():
    net = parse_text(NET, NetParameter())
    del net.layer[1]
    target = made_target("Slice", "TanH", "Power", rules=[rule("Slice", "untaken == 0")])
    made = rewritten(net, {}, target)
    assert made.report.passed
    assert [(layer.type, list(layer.top)) for layer in made.net.layer] == [
        ("Input", ["x"]), ("Slice", ["a/inner", "b", "c/inner"]), ("Power", ["a"]), ("Power", ["c"]), ("TanH", ["t"])
    ]  # fmt: skip
    assert largest_difference(net, {}, made) == 0
    assert not rewritten(net, {}, made_target("Slice", "TanH", rules=[rule("Slice", "untaken == 0")])).changes


def test_inputs_that_no_layer_takes_are_left_out():
    net = parse_text(NET, NetParameter())
    made = rewritten(net, {}, made_target("Slice", "TanH", rules=[rule("Input", "untaken == 0")]))
    assert made.report.passed
    assert [layer.name for layer in made.net.layer] == ["x", "cut", "t"]
