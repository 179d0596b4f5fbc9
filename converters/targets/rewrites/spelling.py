"""Types that are one layer under several names: depthwise convolution, ReLU6.

DepthwiseConvolution and its other names read the options of Convolution, group among them, and have its blobs
(spellings.py); some tools take group from the number of channels, so that it is written in any case.
"""

from __future__ import annotations

from collections.abc import Iterator

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import copied
from converters.targets.spellings import SPELLINGS
from prototxt_gen.proto import LayerParameter

_DEPTHWISE = ("DepthwiseConvolution", *(name for name, kind in SPELLINGS.items() if kind == "DepthwiseConvolution"))


@layers_rewritten("depthwise convolution by its type", "Convolution")
def by_type(place: Place) -> Iterator[Form]:
    """A Convolution with one group a channel, as a layer of a type for that."""
    old = place.row.layer
    options = old.convolution_param
    shape = place.row.bottom_shapes[0]
    if len(old.bottom) == 1 and options.axis == 1 and options.group == shape[1] == options.num_output > 1:
        for kind in _DEPTHWISE:
            yield Form((_as(old, kind),), f"Convolution of one group a channel as {kind}")


@layers_rewritten("depthwise convolution by group", *_DEPTHWISE[:1])
def by_group(place: Place) -> Iterator[Form]:
    """A layer of a type for depthwise convolution, as a Convolution, or under another name."""
    old = place.row.layer
    yield Form(
        (_as(old, "Convolution"),), f"depthwise convolution as Convolution of group {old.convolution_param.group}"
    )
    for kind in _DEPTHWISE:
        yield Form((_as(old, kind),), f"depthwise convolution as {kind}")


@layers_rewritten("ReLU6 by another name", "ReLU6")
def relu6(place: Place) -> Iterator[Form]:
    """A ReLU6 as tools spell it."""
    for name in ("ReLU6", *(name for name, kind in SPELLINGS.items() if kind == "ReLU6")):
        yield Form((_as(place.row.layer, name),), f"ReLU6 as {name}")


def _as(old: LayerParameter, kind: str) -> LayerParameter:
    made = copied(old)
    made.type = kind
    return made
