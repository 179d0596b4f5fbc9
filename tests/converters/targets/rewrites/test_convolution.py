"""Convolutions in other words compute the same: groups and dilation written out, long kernels in steps, other axes."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from converters.targets.rewriting import rewritten
from converters.targets.spellings import SPELLINGS
from prototxt_gen.errors import NetworkError
from prototxt_gen.trace import trace
from tests.filling import fill_weights
from tests.targets import check_forms, largest_difference, made_target, one_layer, rule

_OTHER_NAMES = [name for name, kind in SPELLINGS.items() if kind == "DepthwiseConvolution"]


def convolution(options: str, shape=(2, 6, 12, 11), kind: str = "Convolution"):
    return one_layer(f'type: "{kind}" convolution_param {{ {options} }}', shape)


CASES = {
    "dilation": ("num_output: 4 kernel_size: 3 dilation: 2 pad: 2", ["dilation_h == 1"], ["Convolution"]),
    "groups": (
        "num_output: 4 kernel_size: 3 group: 2",
        ["group == 1"],
        ["Slice", "Convolution", "Convolution", "Concat"],
    ),
    "stride beyond the kernel": ("num_output: 4 kernel_size: 1 stride: 2", ["kernel_h >= stride_h"], ["Convolution"]),
    "a long kernel": (
        "num_output: 4 kernel_size: 11 stride: 4 pad: 2",
        ["kernel_h <= 7"],
        ["Convolution", "Convolution"],
    ),
    "repeated sizes": (
        "num_output: 4 kernel_size: [3, 5] stride: [1, 2] pad: [1, 0]",
        ["len(kernel_size) <= 1"],
        ["Convolution"],
    ),
    "both twins": ("num_output: 4 kernel_h: 3 kernel_w: 3", ["len(kernel_size) == 1"], ["Convolution"]),
    "another axis": (
        "num_output: 4 kernel_size: 1 axis: 2",
        ["axis == 1"],
        ["Permute", "Convolution", "Permute"],
    ),
}


@pytest.mark.parametrize(("options", "needs", "types"), CASES.values(), ids=CASES)
def test_what_a_target_refuses_is_written_otherwise(options, needs, types):
    net = convolution(options)
    weights = fill_weights(net)
    rules = [rule("Convolution", condition) for condition in needs]
    made = rewritten(net, weights, made_target("Convolution", "Slice", "Concat", "Permute", rules=rules))
    assert made.report.passed and made.exact, made.report
    assert [layer.type for layer in made.net.layer[1:]] == types
    assert largest_difference(net, weights, made) <= 1e-6


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution", "DepthwiseConvolution"])
def test_many_groups_are_one_with_zeros(kind):
    net = convolution("num_output: 12 group: 12 kernel_size: 3", (1, 12, 5, 5), kind)
    weights = fill_weights(net)
    wanted = "Convolution" if kind == "DepthwiseConvolution" else kind
    made = rewritten(net, weights, made_target(wanted, rules=[rule(wanted, "group == 1")]))
    assert [layer.type for layer in made.net.layer[1:]] == [wanted]
    assert made.report.passed
    assert largest_difference(net, weights, made) <= 1e-6


def test_the_sizes_of_two_axes_are_spelled_by_both():
    net = convolution("num_output: 4 kernel_size: [3, 5]")
    made = rewritten(net, None, made_target("Convolution", rules=[rule("Convolution", "len(kernel_size) <= 1")]))
    options = made.net.layer[1].convolution_param
    assert (options.kernel_h, options.kernel_w) == (3, 5)


def test_a_convolution_of_one_group_a_channel_has_forms_of_all_names_for_it():
    found = check_forms(convolution("num_output: 6 group: 6 kernel_size: 3 pad: 1"))
    assert found["depthwise convolution by its type"] == ["DepthwiseConvolution", *_OTHER_NAMES]
    assert found["groups written out"] == ["Convolution"]


@settings(max_examples=15)
@given(st.data())
def test_any_convolution_in_any_form(data):
    kind = data.draw(st.sampled_from(["Convolution", "Convolution", "Deconvolution"]))
    group, each, outputs = (data.draw(st.integers(1, 3)) for _ in range(3))
    options = [
        f"num_output: {outputs * group} group: {group} bias_term: {data.draw(st.sampled_from(['true', 'false']))}"
    ]
    for axis in "hw":
        options.append(f"kernel_{axis}: {data.draw(st.integers(1, 12))} stride_{axis}: {data.draw(st.integers(1, 5))}")
        options.append(f"pad_{axis}: {data.draw(st.integers(0, 5))}")
    if data.draw(st.booleans()):
        options.append(f"dilation: {data.draw(st.integers(1, 3))}")
    net = convolution(" ".join(options), (1, group * each, *(data.draw(st.integers(1, 24)) for _ in "hw")), kind)
    try:
        trace(net)
    except NetworkError:
        assume(False)
    check_forms(net)
