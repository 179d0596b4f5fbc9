"""What the table of layer types says of a type holds for its layers."""

from __future__ import annotations

import pytest

from prototxt_gen import read_prototxt
from prototxt_gen.layers import LAYERS
from prototxt_gen.trace import trace
from tools.truths import TRUTHS


@pytest.mark.parametrize("path", sorted((TRUTHS / "layers").glob("*.prototxt")), ids=lambda path: path.stem)
def test_types_with_blobs_are_told(path):
    for row in trace(read_prototxt(path)):
        assert LAYERS[row.type].has_blobs or not row.blob_shapes, row.type
