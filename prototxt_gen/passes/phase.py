"""Pass: keeps the layers of one phase, level and set of stages.

1. A layer without rules stays.
2. A layer with `include` rules stays when one of them is met; one with `exclude` rules goes when one of them is met.
   Both kinds in one layer are an error.
3. A rule is met when its phase is the network's, the level lies in [min_level, max_level], all its stages are set
   and none of its not_stages is.

(Caffe: net.cpp, FilterNet and StateMeetsRule.)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from prototxt_gen.errors import NetworkError
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import LayerParameter, NetParameter, NetState, NetStateRule


def select_phase(
    net: NetParameter, phase: Literal["TRAIN", "TEST"], level: int = 0, stages: Iterable[str] = ()
) -> NetParameter:
    """The network's layers of one phase, as a new network in the current format whose `state` says what was selected.

    `stages` are added to those that the network's own state names. NetworkError lists every layer that has both
    kinds of rules.
    """
    if phase not in ("TRAIN", "TEST"):
        raise NetworkError(f"phase: found {phase!r}, expected 'TRAIN' or 'TEST'")
    new = upgrade(net)
    new.state.MergeFrom(NetState(phase=phase, level=level))
    new.state.stage.extend(stage for stage in dict.fromkeys(stages) if stage not in new.state.stage)
    both = [layer.name for layer in new.layer if layer.include and layer.exclude]
    if both:
        raise NetworkError(f"network {net.name!r}: layers {both}: found include and exclude, expected one of the two")
    kept = [layer for layer in new.layer if _included(layer, new.state)]
    if len(kept) < len(new.layer):
        selected = NetParameter()
        selected.layer.extend(kept)
        new.ClearField("layer")
        new.MergeFrom(selected)
    return new


def _included(layer: LayerParameter, state: NetState) -> bool:
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
