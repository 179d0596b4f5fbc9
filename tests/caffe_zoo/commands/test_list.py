"""The table of the zoo."""

from __future__ import annotations

from caffe_zoo.cli import main


def test_list_names_every_network(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "df2a" in printed and "746.73 M" in printed and "69.78%" in printed
