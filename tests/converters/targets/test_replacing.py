"""Layers at fault get other forms where they stand, and the network around them stays right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("torch")

from converters.targets.forms import LAYER_REWRITES, Form, Place, layers_rewritten
from converters.targets.rewriting import rewritten
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.text import parse_text, to_text
from tests.filling import fill_weights
from tests.targets import largest_difference, made_target, rule

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 6 dim: 5 } } }\n'
CONV = (
    'layer { name: "conv" type: "Convolution" bottom: "data" top: "x"'
    " convolution_param { num_output: 4 kernel_size: 1 } }\n"
)


def layer(kind: str, bottoms: str, top: str, name: str = "", **options: object) -> LayerParameter:
    return LayerParameter(name=name or top, type=kind, bottom=bottoms.split(), top=top.split(), **options)


@pytest.fixture
def offered() -> Iterator[object]:
    """Enters rewrites for a test; `offered(kind, name)` is the decorator."""
    before = {kind: dict(LAYER_REWRITES[kind]) for kind in LAYER_REWRITES}
    yield lambda kind, name: layers_rewritten(name, kind)
    for kind in list(LAYER_REWRITES):
        if kind in before:
            LAYER_REWRITES[kind].clear()
            LAYER_REWRITES[kind].update(before[kind])
        else:
            LAYER_REWRITES.remove(kind)


def halves(place: Place) -> Iterator[Form]:
    """max(x, 0) as half of x and |x|."""
    old = place.row.layer
    inner = place.name("abs")
    total = layer("Eltwise", f"{old.bottom[0]} {inner}", old.top[0], old.name)
    total.eltwise_param.coeff[:] = [0.5, 0.5]
    yield Form((layer("AbsVal", old.bottom[0], inner), total), "as half of the value and its size")


def checked(text: str, target, **options):
    net = parse_text(text, NetParameter())
    before = to_text(net)
    weights = fill_weights(net)
    made = rewritten(net, weights, target, **options)
    assert to_text(net) == before
    names = [one.name for one in made.net.layer]
    assert len(set(names)) == len(names)
    assert largest_difference(net, weights, made) <= 1e-5
    return made


def types(made) -> list[str]:
    return [one.type for one in made.net.layer]


def test_a_network_without_faults_stays_as_it_is():
    text = INPUT + CONV
    made = checked(text, made_target("Convolution"))
    assert to_text(made.net) == to_text(parse_text(text, NetParameter()))
    assert made.changes == () and made.exact


def test_two_layers_stand_where_one_was_and_names_are_new(offered):
    offered("ReLU", "halves")(halves)
    text = INPUT + (
        'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
        'layer { name: "r/abs" type: "Power" bottom: "data" top: "r/abs" }'
        'layer { name: "s" type: "ReLU" bottom: "r" top: "s" }'
    )
    made = checked(text, made_target("AbsVal", "Eltwise", "Power"))
    assert types(made) == ["Input", "AbsVal", "Eltwise", "Power", "AbsVal", "Eltwise"]
    assert [(change.layer, change.rewrite, change.exact) for change in made.changes] == [
        ("r", "halves", True),
        ("s", "halves", True),
    ]


def test_what_ran_in_place_is_named_apart_before_it_and_keeps_the_name_behind_it(offered):
    offered("ReLU", "halves")(halves)
    text = INPUT + CONV + (
        'layer { name: "n" type: "Scale" bottom: "x" top: "x" scale_param { bias_term: true } }'
        'layer { name: "r" type: "ReLU" bottom: "x" top: "x" }'
        'layer { name: "p" type: "Power" bottom: "x" top: "x" power_param { shift: 1 } }'
    )  # fmt: skip
    made = checked(text, made_target("Convolution", "Scale", "Power", "AbsVal", "Eltwise"))
    assert [tuple(one.top) for one in made.net.layer] == [("data",), ("r/in",), ("r/in",), ("r/abs",), ("x",), ("x",)]
    assert made.renamed == {}


def test_an_input_keeps_its_name_where_a_layer_ran_in_place_on_it(offered):
    offered("ReLU", "halves")(halves)
    text = INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" top: "data" }' + CONV
    made = checked(text, made_target("Convolution", "AbsVal", "Eltwise"))
    assert made.net.layer[0].top == ["data"]
    assert made.renamed == {"data": "r/in"}


def test_one_layer_for_one_runs_in_place_as_before():
    text = INPUT + CONV + 'layer { name: "r" type: "ReLU6" bottom: "x" top: "x" }'
    made = checked(text, made_target("Convolution", "Clip"))
    assert list(made.net.layer[2].bottom) == list(made.net.layer[2].top) == ["x"]


def test_forms_are_found_for_the_layers_of_a_form_too(offered):
    offered("ReLU", "halves")(halves)

    @offered("AbsVal", "by ReLU")
    def by_prelu(place):
        old = place.row.layer
        yield Form((layer("PReLU", old.bottom[0], old.top[0], old.name),), "as a PReLU", {old.name: [minus_one()]})

    def minus_one():
        return np.full(4, -1, np.float32)

    made = checked(INPUT + CONV + 'layer { name: "r" type: "ReLU" bottom: "x" top: "x" }',
                   made_target("Convolution", "PReLU", "Eltwise"))  # fmt: skip
    assert types(made) == ["Input", "Convolution", "PReLU", "Eltwise"]
    assert made.changes[0].what == "as half of the value and its size, as a PReLU"
    assert list(made.fixed) == ["r/abs"]


def test_forms_that_lead_round_in_a_circle_end():
    text = INPUT + 'layer { name: "r" type: "ReLU6" bottom: "data" top: "r" }'
    made = rewritten(parse_text(text, NetParameter()), None, made_target("Convolution"))
    assert [fault.layer for fault in made.report.faults] == ["r"]
    assert made.changes == ()


def costly(place: Place) -> Iterator[Form]:
    """ReLU6 by a Convolution that changes nothing, and a Clip; then a Clip alone."""
    old = place.row.layer
    same = layer("Convolution", old.bottom[0], place.name("same"))
    same.convolution_param.num_output, same.convolution_param.bias_term = 4, False
    same.convolution_param.kernel_size.append(1)
    clip = layer("Clip", same.top[0], old.top[0], old.name)
    clip.clip_param.min, clip.clip_param.max = 0, 6
    yield Form((same, clip), "the long way", {same.name: [np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1)]})
    clip = layer("ELU", old.bottom[0], old.top[0], old.name)
    yield Form((clip,), "nearly", exact=False)


def test_the_cheapest_exact_form_comes_first(offered):
    offered("ReLU6", "another")(costly)
    text = INPUT + 'layer { name: "r" type: "ReLU6" bottom: "data" top: "r" }'
    for target, approximate, wanted in (
        (made_target("Clip", "Convolution", "ELU"), True, ["Clip"]),
        (made_target("Convolution", "ELU"), True, ["ELU"]),
        (made_target("Convolution", "ELU"), False, ["ReLU6"]),
    ):
        made = rewritten(parse_text(text, NetParameter()), None, target, approximate=approximate)
        assert types(made)[1:] == wanted
        assert made.exact == (wanted != ["ELU"])
    clip_rule = rule("Clip", "bottoms == 1")
    made = rewritten(parse_text(text, NetParameter()), None, made_target("Convolution", "Clip", rules=[clip_rule]))
    assert types(made)[1:] == ["Clip"]


@pytest.mark.parametrize(("accelerated", "wanted"), [(False, "ReLU6"), (True, "Clip")])
def test_layers_on_the_cpu_are_replaced_where_the_accelerator_is_asked_for(accelerated, wanted):
    text = INPUT + 'layer { name: "r" type: "ReLU6" bottom: "data" top: "r" }'
    made = checked(text, made_target("Clip", cpu=["ReLU6"]), accelerated=accelerated)
    assert types(made)[1:] == [wanted]


def test_what_runs_on_the_cpu_either_way_stays():
    text = INPUT + 'layer { name: "r" type: "ReLU6" bottom: "data" top: "r" }'
    made = checked(text, made_target(cpu=["ReLU6", "Clip"]), accelerated=True)
    assert types(made)[1:] == ["ReLU6"]
    assert [fault.outcome for fault in made.report.faults] == ["cpu"]


def test_a_refused_layer_becomes_one_on_the_cpu_where_there_is_no_better():
    text = INPUT + 'layer { name: "r" type: "ReLU6" bottom: "data" top: "r" }'
    for accelerated in (False, True):
        assert types(checked(text, made_target(cpu=["Clip"]), accelerated=accelerated))[1:] == ["Clip"]


def test_a_bottom_that_nothing_takes_any_more_goes_with_what_made_it(offered):
    @offered("Crop", "the first number of each map")
    def first_number(place):
        old = place.row.layer
        made = layer("Convolution", old.bottom[0], old.top[0], old.name)
        made.convolution_param.num_output, made.convolution_param.group = 4, 4
        made.convolution_param.kernel_h, made.convolution_param.kernel_w = 6, 5
        made.convolution_param.bias_term = False
        kernel = np.zeros((4, 1, 6, 5), np.float32)
        kernel[..., 0, 0] = 1
        yield Form((made,), "as a Convolution", {old.name: [kernel]})

    text = INPUT + CONV + (
        'layer { name: "y" type: "Pooling" bottom: "data" top: "y" pooling_param { global_pooling: true } }'
        'layer { name: "c" type: "Crop" bottom: "x" bottom: "y" top: "c" }'
    )  # fmt: skip
    made = checked(text, made_target("Convolution", "Pooling"))
    assert [one.name for one in made.net.layer] == ["data", "conv", "c"]
    assert set(made.weights) == {"conv", "c"}
    assert made.changes[-1].layer == "y"


def test_layers_that_shared_blobs_with_a_replaced_one_have_their_own(offered):
    @offered("Convolution", "with a dilation that says nothing")
    def spelled(place):
        new = LayerParameter()
        new.CopyFrom(place.row.layer)
        new.convolution_param.dilation[:] = [1]
        yield Form((new,), "with its dilation")

    conv = (
        'layer {{ name: "{0}" type: "Convolution" bottom: "data" top: "{0}" param {{ name: "w" }} param {{ name: "b" }}'
        " convolution_param {{ num_output: 3 {1} }} }}"
    )
    text = INPUT + conv.format("a", "kernel_size: 2") + conv.format("b", "kernel_size: 2 dilation: 1")
    net = parse_text(text, NetParameter())
    weights = fill_weights(net)
    del weights["b"]
    made = rewritten(net, weights, made_target("Convolution", rules=[rule("Convolution", "dilation == [1]")]))
    assert made.report.faults == ()
    assert set(made.weights) == {"a", "b"}
    assert largest_difference(net, weights, made) <= 1e-5


def test_a_layer_whose_memory_others_look_through_stays(offered):
    """`r` writes over `data` by way of the view `f`; with a top of its own `p` would read another value."""
    offered("ReLU", "halves")(halves)
    text = INPUT + (
        'layer { name: "f" type: "Flatten" bottom: "data" top: "f" }'
        'layer { name: "r" type: "ReLU" bottom: "f" top: "f" }'
        'layer { name: "p" type: "Power" bottom: "data" top: "p" }'
        'layer { name: "s" type: "ReLU" bottom: "p" top: "s" }'
    )
    made = checked(text, made_target("Flatten", "AbsVal", "Eltwise", "Power"))
    assert types(made) == ["Input", "Flatten", "ReLU", "Power", "AbsVal", "Eltwise"]
    assert [fault.layer for fault in made.report.faults] == ["r"]


def test_layers_of_unknown_types_stay_and_are_listed_and_others_are_replaced():
    text = INPUT + (
        'layer { name: "r" type: "ReLU6" bottom: "data" top: "r" }'
        'layer { name: "u" type: "Unheard" bottom: "r" top: "u" }'
        'layer { name: "v" type: "ReLU6" bottom: "u" top: "v" }'
        'layer { name: "w" type: "ReLU6" bottom: "r" top: "w" }'
    )
    made = rewritten(parse_text(text, NetParameter()), None, made_target("Clip"))
    assert types(made) == ["Input", "Clip", "Unheard", "ReLU6", "Clip"]
    assert [fault.layer for fault in made.report.faults] == ["u", "v"]


def test_types_spelled_otherwise_are_rewritten_as_what_they_stand_for():
    text = INPUT + 'layer { name: "r" type: "Relu6" bottom: "data" top: "r" }'
    assert types(rewritten(parse_text(text, NetParameter()), None, made_target("Clip")))[1:] == ["Clip"]
