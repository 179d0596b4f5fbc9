"""Options that several commands share: --strict, --input-shape, shares, energies."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from caffe_zoo.cli import main
from caffe_zoo.commands.options import millijoules, percent
from converters import save_weights


@pytest.mark.parametrize("command", ["show", "convert", "upgrade", "verify", "merge"])
def test_fields_of_forks_are_one_line(fault, segmentation_pair, capsys, tmp_path, command):
    prototxt, caffemodel = segmentation_pair
    prototxt.write_text(prototxt.read_text().replace("layer {", "layer { fork_param { a: [{ b: 1 }] }", 1))
    arguments = {
        "show": [prototxt],
        "convert": [prototxt, caffemodel, tmp_path / "out.caffemodel"],
        "upgrade": [prototxt, "-o", tmp_path / "out.prototxt"],
        "verify": [prototxt, caffemodel],
        "merge": [prototxt, caffemodel, tmp_path / "out.prototxt", tmp_path / "out.caffemodel"],
    }[command]
    assert main([command, *map(str, arguments)]) == 0
    said = f"{prototxt}: unknown fields: layer.fork_param (line 3)\n"
    assert capsys.readouterr().err == f"dongfeng {command}: warning: {said}"
    out = tmp_path / "out.caffemodel"
    out.unlink(missing_ok=True)
    assert fault(command, *arguments, "--strict") == f"dongfeng {command}: {said}"
    assert not out.exists()


def test_options_of_v0_without_a_place_are_told_once(old_pair, capsys):
    prototxt, caffemodel, _ = old_pair("V0")
    prototxt.write_text(prototxt.read_text().replace("kernelsize: 3", "kernelsize: 3 dropout_ratio: 0.5"))
    assert main(["verify", str(prototxt), str(caffemodel)]) == 0
    said = "dongfeng verify: warning: network 'old': left out dropout_ratio of layer 'conv', type 'conv'\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("command", ["show", "verify", "convert", "merge", "upgrade"])
def test_options_of_v0_without_a_place_are_errors_with_strict(fault, old_pair, tmp_path, command):
    prototxt, caffemodel, _ = old_pair("V0")
    prototxt.write_text(prototxt.read_text().replace("kernelsize: 3", "kernelsize: 3 dropout_ratio: 0.5"))
    more = {
        "show": [],
        "verify": [caffemodel],
        "convert": [caffemodel, tmp_path / "out.pt"],
        "merge": [caffemodel, tmp_path / "out.prototxt", tmp_path / "out.caffemodel"],
        "upgrade": [caffemodel, "-o", tmp_path / "out.prototxt", tmp_path / "out.caffemodel"],
    }[command]
    said = fault(command, prototxt, *more, "--strict")
    place = "network 'old': options without a place: dropout_ratio of layer 'conv', type 'conv'"
    assert said == f"dongfeng {command}: {place}\n"
    assert not list(tmp_path.glob("out.*"))


def test_a_network_whose_inputs_state_no_shape(fault, run, tmp_path):
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text("""
        layer { name: "d" type: "HDF5Data" top: "x" top: "t" hdf5_data_param { source: "s" batch_size: 4 } }
        layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3 } }
        layer { name: "l" type: "SoftmaxWithLoss" bottom: "y" bottom: "t" }""")
    save_weights({"ip": [np.ones((3, 5)), np.ones(3)]}, caffemodel)
    outputs = {
        "show": [],
        "verify": [caffemodel],
        "convert": [caffemodel, tmp_path / "out.pt"],
        "merge": [caffemodel, tmp_path / "out.prototxt", tmp_path / "out.pt"],
    }
    for command, more in outputs.items():
        assert "--input-shape" in fault(command, prototxt, *more)
        run(command, prototxt, *more, "--input-shape", "2,5", "--input-shape", "t=2")
    run("verify", prototxt, tmp_path / "out.pt", "--input-shape", "t=2", "--input-shape", "x=2,5")
    fault("show", prototxt, "--input-shape", "2,5", "--input-shape", "x=2,5")
    said = fault("convert", caffemodel, tmp_path / "out.h5", "--input-shape", "2,5")
    assert "needs the network" in said


def test_a_share_says_whether_it_is_in_percent():
    assert [percent(text) for text in ("5%", "0.05", "0.5 %", "250%")] == [0.05, 0.05, 0.005, 2.5]
    with pytest.raises(argparse.ArgumentTypeError, match="'5' may mean 5% or 500%: write which"):
        percent("5")
    for text in ("0%", "-1%", "nan", "5%%", "x"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a share above 0"):
            percent(text)


@pytest.mark.parametrize(
    ("text", "mj"), [("5mJ", 5.0), ("0.005J", 5.0), ("2 J", 2000.0), ("800uJ", 0.8), ("0.1mJ", 0.1)]
)
def test_energies_are_in_millijoules(text, mj):
    assert millijoules(text) == mj


@pytest.mark.parametrize("text", ["5", "5MJ", "5mj", "-1mJ", "1e3J", "mJ", "nanJ", "5mJ/s"])
def test_what_is_no_energy(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not an energy, such as 5mJ"):
        millijoules(text)
