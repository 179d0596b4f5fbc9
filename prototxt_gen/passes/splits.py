"""Pass: inserts the Split layers that Caffe inserts where several layers take one top.

1. A top that two or more bottoms take, or one bottom and a loss weight, is followed by a Split with a top for each use.
2. The bottoms take the Split's tops in the order of their layers; a loss weight moves to the Split's first top.

(Caffe: insert_splits.cpp.)
"""

from __future__ import annotations

from prototxt_gen.errors import NetworkError
from prototxt_gen.proto import NetParameter


def insert_splits(net: NetParameter) -> NetParameter:
    """The network, its phase selected, with Splits. NetworkError when a bottom has no top before it."""
    makers: dict[str, tuple[int, int]] = {}
    sources: dict[tuple[int, int], tuple[int, int]] = {}
    uses: dict[tuple[int, int], int] = {}
    weights: dict[tuple[int, int], float] = {}
    for index, layer in enumerate(net.layer):
        for number, bottom in enumerate(layer.bottom):
            if bottom not in makers:
                raise NetworkError(f"layer {layer.name!r}: bottom: found {bottom!r}, which no earlier layer makes")
            sources[index, number] = makers[bottom]
            uses[makers[bottom]] = uses.get(makers[bottom], 0) + 1
        makers.update({top: (index, number) for number, top in enumerate(layer.top)})
        for top, weight in zip(layer.top, layer.loss_weight, strict=False):
            weights[makers[top]] = weight
            if weight:
                uses[makers[top]] = uses.get(makers[top], 0) + 1

    new = NetParameter()
    new.CopyFrom(net)
    new.ClearField("layer")
    taken: dict[tuple[int, int], int] = {}
    for index, old in enumerate(net.layer):
        layer = new.layer.add()
        layer.CopyFrom(old)
        for number, bottom in enumerate(old.bottom):
            source = sources[index, number]
            if uses[source] > 1:
                part = taken.get(source, 0)
                taken[source] = part + 1
                layer.bottom[number] = f"{_split_name(net, source, bottom)}_{part}"
        for number, top in enumerate(old.top):
            source = (index, number)
            if uses.get(source, 0) > 1:
                name = _split_name(net, source, top)
                weight = weights.get(source, 0)
                split = new.layer.add(name=name, type="Split", bottom=[top])
                split.top.extend(f"{name}_{part}" for part in range(uses[source]))
                if weight:
                    split.loss_weight.extend([weight] + [0.0] * (uses[source] - 1))
                    layer.ClearField("loss_weight")
                    taken[source] = 1
    return new


def _split_name(net: NetParameter, source: tuple[int, int], blob: str) -> str:
    return f"{blob}_{net.layer[source[0]].name}_{source[1]}_split"
