"""What layers are said to be: by their options, their shapes, their neighbours, as Caffe reads them."""

import pytest

from caffe_zoo.cards import CARDS
from converters.targets.facts import fact_names, facts_of, network_facts
from prototxt_gen import generate
from prototxt_gen.layers import LAYERS
from prototxt_gen.proto import LayerParameter, fields_of
from prototxt_gen.text import parse_text
from prototxt_gen.trace import trace

MAP = (2, 12, 15, 20)


def layer(text: str) -> LayerParameter:
    return parse_text(f'name: "x" bottom: "a" top: "x" {text}', LayerParameter())


@pytest.mark.parametrize(
    ("text", "bottoms", "expected"),
    [
        ('type: "ReLU"', [MAP], {"bottoms": 1, "tops": 1, "in_place": False, "given": [], "negative_slope": 0.0}),
        ('type: "ReLU" relu_param { negative_slope: 0.5 }', [MAP], {"given": ["negative_slope"],
         "negative_slope": 0.5}),
        ('type: "ReLU"', [MAP], {"axes": 4, "batch": 2, "channels": 12, "height": 15, "width": 20}),
        ('type: "ReLU"', [(2, 7)], {"axes": 2, "batch": 2, "channels": 7, "height": 1, "width": 1}),
        (
            'type: "Convolution" convolution_param { num_output: 8 kernel_h: 3 kernel_w: 5 pad: 1 stride: 2 group: 4 }',
            [MAP],
            {"kernel_h": 3, "kernel_w": 5, "pad_h": 1, "pad_w": 1, "stride_h": 2, "stride_w": 2, "dilation_h": 1,
             "group": 4, "depthwise": False, "bias": True, "has_weights": True, "repeated_kernel": False},
        ),
        (
            'type: "Convolution" convolution_param { num_output: 12 group: 12 kernel_size: 3 kernel_size: 5 '
            "dilation: 2 bias_term: false }",
            [MAP],
            {"kernel_h": 3, "kernel_w": 5, "dilation_h": 2, "dilation_w": 2, "depthwise": True, "bias": False,
             "repeated_kernel": True},
        ),
        ('type: "Convolution" convolution_param { num_output: 8 kernel_size: 3 kernel_size: 3 }', [MAP],
         {"kernel_w": 3, "repeated_kernel": False}),
        ('type: "DepthwiseConvolution" convolution_param { num_output: 12 kernel_size: 3 }', [MAP],
         {"group": 12, "depthwise": True}),
        ('type: "ConvolutionDepthwise" convolution_param { num_output: 12 kernel_size: 3 }', [MAP],
         {"type": "ConvolutionDepthwise", "group": 12, "kernel_h": 3}),
        ('type: "Convolution" convolution_param { num_output: 8 kernel_size: 3 }', [(2, 12, 40)],
         {"kernel_h": 1, "kernel_w": 3, "pad_h": 0}),
        # 15 and 20 by windows of 2: 8 x 10 rounded up, 7 x 10 rounded down.
        ('type: "Pooling" pooling_param { kernel_size: 2 stride: 2 }', [MAP],
         {"pool": "MAX", "rounds_up": True, "overhangs": True, "covers_map": False}),
        ('type: "Pooling" pooling_param { kernel_size: 3 stride: 1 round_mode: FLOOR }', [MAP],
         {"rounds_up": False, "overhangs": False}),
        ('type: "Pooling" pooling_param { pool: AVE global_pooling: true }', [MAP],
         {"pool": "AVE", "kernel_h": 15, "kernel_w": 20, "covers_map": True, "global_pooling": True}),
        ('type: "Pooling" pooling_param { kernel_h: 15 kernel_w: 20 }', [MAP],
         {"covers_map": True, "global_pooling": False}),
        ('type: "Softmax" softmax_param { axis: -1 }', [MAP], {"axis": 3, "negative_axis": True, "axis_size": 20}),
        ('type: "Softmax"', [MAP], {"axis": 1, "negative_axis": False, "axis_size": 12}),
        ('type: "Concat" concat_param { concat_dim: 0 }', [MAP], {"axis": 0, "axis_size": 2}),
        ('type: "Slice" slice_param { slice_dim: 3 }', [MAP], {"axis": 3}),
        ('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } axis: -1 }', [MAP], {"dims": [0, -1], "axis": 4}),
        ('type: "BatchNorm"', [MAP], {"global_stats": True}),
        ('type: "BatchNorm" batch_norm_param { use_global_stats: false }', [MAP], {"global_stats": False}),
        ('type: "Interp" interp_param { height: 30 width: 40 }', [MAP], {"height": 15, "given": ["height", "width"]}),
        ('type: "Permute" permute_param { order: 0 order: 2 order: 3 order: 1 }', [MAP], {"order": [0, 2, 3, 1]}),
        ('type: "Eltwise" bottom: "b" eltwise_param { operation: SUM coeff: 1 coeff: -1 }', [MAP, MAP],
         {"operation": "SUM", "coeff": [1, -1], "bottoms": 2, "distinct_bottoms": 2, "same_shapes": True}),
        ('type: "Eltwise" bottom: "a"', [MAP, MAP], {"bottoms": 2, "distinct_bottoms": 1}),
        ('type: "Scale" bottom: "b" scale_param { axis: 0 }', [MAP, (2, 12)],
         {"same_shapes": False, "other_axes": 2, "other_channels": 12, "other_height": 1, "has_weights": False,
          "shapes": [[*MAP], [2, 12]]}),
        ('type: "Scale"', [MAP], {"has_weights": True}),
        ('type: "Proposal" bottom: "b"', None, {"type": "Proposal", "bottoms": 2, "given": []}),
        ('type: "ReLU" phase: TEST', [MAP], {"phase": "TEST"}),
    ],
)  # fmt: skip
def test_facts(text, bottoms, expected):
    found = facts_of(layer(text), bottoms)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "known", "missing"),
    [
        ('type: "Convolution" convolution_param { num_output: 8 kernel_size: 3 axis: -3 }',
         {"kernel_h": 3, "negative_axis": True}, {"axis", "channels", "depthwise"}),
        ('type: "Convolution" convolution_param { num_output: 8 kernel_size: [3, 3, 3] }', {"num_output": 8},
         {"kernel_h"}),
        ('type: "DepthwiseConvolution" convolution_param { num_output: 8 kernel_size: 3 }', {"kernel_h": 3}, {"group"}),
        ('type: "Pooling" pooling_param { global_pooling: true }', {"rounds_up": True}, {"kernel_h", "overhangs"}),
        ('type: "Pooling" pooling_param { kernel_size: 3 }', {"kernel_h": 3, "stride_w": 1}, {"overhangs"}),
        ('type: "Interp" interp_param { height: 30 }', {"zoom_factor": 1}, {"height"}),
        ('type: "ReLU"', {"name_length": 1}, {"made_by", "taken_by", "has_weights", "same_shapes"}),
    ],
)  # fmt: skip
def test_what_shapes_decide_is_missing_without_them(text, known, missing):
    found = facts_of(layer(text))
    assert {name: found[name] for name in known} == known
    assert not missing & found.keys()


