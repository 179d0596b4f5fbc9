"""Layers that change nothing go where a target does not take them, and the numbers stay."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from prototxt_gen import NetParameter
from prototxt_gen.text import parse_text
from tests.targets import largest_difference, made_target

NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 dim: 6 dim: 5 } } }
layer { name: "a" type: "Power" bottom: "x" top: "a" power_param { shift: 1 } }
layer { name: "idle" bottom: "a" top: "idle" %s }
layer { name: "b" type: "Power" bottom: "idle" top: "b" power_param { scale: 2 } }
"""

IDLE = {
    "Dropout": 'type: "Dropout"',
    "Interp": 'type: "Interp" interp_param { height: 6 width: 5 }',
    "Upsample": 'type: "Upsample" upsample_param { scale: 1 }',
    "Tile": 'type: "Tile" tile_param { tiles: 1 }',
    "Permute": 'type: "Permute" permute_param { order: 0 order: 1 }',
    "ShuffleChannel": 'type: "ShuffleChannel" shuffle_channel_param { group: 4 }',
    "Pooling": 'type: "Pooling" pooling_param { kernel_size: 1 }',
    "Concat": 'type: "Concat"',
}


def checked(text: str):
    net = parse_text(text, NetParameter())
    made = rewritten(net, {}, made_target("Power"))
    assert largest_difference(net, {}, made) == 0
    return made


@pytest.mark.parametrize("layer", IDLE.values(), ids=IDLE)
def test_what_takes_its_top_takes_its_bottom(layer):
    made = checked(NET % layer)
    assert made.report.passed
    assert [(one.name, list(one.bottom)) for one in made.net.layer] == [("x", []), ("a", ["x"]), ("b", ["a"])]


def test_a_layer_in_place_goes():
    made = checked(NET.replace('top: "idle"', 'top: "a"').replace('bottom: "idle"', 'bottom: "a"') % IDLE["Dropout"])
    assert [one.name for one in made.net.layer] == ["x", "a", "b"]


def test_an_interp_that_crops_stays():
    made = rewritten(
        parse_text(NET % 'type: "Interp" interp_param { height: 6 width: 5 pad_beg: -1 }', NetParameter()),
        {},
        made_target("Power"),
    )
    assert not made.report.passed


def test_a_layer_in_place_behind_it_writes_over_nothing_that_is_still_taken():
    text = NET.replace('top: "b"', 'top: "idle"') % IDLE["Dropout"]
    text += 'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "idle" top: "sum" }'
    net = parse_text(text, NetParameter())
    made = rewritten(net, {}, made_target("Power", "Eltwise"))
    assert largest_difference(net, {}, made) == 0


def test_an_output_keeps_its_name():
    net = parse_text(NET.split('layer { name: "b"')[0] % IDLE["Dropout"], NetParameter())
    made = rewritten(net, {}, made_target("Power"))
    assert [fault.layer for fault in made.report.faults] in ([], ["idle"])
    assert "idle" in {top for layer in made.net.layer for top in layer.top}
