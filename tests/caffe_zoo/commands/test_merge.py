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
