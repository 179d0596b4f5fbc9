"""Networks rewritten for a target: the least change that it takes, by exact rewrites; by others where asked for.

No table says which rewrites a network gets. Each rewrite of `rewrites/` offers other forms of a network or of a layer,
and a form is taken when the target has fewer faults with it. So a target of the user's own is served like any other.

1. The TEST phase alone is written.
2. Rewrites of the whole network run first, in the order of NETWORK_REWRITES, each when it takes faults away: data
   layers as Inputs, losses gone, batch norm folded.
3. Each layer that is still at fault is replaced by the first of the forms that LAYER_REWRITES offer for its type of
   which the target takes all layers, after these were rewritten in turn. Exact forms come first; others only count
   where they were asked for.
4. What is about names and memory runs last, in the order of FINAL_REWRITES: in-place layers, long names, fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

import converters.targets.rewrites  # noqa: F401  (enters them in the tables)
from converters.targets.checking import Fault, Report, check_target, faults_of
from converters.targets.forms import (
    FINAL_REWRITES,
    LAYER_REWRITES,
    NETWORK_REWRITES,
    Change,
    Draft,
    Form,
    NetworkRewrite,
    Place,
)
from converters.targets.target import Target
from converters.weights import Weights
from converters.weights.blobs import as_blob
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers import LAYERS
from prototxt_gen.passes.phase import phase_of, select_phase
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.trace import LayerSummary, trace

# How deep the layers of a new form may be rewritten in turn.
_DEEPEST = 4


@dataclass(frozen=True)
class Rewritten:
    """A network in a target's words. `weights` are None where none were given.

    `report` is the check of the result. `renamed`: layers and blobs whose names changed, old to new.
    """

    net: NetParameter
    weights: Weights | None
    changes: tuple[Change, ...]
    renamed: Mapping[str, str]
    report: Report
    #: Weights of layers that rewrites made; in `weights` too, where there are some.
    fixed: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether the network computes the same as before, but for rounding."""
        return all(change.exact for change in self.changes)


