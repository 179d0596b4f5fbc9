"""Memory of activations: hand-computed networks, a simulation piece by piece, PyTorch's own storages."""

from __future__ import annotations

import pytest

from prototxt_gen.generator.networks import generate
from prototxt_gen.memory import activations
from prototxt_gen.summary import summarize
from tests.released import architecture


def test_df1_by_hand() -> None:
    """Merged, ReLUs in place: the first map, 112x112 of 32 channels, beside the second, 56x56 of 64."""
    summary = summarize(generate(architecture("df1"), merged=True))
    assert summary.peak_memory == 4 * (112 * 112 * 32 + 56 * 56 * 64) == 2_408_448
    assert summary.peak_layer == "conv2"
    assert summary.activations.alive[:3] == (
        4 * 3 * 224 * 224,
        4 * (3 * 224 * 224 + 32 * 112 * 112),
        4 * 32 * 112 * 112,
    )
    # With batch norm, whose tops are new blobs, the first map is there twice.
    apart = summarize(generate(architecture("df1")))
    assert (apart.peak_memory, apart.peak_layer) == (4 * 2 * 112 * 112 * 32, "conv1/bn")


@pytest.mark.parametrize(("number_bytes", "peak"), [(4, 2_408_448), (2, 1_204_224), (1, 602_112)])
def test_numbers_of_other_sizes(number_bytes: int, peak: int) -> None:
    assert activations(summarize(generate(architecture("df1"), merged=True)).layers, number_bytes).peak == peak
