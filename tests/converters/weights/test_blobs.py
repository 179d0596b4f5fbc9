"""One blob: which shapes of old files Caffe takes for a layer's own."""

from __future__ import annotations

import numpy as np
import pytest

from converters.weights.blobs import fit


@pytest.mark.parametrize(
    ("found", "wanted", "fits"),
    [
        ((1, 1, 1, 5), (5,), True),
        ((1, 1, 2, 5), (2, 5), True),
        ((1, 3, 2, 5), (3, 2, 5), True),
        ((2, 5), (2, 5), True),
        ((), (), True),
        ((1, 1, 1, 1), (), True),
        ((4, 3, 2, 5), (4, 3, 2, 5), True),
        ((1, 1, 5, 1), (5,), False),
        ((5, 1, 1, 1), (5,), False),
        ((1, 1, 1, 10), (2, 5), False),
        ((1, 5), (5,), False),
        ((10,), (2, 5), False),
        ((1, 1, 1, 5), (1, 1, 1, 1, 5), False),
    ],
)
def test_fit_is_caffes_rule_for_old_shapes(found, wanted, fits: bool) -> None:
    array = np.arange(np.prod(found), dtype=np.float32).reshape(found)
    fitted = fit(array, wanted)
    assert (fitted is not None) == fits
    if fitted is not None:
        assert fitted.shape == wanted
        assert np.shares_memory(fitted, array)
