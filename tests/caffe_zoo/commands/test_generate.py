"""Prototxts of architectures, to files and to standard output."""

from __future__ import annotations

from caffe_zoo.cards import card
from caffe_zoo.cli import main
from prototxt_gen import generate, read_prototxt


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
