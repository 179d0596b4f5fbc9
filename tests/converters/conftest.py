"""What the tests of converters share: weights for any network from the reference's filling rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from prototxt_gen import NetParameter, select_phase
from prototxt_gen.trace import trace


@pytest.fixture(scope="session")
def fill_weights(fill: Any) -> Callable[..., dict[str, list[np.ndarray]]]:
    """The reference's weights for a network; Deconvolutions are left to their filler."""

    def make(net: NetParameter, input_shapes: Any = None) -> dict[str, list[np.ndarray]]:
        weights = {}
        for row in trace(select_phase(net, "TEST"), input_shapes):
            blobs = [fill.blob(row.name, row.type, index, shape) for index, shape in enumerate(row.blob_shapes)]
            if blobs and blobs[0] is not None:
                weights[row.name] = blobs
        return weights

    return make
