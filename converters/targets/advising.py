"""A network held against a target, with what can be done about each fault, and what silent ones do to its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from converters.targets.checking import Fault, Report, check_target
from converters.targets.effects import with_effects
from converters.targets.rewriting import Rewritten, rewritten
from converters.targets.target import Target
from prototxt_gen.errors import CaffeError
from prototxt_gen.proto import NetParameter


def advise(
    net: NetParameter,
    target: Target,
    weights: Mapping[str, Sequence[np.ndarray]] | None = None,
    *,
    accelerated: bool = False,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    unread: Mapping[str, Sequence[str]] | None = None,
) -> Report:
    """The report of `check_target` whose faults say which rewrite takes them away, and what silent ones are off by.

    Rewrites are tried as `for_target` does: exact ones first, then others. A fault has a rewrite where the rewritten
    network does not have it any more. Without weights, rewrites that need them count as they would with some.
    Arguments and errors are those of `check_target`; WeightsError where weights do not fit.
    """
    report = check_target(net, target, accelerated=accelerated, input_shapes=input_shapes, unread=unread)
    if not report.faults:
        return report
    for approximate in (False, True):
        if all(fault.rewrite for fault in report.faults):
            break
        try:
            made = rewritten(
                net, weights, target, approximate=approximate, accelerated=accelerated, input_shapes=input_shapes
            )
        except CaffeError as error:
            report = replace(report, notes=(*report.notes, f"Rewrites were not tried: {error}"))
            break
        report = replace(report, faults=tuple(_advised(fault, made) for fault in report.faults))
    return with_effects(report, net, weights, input_shapes=input_shapes)


def _advised(fault: Fault, made: Rewritten) -> Fault:
    """The fault with the rewrite that took it away, if one did."""
    name = made.renamed.get(fault.layer, fault.layer)
    left = {(one.layer, one.field) for one in made.report.faults}
    if fault.rewrite or (name, fault.field) in left:
        return fault
    changes = [change for change in made.changes if {fault.layer, name} & {change.layer, *change.also}]
    told = [change.rewrite if fault.layer in change.also else change.what for change in changes]
    if not changes:  # it stood in what is around the layer, or in the network as a whole
        changes = list(made.changes)
        told = ["goes with what is done to other layers"]
    return replace(fault, rewrite=", ".join(dict.fromkeys(told)), exact=all(change.exact for change in changes))
