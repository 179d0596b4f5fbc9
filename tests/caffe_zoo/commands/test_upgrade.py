"""What becomes of files in old formats."""

from __future__ import annotations

import numpy as np
import pytest

from converters import load_weights, read_network
from prototxt_gen import NetParameter, read_prototxt
from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.text import parse_text


@pytest.mark.parametrize("version", ["V0", "V1"])
def test_upgrade_both_files(run, old_pair, tmp_path, version):
    prototxt, caffemodel, weights = old_pair(version)
    new = tmp_path / "new.prototxt", tmp_path / "new.caffemodel"
    printed = run("upgrade", prototxt, caffemodel, "-o", *new)
    assert printed == f"{new[1]}: 2 layers with weights\n{new[0]}: 3 layers\n"
    assert read_prototxt(new[0]) == upgrade(read_prototxt(prototxt))
    structure = from_binary(new[1].read_bytes())
    assert not structure.layers and [layer.type for layer in structure.layer][1:] == ["Convolution", "InnerProduct"]
    for name, blobs in load_weights(new[1]).items():
        for before, after in zip(weights[name], blobs, strict=True):
            np.testing.assert_array_equal(before, after)  # in the shapes that layers have today
    assert "agrees" in run("verify", *new, "--against", prototxt, caffemodel)


def test_upgrade_one_file(run, old_pair, tmp_path):
    prototxt, caffemodel, weights = old_pair("V1")
    assert "3 layers" in run("upgrade", prototxt, "-o", tmp_path / "a.prototxt")
    assert "2 layers" in run("upgrade", caffemodel, "-o", tmp_path / "a.caffemodel")
    assert read_network(tmp_path / "a.caffemodel") == read_prototxt(tmp_path / "a.prototxt")
    assert load_weights(tmp_path / "a.caffemodel")["ip"][0].shape == weights["ip"][0].shape


def test_upgrade_in_place(run, old_pair):
    prototxt, _, _ = old_pair("V1")
    run("upgrade", prototxt, "-o", prototxt)
    once = prototxt.read_bytes()
    run("upgrade", prototxt, "-o", prototxt)
    assert prototxt.read_bytes() == once


def test_upgrade_keeps_blobs_whose_shapes_nothing_tells(run, tmp_path):
    text = 'layers { name: "d" type: HDF5_DATA top: "data" } layers { name: "ip" type: INNER_PRODUCT bottom: "data" '
    net = parse_text(text + 'top: "ip" inner_product_param { num_output: 3 } }', NetParameter())
    net.layers[1].blobs.add(num=1, channels=1, height=3, width=2, data=range(6))
    (tmp_path / "old.caffemodel").write_bytes(to_binary(net))
    run("upgrade", tmp_path / "old.caffemodel", "-o", tmp_path / "new.caffemodel")
    assert load_weights(tmp_path / "new.caffemodel")["ip"][0].shape == (1, 1, 3, 2)


def test_upgrade_says_what_it_expects(fault, old_pair, tmp_path):
    prototxt, caffemodel, _ = old_pair("V1")
    out = tmp_path / "x.caffemodel"
    assert "2 files and 1 outputs" in fault("upgrade", prototxt, caffemodel, "-o", out)
    assert "expected the kind of file" in fault("upgrade", prototxt, "-o", out)
    assert "two files of one kind" in fault("upgrade", caffemodel, caffemodel, "-o", out, out)
    assert "cannot be read" in fault("upgrade", tmp_path / "no.prototxt", "-o", prototxt)
    assert not out.exists()
