"""What a wrong command line leaves: one line, exit status 2, and no file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prototxt_gen import generate, solver, write_prototxt


def test_faults_are_one_line(fault, pair, tmp_path):
    prototxt, caffemodel = pair
    assert "neither a network of the zoo (" in fault("show", "df9")
    assert "nowhere.prototxt" in fault("show", tmp_path / "nowhere.prototxt")
    assert "3" in fault("generate", "s4-8_b8_b8_b8-16_c5", "--input-shape", "1,3,0,32")
    other = tmp_path / "other.prototxt"
    write_prototxt(generate("s4-8_b8_b8_b8-32_c5", input_shape=(1, 3, 32, 32)), other)
    message = fault("convert", other, caffemodel, tmp_path / "out.caffemodel")
    assert "res4.2.conv1" in message and "more (--traceback shows all)" in message
    assert not (tmp_path / "out.caffemodel").exists()
    (tmp_path / "cut.caffemodel").write_bytes(caffemodel.read_bytes()[:-100])
    assert "cut.caffemodel" in fault("convert", prototxt, tmp_path / "cut.caffemodel", tmp_path / "out.pt")
    assert "out.zip" in fault("convert", prototxt, caffemodel, tmp_path / "out.zip")
    (tmp_path / "broken.prototxt").write_text("layer { name: 'x' ")
    assert "broken.prototxt" in fault("show", tmp_path / "broken.prototxt")


def test_a_fault_leaves_no_folder(fault, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    message = fault("labels", "df1seg_d8", tmp_path / "broken.png", "-o", tmp_path / "out" / "maps")
    assert "broken.png: cannot be read as an image" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device")
@pytest.mark.parametrize("words", [["list"], ["generate", "df1"], ["show", "df1"]])
def test_output_that_cannot_be_written(words):
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "caffe_zoo.cli", *words], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == 2
    assert result.stderr == f"dongfeng {words[0]}: standard output: cannot be written: No space left on device\n"


@pytest.fixture
def no_networks(tmp_path, pair):
    """Paths of what is given in place of a prototxt, and a word of what is said of it."""
    _, caffemodel = pair
    folder = tmp_path / "folder.prototxt"
    folder.mkdir()
    for name, content in (
        ("empty", b""),
        ("comment", b"# nothing but this\n"),
        ("binary", caffemodel.read_bytes()),
        ("zeros", bytes(2000)),
        ("noise", bytes(range(256)) * 8),
        ("prose", b"Dear reader, this is no network.\n"),
        ("page", b"<!DOCTYPE html><html><body>Not found</body></html>"),
        ("name", b'name: "nothing else"\n'),
    ):
        (tmp_path / f"{name}.prototxt").write_bytes(content)
    write_prototxt(solver("net.prototxt", base_lr=0.1, max_iter=10), tmp_path / "solver.prototxt")
    return tmp_path


NO_NETWORKS = {
    "folder": "cannot be read",
    "empty": "found no layers, expected a network",
    "comment": "found no layers, expected a network",
    "name": "found no layers, expected a network",
    "binary": "",
    "zeros": "",
    "noise": "",
    "prose": "",
    "page": "",
    "solver": "found a solver",
}
COMMANDS = ("show", "convert", "verify", "merge", "upgrade")


@pytest.mark.parametrize(
    ("command", "name"),
    [(command, name) for command in COMMANDS for name in NO_NETWORKS if (command, name) != ("upgrade", "solver")],
)
def test_what_is_no_network_is_refused_by_name(fault, no_networks, pair, command, name):
    path, (_, caffemodel) = no_networks / f"{name}.prototxt", pair
    more = {
        "show": [],
        "verify": [caffemodel],
        "convert": [caffemodel, no_networks / "out.pt"],
        "merge": [caffemodel, no_networks / "out.prototxt", no_networks / "out.caffemodel"],
        "upgrade": ["-o", no_networks / "out.prototxt"],
    }[command]
    line = fault(command, path, *more)
    assert line.rstrip("\n").isprintable() and str(path) in line and NO_NETWORKS[name] in line and len(line) < 600
    assert not list(no_networks.glob("out.*"))
