"""Spellings, BatchNorm, Scale, Bias and Eltwise in the words that a target has: the numbers stay."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from converters.targets.spellings import net_in_known_words
from prototxt_gen import generate
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text
from tests.filling import fill_weights
from tests.targets import largest_difference, made_target, rule

TWO = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 4 dim: 5 dim: 3 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: %s } } }
"""
MAP = "2 dim: 4 dim: 5 dim: 3"
DEPTHWISE = 'type: "%s" bottom: "a" convolution_param { num_output: 4 group: 4 kernel_size: 3 pad: 1 }'
COEFFICIENTS = [rule("Eltwise", "coeff == []"), rule("Eltwise", "bottoms == 2")]
NO_NEGATIVE = [rule("Scale", "not negative_axis")]
AXIS_ONE = [rule("Scale", "bottoms == 1 or axis == 1")]
TILES = ("Tile", "Reshape", "Eltwise")
SCALE_TWO = 'type: "Scale" bottom: "a" bottom: "b" scale_param { axis: %d }'
SUM_TWO = 'type: "Eltwise" bottom: "a" bottom: "b" eltwise_param { coeff: %s coeff: %s }'
THREE = 'type: "Eltwise" bottom: "a" bottom: "b" bottom: "a" eltwise_param { %s }'

#: The second input's sizes, the layer, the target, the types of the layers in its place.
CASES = [
    (MAP, DEPTHWISE % "Convolution", made_target("ConvolutionDepthwise"), "ConvolutionDepthwise"),
    (MAP, DEPTHWISE % "Convolution", made_target("DepthwiseConvolution"), "DepthwiseConvolution"),
    (MAP, DEPTHWISE % "DepthwiseConvolution", made_target("Convolution"), "Convolution"),
    (MAP, DEPTHWISE % "DepthwiseConv", made_target("ConvolutionDepthwise"), "ConvolutionDepthwise"),
    (MAP, 'type: "ReLU6" bottom: "a"', made_target("Relu6"), "Relu6"),
    (MAP, 'type: "Clip" bottom: "a" clip_param { min: 0 max: 6 }', made_target("Relu6"), "Relu6"),
    (MAP, 'type: "BatchNorm" bottom: "a"', made_target("Scale"), "Scale"),
    (MAP, 'type: "BatchNorm" bottom: "a"', made_target("Convolution"), "Convolution"),
    (MAP, 'type: "BatchNorm" bottom: "a"', made_target("DepthwiseConv"), "DepthwiseConv"),
    ("2 dim: 4", 'type: "BatchNorm" bottom: "b"', made_target("InnerProduct"), "InnerProduct"),
    (MAP, 'type: "Bias" bottom: "a"', made_target("Scale"), "Scale"),
    (MAP, 'type: "Bias" bottom: "a" bias_param { axis: 2 num_axes: 2 }', made_target("Scale"), "Scale"),
    (MAP, 'type: "Scale" bottom: "a" scale_param { bias_term: true }', made_target("Convolution"), "Convolution"),
    (MAP, 'type: "Scale" bottom: "a" scale_param { axis: -3 }', made_target("Scale", rules=NO_NEGATIVE), "Scale"),
    (MAP, 'type: "Scale" bottom: "a" scale_param { num_axes: 0 bias_term: true }', made_target("Convolution"),
     "Convolution"),
    ("2 dim: 4", SCALE_TWO % 0, made_target(*TILES), "Reshape Tile Tile Eltwise"),
    ("4", SCALE_TWO % 1, made_target(*TILES), "Reshape Tile Tile Tile Eltwise"),
    (MAP, SCALE_TWO % 0, made_target("Eltwise"), "Eltwise"),
    ("2 dim: 4", SCALE_TWO % 0, made_target("Deconvolution", "Reshape", "Eltwise"), "Reshape Deconvolution Eltwise"),
    (MAP, 'type: "Convolution" bottom: "a" convolution_param { num_output: 4 bias_term: false kernel_size: 2 }',
     made_target("Convolution", rules=[rule("Convolution", "bias_term")]), "Convolution"),
    (MAP, 'type: "InnerProduct" bottom: "a" inner_product_param { num_output: 4 bias_term: false }',
     made_target("InnerProduct", rules=[rule("InnerProduct", "bias_term")]), "InnerProduct"),
    (MAP, SUM_TWO % (1, -0.5), made_target("Eltwise", "Power", rules=COEFFICIENTS), "Power Eltwise"),
    (MAP, SUM_TWO % (2, -0.5), made_target("Eltwise", "Scale", rules=COEFFICIENTS), "Scale Scale Eltwise"),
    (MAP, SUM_TWO % (1, -1), made_target("Eltwise", "Convolution", rules=COEFFICIENTS), "Convolution Eltwise"),
    (MAP, SUM_TWO % (1, 1), made_target("Eltwise", rules=COEFFICIENTS), "Eltwise"),
    (MAP, THREE % "coeff: 1 coeff: 2 coeff: 1", made_target("Eltwise", rules=COEFFICIENTS[1:]), "Eltwise Eltwise"),
    (MAP, THREE % "coeff: 1 coeff: 2 coeff: 1", made_target("Eltwise", "Power", rules=COEFFICIENTS),
     "Power Eltwise Eltwise"),
    (MAP, THREE % "operation: PROD", made_target("Eltwise", rules=COEFFICIENTS), "Eltwise Eltwise"),
    (MAP, THREE % "operation: MAX", made_target("Eltwise", rules=COEFFICIENTS), "Eltwise Eltwise"),
]  # fmt: skip


@pytest.mark.parametrize(("second", "layer", "target", "wanted"), CASES)
def test_a_layer_in_other_words(second, layer, target, wanted):
    net = parse_text(TWO % second + f'layer {{ name: "y" top: "y" {layer} }}', NetParameter())
    for index in (1, 0):
        if net.layer[index].name not in net.layer[-1].bottom:
            del net.layer[index]
    weights = fill_weights(net_in_known_words(net))
    made = rewritten(net, weights, target)
    assert made.report.faults == () and made.exact
    assert [layer.type for layer in made.net.layer if layer.type != "Input"] == wanted.split()
    assert largest_difference(net, weights, made) <= 1e-5
    alone = rewritten(net, None, target)
    assert [layer.type for layer in alone.net.layer] == [layer.type for layer in made.net.layer]


@pytest.mark.parametrize(
    ("types", "rules", "wanted"),
    [(TILES, [], {"Tile"}), (("Scale", "Reshape", "Eltwise"), AXIS_ONE, {"Reshape", "Scale"})],
)
def test_squeeze_and_excitation_in_another_form(types, rules, wanted):
    net = generate("m8_i8e1_i16e3-e3q_c5", input_shape=(1, 3, 32, 32), merged=True)
    others = {layer.type for layer in net.layer} - {"Scale"}
    weights = fill_weights(net)
    made = rewritten(net, weights, made_target(*others, *types, rules=rules))
    assert made.report.faults == ()
    assert wanted <= {layer.type for layer in made.net.layer}
    assert largest_difference(net, weights, made) <= 1e-5
