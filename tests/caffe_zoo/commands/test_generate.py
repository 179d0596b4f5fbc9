"""Prototxts of architectures, to files and to standard output."""

from __future__ import annotations

import tarfile

import pytest

from caffe_zoo.cards import card
from caffe_zoo.cli import main
from prototxt_gen import generate, read_prototxt
from prototxt_gen.generator.networks import generate_text
from search.spaces import parse_space, write_space


def test_networks_have_their_own_size(capsys):
    assert main(["generate", "pl1a_seg"]) == 0
    assert "dim: 384\n    dim: 640\n" in capsys.readouterr().out.replace("      ", "    ")
    assert main(["list"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("pl1a_seg "))
    assert "384x640" in line and "265.84 M" in line and "68.70%" in line


def test_generate_writes_a_file(tmp_path):
    assert main(["generate", "df2a", "--form", "deploy", "-o", str(tmp_path / "df2a.prototxt")]) == 0
    assert read_prototxt(tmp_path / "df2a.prototxt") == generate(card("df2a").architecture)


def test_generate_prints_a_code(capsys, tmp_path):
    assert main(["generate", "s4-8_b8_b8_b8-16_c5", "--merged", "--input-shape", "2,3,64,64"]) == 0
    (tmp_path / "net.prototxt").write_text(capsys.readouterr().out)
    assert read_prototxt(tmp_path / "net.prototxt") == generate(
        "s4-8_b8_b8_b8-16_c5", merged=True, input_shape=(2, 3, 64, 64)
    )


CODE = "s4_b1-2_b1-2_w4-8_c3_i1x16x16"
PONAS = "m4_i4e1_i1.8e1-2q0-1_i8e2k3-5.e3.h9_c3_i1x16x16"

TIERED = "g4_if1.4x0-2_k8k3-5_t6.2_c3_i1x16x16"


@pytest.mark.parametrize(("code", "count"), [(CODE, 16), (PONAS, 16), (TIERED, 14)])
def test_all_networks_of_a_space(tmp_path, capsys, code, count):
    assert main(["generate", "--space", code, "--out", str(tmp_path / "all")]) == 0
    assert f"all: {count} networks of" in capsys.readouterr().out
    found = {path.stem: path.read_text() for path in (tmp_path / "all").glob("*.prototxt")}
    assert found == {str(one): generate_text(one, input_shape=(1, 1, 16, 16)) for one in parse_space(code)}
    assert main(["generate", "--space", code, "--out", str(tmp_path / "all")]) == 0
    assert "all: 0 networks of" in capsys.readouterr().out


def test_a_range_of_a_space_goes_to_standard_output_or_a_tar(tmp_path, capsysbinary):
    assert main(["generate", "--space", str(tmp_path / "own.yaml"), "--places", "2:4"]) == 2
    assert b"own.yaml: cannot be read" in capsysbinary.readouterr().err
    write_space(parse_space(CODE), tmp_path / "own.yaml")
    assert main(["generate", "--space", str(tmp_path / "own.yaml"), "--places", "2:4", "--out", "-"]) == 0
    out = capsysbinary.readouterr().out.decode()
    assert [line for line in out.splitlines() if line.startswith("#")] == [
        f"# {place} {parse_space(CODE).at(place)}" for place in (2, 3)
    ]
    assert main(["generate", "--space", CODE, "--places", ":4", "-o", str(tmp_path / "some.tar")]) == 0
    with tarfile.open(tmp_path / "some.tar") as found:
        assert len(found.getnames()) == 5


def test_what_cannot_be_asked_of_a_space(capsys):
    for arguments, said in [
        (["--space", CODE, "--places", "2:99"], "--places: found 2:99, expected places of 0:16"),
        (["--space", CODE, "--places", "3:2"], "--places: found 3:2"),
        (["--space", CODE, "--form", "release"], "form is 'release', expected deploy or train_val"),
        (["--space", CODE, "--input-shape", "1,3,8,8"], "--input-shape: the space states its own"),
        (["df1", "--places", "1:2"], "--places: found an architecture, expected --space"),
        (["--space", "df9"], "or the name of a space"),
    ]:
        assert main(["generate", *arguments]) == 2
        assert said in capsys.readouterr().err
