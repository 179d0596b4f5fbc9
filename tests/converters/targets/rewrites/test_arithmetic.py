"""Power, maxima and Reduction compute the same by other layers; so do the other forms of Scale, Bias and Eltwise."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from tests.filling import fill_weights
from tests.targets import check_forms, largest_difference, made_target, one_layer, rule

SHAPE = (2, 3, 4, 5)

FORMS = {
    "Power": ('type: "Power" power_param { scale: 2 shift: -1 }', [SHAPE], {"Scale", "Convolution"}),
    "a factor": ('type: "Power" power_param { scale: 2 }', [SHAPE], {"Scale", "Convolution"}),
    "a square": ('type: "Power" power_param { power: 2 }', [SHAPE], {"Eltwise"}),
    "a seventh power": ('type: "Power" power_param { power: 7 scale: 0.1 }', [SHAPE], {"Power" + " Eltwise" * 4}),
    "Scale": ('type: "Scale"', [SHAPE], {"Scale"}),
    "a maximum": ('type: "Eltwise" eltwise_param { operation: MAX }', [SHAPE] * 2, {"Power Eltwise ReLU Eltwise"}),
    "a mean": (
        'type: "Reduction" reduction_param { operation: MEAN axis: 2 coeff: 3 }',
        [SHAPE],
        {"Pooling Power Flatten"},
    ),
    "a sum": ('type: "Reduction" reduction_param { operation: SUM axis: 2 }', [SHAPE], {"Pooling Power Flatten"}),
}


@pytest.mark.parametrize(("layer", "shapes", "expected"), FORMS.values(), ids=FORMS)
def test_every_form_computes_the_same(layer, shapes, expected):
    found = {types for forms in check_forms(one_layer(layer, *shapes)).values() for types in forms}
    assert expected <= found


def test_a_scale_that_lacks_the_bias_its_target_reads():
    net = one_layer('type: "Scale"', SHAPE)
    weights = fill_weights(net)
    made = rewritten(net, weights, made_target("Scale", rules=[rule("Scale", "bias_term")]))
    assert [len(blobs) for blobs in made.weights.values()] == [2]
    assert largest_difference(net, weights, made) == 0
