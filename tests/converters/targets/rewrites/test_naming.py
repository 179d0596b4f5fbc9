"""Long names are cut: unique, both ends of them, weights along."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters.targets.rewrites.naming import shortened
from converters.targets.rewriting import rewritten
from prototxt_gen import generate
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text
from tests.filling import fill_weights
from tests.targets import largest_difference, made_target, rule


@pytest.mark.parametrize(
    ("name", "limit", "taken", "wanted"),
    [
        ("stage4.block12.branch2.depthwise", 16, (), "stage_depthwise"),
        ("stage4.block12.branch2.depthwise", 16, ("stage_.depthwise",), None),
        ("abcdef", 2, (), None),
        ("abcdef", 1, ("1",), "2"),
    ],
)
def test_what_is_left_of_a_name(name, limit, taken, wanted):
    found = shortened(name, limit, taken)
    assert len(found) <= limit and found not in taken
    if wanted is not None and limit == 1:
        assert found == wanted


def test_many_names_stay_apart():
    names = [f"stage{one}.block{two}.conv.depthwise" for one in range(30) for two in range(30)]
    taken: set[str] = set()
    for name in names:
        taken.add(shortened(name, 12, taken))
    assert len(taken) == 900
    assert max(map(len, taken)) <= 12


@pytest.mark.parametrize("limit", [8, 12, 20])
def test_a_network_with_short_names_computes_the_same(limit):
    net = generate("m8_i8e1_i16e3-16e3q_c5", input_shape=(1, 3, 32, 32))
    weights = fill_weights(net)
    types = {layer.type for layer in net.layer}
    made = rewritten(net, weights, made_target(*types, rules=[rule("*", f"name_length <= {limit}")]))
    assert made.report.faults == ()
    names = [layer.name for layer in made.net.layer]
    assert len(set(names)) == len(names) and max(map(len, names)) <= limit
    assert set(made.weights) <= set(names)
    assert made.renamed and all(len(old) > limit >= len(new) for old, new in made.renamed.items())
    assert largest_difference(net, weights, made) == 0


def test_names_of_inputs_and_of_layers_in_place_are_cut_as_well():
    net = parse_text(
        """
        layer { name: "the_images_themselves" type: "Input" top: "the_images_themselves"
                input_param { shape { dim: 1 dim: 4 } } }
        layer { name: "the_first_dense_layer" type: "InnerProduct" bottom: "the_images_themselves"
                top: "the_first_dense_layer" inner_product_param { num_output: 8 } }
        layer { name: "the_first_dense_layer_relu" type: "ReLU" bottom: "the_first_dense_layer"
                top: "the_first_dense_layer" }
        """,
        NetParameter(),
    )
    weights = fill_weights(net)
    made = rewritten(net, weights, made_target("InnerProduct", "ReLU", rules=[rule("*", "name_length < 10")]))
    assert made.report.faults == ()
    assert len(made.renamed) == 3
    assert made.net.layer[2].bottom == made.net.layer[2].top == made.net.layer[1].top
    assert largest_difference(net, weights, made) == 0
