"""The summary of a network by name or in a file."""

from __future__ import annotations

from caffe_zoo.cards import card
from caffe_zoo.cli import main
from prototxt_gen import generate, summarize, to_text, write_prototxt


def test_show_prints_the_summary(capsys):
    assert main(["show", "df1"]) == 0
    assert capsys.readouterr().out.strip() == str(summarize(generate(card("df1").architecture))).strip()


def test_show_reads_a_file(capsys, tmp_path):
    write_prototxt(generate("s4-8_b8_b8_b8-16_c5"), tmp_path / "net.prototxt")
    assert main(["show", str(tmp_path / "net.prototxt")]) == 0
    assert "res4.2.sum" in capsys.readouterr().out


def test_a_generated_network_has_no_unknown_fields(run, tmp_path):
    (tmp_path / "net.prototxt").write_text(to_text(generate("s4-8_b8_b8_b8-16_c5")))
    assert "warning" not in run("show", tmp_path / "net.prototxt", "--strict")
