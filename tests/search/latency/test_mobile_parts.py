"""Once-for-All's keys, and the parts of ours that are the same networks, layer by layer."""

import pytest

from prototxt_gen import parts
from search.latency.mobile_parts import Key, block_part, head_part, name_part, read_key, stem_part

# A network that ProxylessNAS could have, and what its LatencyEstimator asks its table for, read off its source.
PROXYLESS = "m32_i1.16e1_i24e3_i40k7e3-k5e6_i1.320e6_h1280_c1000"
ASKED = [
    "Conv-input:224x224x3-output:112x112x32",
    "expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-idskip:0",
    "expanded_conv-input:112x112x16-output:56x56x24-expand:3-kernel:3-stride:2-idskip:0",
    "expanded_conv-input:56x56x24-output:28x28x40-expand:3-kernel:7-stride:2-idskip:0",
    "expanded_conv-input:28x28x40-output:28x28x40-expand:6-kernel:5-stride:1-idskip:1",
    "expanded_conv-input:28x28x40-output:28x28x320-expand:6-kernel:3-stride:1-idskip:0",
    "Conv_1-input:28x28x320-output:28x28x1280",
    "Logits-input:28x28x1280-output:1000",
]


def test_the_parts_of_a_network_are_what_is_asked_for():
    found = [read_key(text) for text in ASKED]
    named = [stem_part(found[0]), *map(block_part, found[1:6]), head_part(*found[6:])]
    assert [part.key for part in named] == [part.key for part in parts(PROXYLESS)]


def test_parts_are_named_as_they_are_asked_for():
    named = [name_part(part.label, part.key) for part in parts(PROXYLESS)]
    assert [str(key) for one in named for key in one.keys] == ASKED
    assert [one.part.key for one in named] == [part.key for part in parts(PROXYLESS)]


def test_odd_sizes_are_rounded_as_there():
    # int((size - 1) / stride + 1), of 15 is 8.
    assert isinstance(stem_part(read_key("Conv-input:15x21x3-output:8x11x32")), type(parts(PROXYLESS)[0]))
    key = read_key("expanded_conv-input:15x21x8-output:8x11x8-expand:2-kernel:3-stride:2-idskip:0")
    assert block_part(key).label == "inverted 8-16-8 s2 15x21"


def test_blocks_of_mobilenet_v3_with_relu_are_those_of_gpunet():
    text = "expanded_conv-input:28x28x40-output:28x28x40-expand:100-kernel:5-stride:1-idskip:1-se:0-hs:0"
    part = block_part(read_key(text))
    assert part.key == parts("g32_k1.40_i1.40k5h100_c10", (1, 3, 56, 56))[2].key
    assert [str(key) for key in name_part(part.label, part.key).keys] == [text]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("expanded_conv-input:8x8x8-output:8x8x8-expand:16-kernel:3-stride:1-idskip:1-se:1-hs:0", "hard sigmoid"),
        ("expanded_conv-input:8x8x8-output:8x8x8-expand:16-kernel:3-stride:1-idskip:1-se:0-hs:1", "h-swish"),
        ("expanded_conv-input:8x8x8-output:8x8x8-expand:2-kernel:3-stride:1-idskip:0", "have a shortcut here"),
        ("expanded_conv-input:8x8x8-output:8x8x9-expand:2-kernel:3-stride:1-idskip:1", "have no shortcut here"),
        ("expanded_conv-input:8x8x8-output:8x8x8-expand:2-kernel:3-stride:2-idskip:0", "not as large as one of stride"),
        ("expanded_conv-input:8x8x8-output:8x8x8-expand:2-kernel:4-stride:1-idskip:1", "expected an odd number"),
        ("expanded_conv-input:8x8x8-output:8x8x8-expand:9999-kernel:3-stride:1-idskip:1", "expected a whole number in"),
    ],
)
def test_what_is_not_exactly_ours_has_a_reason(text, reason):
    assert str(read_key(text)) == text
    assert reason in block_part(read_key(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "expanded_conv-input:8x8x8-output:8x8x8",
        "expanded_conv-input:8x8x8-output:8x8x8-expand:2-kernel:3-stride:3-idskip:1",
        "expanded_conv-input:8x8x8-output:8x8x8-expand:2-kernel:3-stride:1-idskip:1-se:0",
        "Conv-input:0x8x3-output:4x4x8",
        "Conv-input:1234567x8x3-output:4x4x8",
        "Conv-input:8x8x3-output:4x4x8\n",
        "Logits-input:1x1x8-output:1x1x10",
    ],
)
def test_other_texts_are_no_keys(text):
    assert read_key(text) is None


@pytest.mark.parametrize(
    ("architecture", "index", "reason"),
    [
        ("s32_b64_c10", 1, "the form has inverted blocks alone"),
        ("m32_f40h96_c10", 1, "the form has inverted blocks alone"),
        ("s32_b64_c10", 0, "is 3x3 with ReLU6"),
        ("s32_b64_c10", 2, "the form has inverted blocks alone"),
        ("g32_k64_h128_c10", -1, "has ReLU6"),
        ("m32_i40e3q_c10", 1, "sigmoid"),
        ("m32_i40h100_c10", 1, "no whole multiple"),
    ],
)
def test_parts_that_the_form_cannot_say(architecture, index, reason):
    part = parts(architecture, (1, 3, 64, 64))[index]
    assert reason in name_part(part.label, part.key)


def test_a_label_alone_is_not_believed():
    part = parts(PROXYLESS)[1]
    assert "does not say" in name_part(part.label, "another key")
    assert isinstance(name_part(part.label, part.key).keys[0], Key)
