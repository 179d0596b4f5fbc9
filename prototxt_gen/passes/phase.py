"""Pass: keeps the layers of one phase, level and set of stages.

It takes any network in any format; the layers that stay are as they were, rules included.

1. A layer without rules stays.
2. A layer with `include` rules stays when one of them is met; one with `exclude` rules goes when one of them is met.
   Both kinds in one layer are an error.
3. A rule is met when its phase is the network's, the level lies in [min_level, max_level], all its stages are set
   and none of its not_stages is.

(Caffe: net.cpp, FilterNet and StateMeetsRule.)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from prototxt_gen.errors import NetworkError
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import LayerParameter, NetParameter, NetState, NetStateRule

Phase: TypeAlias = Literal["TRAIN", "TEST"]
PHASES: tuple[Phase, Phase] = ("TRAIN", "TEST")
"""By their numbers in caffe.proto."""


def stated_phase(owner: LayerParameter | NetState) -> Phase | None:
    """The phase that a layer or a network's state names; None where it names none."""
    return PHASES[owner.phase] if owner.HasField("phase") else None


def phase_of(net: NetParameter) -> Phase:
    """The phase in the network's state, as `select_phase` leaves it there; TEST where none is stated."""
    return stated_phase(net.state) or "TEST"


def select_phase(net: NetParameter, phase: Phase, level: int | None = None, stages: Iterable[str] = ()) -> NetParameter:
    """The network's layers of one phase, as a new network in the current format whose `state` says what was selected.

    `level` is the one in the network's own state where it is not given; `stages` are added to those of this state.
    NetworkError lists every layer that has both kinds of rules, and, for a network that is already reduced to the
    other phase, every layer that would be lost.
    """
    if phase not in PHASES:
        raise NetworkError(f"phase: found {phase!r}, expected 'TRAIN' or 'TEST'")
    new = upgrade(net)
    before = NetState()
    before.CopyFrom(new.state)
    new.state.MergeFrom(NetState(phase=phase, level=before.level if level is None else level))
    new.state.stage.extend(stage for stage in dict.fromkeys(stages) if stage not in new.state.stage)
    both = [layer.name for layer in new.layer if layer.include and layer.exclude]
    if both:
        raise NetworkError(f"network {net.name!r}: layers {both}: found include and exclude, expected one of the two")
    kept = [layer for layer in new.layer if is_included(layer, new.state)]
    if len(kept) < len(new.layer):
        reduced = stated_phase(before)
        if reduced not in (None, phase) and all(is_included(layer, before) for layer in new.layer):
            lost = [layer.name for layer in new.layer if not is_included(layer, new.state)]
            raise NetworkError(
                f"network {net.name!r}: found the layers of phase {reduced} alone, expected the whole network: "
                f"{phase} would lose {lost}"
            )
        selected = NetParameter()
        selected.layer.extend(kept)
        new.ClearField("layer")
        new.MergeFrom(selected)
    return new


def left_out(net: NetParameter, phase: Phase, level: int | None = None, stages: Iterable[str] = ()) -> list[str]:
    """The names of the layers that `select_phase` of the same arguments leaves out."""
    state = select_phase(net, phase, level, stages).state
    return [layer.name for layer in upgrade(net).layer if not is_included(layer, state)]


def is_included(layer: LayerParameter, state: NetState) -> bool:
    """Whether the layer's rules keep it in a network with this NetState."""
    if layer.include:
        return any(_meets(state, rule) for rule in layer.include)
    return not any(_meets(state, rule) for rule in layer.exclude)


def _meets(state: NetState, rule: NetStateRule) -> bool:
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in state.stage for stage in rule.stage)
        and not any(stage in state.stage for stage in rule.not_stage)
    )
