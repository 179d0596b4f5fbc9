"""Weights: the files of real Caffe are read as protobuf reads them, and written again byte for byte."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from converters.formats import read_weights
from converters.weights import load_weights, save_weights
from prototxt_gen.binary import from_binary
from prototxt_gen.errors import FileError, WeightsError
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text, read_prototxt
from tests.caffe_files import OURS, OURS_SPELLED, caffe_file, in_reference
from tools.truths import SAVED

SUFFIXES = (".caffemodel", ".caffemodel.h5", ".safetensors")
CONFORMANCE = (
    "conformance/bias_channel",
    "conformance/bn_global",
    "conformance/bn_scale_bias",
    "conformance/bn_scale_inplace",
    "conformance/conv_3x3",
    "conformance/conv_depthwise_nobias",
    "conformance/conv_dilated",
    "conformance/conv_group",
    "conformance/conv_pad_stride",
    "conformance/deconv_basic",
    "conformance/deconv_bilinear",
    "conformance/deconv_group",
    "conformance/embed",
    "conformance/inplace_chain",
    "conformance/ip_axis2_nobias",
    "conformance/ip_basic",
    "conformance/ip_transpose",
    "conformance/prelu",
    "conformance/scale_channel",
)
LEGACY = (
    "legacy/chunked_floats",
    "legacy/legacy_4d_blobs",
    "legacy/v1_legacy_blobs",
    "legacy/v1_text_v2_binary",
    "legacy/v2",
)
PACKED = ("nets/df1.caffemodel", "nets/df1seg_mergebn.fork.caffemodel")


def parsed(data: bytes) -> dict[str, list[np.ndarray]]:
    """The blobs by the protobuf library, number by number."""
    net = from_binary(data)
    found = {}
    for layer in net.layers or net.layer:
        inner = layer.layer if net.layers and layer.HasField("layer") else layer
        if inner.blobs:
            found[inner.name] = [
                np.array(blob.double_data or blob.data, np.float32).reshape(
                    tuple(blob.shape.dim)
                    if not any(map(blob.HasField, ("num", "channels", "height", "width")))
                    else (blob.num, blob.channels, blob.height, blob.width)
                )
                for blob in inner.blobs
            ]
    return found


def assert_same(found, expected) -> None:
    """Same layers, same shapes, same bits."""
    assert found.keys() == expected.keys()
    for layer, blobs in expected.items():
        assert [blob.shape for blob in found[layer]] == [blob.shape for blob in blobs]
        assert [blob.tobytes() for blob in found[layer]] == [blob.tobytes() for blob in blobs]
        assert all(blob.dtype == np.float32 and blob.flags.writeable for blob in found[layer])


@pytest.mark.parametrize("name", [*OURS, *OURS_SPELLED, *in_reference(*CONFORMANCE, *LEGACY)])
def test_files_of_caffe_load_as_protobuf_parses_them(name: str, tmp_path: Path) -> None:
    path = caffe_file(name, tmp_path)
    assert_same(load_weights(path), parsed(path.read_bytes()))


@pytest.mark.parametrize("name", in_reference(*PACKED))
def test_whole_networks_load_as_protobuf_parses_them(name: str, unpacked) -> None:
    path = unpacked(name)
    assert_same(load_weights(path), parsed(path.read_bytes()))


@pytest.mark.parametrize("name", [*OURS, "spelled/v2", *in_reference(*CONFORMANCE, "legacy/v2")])
def test_written_with_its_network_a_file_is_what_caffe_wrote(name: str, tmp_path: Path) -> None:
    """Of ours tests/truths/saved.json says what Caffe wrote."""
    path, again = caffe_file(name, tmp_path), tmp_path / "again.caffemodel"
    if name in (*OURS, *OURS_SPELLED):
        saved = json.loads(SAVED.read_text("utf-8"))
        assert hashlib.sha256(path.read_bytes()).hexdigest()[:16] == saved[path.stem]
    save_weights(load_weights(path), again, from_binary(path.read_bytes()))
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "name", in_reference(*[f"conformance/{name}" for name in ("bn_scale_bias", "conv_group", "ip_basic", "lrn_across")])
)
def test_hdf5_of_caffe(name: str, tmp_path: Path) -> None:
    binary = caffe_file(name, tmp_path)
    found = load_weights(f"{binary}.h5")
    assert_same(found, parsed(binary.read_bytes()) if binary.exists() else {})


@pytest.mark.parametrize("name", [*OURS, *in_reference(*CONFORMANCE)])
def test_every_format_gives_the_weights_back(name: str, tmp_path: Path) -> None:
    weights = load_weights(caffe_file(name, tmp_path))
    for suffix in SUFFIXES:
        save_weights(weights, tmp_path / f"again{suffix}")
        assert_same(load_weights(tmp_path / f"again{suffix}"), weights)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
components = names.filter(lambda name: "/" not in name and name != "." and not name.isdecimal())
blobs = arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(
    weights=st.dictionaries(
        st.lists(components, min_size=1, max_size=3).map("/".join), st.lists(blobs, min_size=1, max_size=3), max_size=4
    )
)
def test_any_weights_go_through_any_format(suffix: str, weights, tmp_path_factory) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    save_weights(weights, path)
    assert_same(load_weights(path), weights)


@pytest.mark.parametrize(
    "given_blob",
    [
        np.arange(6, dtype=np.float64).reshape(2, 3),
        np.arange(6, dtype=np.float16).reshape(2, 3),
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.arange(6, dtype=np.int64).reshape(2, 3),
        np.arange(12, dtype=np.float32).reshape(2, 6)[:, ::2] / 2,
        np.arange(6, dtype=np.float32).reshape(3, 2).T,
        [[np.nan, np.inf, -np.inf], [0, -0.0, 1e-45]],
        2.5,
    ],
)
def test_other_arrays_become_float32(given_blob, tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        save_weights({"a": [given_blob]}, tmp_path / f"w{suffix}")
        found = load_weights(tmp_path / f"w{suffix}")["a"][0]
        assert found.tobytes() == np.asarray(given_blob, np.float32).tobytes()
        assert found.shape == np.shape(given_blob)


def test_what_cannot_be_written_is_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    net = parse_text('name: "n" layer { name: "kept" type: "Scale" }', NetParameter())
    weights = {
        "kept": [np.ones(1, np.complex64)],
        "text": [np.array(["a"])],
        "large": [np.array([1e300])],
        "ragged": [[[1], [1, 2]]],
        "\ud800": [np.ones(1)],
        "fine": [np.ones(1)],
    }
    with pytest.raises(WeightsError) as caught:
        save_weights(weights, path, net)
    message = str(caught.value)
    for part in (str(path), "complex64", "'text'", "1e+300", "'ragged'", "surrogates", "layer 'fine': not in the net"):
        assert part in message
    assert list(tmp_path.iterdir()) == []


def test_suffix_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"found suffix '\.pt'"):
        save_weights({}, tmp_path / "w.pt")


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    save_weights({"a": [np.ones(3)]}, path)
    old = path.read_bytes()
    with pytest.raises(WeightsError):
        save_weights({"a": ["?"]}, path)
    with pytest.raises(FileError, match="absent"):
        save_weights({"a": [np.ones(3)]}, tmp_path / "absent" / "w.caffemodel")
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_with_a_network_the_file_holds_it_too(tmp_path: Path) -> None:
    net = parse_text(
        'name: "n" input: "x" input_shape { dim: 1 dim: 2 } '
        'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" param { lr_mult: 2 } include { phase: TEST } '
        "inner_product_param { num_output: 1 } }",
        NetParameter(),
    )
    weights = {"ip": [np.ones((1, 2), np.float32), np.ones(1, np.float32)]}
    path = tmp_path / "w.caffemodel"
    save_weights(weights, path, net)
    assert_same(load_weights(path), weights)
    written = from_binary(path.read_bytes())
    assert list(written.layer[0].blobs[0].shape.dim) == [1, 2]
    written.layer[0].ClearField("blobs")
    assert written == net


DENSE = """
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "a" inner_product_param { num_output: 2 } }
layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
layer { name: "unused" type: "InnerProduct" bottom: "data" top: "b" inner_product_param { num_output: 3 } }
layer { name: "training" type: "Scale" bottom: "data" top: "c" include { phase: TRAIN } }
layer { name: "factors" type: "Scale" bottom: "data" bottom: "data" top: "d" scale_param { axis: 0 } }
layer { name: "silence" type: "Silence" bottom: "b" }
"""
IP = [np.ones((2, 2), np.float32), np.ones(2, np.float32)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('type: "Input" input_param { shape { dim: 1 dim: 2 } }', ["data", "ip", "r", "factors", "silence"]),
        # Nothing says how large the images of a data base are, so that a Scale may have blobs or not.
        ('type: "Data" data_param { source: "lmdb" batch_size: 1 }', ["data", "ip", "r", "silence"]),
    ],
)
@pytest.mark.parametrize("weights", [{"ip": IP}, {"ip": IP, "unused": []}])
def test_layers_whose_blobs_are_missing_are_not_in_the_file(source, expected, weights, tmp_path: Path) -> None:
    """Caffe aborts at a layer without its blobs and fills one that is absent (Net::CopyTrainedLayersFrom)."""
    net = parse_text(f'layer {{ name: "data" top: "data" {source} }} {DENSE}', NetParameter())
    save_weights(weights, tmp_path / "w.caffemodel", net)
    assert [layer.name for layer in from_binary((tmp_path / "w.caffemodel").read_bytes()).layer] == expected
    for suffix in SUFFIXES:
        save_weights(weights, tmp_path / f"w{suffix}", net)
        assert_same(load_weights(tmp_path / f"w{suffix}"), {"ip": IP})


def test_an_empty_layer_makes_no_group(tmp_path: Path) -> None:
    """At which Caffe would abort: "Incompatible number of blobs"."""
    save_weights({"ip": IP, "unused": []}, tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert list(file["data"]) == ["ip"]


def test_two_layers_of_one_name_both_have_its_blobs(tmp_path: Path) -> None:
    """So that Caffe, which copies each of them into the first, finds no layer without blobs."""
    layers = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 } } }'
    for bottom, outputs in (("data", 2), ("ip0", 3)):
        top = "ip0" if bottom == "data" else "ip1"
        layers += f'layer {{ name: "ip" type: "InnerProduct" bottom: "{bottom}" top: "{top}" '
        layers += f"inner_product_param {{ num_output: {outputs} }} }}"
    net = parse_text(layers + 'layer { name: "ip" type: "ReLU" bottom: "ip1" top: "y" }', NetParameter())
    path = tmp_path / "w.caffemodel"
    save_weights({"ip": IP}, path, net)
    assert [len(layer.blobs) for layer in from_binary(path.read_bytes()).layer] == [0, 2, 2, 2]
    assert_same(load_weights(path, net), {"ip": IP})
    save_weights({}, path, net)
    assert [layer.name for layer in from_binary(path.read_bytes()).layer] == ["data"]


@pytest.mark.parametrize("name", [*OURS_SPELLED, *in_reference(*LEGACY)])
def test_old_files_become_files_for_stock_caffe(name: str, tmp_path: Path) -> None:
    """Which takes the four sizes of old files in a .caffemodel, and in HDF5 nothing but the network's own shapes."""
    path = caffe_file(name, tmp_path)
    net = read_prototxt(path.with_suffix(".prototxt"))
    old = read_weights(path, net)
    for suffix in SUFFIXES:
        save_weights(old, tmp_path / f"new{suffix}", net)
        found = load_weights(tmp_path / f"new{suffix}")
        shapes = {layer: [blob.shape for blob in blobs] for layer, blobs in found.items()}
        if name in OURS_SPELLED:
            assert shapes == {"conv": [(6, 2, 3, 3), (6,)], "ip": [(5, 36), (5,)]}
        else:
            assert shapes == {"c1": [(6, 1, 3, 3), (6,)], "ip": [(4, 36), (4,)]}


