"""Interp, Upsample and ShuffleChannel compute the same in layers that a target has; nearly the same where asked for."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from converters.targets.comparing import compare_outputs
from converters.targets.rewriting import rewritten
from tests.targets import check_forms, forms_of, largest_difference, made_target, one_layer, rule


def interp(options: str, shape):
    return one_layer(f'type: "Interp" interp_param {{ {options} }}', shape)


def without_axis():
    """Convolution and InnerProduct along axis 1 alone."""
    return [rule("Convolution", "axis == 1"), rule("InnerProduct", "axis == 1")]


SMALL = ("height: 8 width: 16", (2, 3, 2, 4))
WAYS = {
    "stock": (SMALL, made_target("InnerProduct", "Convolution"), ["InnerProduct", "Convolution"]),
    "whole gaps": (("height: 4 width: 10", (1, 3, 2, 4)), made_target("Deconvolution"), ["Deconvolution"]),
    "permutes": (
        SMALL,
        made_target("Permute", "Convolution", rules=without_axis()),
        ["Permute", "Convolution", "Permute", "Convolution", "Permute"],
    ),
    "rows": (
        SMALL,
        made_target("Deconvolution", "Convolution", rules=without_axis()),
        None,
    ),
    "rows without groups": (
        SMALL,
        made_target(
            "Deconvolution",
            "Convolution",
            rules=[*without_axis(), rule("Convolution", "group == 1"), rule("Deconvolution", "group == 1")],
        ),
        None,
    ),
    "one product": (
        SMALL,
        made_target("Flatten", "InnerProduct", "Reshape", rules=without_axis()),
        ["Flatten", "InnerProduct", "Reshape"],
    ),
    "1x1 by Tile": (("height: 8 width: 4", (2, 3, 1, 1)), made_target("Tile"), ["Tile", "Tile"]),
    "1x1 by Deconvolution": (("height: 8 width: 4", (2, 3, 1, 1)), made_target("Deconvolution"), None),
    "1x1 in small steps": (
        ("height: 8 width: 4", (2, 3, 1, 1)),
        made_target("Deconvolution", rules=[rule("Deconvolution", "kernel_h < 4 and kernel_w < 4")]),
        None,
    ),
}


@pytest.mark.parametrize(("layer", "target", "types"), WAYS.values(), ids=WAYS)
def test_an_interp_in_what_the_target_takes(layer, target, types):
    net = interp(*layer)
    made = rewritten(net, {}, target)
    assert made.report.passed and made.exact, made.report
    if types is not None:
        assert [one.type for one in made.net.layer[1:]] == types
    assert largest_difference(net, {}, made) <= 1e-6
    assert set(made.weights) == set(made.fixed)


def test_the_size_of_another_blob_is_no_longer_asked_for():
    net = one_layer('type: "Interp"', (1, 3, 2, 4), (1, 5, 8, 16))
    made = rewritten(net, {}, made_target("InnerProduct", "Convolution"))
    assert made.report.passed
    assert [list(layer.bottom) for layer in made.net.layer[2:]] == [["x0"], ["old/axis3"]]


@pytest.mark.parametrize("scale", [2, 4])
def test_an_upsample_is_a_deconvolution_or_smaller_steps(scale):
    net = one_layer(f'type: "Upsample" upsample_param {{ scale: {scale} }}', (1, 3, 4, 5))
    made = rewritten(net, {}, made_target("Deconvolution"))
    assert [layer.type for layer in made.net.layer[1:]] == ["Deconvolution"]
    assert largest_difference(net, {}, made) == 0
    made = rewritten(net, {}, made_target("Upsample", rules=[rule("Upsample", "scale == 2")]))
    assert [layer.upsample_param.scale for layer in made.net.layer[1:]] == [2] * (scale // 2)
    assert largest_difference(net, {}, made) == 0


def test_a_shuffle_is_a_convolution():
    net = one_layer('type: "ShuffleChannel" shuffle_channel_param { group: 2 }', (1, 6, 4, 5))
    made = rewritten(net, {}, made_target("Convolution"))
    assert [layer.type for layer in made.net.layer[1:]] == ["Convolution"]
    assert largest_difference(net, {}, made) == 0


NEARLY = {
    "bilinear": (made_target("Deconvolution", "Scale"), ["Deconvolution", "Scale"]),
    "without a border": (
        made_target("Deconvolution", rules=[rule("Deconvolution", "kernel_h == 4 and pad_h == 1")]),
        ["Deconvolution"] * 2,
    ),
    "nearest": (made_target("Upsample"), ["Upsample"]),
}


@pytest.mark.parametrize(("target", "types"), NEARLY.values(), ids=NEARLY)
def test_nearly_the_same_only_where_asked_for(target, types):
    net = interp("height: 32 width: 32", (1, 3, 8, 8))
    assert not rewritten(net, {}, target).report.passed
    made = rewritten(net, {}, target, approximate=True)
    assert made.report.passed and not made.exact
    assert [layer.type for layer in made.net.layer[1:]] == types
    assert "where corners were aligned" in made.changes[0].what
    (found,) = compare_outputs((net, {}), (made.net, made.weights), renamed=made.renamed)
    assert 0.001 < found.mean < found.largest < 1


@settings(max_examples=15)
@given(st.data())
def test_any_interp_in_any_form(data):
    shape = tuple(data.draw(st.integers(1, 6)) for _ in range(4))
    height, width = (data.draw(st.integers(1, 14)) for _ in "hw")
    net = interp(f"height: {height} width: {width}", shape)
    found = check_forms(net, made_target("Convolution", "Deconvolution", "Reshape"))
    assert "layers of stock Caffe" in found
    check_forms(net)


def test_an_interp_to_other_than_whole_factors_has_no_near_form():
    assert all(form.exact for _, form in forms_of(interp("height: 7 width: 9", (1, 3, 4, 5))))
