"""ReLU6 and Clip, one for the other where a target has but one of them."""

from __future__ import annotations

from collections.abc import Iterator

from converters.targets.forms import Form, Place, layers_rewritten
from prototxt_gen.proto import LayerParameter


@layers_rewritten("Clip as ReLU6", "Clip")
def as_relu6(place: Place) -> Iterator[Form]:
    """A Clip to 0..6 is a ReLU6."""
    old = place.row.layer
    if (old.clip_param.min, old.clip_param.max) == (0, 6):
        yield Form((_renamed(old, "ReLU6"),), "Clip to 0..6 as ReLU6")


@layers_rewritten("ReLU6 as Clip", "ReLU6")
def as_clip(place: Place) -> Iterator[Form]:
    """A ReLU6 is a Clip to 0..6."""
    made = _renamed(place.row.layer, "Clip")
    made.clip_param.min, made.clip_param.max = 0, 6
    yield Form((made,), "ReLU6 as Clip to 0..6")


def _renamed(old: LayerParameter, kind: str) -> LayerParameter:
    return LayerParameter(name=old.name, type=kind, bottom=old.bottom, top=old.top)