def test_four_sizes_that_begin_with_one_are_written_as_caffe_takes_them_for_fewer(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    weights = {"a": [np.ones((1, 1, 1, 6), np.float32), np.ones((2, 1, 1, 6), np.float32)]}
    save_weights(weights, path)
    assert_same(load_weights(path), weights)
    old, new = from_binary(path.read_bytes()).layer[0].blobs
    assert (old.num, old.channels, old.height, old.width, old.HasField("shape")) == (1, 1, 1, 6, False)
    assert (new.HasField("num"), list(new.shape.dim)) == (False, [2, 1, 1, 6])


def peak_of(code: str, *arguments: object) -> int:
    """The most memory in bytes that a fresh Python takes for `code` beyond its imports."""
    program = """
import sys, numpy
from pathlib import Path
from converters.weights import load_weights, save_weights
def memory(field):
    return int(Path("/proc/self/status").read_text().split(field + ":")[1].split()[0]) * 1024
Path("/proc/self/clear_refs").write_text("5")  # VmHWM, the most it has had, begins anew
before = memory("VmRSS")
"""
    run = [sys.executable, "-c", f"{program}{code}\nprint(memory('VmHWM') - before)", *map(str, arguments)]
    return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux tells it")
def test_loading_and_saving_take_the_memory_of_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    size = 64 << 20
    save_weights({f"layer{index}": [np.ones((size >> 5) >> 2, np.float32)] for index in range(32)}, path)
    assert size <= peak_of("weights = load_weights(sys.argv[1])", path) < 1.2 * size
    made = "weights = {'a': [numpy.ones(1 << 24, numpy.float32)]}; save_weights(weights, sys.argv[1])"
    assert size <= peak_of(made, tmp_path / "v.caffemodel") < 1.2 * size


@pytest.mark.slow
def test_files_over_two_gigabytes_go_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    save_weights({"a": [np.zeros((600, 1000, 1000), np.float32)], "b": [np.ones(3, np.float32)]}, path)
    assert path.stat().st_size > 1 << 31
    found = load_weights(path)
    assert found["a"][0].shape == (600, 1000, 1000)
    assert found["b"][0].tolist() == [1, 1, 1]
