"""Networks rewritten for a target: their numbers in binary files, and how far they are from the network as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from converters.targets.checking import has_private
from converters.targets.comparing import OutputDifference, compare_outputs
from converters.targets.forms import Draft
from converters.targets.replacing import unread, without_dead
from converters.targets.rewriting import Rewritten
from converters.targets.rows import given_shapes
from converters.targets.spellings import known_type, net_in_known_words
from converters.targets.target import Target
from converters.weights import Weights
from converters.weights.fitting import fit_weights
from prototxt_gen.binary import FORK_FIELDS, Numbers
from prototxt_gen.errors import WeightsError
from prototxt_gen.layers import LAYERS
from prototxt_gen.passes.phase import phase_of, select_phase
from prototxt_gen.proto import LayerParameter, NetParameter, fields_of
from prototxt_gen.trace import trace


def numbers_of(target: Target) -> Numbers:
    """The numbers that the target's binary files have for fields of a layer, where they are not BVLC Caffe's.

    Private fields that it has under a number that nobody states keep ours, which other readers skip; others are left
    out.
    """
    ours = fields_of(LayerParameter)
    theirs = {name: number for name, number in target.fields.numbers.items() if name in ours}
    others = set(target.fields.numbers.values())
    known = (name for name in FORK_FIELDS if name not in theirs and has_private(target, name))
    return {**{name: ours[name].number for name in known if ours[name].number not in others}, **theirs}


def check_weights(made: Rewritten, input_shapes: Mapping[str, Sequence[int]] | None = None) -> None:
    """WeightsError lists the blobs of a rewritten network that are missing or do not fit, where shapes are known."""
    known = net_in_known_words(made.net)
    if made.weights is None or any(layer.type not in LAYERS for layer in known.layer):
        return
    _, faults = fit_weights(trace(known, given_shapes(known, input_shapes)), made.weights)
    if faults:
        raise WeightsError(f"weights do not fit network {made.net.name!r}: {'; '.join(faults)}")


def differences(
    net: NetParameter,
    weights: Mapping[str, Sequence[np.ndarray]],
    made: Rewritten,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    images: int = 1,
) -> list[OutputDifference] | None:
    """How far a rewritten network is from the network as it was, seen on inputs from a fixed seed.

    Outputs are those of the new network, whose values the old one may have inside. None where that cannot be run: it
    has layers of types that this package does not know.
    """
    new = net_in_known_words(made.net)
    if any(known_type(layer.type) not in LAYERS for layer in new.layer):
        return None
    before = {after: name for name, after in made.renamed.items()}
    outputs = [before.get(name, name) for name in unread(new.layer)]
    old = _leading_to(net_in_known_words(select_phase(net, phase_of(net), level=net.state.level)), outputs)
    names = {layer.name for layer in old.layer}
    kept: Weights = {name: list(blobs) for name, blobs in weights.items() if name in names}
    return compare_outputs(
        (old, kept),
        (new, made.weights),
        renamed=made.renamed,
        input_shapes=given_shapes(old, input_shapes),
        images=images,
    )


def _leading_to(net: NetParameter, outputs: Sequence[str]) -> NetParameter:
    """The part of a network that some of its blobs need, without inputs that nothing takes."""
    made = without_dead(Draft(net, None), outputs).net
    taken = {bottom for layer in made.layer if layer.top for bottom in layer.bottom} | set(outputs)
    kept = NetParameter()
    kept.CopyFrom(made)
    kept.ClearField("layer")
    kept.layer.extend(layer for layer in made.layer if taken & set(layer.top))
    return kept
