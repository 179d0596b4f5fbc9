"""Batch norm goes into the layer before it, or into its Scale, where a target does not take it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text
from tests.filling import fill_weights
from tests.targets import largest_difference, made_target

BEGIN = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 5 dim: 3 } } }'
CONV = (
    'layer { name: "conv" type: "Convolution" bottom: "x" top: "x1"'
    " convolution_param { num_output: 4 kernel_size: 1 } }"
)
NORM = 'layer {{ name: "norm" type: "BatchNorm" bottom: "{0}" top: "{1}" }}'
SCALE = 'layer {{ name: "scale" type: "Scale" bottom: "{0}" top: "{1}" scale_param {{ bias_term: true }} }}'
POOL = 'layer { name: "pool" type: "Pooling" bottom: "x" top: "x1" pooling_param { kernel_size: 2 } }'


@pytest.mark.parametrize(
    ("layers", "taken", "wanted"),
    [
        ([CONV, NORM.format("x1", "x1"), SCALE.format("x1", "x1")], "Convolution", "Convolution"),
        ([POOL, NORM.format("x1", "x1"), SCALE.format("x1", "x1")], "Pooling Scale", "Pooling Scale"),
        ([POOL, NORM.format("x1", "y"), SCALE.format("y", "y")], "Pooling Scale", "Pooling Scale"),
        ([POOL, NORM.format("x1", "y"), SCALE.format("y", "z")], "Pooling Convolution", "Pooling Convolution"),
        ([NORM.format("x", "y"), SCALE.format("y", "y")], "Convolution", "Convolution"),
        ([NORM.format("x", "y")], "Convolution", "Convolution"),
        (
            [NORM.format("x", "y"), SCALE.format("y", "z"), 'layer { name: "r" type: "ReLU" bottom: "y" top: "r" }'],
            "Scale ReLU",
            "Scale Scale ReLU",
        ),
    ],
)
def test_where_a_batch_norm_goes(layers, taken, wanted):
    net = parse_text("\n".join([BEGIN, *layers]), NetParameter())
    weights = fill_weights(net)
    made = rewritten(net, weights, made_target(*taken.split()))
    assert made.report.faults == ()
    assert " ".join(layer.type for layer in made.net.layer[1:]) == wanted
    assert largest_difference(net, weights, made) <= 1e-5
    assert [layer.type for layer in rewritten(net, None, made_target(*taken.split())).net.layer][1:] == wanted.split()
