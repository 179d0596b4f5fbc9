"""Slices of one blob on one axis become one layer, as a split reads in Caffe, and what nobody takes is silenced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from prototxt_gen.proto import LayerParameter, NetParameter


class _Part(NamedTuple):
    start: int
    end: float
    top: str


def join_slices(net: NetParameter, outputs: Collection[str]) -> None:
    """Joins the Slices with slice points in the network, as far as no part that is taken would be cut again.

    `outputs` are blobs that are taken without a layer. Tops that nobody takes become as few as possible, and go to a
    Silence: Caffe would give them as outputs.
    """
    taken = {*outputs, *(bottom for layer in net.layer for bottom in layer.bottom)}
    bunches: dict[tuple[str, int], list[list[_Part]]] = defaultdict(list)
    first: dict[int, list[_Part]] = {}
    same: dict[str, str] = {}
    gone = set()
    for place, layer in enumerate(net.layer):
        if layer.type != "Slice" or not layer.slice_param.slice_point:
            continue
        parts = [part for part in _parts(layer) if part.top in taken]
        group = bunches[layer.bottom[0], layer.slice_param.axis]
        bunch = next((bunch for bunch in group if _fit([*bunch, *parts])), None)
        if bunch is None:
            bunch = first[place] = []
            group.append(bunch)
        else:
            gone.add(place)
        for part in parts:
            twin = next((other for other in bunch if other[:2] == part[:2]), None)
            if twin is None:
                bunch.append(part)
            elif part.top in outputs:
                # An output keeps its name; the one before may lose its own.
                same[twin.top] = part.top
                bunch[bunch.index(twin)] = part
            else:
                same[part.top] = twin.top
    made = NetParameter()
    made.CopyFrom(net)
    made.ClearField("layer")
    for place, layer in enumerate(net.layer):
        if place in gone:
            continue
        layer.bottom[:] = [_last(same, bottom) for bottom in layer.bottom]
        made.layer.extend(_joined(layer, first[place]) if place in first else [layer])
    net.CopyFrom(made)


def _last(same: dict[str, str], blob: str) -> str:
    while blob in same:
        blob = same[blob]
    return blob


def _parts(layer: LayerParameter) -> list[_Part]:
    points = list(layer.slice_param.slice_point)
    return [_Part(*part) for part in zip([0, *points], [*points, float("inf")], layer.top, strict=True)]


def _fit(parts: Sequence[_Part]) -> bool:
    """Whether the parts are equal or apart."""
    ordered = sorted({part[:2] for part in parts})
    return all(before[1] <= after[0] for before, after in pairwise(ordered))


def _joined(layer: LayerParameter, parts: Sequence[_Part]) -> list[LayerParameter]:
    """The Slice with these parts, and what else there is of the blob in tops that go to a Silence."""
    ordered = sorted(parts)
    starts: list[float] = []
    tops: list[str] = []
    unread: list[str] = []
    place: float = 0
    for part in [*ordered, _Part(0, 0, "")]:
        gap = part.start > place if part.top else place != float("inf")
        if gap:
            unread.append(f"{layer.name}:unread{len(unread)}")
            starts.append(place)
            tops.append(unread[-1])
        if part.top:
            starts.append(part.start)
            tops.append(part.top)
            place = part.end
    layer.top[:] = tops
    layer.slice_param.slice_point[:] = [int(start) for start in starts[1:]]
    if not unread:
        return [layer]
    return [layer, LayerParameter(name=f"{layer.name}/unread", type="Silence", bottom=unread)]
