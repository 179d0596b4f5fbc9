"""Random networks, random targets: whatever is rewritten, all outputs stay what they were."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from prototxt_gen.errors import NetworkError
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text
from prototxt_gen.trace import trace
from tests.filling import fill_weights
from tests.targets import largest_difference, made_target, rule

#: Layers that keep the shape of a map of 4 channels, those that run in place first.
IN_PLACE = [
    ("ReLU6", ""),
    ("Clip", "clip_param { min: 0 max: 6 }"),
    ("BatchNorm", ""),
    ("Scale", "scale_param { bias_term: true }"),
    ("Bias", ""),
    ("Dropout", ""),
    ("Power", "power_param { scale: 0.5 shift: 1 }"),
    ("AbsVal", ""),
]
OTHERS = [
    ("Convolution", "convolution_param { num_output: 4 kernel_size: 1 }"),
    ("Convolution", "convolution_param { num_output: 4 group: 4 kernel_size: 3 pad: 1 bias_term: false }"),
    ("ShuffleChannel", "shuffle_channel_param { group: 2 }"),
    ("Pooling", "pooling_param { kernel_size: 3 stride: 1 pad: 1 }"),
    ("Reshape", "reshape_param { shape { dim: 0 dim: 4 dim: 6 dim: 5 } }"),
    ("Concat", ""),
]
TYPES = sorted({kind for kind, _ in (*IN_PLACE, *OTHERS)} | {"Eltwise", "Split"})


def random_network(draw: random.Random) -> NetParameter:
    text = 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 6 dim: 5 } } }'
    blobs = ["data"]
    for number in range(draw.randint(4, 9)):
        name, bottom = f"l{number}", draw.choice(blobs[-3:])
        way = draw.random()
        if way < 0.5:
            kind, options = draw.choice(IN_PLACE)
            top = bottom if draw.random() < 0.6 else name
        elif way < 0.75:
            (kind, options), top = draw.choice(OTHERS), name
        else:
            others = draw.choices(blobs, k=draw.randint(1, 2))
            coefficients = " ".join(f"coeff: {draw.choice([1, -0.7, 0.3])}" for _ in range(1 + len(others)))
            kind, options, top = "Eltwise", f"eltwise_param {{ {coefficients} }}", name
            bottom = f'{bottom}" bottom: "' + '" bottom: "'.join(others)
        more = f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {options} }}'
        try:  # Caffe refuses what runs in place on a blob that others take
            trace(parse_text(text + more, NetParameter()))
        except NetworkError:
            continue
        text += more
        blobs = list(dict.fromkeys([*blobs, top]))
    return parse_text(text, NetParameter())


RULES = [
    rule("Eltwise", "coeff == []"),
    rule("Eltwise", "bottoms == 2"),
    rule("Convolution", "bias_term"),
    rule("*", "not in_place"),
    rule("*", "not on_input"),
    rule("*", "name_length <= 4"),
]


@pytest.mark.parametrize("seed", range(20))
def test_outputs_stay_what_they_were(seed):
    draw = random.Random(seed)
    net = random_network(draw)
    weights = fill_weights(net)
    lacking = draw.sample(TYPES, 5)
    target = made_target(*set(TYPES) - set(lacking), rules=draw.sample(RULES, 2))
    made = rewritten(net, weights, target)
    assert largest_difference(net, weights, made) <= 1e-5
    left = {fault.layer for fault in made.report.faults}
    assert left or not {layer.type for layer in made.net.layer} & set(lacking)
