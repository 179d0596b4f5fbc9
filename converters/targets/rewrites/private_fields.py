"""Fields that a target's proto does not have, left out where they say nothing: its reader would stop at them.

1. A field that states its default.
2. A message of options that the layer's type does not read.
3. What counts in training alone: fillers, rates of blobs, weights of losses; the engine that runs a layer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from converters.targets.checking import Report
from converters.targets.fields import is_set
from converters.targets.forms import NETWORK_REWRITES, Change, Draft
from converters.targets.spellings import known_type
from prototxt_gen.layers import LAYERS
from prototxt_gen.layers.layer_types import shared_names
from prototxt_gen.proto import LayerParameter, NetParameter, fields_of, set_fields

_TRAINING = ("loss_weight", "propagate_down", "include", "exclude")
_TRAINING_OPTIONS = ("engine", "weight_filler", "bias_filler", "filler")


def drop_fields(draft: Draft, report: Report, input_shapes: Mapping[str, Sequence[int]] | None) -> Draft | None:
    """The network without the fields at fault that say nothing."""
    paths: dict[str, list[str]] = {}
    for fault in report.faults:
        if fault.rule is None:
            paths.setdefault(fault.layer, []).append(fault.field)
    net = NetParameter()
    net.CopyFrom(draft.net)
    shared = shared_names(net.layer)
    changes = []
    for layer in net.layer:
        for path in paths.get(layer.name, ()):
            if is_set(layer, path) and _says_nothing(layer, path, shared):
                _clear(layer, path)
                changes.append(Change(layer.name, "fields", f"{path} left out: it says nothing here"))
    return Draft(net, draft.weights, [*draft.changes, *changes], draft.renamed, draft.fixed) if changes else None


def _says_nothing(layer: LayerParameter, path: str, shared: Collection[str]) -> bool:
    first, *rest = path.split(".")
    if first == "param":
        return not any(spec.name in shared for spec in layer.param)
    if rest and rest[-1] == "weight_filler" and getattr(layer, first).weight_filler.type == "bilinear":
        return False  # the weights themselves, where a file leaves them out
    if first in _TRAINING or (rest and rest[-1] in _TRAINING_OPTIONS):
        return True
    kind = known_type(layer.type)
    if kind not in LAYERS:
        return False
    if first.endswith("_param") and first not in LAYERS[kind].options:
        return True
    return _is_default(layer, path)


def _is_default(layer: LayerParameter, path: str) -> bool:
    holder: Any = layer
    *holders, last = path.split(".")
    for name in holders:
        holder = getattr(holder, name)
    fresh = type(holder)()
    if fields_of(type(holder))[last].kind == "message":
        return all(_is_default(layer, f"{path}.{field.name}") for field, _ in set_fields(getattr(holder, last)))
    return bool(getattr(holder, last) == getattr(fresh, last))


def _clear(layer: LayerParameter, path: str) -> None:
    holder: Any = layer
    *holders, last = path.split(".")
    for name in holders:
        holder = getattr(holder, name)
    holder.ClearField(last)


NETWORK_REWRITES["fields that say nothing left out"] = drop_fields
