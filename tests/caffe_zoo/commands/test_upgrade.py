"""What becomes of files in old formats."""

from __future__ import annotations

import numpy as np
import pytest

from converters import load_weights, read_network
from prototxt_gen import NetParameter, read_prototxt, read_solver, upgrade_solver
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
    assert "x.caffemodel: found another kind of file" in fault("upgrade", prototxt, "-o", out)
    assert "w.h5: found weights of another format" in fault("upgrade", tmp_path / "w.h5", "-o", out)
    assert "two files of one kind" in fault("upgrade", caffemodel, caffemodel, "-o", out, out)
    assert "cannot be read" in fault("upgrade", tmp_path / "no.prototxt", "-o", prototxt)
    assert not out.exists()


def test_upgrade_weights_in_place(run, old_pair):
    prototxt, caffemodel, weights = old_pair("V1")
    run("upgrade", prototxt, caffemodel, "-o", prototxt, caffemodel)
    once = caffemodel.read_bytes()
    assert not from_binary(once).layers
    run("upgrade", caffemodel, "-o", caffemodel)
    assert caffemodel.read_bytes() == once
    for name, blobs in load_weights(caffemodel).items():
        for before, after in zip(weights[name], blobs, strict=True):
            np.testing.assert_array_equal(before, after)


SOLVER = """
# by hand
net: "train_val.prototxt"
base_lr: 0.01
solver_type: ADAM
debug_info: true
"""


def test_upgrade_a_solver(run, tmp_path):
    old, new = tmp_path / "solver.prototxt", tmp_path / "new.prototxt"
    old.write_text(SOLVER)
    assert run("upgrade", old, "-o", new) == f"{new}: solver\n"
    found = read_solver(new)
    assert found == upgrade_solver(read_solver(old)) and found.type == "Adam" and found.net == "train_val.prototxt"
    assert old.read_text() == SOLVER


def test_upgrade_a_solver_in_place(run, fault, tmp_path):
    path = tmp_path / "solver.prototxt"
    path.write_text(SOLVER)
    run("upgrade", path, "-o", path)
    once = path.read_text()
    assert 'type: "Adam"' in once and "solver_type" not in once and 'net: "train_val.prototxt"' in once
    run("upgrade", path, "-o", path)
    assert path.read_text() == once
    path.write_text(both := f'{SOLVER}type: "SGD"')
    assert "expected one of the two" in fault("upgrade", path, "-o", path)
    assert path.read_text() == both


def test_upgrade_takes_no_solver_for_a_network(fault, old_pair, tmp_path):
    _, caffemodel, _ = old_pair("V1")
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    new = tmp_path / "new.prototxt", tmp_path / "new.caffemodel"
    said = fault("upgrade", tmp_path / "solver.prototxt", caffemodel, "-o", *new)
    assert "solver.prototxt: found a solver, expected the network" in said
    assert not any(path.exists() for path in new)


@pytest.mark.parametrize("text", ["", "# nothing\n", "layer { name: 'x' ", "net: 1", "base_lr: a"])
def test_upgrade_in_place_loses_nothing(fault, tmp_path, text):
    path = tmp_path / "solver.prototxt"
    path.write_text(text)
    assert "solver.prototxt" in fault("upgrade", path, "-o", path)
    assert path.read_text() == text
