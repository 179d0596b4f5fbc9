"""The rows of a network as far as they are known: it may have layers of types that this package does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from converters.targets.fields import PRIVATE_MESSAGES
from converters.targets.spellings import in_known_words
from prototxt_gen.errors import NetworkError
from prototxt_gen.layers import LAYERS, is_input
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.trace import LayerSummary, trace


def rows_of(
    net: NetParameter,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    unknown: Mapping[int, str] | None = None,
) -> list[LayerSummary | None]:
    """One row a layer of a network whose phase is selected; None where `unknown_of` says why there is none.

    Their layers have the types' names of `prototxt_gen.layers`. `input_shapes` and errors are as in `trace`;
    `unknown`: what `unknown_of` says, where that is known.
    """
    if unknown is None:
        unknown = unknown_of(net, input_shapes)
    kept = NetParameter()
    kept.CopyFrom(net)
    kept.ClearField("layer")
    kept_at = [index for index in range(len(net.layer)) if index not in unknown]
    kept.layer.extend(in_known_words(net.layer[index]) for index in kept_at)
    lost = {top for index in unknown for top in net.layer[index].top}
    given = {name: shape for name, shape in (input_shapes or {}).items() if name not in lost}
    rows: list[LayerSummary | None] = [None] * len(net.layer)
    for index, row in zip(kept_at, trace(kept, given), strict=True):
        rows[index] = row
    return rows


def unknown_of(net: NetParameter, input_shapes: Mapping[str, Sequence[int]] | None = None) -> dict[int, str]:
    """The layers, by index, whose shapes are not known, and why: in words that follow on the layer's name.

    They are those of types that this package does not know, inputs whose shape is nowhere stated, and all behind them.
    """
    found: dict[int, str] = {}
    lost: dict[str, str] = {}
    for index, layer in enumerate(net.layer):
        known = in_known_words(layer)
        behind = [lost[bottom] for bottom in layer.bottom if bottom in lost]
        if known.type not in LAYERS:
            found[index] = f"the type {layer.type!r} is not known here"
        elif behind:
            found[index] = f"behind {behind[0]!r}"
        elif why := _unstated(known, input_shapes or {}) or _of_another_fork(known):
            found[index] = why
        if index in found:
            lost |= dict.fromkeys(layer.top, layer.name if not behind else behind[0])
    return found


def _of_another_fork(layer: LayerParameter) -> str:
    """Why a layer that only forks have is another one than that of its name here, such as SegNet's Upsample."""
    if not {*LAYERS[layer.type].options} & {*PRIVATE_MESSAGES}:
        return ""
    try:
        LAYERS[layer.type].shape(layer, ((1, 1, 1, 1),) * len(layer.bottom))
    except NetworkError as fault:
        number = str(fault).startswith(("bottom: found", "top: found"))
        return f"{layer.type} here is another layer: {fault}" if number else ""
    return ""


def _unstated(layer: LayerParameter, given: Mapping[str, Sequence[int]]) -> str:
    """Why the shape of an input is not known; empty where it is, and for layers that are no inputs."""
    if not LAYERS[layer.type].is_input or any(top in given for top in layer.top):
        return ""
    try:
        LAYERS[layer.type].shape(layer, ())
    except NetworkError as fault:
        return str(fault)
    return ""


def given_shapes(net: NetParameter, shapes: Mapping[str, Sequence[int]] | None) -> dict[str, Sequence[int]]:
    """Of shapes by the names of inputs, those of inputs that the network has."""
    tops = {top for layer in net.layer if is_input(layer.type) for top in layer.top}
    return {name: shape for name, shape in (shapes or {}).items() if name in tops}
