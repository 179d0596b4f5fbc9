"""Networks rewritten for a target: the least change that it takes, by exact rewrites; by others where asked for.

No table says which rewrites a network gets. Each rewrite of `rewrites/` offers other forms of a network or of a layer,
and a form is taken when the target has fewer faults with it. So a target of the user's own is served like any other.

1. The TEST phase alone is written, without the rules that said so.
2. Rewrites of the whole network run first, in the order of NETWORK_REWRITES, each when it takes faults away: data
   layers as Inputs, losses gone, batch norm folded.
3. Layers that are still at fault are replaced by other forms (replacing.py says by which), each by itself: one that has
   none stays, and its fault with it.
4. What is about names and memory runs last, in the order of FINAL_REWRITES: in-place layers, long names, fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

import converters.targets.rewrites  # noqa: F401  (enters them in the tables)
from converters.targets.checking import Report, check_target, of_names_and_memory
from converters.targets.forms import FINAL_REWRITES, NETWORK_REWRITES, Change, Draft, NetworkRewrite
from converters.targets.replacing import replace_layers
from converters.targets.rows import given_shapes
from converters.targets.target import Target
from converters.weights import Weights
from converters.weights.blobs import as_blob
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.passes.phase import phase_of, select_phase, stated_phase
from prototxt_gen.proto import NetParameter


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
    the same count, too. `accelerated`: layers on the target's CPU get forms that its accelerator runs, where there are
    some; those without stay.
    """
    made = rewritten(net, weights, target, approximate=approximate, accelerated=accelerated, input_shapes=input_shapes)
    left = [fault for fault in made.report.faults if fault.outcome != "cpu"]
    if left:
        listed = "; ".join(
            f"layer {fault.layer!r} ({fault.type}): {fault.field}: found {fault.found}, expected {fault.allowed}"
            for fault in left
        )
        kind = "form" if approximate else "exact form"
        raise UnsupportedError(f"network {net.name!r}: {target.name} has no {kind} of {listed}")
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
    arrays = None if weights is None else {
        name: [as_blob(blob, f"layer {name!r}: blob") for blob in blobs] for name, blobs in weights.items()
    }  # fmt: skip
    draft = Draft(_one_phase(net), arrays)

    def shapes(one: Draft) -> dict[str, Sequence[int]]:
        """Those of the inputs that there still are; of the first draft all, so that a wrong name is told."""
        return dict(input_shapes or {}) if one is first else given_shapes(one.net, input_shapes)

    def checked(one: Draft) -> Report:
        return check_target(one.net, target, accelerated=accelerated, input_shapes=shapes(one))

    def tried(
        draft: Draft, whole: Report, rewrites: Mapping[str, NetworkRewrite], seen: Callable[[Report], Report]
    ) -> tuple[Draft, Report]:
        """The draft after those rewrites that take away faults, of which `seen` leaves the ones that count."""
        report = seen(whole)
        for rewrite in rewrites.values():
            if not report.faults:
                break
            made = rewrite(draft, report, shapes(draft))
            if made is not None and len((after := seen(again := checked(made))).faults) < len(report.faults):
                draft, whole, report = made, again, after
        return draft, whole

    first = draft
    report = checked(draft)
    if report.faults:
        draft, report = tried(draft, report, NETWORK_REWRITES, _of_layers)
        replaced = replace_layers(
            draft, target, approximate=approximate, accelerated=accelerated, input_shapes=shapes(draft)
        )
        if replaced is not draft:
            draft, report = replaced, checked(replaced)
        draft, report = tried(draft, report, FINAL_REWRITES, lambda report: report)
    names = {layer.name for layer in draft.net.layer}
    kept = None if draft.weights is None else {name: blobs for name, blobs in draft.weights.items() if name in names}
    fixed = {name: blobs for name, blobs in draft.fixed.items() if name in names}
    given = {name for layer in first.net.layer for name in (layer.name, *layer.top)}
    renamed = {old: new for old, new in draft.renamed.items() if old in given}
    return Rewritten(draft.net, kept, tuple(draft.changes), renamed, report, fixed)


def _of_layers(report: Report) -> Report:
    """The report without what is about names and memory alone, which no other layers would mend."""
    return replace(report, faults=tuple(fault for fault in report.faults if not of_names_and_memory(fault)))


def _one_phase(net: NetParameter) -> NetParameter:
    """The layers of the network's phase, TEST where none is stated, without rules of phases.

    Caffe writes the phase into every layer of the networks that it saves; where it is the network's it says nothing.
    """
    selected = select_phase(net, phase_of(net), level=net.state.level)
    for layer in selected.layer:
        layer.ClearField("include")
        layer.ClearField("exclude")
        if stated_phase(layer) == phase_of(selected):
            layer.ClearField("phase")
    if phase_of(selected) == "TEST":
        selected.ClearField("state")
    return selected