def test_names_places_and_neighbours():
    one = parse_text('name: "abc" type: "ReLU" bottom: "data" top: "data"', LayerParameter())
    found = facts_of(one, [MAP], [MAP], ["data"], "Input", ["Convolution"])
    assert (found["name_length"], found["in_place"], found["on_input"]) == (4, True, True)
    assert (found["made_by"], found["taken_by"], found["top_height"]) == ("Input", ["Convolution"], 15)
    assert not facts_of(one, [MAP], inputs=["other"])["on_input"]


def test_facts_of_a_network():
    layers = [LayerParameter(type=kind) for kind in ("Input", "ROIPooling", "ROIPooling")]
    expected = {"layers": 3, "inputs": 1, "outputs": 2, "batch": 4, "types": ["Input", "ROIPooling", "ROIPooling"]}
    assert network_facts(layers, ["data"], ["a", "b"], (4, 3, 8, 8)) == expected
    assert expected.keys() == fact_names("network")
    assert "batch" not in network_facts(layers, ["data"], ["a"], None)


@pytest.mark.parametrize("kind", LAYERS)
def test_every_fact_of_a_type_is_in_its_vocabulary_with_every_option(kind):
    names = fact_names(kind)
    assert facts_of(LayerParameter(type=kind)).keys() <= names
    messages = [fields_of(type(getattr(LayerParameter(), field))) for field in LAYERS[kind].options]
    assert {name for fields in messages for name, field in fields.items() if field.kind != "message"} <= names


@pytest.mark.parametrize("name", ["df2seg2", "pl1a_seg", "ponas_a"])
def test_facts_of_the_zoos_networks_are_in_the_vocabulary_and_all_of_it_is_met(name):
    net = generate(CARDS[name].architecture)
    for row in trace(net):
        found = facts_of(row.layer, row.bottom_shapes, row.top_shapes, (), "", (), 0, False, 0)
        absent = {fact for fact in fact_names(row.type) - found.keys() if not fact.startswith("other_")}
        assert found.keys() <= fact_names(row.type)
        if row.bottom_shapes:
            assert not absent


def test_types_that_are_not_known_have_no_vocabulary():
    assert fact_names("Proposal") is None
    assert fact_names("*") < fact_names("ReLU")
