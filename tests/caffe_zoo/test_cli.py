"""The command `dongfeng` as a person types it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from caffe_zoo.cards import card
from caffe_zoo.cli import COMMANDS, main
from prototxt_gen import generate, read_prototxt, summarize, write_prototxt

SMALL = "s4-8_b8_b8_b8-16_c5"


@pytest.fixture
def pair(tmp_path):
    """A small network with weights: paths of its prototxt and caffemodel."""
    from converters import save_weights, to_torch, weights_of

    net = generate(SMALL, input_shape=(1, 3, 32, 32))
    weights = weights_of(to_torch(net))
    write_prototxt(net, tmp_path / "net.prototxt")
    save_weights(weights, tmp_path / "net.caffemodel", net)
    return tmp_path / "net.prototxt", tmp_path / "net.caffemodel"


def fault(capsys, *arguments):
    """The one line that a wrong command line leaves on standard error."""
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def test_list_names_every_network(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "df2a" in printed and "746.73 M" in printed and "69.78%" in printed


def test_show_prints_the_summary(capsys):
    assert main(["show", "df1"]) == 0
    assert capsys.readouterr().out.strip() == str(summarize(generate(card("df1").architecture))).strip()


def test_networks_have_their_own_size(capsys):
    assert main(["generate", "pl1a_seg"]) == 0
    assert "dim: 384\n    dim: 640\n" in capsys.readouterr().out.replace("      ", "    ")
    assert main(["list"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("pl1a_seg "))
    assert "384x640" in line and "265.84 M" in line and "68.70%" in line


def test_show_reads_a_file(capsys, tmp_path):
    write_prototxt(generate(SMALL), tmp_path / "net.prototxt")
    assert main(["show", str(tmp_path / "net.prototxt")]) == 0
    assert "res4.2.sum" in capsys.readouterr().out


def test_generate_writes_a_file(capsys, tmp_path):
    assert main(["generate", "df2a", "--form", "deploy", "-o", str(tmp_path / "df2a.prototxt")]) == 0
    assert read_prototxt(tmp_path / "df2a.prototxt") == generate(card("df2a").architecture)


def test_generate_prints_a_code(capsys, tmp_path):
    assert main(["generate", SMALL, "--merged", "--input-shape", "2,3,64,64"]) == 0
    (tmp_path / "net.prototxt").write_text(capsys.readouterr().out)
    assert read_prototxt(tmp_path / "net.prototxt") == generate(SMALL, merged=True, input_shape=(2, 3, 64, 64))


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5", ".safetensors", ".pt"])
def test_convert_there_and_back(pair, tmp_path, suffix):
    from converters import load_weights

    prototxt, caffemodel = pair
    there, back = tmp_path / f"there{suffix}", tmp_path / "back.caffemodel"
    assert main(["convert", str(prototxt), str(caffemodel), str(there)]) == 0
    assert main(["convert", str(prototxt), str(there), str(back)]) == 0
    before, after = load_weights(caffemodel), load_weights(back)
    assert list(before) == list(after)
    for layer, blobs in before.items():
        for old, new in zip(blobs, after[layer], strict=True):
            np.testing.assert_array_equal(old, new)


def test_merge_writes_the_merged_pair(pair, tmp_path):
    from converters import load_weights

    outputs = tmp_path / "merged.prototxt", tmp_path / "merged.caffemodel"
    assert main(["merge", *map(str, pair), *map(str, outputs)]) == 0
    assert read_prototxt(outputs[0]) == generate(SMALL, input_shape=(1, 3, 32, 32), merged=True)
    assert len(load_weights(outputs[1])["conv1"]) == 2


def test_faults_are_one_line(capsys, pair, tmp_path):
    prototxt, caffemodel = pair
    assert "neither a network of the zoo (" in fault(capsys, "show", "df9")
    assert "nowhere.prototxt" in fault(capsys, "show", tmp_path / "nowhere.prototxt")
    assert "3" in fault(capsys, "generate", SMALL, "--input-shape", "1,3,0,32")
    other = tmp_path / "other.prototxt"
    write_prototxt(generate("s4-8_b8_b8_b8-32_c5", input_shape=(1, 3, 32, 32)), other)
    message = fault(capsys, "convert", other, caffemodel, tmp_path / "out.caffemodel")
    assert "res4.2.conv1" in message and "more (--traceback shows all)" in message
    assert not (tmp_path / "out.caffemodel").exists()
    (tmp_path / "cut.caffemodel").write_bytes(caffemodel.read_bytes()[:-100])
    assert "cut.caffemodel" in fault(capsys, "convert", prototxt, tmp_path / "cut.caffemodel", tmp_path / "out.pt")
    assert "out.zip" in fault(capsys, "convert", prototxt, caffemodel, tmp_path / "out.zip")
    (tmp_path / "broken.prototxt").write_text("layer { name: 'x' ")
    assert "broken.prototxt" in fault(capsys, "show", tmp_path / "broken.prototxt")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(capsys, command):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"dongfeng {command}" in capsys.readouterr().out.split("example:")[1]


def test_names_and_networks_do_not_wait_for_torch():
    check = "import sys; from caffe_zoo.cli import main; main(['list']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)
