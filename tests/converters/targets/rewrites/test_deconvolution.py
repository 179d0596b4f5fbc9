"""A Deconvolution computes the same as a Convolution of its phases, which others move, and as Upsample and a kernel."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from converters.targets.comparing import compare_outputs
from converters.targets.rewriting import rewritten
from prototxt_gen.errors import NetworkError
from prototxt_gen.trace import trace
from tests.filling import fill_weights
from tests.targets import check_forms, largest_difference, made_target, one_layer, rule


def deconvolution(options: str, shape):
    return one_layer(f'type: "Deconvolution" convolution_param {{ {options} }}', shape)


def bilinear(kernel: int, channels: int):
    half = kernel / 2
    line = 1 - np.abs(np.arange(kernel) + 0.5 - half) / half
    return {"old": [np.repeat((line[:, None] * line)[None, None], channels, 0).astype(np.float32)]}


UP8 = "num_output: 5 group: 5 bias_term: false kernel_size: 16 stride: 8 pad: 4"
UP2 = "num_output: 5 group: 5 bias_term: false kernel_size: 4 stride: 2 pad: 1"


def small(side: int, most_stride: int):
    return made_target(
        "Convolution",
        "Deconvolution",
        rules=[
            rule("Deconvolution", f"kernel_h <= {side} and kernel_w <= {side} and stride_h <= {most_stride}"),
        ],
    )


SIDES = {
    "by 2, 2 and 2": (small(3, 2), ["Convolution", "Deconvolution", "Deconvolution", "Deconvolution"]),
    "cheapest": (small(8, 8), ["Convolution", "Deconvolution", "Deconvolution", "Deconvolution"]),
    "without padding": (
        made_target(
            "Convolution",
            "Deconvolution",
            rules=[
                rule("Deconvolution", "2 <= kernel_h and kernel_h <= 14 and (stride_h == 2 or stride_h == 4)"),
                rule("Deconvolution", "pad_h <= (kernel_h - 1) / 2"),
            ],
        ),
        ["Convolution", "Deconvolution", "Deconvolution", "Deconvolution"],
    ),
    "no group": (
        made_target("Convolution", "Deconvolution", rules=[rule("Deconvolution", "kernel_h < 8 and group == 1")]),
        None,
    ),
}


@pytest.mark.parametrize(("target", "types"), SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("weights", ["bilinear", "any"])
def test_sixteen_rows_at_stride_8_in_what_the_target_takes(target, types, weights):
    net = deconvolution(UP8, (2, 5, 3, 4))
    filled = bilinear(16, 5) if weights == "bilinear" else fill_weights(net)
    made = rewritten(net, filled, target)
    assert made.report.passed and made.exact, made.report
    if types is not None:
        assert sorted(layer.type for layer in made.net.layer[1:]) == sorted(types)
    assert largest_difference(net, filled, made) <= 1e-6


def test_the_costs_are_said():
    made = rewritten(deconvolution(UP8, (1, 5, 3, 4)), None, small(8, 2))
    assert "multiply-adds for 15.4 k, maps of" in made.changes[0].what


def test_without_weights_the_form_is_the_same_and_the_shuffles_have_theirs():
    net = deconvolution(UP2, (1, 5, 3, 4))
    target = small(3, 2)
    with_weights = rewritten(net, fill_weights(net), target)
    without = rewritten(net, None, target)
    assert without.net == with_weights.net
    assert without.weights is None
    assert set(without.fixed) == {layer.name for layer in without.net.layer if layer.type == "Deconvolution"}


ENLARGED = {"up2": (UP2, 4, [3]), "up8": (UP8, 16, [9])}


@pytest.mark.parametrize(("options", "kernel", "smooth"), ENLARGED.values(), ids=ENLARGED)
def test_bilinear_kernels_are_upsample_and_a_smaller_kernel(options, kernel, smooth):
    net, weights = deconvolution(options, (1, 5, 3, 4)), bilinear(kernel, 5)
    made = rewritten(net, weights, made_target("Convolution", "Upsample"))
    assert [layer.type for layer in made.net.layer[1:]] == ["Upsample", "Convolution"]
    assert made.net.layer[2].convolution_param.kernel_size == smooth
    assert largest_difference(net, weights, made) <= 1e-6


def test_a_kernel_of_ones_is_upsample_alone():
    net = deconvolution("num_output: 3 group: 3 bias_term: false kernel_size: 2 stride: 2", (1, 3, 4, 4))
    weights = {"old": [np.ones((3, 1, 2, 2), np.float32)]}
    made = rewritten(net, weights, made_target("Upsample"))
    assert [layer.type for layer in made.net.layer[1:]] == ["Upsample"]
    assert largest_difference(net, weights, made) == 0


def test_other_kernels_are_not():
    net = deconvolution(UP2, (1, 5, 3, 4))
    made = rewritten(net, fill_weights(net), made_target("Convolution", "Upsample"))
    assert not made.report.passed


def test_bilinear_steps_are_nearly_the_same_and_only_where_asked_for():
    net, weights = deconvolution(UP8, (1, 5, 6, 6)), bilinear(16, 5)
    target = made_target("Deconvolution", rules=[rule("Deconvolution", "kernel_h == 4")])
    assert not rewritten(net, weights, target).report.passed
    made = rewritten(net, weights, target, approximate=True)
    assert made.report.passed and not made.exact
    assert [layer.convolution_param.stride[0] for layer in made.net.layer[1:]] == [2, 2, 2]
    (found,) = compare_outputs((net, weights), (made.net, made.weights))
    assert 0.001 < found.largest < 0.5
    assert not rewritten(net, fill_weights(net), target, approximate=True).report.passed


def test_a_bilinear_filler_stands_for_weights_that_a_file_leaves_out():
    net = deconvolution(f'{UP2} weight_filler {{ type: "bilinear" }}', (1, 5, 3, 4))
    made = rewritten(net, {}, made_target("Convolution", "Upsample"))
    assert made.report.passed
    assert largest_difference(net, {}, made) <= 1e-6


def test_phases_are_moved_by_reshape_and_permute():
    net = deconvolution("num_output: 4 kernel_size: 4 stride: 2 pad: 1", (2, 3, 3, 4))
    weights = fill_weights(net)
    made = rewritten(net, weights, made_target("Convolution", "Reshape", "Permute"))
    assert [layer.type for layer in made.net.layer[1:]] == ["Convolution", "Reshape", "Permute", "Reshape"]
    assert largest_difference(net, weights, made) <= 1e-6


@settings(max_examples=12)
@given(st.data())
def test_any_deconvolution_in_any_form(data):
    each, outputs = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    group = data.draw(st.sampled_from([1, 2, 3]))
    options = [
        f"num_output: {outputs * group} group: {group} bias_term: {data.draw(st.sampled_from(['true', 'false']))}"
    ]
    for axis in "hw":
        options.append(f"kernel_{axis}: {data.draw(st.integers(1, 9))} stride_{axis}: {data.draw(st.integers(1, 8))}")
        options.append(f"pad_{axis}: {data.draw(st.integers(0, 5))}")
    if data.draw(st.booleans()):
        options.append(f"dilation: {data.draw(st.integers(1, 3))}")
    net = deconvolution(
        " ".join(options), (2, each * group, data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6)))
    )
    try:
        trace(net)
    except NetworkError:
        assume(False)
    check_forms(net, made_target("Convolution", "Deconvolution"))
    side = data.draw(st.integers(1, 4))
    check_forms(net, small(side, side))
