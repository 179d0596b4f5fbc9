"""Layers that change nothing are left out where a target does not take them."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters.targets.rewriting import rewritten
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text
from tests.filling import fill_weights
from tests.targets import largest_difference, made_target

BEGIN = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 5 dim: 3 } } }
layer { name: "abs" type: "AbsVal" bottom: "data" top: "x" }
"""
END = 'layer { name: "sum" type: "Eltwise" bottom: "y" bottom: "data" top: "sum" }'
IDLE = [
    'type: "Dropout"',
    'type: "Power"',
    'type: "Interp" interp_param { height: 5 width: 3 }',
    'type: "ShuffleChannel" shuffle_channel_param { group: 4 }',
    'type: "Reshape" reshape_param { shape { dim: 0 dim: 0 dim: -1 dim: 3 } }',
    'type: "Concat"',
    'type: "Permute" permute_param { order: 0 order: 1 }',
    'type: "Tile" tile_param { tiles: 1 }',
    'type: "Upsample" upsample_param { scale: 1 }',
    'type: "Pooling" pooling_param { kernel_size: 1 }',
]
BUSY = ['type: "Power" power_param { shift: 1 }', 'type: "Interp" interp_param { height: 5 width: 3 pad_end: -1 }']


@pytest.mark.parametrize("kind", IDLE)
@pytest.mark.parametrize("end", [END, "", 'layer { name: "r" type: "ReLU" bottom: "y" top: "y" }' + END])
def test_an_idle_layer_goes_and_outputs_keep_their_names(kind, end):
    net = parse_text(BEGIN + f'layer {{ name: "idle" bottom: "x" top: "y" {kind} }}' + end, NetParameter())
    made = rewritten(net, {}, made_target("AbsVal", "Eltwise", "ReLU"))
    assert made.report.faults == () and made.renamed == {}
    assert "idle" not in {layer.name for layer in made.net.layer}
    assert largest_difference(net, {}, made) == 0


def test_one_in_place_goes():
    net = parse_text(BEGIN + 'layer { name: "drop" type: "Dropout" bottom: "x" top: "x" }', NetParameter())
    made = rewritten(net, {}, made_target("AbsVal"))
    assert [layer.name for layer in made.net.layer] == ["in", "abs"]


@pytest.mark.parametrize("kind", BUSY)
def test_what_changes_numbers_stays(kind):
    net = parse_text(BEGIN + f'layer {{ name: "busy" bottom: "x" top: "y" {kind} }}', NetParameter())
    made = rewritten(net, fill_weights(net), made_target("AbsVal"))
    assert [fault.layer for fault in made.report.faults] == ["busy"]


def test_a_copy_that_is_written_over_stays():
    more = """
    layer { name: "copy" type: "Power" bottom: "x" top: "y" }
    layer { name: "less" type: "BNLL" bottom: "y" top: "y" }
    layer { name: "sum" type: "Eltwise" bottom: "x" bottom: "y" top: "sum" }
    """
    made = rewritten(parse_text(BEGIN + more, NetParameter()), {}, made_target("AbsVal", "BNLL", "Eltwise"))
    assert [fault.layer for fault in made.report.faults] == ["copy"]
