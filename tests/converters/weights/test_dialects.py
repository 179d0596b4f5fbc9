"""Files in the release fork's bytes become BVLC's and back, byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.weights.caffemodel import read_caffemodel, write_caffemodel
from converters.weights.dialects import change_dialect, read_network
from prototxt_gen import NetParameter, generate, read_prototxt, write_prototxt
from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.errors import FormatError, UnsupportedError
from prototxt_gen.proto import V1LayerParameter
from prototxt_gen.text import parse_text
from prototxt_gen.wire import field
from tests.caffe_files import OURS_SPELLED, caffe_file, in_reference
from tests.released import FACTS, released

INTERPS = """
name: "seg"
layer { name: "conv" type: "Convolution" bottom: "x" top: "y" convolution_param { num_output: 1 kernel_size: 1 }
        blobs { shape { dim: 1 } data: 3 } }
layer { name: "up" type: "Interp" bottom: "y" top: "z" interp_param { height: 3 width: 5 } }
layer { name: "mix" type: "ShuffleChannel" bottom: "z" top: "m" shuffle_channel_param { group: 2 } }
layer { name: "zoom" type: "Interp" bottom: "m" top: "w" interp_param { zoom_factor: 8 } include { phase: TEST } }
"""
LEGACY = [
    f"legacy/{name}" for name in ("chunked_floats", "legacy_4d_blobs", "v1_legacy_blobs", "v1_text_v2_binary", "v2")
]
CLIP = 'layer { name: "clip" type: "Clip" clip_param { min: -1 max: 1 } }'


def layers_as_stock_caffe_reads(path: Path) -> NetParameter:
    net = NetParameter()
    net.MergeFromString(path.read_bytes())
    return net


@pytest.fixture
def release(tmp_path):
    path = tmp_path / "release.caffemodel"
    path.write_bytes(to_binary(parse_text(INTERPS, NetParameter()), "release"))
    return path


def test_there_and_back_gives_the_same_bytes(release, tmp_path):
    bvlc, back = tmp_path / "bvlc.caffemodel", tmp_path / "back.caffemodel"
    assert change_dialect(release, bvlc, "bvlc") == ["up", "zoom"]
    assert not any(layer.HasField("clip_param") for layer in layers_as_stock_caffe_reads(bvlc).layer)
    assert from_binary(bvlc.read_bytes()) == parse_text(INTERPS, NetParameter())
    assert change_dialect(bvlc, back, "release") == ["up", "zoom"]
    assert back.read_bytes() == release.read_bytes()
    assert change_dialect(back, back, "release") == []
    assert back.read_bytes() == release.read_bytes()


def test_the_forks_own_file(unpacked, tmp_path):
    there_and_back(unpacked("nets/df1seg_mergebn.fork.caffemodel"), tmp_path)


def test_the_layers_that_the_fork_wrote(tmp_path):
    """Those of its own file, without the layers between them."""
    fork = tmp_path / "fork.caffemodel"
    fork.write_bytes(b"".join(field(100, bytes.fromhex(digits)) for digits in FACTS["interps"]))
    there_and_back(fork, tmp_path)


def there_and_back(fork, tmp_path):
    assert not all(layer.clip_param.IsInitialized() for layer in layers_as_stock_caffe_reads(fork).layer)
    changed = change_dialect(fork, tmp_path / "bvlc.caffemodel", "bvlc")
    stock = layers_as_stock_caffe_reads(tmp_path / "bvlc.caffemodel")
    assert changed and not any(layer.HasField("clip_param") for layer in stock.layer)
    assert change_dialect(tmp_path / "bvlc.caffemodel", tmp_path / "back.caffemodel", "release") == changed
    assert (tmp_path / "back.caffemodel").read_bytes() == fork.read_bytes()


@pytest.mark.parametrize("dialect", ["bvlc", "release"])
def test_a_file_without_either_layer_is_copied(tmp_path, dialect):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(to_binary(generate("s4-8_b8_c5")) + b"\xfa\x3e\x03new")  # and a field of another fork
    assert change_dialect(path, tmp_path / "out.caffemodel", dialect) == []
    assert (tmp_path / "out.caffemodel").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "text",
    [CLIP, CLIP.replace("Clip", ""), CLIP + INTERPS],
)
def test_a_clip_stays_a_clip_and_has_no_place_in_the_fork(tmp_path, text):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(to_binary(parse_text(text, NetParameter())))
    assert change_dialect(path, tmp_path / "out.caffemodel", "bvlc") == []
    assert (tmp_path / "out.caffemodel").read_bytes() == path.read_bytes()
    with pytest.raises(UnsupportedError, match=r"layers \['clip'\]"):
        change_dialect(path, tmp_path / "fork.caffemodel", "release")
    assert not (tmp_path / "fork.caffemodel").exists()


def test_a_damaged_file_leaves_no_target(release, tmp_path):
    release.write_bytes(release.read_bytes()[:-7])
    with pytest.raises(FormatError, match=r"release\.caffemodel"):
        change_dialect(release, tmp_path / "out.caffemodel", "bvlc")
    assert not (tmp_path / "out.caffemodel").exists()


# -------------------------------------------------------------------------------------------------------- structure


@pytest.mark.parametrize("dialect", ["bvlc", "release"])
def test_structure_without_blobs(tmp_path, dialect):
    net = parse_text(INTERPS, NetParameter())
    path = tmp_path / "net.caffemodel"
    path.write_bytes(to_binary(net, dialect))
    net.layer[0].ClearField("blobs")
    assert read_network(path) == net


def test_structure_of_old_files(tmp_path):
    old = parse_text(
        'layers { name: "a" type: RELU blobs { data: 1 } } layers { layer { name: "b" type: "conv" blobs { num: 1 } } }'
        'input: "x" input_dim: 1',
        NetParameter(),
    )
    (tmp_path / "old.caffemodel").write_bytes(to_binary(old))
    for layer in old.layers:
        layer.ClearField("blobs")
        layer.layer.ClearField("blobs") if layer.HasField("layer") else None
    assert read_network(tmp_path / "old.caffemodel") == old


@pytest.mark.parametrize("name", [*OURS_SPELLED, *in_reference(*LEGACY)])
def test_structure_of_every_spelling(name, tmp_path):
    path = caffe_file(name, tmp_path)
    whole = from_binary(path.read_bytes())
    for layer in [*whole.layer, *whole.layers]:
        layer.ClearField("blobs")
        if isinstance(layer, V1LayerParameter) and layer.HasField("layer"):
            layer.layer.ClearField("blobs")
    assert read_network(path) == whole


def test_what_read_network_leaves_out_is_what_load_weights_reads(tmp_path):
    net = generate("s4-8_b8_c5")
    weights = {"conv1": [np.ones((4, 3, 3, 3), np.float32)]}
    write_caffemodel(weights, tmp_path / "net.caffemodel", net)
    assert read_network(tmp_path / "net.caffemodel") == net
    assert list(read_caffemodel(tmp_path / "net.caffemodel")) == ["conv1"]


def test_a_released_text_is_no_binary(tmp_path):
    path = tmp_path / "df1.prototxt"
    write_prototxt(released("df1"), path)
    assert read_prototxt(path).layer
    with pytest.raises(FormatError, match="looks like text"):
        read_network(path)