def for_target(
    net: NetParameter,
    weights: Mapping[str, Sequence[np.ndarray]] | None,
    target: Target,
    *,
    approximate: bool = False,
    accelerated: bool = False,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Rewritten:
    """The network, TEST phase, in the words of a target, and its weights to match; both arguments stay as they are.

    UnsupportedError lists every layer for which no exact form was found; with `approximate` forms that compute nearly
    the same count, too. `accelerated`: layers on the target's CPU are rewritten, where there is a form for it.
    """
    made = rewritten(net, weights, target, approximate=approximate, accelerated=accelerated, input_shapes=input_shapes)
    if made.report.faults:
        listed = "; ".join(
            f"layer {fault.layer!r} ({fault.type}): {fault.field}: found {fault.found}, expected {fault.allowed}"
            for fault in made.report.faults
        )
        raise UnsupportedError(f"network {net.name!r}: {target.name} has no exact form of {listed}")
    return made


def rewritten(
    net: NetParameter,
    weights: Mapping[str, Sequence[np.ndarray]] | None,
    target: Target,
    *,
    approximate: bool = False,
    accelerated: bool = False,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Rewritten:
    """As `for_target`, as far as that goes: the report lists what is left."""
    selected = select_phase(net, phase_of(net), level=net.state.level)
    arrays = None if weights is None else {
        name: [as_blob(blob, f"layer {name!r}: blob") for blob in blobs] for name, blobs in weights.items()
    }  # fmt: skip
    draft = Draft(selected, arrays)

    def checked(one: Draft) -> Report:
        return check_target(one.net, target, accelerated=accelerated, input_shapes=input_shapes)

    def tried(draft: Draft, rewrites: Mapping[str, NetworkRewrite]) -> Draft:
        for rewrite in rewrites.values():
            report = checked(draft)
            if not report.faults:
                break
            made = rewrite(draft, report, input_shapes)
            if made is not None and len(checked(made).faults) < len(report.faults):
                draft = made
        return draft

    draft = tried(draft, NETWORK_REWRITES)
    draft = _layers_replaced(draft, target, approximate, accelerated, input_shapes)
    draft = tried(draft, FINAL_REWRITES)
    return Rewritten(
        draft.net, draft.weights, tuple(draft.changes), dict(draft.renamed), checked(draft), dict(draft.fixed)
    )


def _layers_replaced(
    draft: Draft,
    target: Target,
    approximate: bool,
    accelerated: bool,
    input_shapes: Mapping[str, Sequence[int]] | None,
) -> Draft:
    """The draft with other forms of the layers at fault, where the target takes them whole."""
    if any(layer.type not in LAYERS for layer in draft.net.layer):
        return draft
    rows = trace(draft.net, input_shapes)
    taken = frozenset(name for layer in draft.net.layer for name in (layer.name, *layer.top))
    made = Draft(NetParameter(), draft.weights, [*draft.changes], {**draft.renamed}, {**draft.fixed})
    made.net.CopyFrom(draft.net)
    made.net.ClearField("layer")
    for row in rows:
        blobs = None if draft.weights is None else draft.weights.get(row.name)
        found = _form_of(row, blobs, target, taken, approximate, accelerated, _DEEPEST)
        if found is None:
            made.net.layer.add().CopyFrom(row.layer)
            continue
        made.net.layer.extend(found.layers)
        made.changes.append(Change(row.name, "", found.what, found.exact))
        made.fixed.update(found.blobs)
        if made.weights is not None:
            kept = {layer.name for layer in found.layers}
            rest = {name: blobs for name, blobs in made.weights.items() if name != row.name or name in kept}
            made.weights = {**rest, **found.blobs}
    return made


def _form_of(
    row: LayerSummary,
    blobs: Sequence[np.ndarray] | None,
    target: Target,
    taken: frozenset[str],
    approximate: bool,
    accelerated: bool,
    depth: int,
) -> Form | None:
    """Another form of a layer of which the target takes all; None where the layer may stay, or has no such form."""
    faults = _faults(row, target, accelerated)
    if not faults or row.type not in LAYER_REWRITES or depth == 0:
        return None
    place = Place(row, blobs, faults, target, taken)
    forms = [form for rewrite in LAYER_REWRITES[row.type].values() for form in rewrite(place)]
    for exact in (True, False) if approximate else (True,):
        for form in forms:
            if form.exact is exact and (whole := _whole(form, row, target, taken, approximate, accelerated, depth - 1)):
                return whole
    return None


def _whole(
    form: Form,
    row: LayerSummary,
    target: Target,
    taken: frozenset[str],
    approximate: bool,
    accelerated: bool,
    depth: int,
) -> Form | None:
    """A form with those of its layers rewritten that the target does not take; None where that does not succeed."""
    layers: list[LayerParameter] = []
    weights: Weights = dict(form.blobs)
    what, exact = [form.what], form.exact
    names = taken | {name for layer in form.layers for name in (layer.name, *layer.top)}
    for inner in _rows(form, row):
        if not _faults(inner, target, accelerated):
            layers.append(inner.layer)
            continue
        found = _form_of(inner, form.blobs.get(inner.name), target, names, approximate, accelerated, depth)
        if found is None:
            return None
        layers += found.layers
        weights.pop(inner.name, None)
        weights |= found.blobs
        what.append(found.what)
        exact = exact and found.exact
    return Form(tuple(layers), ", ".join(what), weights, exact)


def _rows(form: Form, row: LayerSummary) -> list[LayerSummary]:
    """The rows of a form's layers, set up on the shapes of the layer that they replace."""
    net = NetParameter()
    for bottom, shape in zip(row.bottoms, row.bottom_shapes, strict=True):
        net.layer.add(name=f"\0{bottom}", type="Input", top=[bottom]).input_param.shape.add(dim=shape)
    net.layer.extend(form.layers)
    return trace(net)[len(row.bottoms) :]


def _faults(row: LayerSummary, target: Target, accelerated: bool) -> tuple[Fault, ...]:
    """The faults of a layer that a form of its own may take away: not those of names and memory."""
    found, _ = faults_of(row.layer, target, row.bottom_shapes, row.top_shapes)
    return tuple(fault for fault in found if accelerated or fault.outcome != "cpu")
