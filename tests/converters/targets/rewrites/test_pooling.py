"""Pooling in other words computes the same: chains, global pooling, convolutions, sizes without round_mode."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from converters.targets.rewriting import rewritten
from prototxt_gen.errors import NetworkError
from prototxt_gen.trace import trace
from tests.targets import check_forms, largest_difference, made_target, one_layer, rule

SIDE_BY_SIDE = "a chain of windows side by side"
IN_TWO = "two poolings in a row"


def pooling(options: str, shape=(1, 2, 32, 64)):
    return one_layer(f'type: "Pooling" pooling_param {{ {options} }}', shape)


def small_windows(side: int):
    """A target whose windows have at most this many rows and columns."""
    return made_target("Pooling", rules=[rule("Pooling", f"kernel_h <= {side} and kernel_w <= {side}")])


def kernels(made):
    found = []
    for layer in made.net.layer[1:]:
        options = layer.pooling_param
        found.append((options.kernel_h or options.kernel_size, options.kernel_w or options.kernel_size))
    return found


CHAINS = {
    "32 of at most 19": ("pool: AVE kernel_size: 32 stride: 32", 19, [(8, 8), (4, 4)]),
    "32 of at most 7": ("pool: AVE kernel_size: 32 stride: 32", 7, [(4, 4), (4, 4), (2, 2)]),
    "16 of at most 7": ("pool: AVE kernel_size: 16 stride: 16", 7, [(4, 4), (4, 4)]),
    "8x16": ("pool: AVE kernel_h: 8 kernel_w: 16 stride_h: 8 stride_w: 16", 7, [(4, 4), (2, 4)]),
    "the whole map": ("pool: AVE global_pooling: true", 8, [(8, 8), (4, 8)]),
    "a window of the map's size": ("pool: AVE kernel_h: 32 kernel_w: 64", 8, [(8, 8), (4, 8)]),
    "maxima": ("pool: MAX kernel_size: 16 stride: 16", 7, [(4, 4), (4, 4)]),
    "maxima at stride 1": ("pool: MAX kernel_size: 13 stride: 1 pad: 6", 7, [(7, 7), (7, 7)]),
    "maxima at stride 1 in four": ("pool: MAX kernel_size: 9 stride: 1 pad: 4", 3, [(3, 3)] * 4),
    "means that overlap": ("pool: AVE kernel_size: 8 stride: 4", 4, [(4, 4), (2, 2)]),
}


@pytest.mark.parametrize(("options", "side", "expected"), CHAINS.values(), ids=CHAINS)
def test_large_windows_become_chains_of_windows_that_the_target_takes(options, side, expected):
    net = pooling(options)
    made = rewritten(net, {}, small_windows(side))
    assert made.report.passed and made.exact
    assert kernels(made) == expected
    assert largest_difference(net, {}, made) <= 1e-6


REFUSED = {
    "7 has no parts": "pool: AVE kernel_size: 7 stride: 7",
    "windows that leave a rest": "pool: AVE kernel_size: 9 stride: 9",
    "padded means": "pool: AVE kernel_size: 7 stride: 2 pad: 3",
    "random numbers": "pool: STOCHASTIC kernel_size: 8 stride: 8",
}


@pytest.mark.parametrize("options", REFUSED.values(), ids=REFUSED)
def test_what_no_chain_computes_stays_at_fault(options):
    made = rewritten(pooling(options), {}, small_windows(6))
    assert [fault.layer for fault in made.report.faults] == ["old"]


def test_the_positions_of_maxima_are_never_chained():
    net = one_layer('type: "Pooling" top: "y" top: "mask" pooling_param { kernel_size: 8 stride: 8 }', (1, 1, 16, 16))
    assert set(check_forms(net)) <= {"the kind stated"}


def test_global_pooling_and_a_window_of_the_maps_size_are_one():
    without = made_target("Pooling", rules=[rule("Pooling", "not global_pooling")])
    made = rewritten(pooling("pool: AVE global_pooling: true"), {}, without)
    assert kernels(made) == [(32, 64)]
    only = made_target("Pooling", rules=[rule("Pooling", "global_pooling")])
    made = rewritten(pooling("pool: MAX kernel_h: 32 kernel_w: 64 stride: 3"), {}, only)
    assert made.report.passed and made.net.layer[1].pooling_param.global_pooling


ROUND_MODES = {
    "no difference": ("kernel_size: 2 stride: 2", ["Pooling"]),
    "a window less": ("kernel_size: 3 stride: 2", ["Pooling", "Convolution"]),
    "padded": ("pool: AVE kernel_size: 4 stride: 3 pad: 2", ["Pooling", "Convolution"]),
}


@pytest.mark.parametrize(("options", "types"), ROUND_MODES.values(), ids=ROUND_MODES)
def test_round_mode_goes_where_the_target_does_not_know_it(options, types):
    net = pooling(f"{options} round_mode: FLOOR")
    made = rewritten(net, {}, made_target("Pooling", "Convolution", lacks=["pooling_param.round_mode"]))
    assert made.report.passed
    assert [layer.type for layer in made.net.layer[1:]] == types
    assert largest_difference(net, {}, made) <= 1e-6


MEANS = {
    "inside the map": "kernel_size: 3 stride: 1",
    "padded": "kernel_size: 3 stride: 1 pad: 1",
    "windows that overhang": "kernel_size: 5 stride: 3 pad: 1",
    "rounded down": "kernel_size: 5 stride: 3 pad: 1 round_mode: FLOOR",
    "global": "global_pooling: true",
}


@pytest.mark.parametrize("options", MEANS.values(), ids=MEANS)
def test_means_are_depthwise_convolutions(options):
    net = pooling(f"pool: AVE {options}", (1, 3, 9, 12))
    made = rewritten(net, {}, made_target("Convolution", "Scale", "InnerProduct"))
    assert made.report.passed
    assert largest_difference(net, {}, made) <= 1e-6


SIZES = st.integers(1, 13)


@settings(max_examples=25)
@given(st.data())
def test_any_pooling_in_any_form(data):
    height, width = data.draw(SIZES), data.draw(SIZES)
    options = [f"pool: {data.draw(st.sampled_from(['MAX', 'AVE']))}"]
    square = data.draw(st.booleans())
    for axis in "hw":
        kernel, stride = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 6))
        pad = data.draw(st.integers(0, kernel - 1))
        if square:
            options.append(f"kernel_size: {kernel} stride: {stride} pad: {pad}")
            break
        options.append(f"kernel_{axis}: {kernel} stride_{axis}: {stride} pad_{axis}: {pad}")
    if data.draw(st.booleans()):
        options.append("round_mode: FLOOR")
    net = pooling(" ".join(options), (1, 2, height, width))
    try:
        trace(net)
    except NetworkError:
        assume(False)
    check_forms(net, small_windows(data.draw(st.integers(2, 9))))
    check_forms(net)
