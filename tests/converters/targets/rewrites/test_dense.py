"""InnerProduct and Convolution compute the same by one another."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from tests.filling import fill_weights
from tests.targets import check_forms, largest_difference, made_target, one_layer, rule

SHAPE = (2, 3, 4, 5)
FIELDS = {"InnerProduct": "inner_product_param"}

FORMS = {
    "a map": ("InnerProduct", "num_output: 6", SHAPE, {"Convolution Flatten", "Convolution Reshape"}),
    "transposed": ("InnerProduct", "num_output: 6 transpose: true bias_term: false", SHAPE, {"InnerProduct"}),
    "numbers": ("InnerProduct", "num_output: 6", (2, 7), {"Reshape Convolution Flatten"}),
    "the last axis": ("InnerProduct", "num_output: 6 axis: -1", SHAPE, {"Permute Convolution Permute"}),
    "the whole map": ("Convolution", "num_output: 6 kernel_h: 4 kernel_w: 5", SHAPE, {"InnerProduct Reshape"}),
    "no bias": ("Convolution", "num_output: 6 kernel_size: 3 bias_term: false", SHAPE, {"Convolution"}),
}


@pytest.mark.parametrize(("kind", "options", "shape", "expected"), FORMS.values(), ids=FORMS)
def test_every_form_computes_the_same(kind, options, shape, expected):
    field = FIELDS.get(kind, "convolution_param")
    found = check_forms(one_layer(f'type: "{kind}" {field} {{ {options} }}', shape))
    assert expected <= {types for forms in found.values() for types in forms}


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution", "InnerProduct"])
def test_a_bias_of_zeros_where_the_target_reads_one(kind):
    size = "" if kind == "InnerProduct" else "kernel_size: 3"
    field = FIELDS.get(kind, "convolution_param")
    net = one_layer(f'type: "{kind}" {field} {{ num_output: 6 bias_term: false {size} }}', SHAPE)
    weights = fill_weights(net)
    made = rewritten(net, weights, made_target(kind, rules=[rule(kind, "bias_term")]))
    assert [len(blobs) for blobs in made.weights.values()] == [2]
    assert largest_difference(net, weights, made) == 0


def test_without_weights_the_layers_are_the_same():
    net = one_layer('type: "InnerProduct" inner_product_param { num_output: 6 }', SHAPE)
    target = made_target("Convolution", "Flatten")
    assert rewritten(net, None, target).net == rewritten(net, fill_weights(net), target).net
    assert rewritten(net, None, target).fixed == {}
