"""Activations compute the same by one another."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from tests.filling import fill_weights
from tests.targets import check_forms, largest_difference, made_target, one_layer, rule

SHAPE = (2, 3, 4, 5)

FORMS = {
    "ReLU6": ('type: "ReLU6"', {"Clip", "ReLU Power ReLU Power", "ReLU Power ReLU Eltwise"}),
    "Clip 0 to 6": ('type: "Clip" clip_param { min: 0 max: 6 }', {"ReLU6", "ReLU Power ReLU Eltwise"}),
    "Clip": ('type: "Clip" clip_param { min: -1.5 max: 2 }', {"Power ReLU Power ReLU Eltwise Power"}),
    "ReLU with a slope": ('type: "ReLU" relu_param { negative_slope: 0.1 }', {"PReLU", "ReLU Power ReLU Eltwise"}),
    "PReLU": ('type: "PReLU"', {"ReLU Power ReLU Scale Eltwise"}),
    "AbsVal": ('type: "AbsVal"', {"ReLU Power ReLU Eltwise"}),
    "Swish": ('type: "Swish"', {"Sigmoid Eltwise"}),
    "Swish with beta": ('type: "Swish" swish_param { beta: 0.5 }', {"Power Sigmoid Eltwise"}),
    "TanH": ('type: "TanH"', {"Power Sigmoid Power"}),
    "Sigmoid": ('type: "Sigmoid"', {"Power TanH Power"}),
    "ELU": ('type: "ELU" elu_param { alpha: 0.7 }', {"ReLU Power ReLU Exp Power Eltwise"}),
}


@pytest.mark.parametrize(("layer", "expected"), FORMS.values(), ids=FORMS)
def test_every_form_computes_the_same(layer, expected):
    found = {types for forms in check_forms(one_layer(layer, SHAPE)).values() for types in forms}
    assert expected <= found


def test_a_clip_where_there_is_but_relu():
    net = one_layer('type: "Clip" clip_param { min: -1 max: 3 }', SHAPE)
    for types in (("ReLU", "Power", "Eltwise"), ("ReLU", "Power")):
        made = rewritten(net, {}, made_target(*types))
        assert made.report.passed
        assert largest_difference(net, {}, made) <= 1e-6


def test_coefficients_are_left_out_where_the_target_does_not_read_them():
    net = one_layer('type: "ReLU" relu_param { negative_slope: 0.5 }', SHAPE)
    rules = [rule("Eltwise", "coeff == []", "silent"), rule("ReLU", "negative_slope == 0")]
    made = rewritten(net, {}, made_target("ReLU", "Power", "Eltwise", rules=rules))
    assert made.report.passed
    assert not [layer for layer in made.net.layer if layer.eltwise_param.coeff]
    assert largest_difference(net, {}, made) <= 1e-6


def test_equal_slopes_are_one_slope_and_others_are_not():
    net = one_layer('type: "PReLU"', SHAPE)
    alike = {"old": [np.full(3, 0.25, np.float32)]}
    made = rewritten(net, alike, made_target("ReLU"))
    assert made.report.passed and made.weights == {}
    assert largest_difference(net, alike, made) == 0
    assert not rewritten(net, fill_weights(net), made_target("ReLU")).report.passed
    assert not rewritten(net, None, made_target("ReLU")).report.passed


def test_an_upside_down_clip_stays():
    net = one_layer('type: "Clip" clip_param { min: 2 max: 1 }', SHAPE)
    assert check_forms(net) == {}
