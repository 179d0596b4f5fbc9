"""Pass: replaces layers that only forks of Caffe have by layers of stock BVLC Caffe that compute exactly the same.

It takes a network that states the sizes of its inputs; the result has the layers of one phase only.

1. A ShuffleChannel becomes a 1x1 Convolution without bias whose weights are the permutation.
2. An Interp becomes a linear map along each axis, an Upsample an enlargement of each pixel: the form with the fewest
   multiply-adds of those in stock.py, such as a depthwise Deconvolution where samples lie whole parts of a pixel
   apart, else an InnerProduct along the width and a Convolution along the height.
3. A ReLU6 becomes a Clip to 0..6.
4. Every other layer stays. The replaced layer's name and top go to the last of the layers in its place.

The weights are fixed: lr_mult 0, and `stock_weights` gives them. Only one phase is written, since the sizes of an
Interp, and so its weights, may differ between the two; a solver can name a train_net and a test_net. The state of the
result says which phase it is; `left_out` in phase.py tells which layers are missing for that reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers.layer_types import legacy_shape
from prototxt_gen.passes.phase import Phase, phase_of, select_phase
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.stock import MOST_FACTORS, Step, aligned, channels, repeated, ways_along_axes
from prototxt_gen.trace import LayerSummary, trace

if TYPE_CHECKING:
    import numpy as np

FORK_TYPES = ("Interp", "ReLU6", "ShuffleChannel", "Upsample")
"""The types that `to_stock` replaces."""

Shapes = Mapping[str, Sequence[int]]


def to_stock(net: NetParameter, phase: Phase | None = None, input_shapes: Shapes | None = None) -> NetParameter:
    """The network's layers of one phase, with stock Caffe's layers in the place of those of FORK_TYPES.

    Without `phase` it is the one in the network's state, else TEST; the result's state says which. The network must
    state the sizes of its inputs, or `input_shapes` (by top) does. UnsupportedError lists the layers that would need
    too many weights.
    """
    selected = select_phase(net, phase or phase_of(net))
    rows = _fork_layers(selected, input_shapes)
    taken = {layer.name for layer in selected.layer} | {top for layer in selected.layer for top in layer.top}
    new = NetParameter()
    new.CopyFrom(selected)
    new.ClearField("layer")
    for index, layer in enumerate(selected.layer):
        new.layer.extend(_replaced(rows[index], taken) if index in rows else [layer])
    return new


def stock_weights(
    net: NetParameter, phase: Phase | None = None, input_shapes: Shapes | None = None
) -> dict[str, list[np.ndarray]]:
    """The fixed weights of the layers that `to_stock` of the same arguments writes, float32, by layer name."""
    selected = select_phase(net, phase or phase_of(net))
    rows = _fork_layers(selected, input_shapes)
    taken = {layer.name for layer in selected.layer} | {top for layer in selected.layer for top in layer.top}
    weights = {}
    for row in rows.values():
        steps = stock_steps(row)
        for step, name in zip(steps, _names(row, steps, taken), strict=True):
            if step.blobs:
                weights[name] = list(step.blobs)
    return weights


def _fork_layers(selected: NetParameter, input_shapes: Shapes | None) -> dict[int, LayerSummary]:
    """The layers that stock Caffe lacks, by their place in the network."""
    traced = enumerate(trace(selected, input_shapes))
    rows = {index: row for index, row in traced if row.type in FORK_TYPES}
    large = [
        f"{row.name!r} {made}x{size}"
        for row in rows.values()
        if row.type != "ReLU6"
        for size, made in zip(legacy_shape(row.bottom_shapes[0], "bottom[0]"), row.top_shapes[0], strict=True)
        if made * size > MOST_FACTORS
    ]
    if large:
        raise UnsupportedError(
            f"network {selected.name!r}: stock Caffe has no layers of types {', '.join(FORK_TYPES)}, and a matrix in "
            f"their place would be too large: {', '.join(large)}, expected at most {MOST_FACTORS} numbers"
        )
    return rows


def stock_steps(row: LayerSummary) -> list[Step]:
    """What computes the same as a layer of one of FORK_TYPES: one layer or more, from its first bottom on."""
    return stock_ways(row)[0]


def stock_ways(row: LayerSummary) -> list[list[Step]]:
    """All the ways to do what `stock_steps` does, that with fewest multiply-adds first."""
    if row.type == "ReLU6":
        return [[Step("Clip", "clip", {"clip_param": {"min": 0, "max": 6}})]]
    stated = row.bottom_shapes[0]
    shape = legacy_shape(stated, "bottom[0]")
    steps = []
    if shape != stated:
        steps = [
            Step(
                "Reshape", "axes", {"reshape_param": {"shape": {"dim": [*(0 for _ in stated), *shape[len(stated) :]]}}}
            )
        ]
    if row.type == "ShuffleChannel":
        group = row.layer.shuffle_channel_param.group
        each = shape[1] // group
        return [[*steps, channels(shape, [part * each + place for place in range(each) for part in range(group)])]]
    sizes = list(zip(shape, row.top_shapes[0], strict=True))[2:]
    if row.type == "Upsample":
        maps = [repeated(size, made // size) for size, made in sizes]
    else:
        options = row.layer.interp_param
        maps = [aligned(size, made, -options.pad_beg, -options.pad_end) for size, made in sizes]
    ways = [[*steps, *way] for way in ways_along_axes(shape, dict(enumerate(maps, 2)))]
    return [way or [Step("Power", "same", {})] for way in ways]


def _names(row: LayerSummary, steps: Sequence[Step], taken: set[str]) -> list[str]:
    """A name for each step: the last has the layer's own."""
    names = []
    for step in steps[:-1]:
        name = f"{row.name}/{step.what}"
        while name in taken:
            name += "_"
        names.append(name)
    return [*names, row.name]


def _replaced(row: LayerSummary, taken: set[str]) -> list[LayerParameter]:
    old, steps = row.layer, stock_steps(row)
    names = _names(row, steps, taken)
    tops = [*names[:-1], old.top[0]]
    made = [
        step.layer(name, bottom, top)
        for step, name, bottom, top in zip(steps, names, [old.bottom[0], *tops], tops, strict=False)
    ]
    if len(old.bottom) > 1:
        # The bottom that only gave the size would become an output.
        made.append(LayerParameter(name=f"{old.name}/size", type="Silence", bottom=old.bottom[1:]))
    for layer in made:
        layer.include.extend(old.include)
        layer.exclude.extend(old.exclude)
    return made
