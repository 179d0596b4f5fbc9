"""Advice on faults: the rewrite that takes each away, whether it is exact, and what is said where none does."""

from __future__ import annotations

import numpy as np
import pytest

from converters.targets.advising import advise
from prototxt_gen import NetParameter
from prototxt_gen.errors import CaffeError
from prototxt_gen.text import parse_text
from tests.targets import made_target, rule

INPUT = 'layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 2 dim: 8 dim: 8 } } }'
CLIP = 'layer { name: "clip" type: "Clip" bottom: "a" top: "clip" clip_param { min: 0 max: 6 } }'
NORM = """
layer { name: "c" type: "Convolution" bottom: "a" top: "c" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "n" type: "BatchNorm" bottom: "c" top: "n" }
layer { name: "s" type: "Scale" bottom: "n" top: "s" scale_param { bias_term: true } }
"""


def network(*layers: str) -> NetParameter:
    return parse_text("\n".join(['name: "small"', INPUT, *layers]), NetParameter())


def advice(net: NetParameter, *types: str, weights=None, **more) -> dict[str, tuple[str, bool]]:
    """By layer, the rewrite that takes its fault away, and whether that is exact."""
    return {
        fault.layer: (fault.rewrite, fault.exact)
        for fault in advise(net, made_target(*types, **more), weights=weights).faults
    }


def test_a_layer_that_is_replaced():
    assert advice(network(CLIP), "ReLU6") == {"clip": ("Clip to 0..6 as ReLU6", True)}
    assert advice(network(CLIP.replace("6 }", "5 }")), "ReLU6") == {"clip": ("", True)}


@pytest.mark.parametrize("weights", [None, {"c": [np.ones((2, 2, 1, 1)), np.ones(2)]}])
def test_layers_that_go_with_the_rewrite_of_another(weights):
    if weights:
        weights |= {"n": [np.ones(2), np.ones(2), np.ones(1)], "s": [np.ones(2), np.ones(2)]}
    told = ("folded into the layer before", True)
    assert advice(network(NORM), "Convolution", weights=weights) == {"n": told, "s": told}


def test_names_that_are_cut():
    long = network(CLIP.replace("clip", "a_name_that_is_long", 1).replace('top: "clip"', 'top: "short"'))
    (told,) = advice(long, "Clip", rules=[rule("*", "name_length <= 12")]).values()
    assert told[0].startswith("is called ") and told[1]


def test_what_stays_has_no_rewrite_and_what_goes_has_one():
    net = network(CLIP, 'layer { name: "m" type: "Mystery" bottom: "a" top: "m" }')
    assert advice(net, "ReLU6") == {"clip": ("Clip to 0..6 as ReLU6", True), "m": ("", True)}


def test_an_approximate_rewrite_counts_where_there_is_no_exact_one_and_is_called_so(monkeypatch):
    from converters.targets.forms import LAYER_REWRITES, Form
    from prototxt_gen.proto import LayerParameter

    def as_power(place):
        old = place.row.layer
        made = LayerParameter(name=old.name, type="Power", bottom=old.bottom, top=old.top)
        yield Form((made,), "Clip as nothing", exact=False)

    monkeypatch.setitem(LAYER_REWRITES["Clip"], "nothing", as_power)
    told, exact = advice(network(CLIP), "Power")["clip"]
    assert told.endswith("Clip as nothing") and not exact
    assert advice(network(CLIP), "Power", "ReLU6")["clip"] == ("Clip to 0..6 as ReLU6", True)


def test_without_faults_nothing_is_tried(monkeypatch):
    monkeypatch.setattr("converters.targets.advising.rewritten", None)
    assert advise(network(CLIP), made_target("Clip")).passed


def test_a_network_that_cannot_be_rewritten_says_why(monkeypatch):
    def refuse(*_, **__):
        raise CaffeError("no such thing")

    monkeypatch.setattr("converters.targets.advising.rewritten", refuse)
    report = advise(network(CLIP), made_target("ReLU6"))
    assert report.notes == ("Rewrites were not tried: no such thing",) and not report.faults[0].rewrite
