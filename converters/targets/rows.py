"""The rows of a network as far as they are known: it may have layers of types that this package does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from converters.targets.spellings import in_known_words
from prototxt_gen.layers import LAYERS
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import LayerSummary, trace


def rows_of(net: NetParameter, input_shapes: Mapping[str, Sequence[int]] | None = None) -> list[LayerSummary | None]:
    """One row a layer of a network whose phase is selected; None for layers of unknown types and those behind them.

    The layers of rows are called by the type's name in `prototxt_gen.layers`. `input_shapes` and errors are as in `trace`.
    """
    kept = NetParameter()
    kept.CopyFrom(net)
    kept.ClearField("layer")
    lost: set[str] = set()
    kept_at = []
    for index, layer in enumerate(net.layer):
        known = in_known_words(layer)
        if known.type not in LAYERS or lost & set(layer.bottom):
            lost |= set(layer.top)
        else:
            kept.layer.add().CopyFrom(known)
            kept_at.append(index)
    rows: list[LayerSummary | None] = [None] * len(net.layer)
    for index, row in zip(kept_at, trace(kept, input_shapes), strict=True):
        rows[index] = row
    return rows
