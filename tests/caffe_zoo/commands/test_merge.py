"""Batch norm folded, from files to files."""

from __future__ import annotations

from caffe_zoo.cli import main
from converters import load_weights
from prototxt_gen import generate, read_prototxt


def test_merge_writes_the_merged_pair(pair, tmp_path):

    outputs = tmp_path / "merged.prototxt", tmp_path / "merged.caffemodel"
    assert main(["merge", *map(str, pair), *map(str, outputs)]) == 0
    assert read_prototxt(outputs[0]) == generate("s4-8_b8_b8_b8-16_c5", input_shape=(1, 3, 32, 32), merged=True)
    assert len(load_weights(outputs[1])["conv1"]) == 2


def test_merge_in_place(run, pair, tmp_path):
    other = tmp_path / "a.prototxt", tmp_path / "a.caffemodel"
    run("merge", *pair, *other)
    run("merge", *pair, *pair)
    for here, there in zip(pair, other, strict=True):
        assert here.read_bytes() == there.read_bytes()


def test_merge_loses_no_file(fault, pair, tmp_path):
    before = [path.read_bytes() for path in pair]
    prototxt, caffemodel = pair
    out = tmp_path / "out.caffemodel"
    assert "found twice among the outputs" in fault("merge", *pair, out, out)
    assert "is an input that is only read" in fault("merge", *pair, caffemodel, out)
    assert "is an input that is only read" in fault("merge", *pair, tmp_path / "out.prototxt", prototxt)
    # What cannot be written is found before the other file is replaced.
    assert "cannot be written" in fault("merge", *pair, tmp_path / "no folder" / "out.prototxt", caffemodel)
    assert "out.zip" in fault("merge", *pair, prototxt, tmp_path / "out.zip")
    assert [path.read_bytes() for path in pair] == before and not out.exists()
