"""What the tests of layers share: one rule applied to bottoms of given shapes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from prototxt_gen.layers import LAYERS, LayerShape
from prototxt_gen.proto import LayerParameter
from prototxt_gen.text import parse_text


@pytest.fixture(scope="session")
def apply() -> Callable[..., LayerShape]:
    """The shapes of a layer from its text and its bottoms' shapes; a top is named where the text names none."""

    def make(layer: str, *bottoms: tuple[int, ...]) -> LayerShape:
        message = parse_text(layer, LayerParameter())
        if not message.bottom:
            message.bottom.extend(f"b{index}" for index in range(len(bottoms)))
        if not message.top and "Loss" not in message.type and message.type not in ("Silence", "HDF5Output"):
            message.top.append("t")
        return LAYERS[message.type].shape(message, bottoms)

    return make
