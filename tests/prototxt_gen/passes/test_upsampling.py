"""Without its last enlargement a segmentation network is the one of the small map."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gen import NetParameter, generate
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.passes.upsampling import without_upsampling
from prototxt_gen.text import parse_text, to_text

DF1SEG = "s32-64_b64x3_b128x3_b256x3-512_p128-512_d128-32-19_u8_c19"
UP = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "scores" type: "Convolution" bottom: "x" top: "scores"
        convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "up" type: "Deconvolution" bottom: "scores" top: "up"
        convolution_param { num_output: 3 group: 3 bias_term: false kernel_size: 4 stride: 2 pad: 1 %s } }
"""
BILINEAR = 'weight_filler { type: "bilinear" }'


def net_of(text: str) -> NetParameter:
    return parse_text(text, NetParameter())


@pytest.mark.parametrize("shape", [(1, 3, 1024, 2048), (1, 3, 77, 130)])
@pytest.mark.parametrize("merged", [False, True])
def test_df1_seg_becomes_its_network_of_an_eighth(shape, merged):
    cut, name = without_upsampling(generate(DF1SEG, input_shape=shape, merged=merged))
    small = generate(DF1SEG.replace("_u8", ""), input_shape=shape, merged=merged)
    assert name == "Decoder_score.up8"
    assert [to_text(layer) for layer in cut.layer] == [to_text(layer) for layer in small.layer]


def test_the_network_itself_stays_as_it_is():
    net = net_of(UP % BILINEAR)
    before = to_text(net)
    without_upsampling(net)
    assert to_text(net) == before


BEHIND = {
    "Softmax": 'type: "Softmax"',
    "Sigmoid": 'type: "Sigmoid"',
    "ArgMax": 'type: "ArgMax" argmax_param { axis: 1 }',
}


@pytest.mark.parametrize("layer", BEHIND.values(), ids=BEHIND)
def test_what_treats_each_place_alone_stays_on_the_small_map(layer):
    text = UP % BILINEAR + f'layer {{ name: "last" bottom: "up" top: "last" {layer} }}'
    cut, _ = without_upsampling(net_of(text))
    assert [one.name for one in cut.layer] == ["x", "scores", "last"]
    assert list(cut.layer[2].bottom) == ["scores"]


def test_a_layer_in_place_stays_in_place():
    cut, _ = without_upsampling(net_of(UP % BILINEAR + 'layer { name: "s" type: "Softmax" bottom: "up" top: "up" }'))
    assert list(cut.layer[2].bottom) == list(cut.layer[2].top) == ["scores"]


REFUSED = {
    "another layer behind": (
        UP % BILINEAR + 'layer { name: "p" type: "Pooling" bottom: "up" top: "p" pooling_param { kernel_size: 2 } }',
        r"layer 'p' \(Pooling\) takes what the Deconvolution 'up' enlarges",
    ),
    "ArgMax of the whole map": (
        UP % BILINEAR + 'layer { name: "a" type: "ArgMax" bottom: "up" top: "a" }',
        r"layer 'a' \(ArgMax\) takes",
    ),
    "weights of its own": (UP % "", "no bilinear weight_filler, nor weights to see it by"),
    "channels together": ((UP % BILINEAR).replace("group: 3", ""), "group 1, expected 3, one for each channel"),
    "no Deconvolution": ((UP % BILINEAR).replace("Deconvolution", "Convolution"), "found no Deconvolution"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_stands_in_the_way_is_named(text, message):
    with pytest.raises(UnsupportedError, match=message):
        without_upsampling(net_of(text))


def test_weights_say_whether_a_kernel_is_bilinear():
    line = np.array([0.25, 0.75, 0.75, 0.25], np.float32)
    kernel = np.repeat((line[:, None] * line)[None, None], 3, 0)
    assert without_upsampling(net_of(UP % ""), {"up": [kernel]})[1] == "up"
    with pytest.raises(UnsupportedError, match="weights of its own"):
        without_upsampling(net_of(UP % BILINEAR), {"up": [kernel + 0.01]})
