"""Layers in place get tops of their own where a target asks for it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from prototxt_gen import generate
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text
from tests.filling import fill_weights
from tests.targets import largest_difference, made_target, rule


def test_nothing_runs_in_place_where_a_target_takes_it_nowhere():
    net = generate("s8_b8_b16_c5", input_shape=(1, 3, 32, 32))
    weights = fill_weights(net)
    types = {layer.type for layer in net.layer}
    made = rewritten(net, weights, made_target(*types, rules=[rule("*", "not in_place")]))
    assert made.report.faults == () and made.renamed == {}
    assert not any(set(layer.top) & set(layer.bottom) for layer in made.net.layer)
    assert [layer.name for layer in made.net.layer] == [layer.name for layer in net.layer]
    assert largest_difference(net, weights, made) == 0


def test_only_the_input_is_left_alone_where_that_is_the_rule():
    net = parse_text(
        """
        layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "less" type: "Power" bottom: "data" top: "data" power_param { shift: -0.5 } }
        layer { name: "relu" type: "ReLU" bottom: "data" top: "data" }
        layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }
        layer { name: "end" type: "ReLU" bottom: "fc" top: "fc" }
        """,
        NetParameter(),
    )
    weights = fill_weights(net)
    made = rewritten(net, weights, made_target("Power", "ReLU", "InnerProduct", rules=[rule("*", "not on_input")]))
    assert made.report.faults == ()
    assert [(list(layer.bottom), list(layer.top)) for layer in made.net.layer] == [
        ([], ["data"]),
        (["data"], ["less"]),
        (["less"], ["less"]),
        (["less"], ["fc"]),
        (["fc"], ["fc"]),
    ]
    assert made.renamed == {"data": "less"}
    assert largest_difference(net, weights, made) == 0


def test_what_writes_through_a_view_stays():
    net = parse_text(
        """
        layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 2 } } }
        layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }
        layer { name: "relu" type: "ReLU" bottom: "flat" top: "flat" }
        layer { name: "abs" type: "AbsVal" bottom: "data" top: "abs" }
        """,
        NetParameter(),
    )
    made = rewritten(net, None, made_target("Flatten", "ReLU", "AbsVal", rules=[rule("*", "not in_place")]))
    assert [fault.layer for fault in made.report.faults] == ["relu"]


def test_a_top_that_must_not_be_written_over_is_not():
    net = parse_text(
        """
        layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "split" type: "Split" bottom: "data" top: "a" top: "b" }
        layer { name: "abs" type: "AbsVal" bottom: "b" top: "abs" }
        layer { name: "relu" type: "ReLU" bottom: "a" top: "a" }
        """,
        NetParameter(),
    )
    target = made_target("Split", "ReLU", "AbsVal", rules=[rule("Split", "written_over == 0", "silent")])
    made = rewritten(net, None, target)
    assert made.report.faults == ()
    assert list(made.net.layer[-1].top) == ["a"] and made.net.layer[-1].bottom != ["a"]
    assert largest_difference(net, {}, made) == 0
