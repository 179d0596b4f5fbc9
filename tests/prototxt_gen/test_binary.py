"""Binary networks: the two dialects of field 148, and bytes that are no network."""

from __future__ import annotations

import re

import pytest

from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.errors import FormatError, UnsupportedError
from prototxt_gen.fingerprints import fingerprint
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text, to_text
from prototxt_gen.wire import field
from tests.released import FACTS, released

BOTH_NAMES = """
layer { name: "clip" type: "Clip" bottom: "data" top: "clip" clip_param { min: -1 max: 2 } }
layer { name: "up" type: "Interp" bottom: "clip" top: "up" interp_param { height: 3 width: 5 pad_end: -1 } }
layer { name: "mix" type: "ShuffleChannel" bottom: "up" top: "mix" shuffle_channel_param { group: 2 } }
"""


def test_text_takes_both_names_of_148():
    net = parse_text(BOTH_NAMES, NetParameter())
    assert (net.layer[0].clip_param.min, net.layer[0].clip_param.max) == (-1, 2)
    assert (net.layer[1].interp_param.height, net.layer[1].interp_param.width) == (3, 5)
    assert net.layer[2].shuffle_channel_param.group == 2
    assert parse_text(to_text(net), NetParameter()) == net
    assert from_binary(to_binary(net)) == net


def test_bvlc_bytes_carry_clip_in_148_and_no_interp_there():
    net = parse_text(BOTH_NAMES, NetParameter())
    clip, interp, _ = _layers_as_written(to_binary(net))
    assert clip.HasField("clip_param")
    assert not interp.HasField("clip_param")


def test_release_bytes_carry_interp_in_148():
    net = parse_text(BOTH_NAMES, NetParameter())
    del net.layer[0]
    before = to_binary(net)
    data = to_binary(net, "release")
    interp, _ = _layers_as_written(data)
    # As bytes of BVLC's schema: a Clip that lacks its required numbers, what stock Caffe stops at.
    assert interp.HasField("clip_param")
    assert not interp.clip_param.IsInitialized()
    assert not interp.HasField("interp_param")
    assert from_binary(data) == net
    assert fingerprint(from_binary(data)) == fingerprint(net)
    assert to_binary(net) == before  # the argument is left as it was


def test_an_interp_without_numbers_is_none_the_less_an_interp():
    net = parse_text('layer { name: "up" type: "Interp" interp_param { } }', NetParameter())
    assert from_binary(to_binary(net, "release")) == net


def test_release_bytes_cannot_hold_a_clip():
    with pytest.raises(UnsupportedError, match=re.escape("layers ['clip']")):
        to_binary(parse_text(BOTH_NAMES, NetParameter()), "release")


def test_layers_that_the_fork_wrote_are_those_of_the_released_text():
    """Name, type, bottom and top, phase and field 148 of each Interp in a file of weights by the fork itself."""
    wanted = {layer.name: layer for layer in select_phase(released("df1seg_mergebn"), "TEST").layer}
    assert len(FACTS["interps"]) == 4
    for digits in FACTS["interps"]:
        data = field(100, bytes.fromhex(digits))
        (layer,) = from_binary(data).layer
        assert layer.type == "Interp" and not layer.HasField("clip_param")
        assert layer.interp_param == wanted[layer.name].interp_param
        assert to_binary(NetParameter(layer=[layer]), "release") == data


def _layers_as_written(data: bytes) -> list:
    """The layers as the bytes have them, before from_binary moves fields."""
    net = NetParameter()
    net.MergeFromString(data)
    return list(net.layer)


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"layer { }"])
def test_bytes_that_are_no_network_are_refused(data):
    with pytest.raises(FormatError, match="model: not a binary NetParameter"):
        from_binary(data, "model")


def test_a_tool_has_numbers_of_its_own_and_fields_without_one_are_left_out():
    net = parse_text(BOTH_NAMES, NetParameter())
    net.layer.add(name="up2", type="Upsample", bottom=["mix"], top=["up2"]).upsample_param.scale = 2
    numbers = {"upsample_param": 160, "shuffle_channel_param": 159}
    data = to_binary(net, numbers=numbers)
    found = from_binary(data, numbers=numbers)
    net.layer[1].ClearField("interp_param")
    assert found == net
    assert from_binary(data) != net
    clash = {"upsample_param": 148}
    with pytest.raises(UnsupportedError, match=re.escape("layers ['clip']: their field 148 is upsample_param")):
        to_binary(net, numbers=clash)


def test_two_fields_may_have_changed_their_numbers():
    net = parse_text(BOTH_NAMES, NetParameter())
    numbers = {"interp_param": 149, "shuffle_channel_param": 20148}
    assert from_binary(to_binary(net, numbers=numbers), numbers=numbers) == net


def test_fields_stand_in_the_order_of_their_numbers():
    net = parse_text('layer { name: "u" type: "U" upsample_param { scale: 2 } pooling_param { } loss_param { } '
                     "scale_param { } }", NetParameter())  # fmt: skip
    data = to_binary(net, numbers={"upsample_param": 130})
    places = [data.index(field(number, b"")[:2]) for number in (101, 121, 130, 142)]
    assert places == sorted(places)
