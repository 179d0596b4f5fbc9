"""A network handed out in a target's words, of types that PyTorch's table does not name, is compared all the same."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from converters import save_weights
from converters.targets.reading import read_target
from prototxt_gen import generate, parse_architecture, read_prototxt
from search.report.for_target import read_for_target, write_for_target
from search.study.folder import MERGED_WEIGHTS
from tests.filling import fill_weights

BOARD = """
extends: bvlc
sources: { own: { text: seen here, kind: run, version: "1", date: 2026-11-22 } }
layers:
  - { types: [ConvolutionDepthwise], runs: accelerated, source: own }
rules:
  - { types: [Convolution], needs: not depthwise, otherwise: refused, field: group, allowed: "1", source: own }
"""


def test_types_that_only_the_target_names_are_compared(tmp_path):
    (tmp_path / "board.yaml").write_text(BOARD)
    code, shape = parse_architecture("m8_i8e1_i16e3_c5"), (1, 3, 32, 32)
    net = generate(code, input_shape=shape, merged=True)
    save_weights(fill_weights(net), tmp_path / MERGED_WEIGHTS, net)
    found = write_for_target(code, tmp_path, shape, read_target(tmp_path / "board.yaml"), weighted=True)
    assert found.taken and found.off_by is not None and found.off_by < 1e-5
    assert "ConvolutionDepthwise" in {layer.type for layer in read_prototxt(tmp_path / found.prototxt).layer}
    assert read_for_target(tmp_path, "board") == found
