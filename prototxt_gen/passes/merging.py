"""Pass: folds batch normalisation into the layer before it, structure only; converters.weights.merge does the weights.

1. A Convolution, DepthwiseConvolution, Deconvolution or InnerProduct with one bottom, whose outputs lie on axis 1 and
   whose top only a BatchNorm takes, absorbs this BatchNorm when that runs on stored statistics.
2. When only a Scale takes the BatchNorm's top, with its factors as a blob over axis 1, it is absorbed too.
3. The layer gets `bias_term: true` and loses its blobs, which no longer fit; layers that took the last absorbed top
   take the layer's own top, and layers that run in place there go on under this name.
4. Nothing is merged across phases (rules of inclusion that differ), nor where weights are shared with other layers or
   a top is a loss.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import LayerParameter, NetParameter

_PARAMS = {
    "Convolution": "convolution_param",
    "DepthwiseConvolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
}


class Merge(NamedTuple):
    """The names of a layer and of the BatchNorm and, where there was one, the Scale that it absorbed."""

    layer: str
    batch_norm: str
    scale: str | None


def merge_batchnorm(net: NetParameter) -> tuple[NetParameter, list[Merge]]:
    """The network without the batch normalisations that can be folded, and what was folded into what.

    The phase that decides about statistics is the one in the network's state, TEST where there is none.
    """
    new = upgrade(net)
    layers = list(new.layer)
    takers = _takers(layers)
    shared = {name for name, uses in Counter(_param_names(layers)).items() if uses > 1}
    owner: dict[int, str] = {}
    merges = []
    for index, layer in enumerate(layers):
        if layer.type not in _PARAMS or not _can_absorb(layer, shared):
            continue
        norm = _only_taker(takers[index])
        if norm is None or not _is_stored_norm(layers[norm], layer, new, shared):
            continue
        owner[norm] = layer.top[0]
        scale = _only_taker(takers[norm])
        if scale is not None and _is_channel_scale(layers[scale], layer, shared):
            owner[scale] = layer.top[0]
        else:
            scale = None
        param = getattr(layer, _PARAMS[layer.type])
        if not param.bias_term:
            param.bias_term = True
        layer.ClearField("blobs")
        merges.append(Merge(layer.name, layers[norm].name, None if scale is None else layers[scale].name))

    kept = NetParameter()
    renamed: dict[str, str] = {}
    for index, layer in enumerate(layers):
        if index in owner:
            renamed[layer.top[0]] = owner[index]
            continue
        in_place = {top for top, bottom in zip(layer.top, layer.bottom, strict=False) if top == bottom}
        bottoms = [renamed.get(bottom, bottom) for bottom in layer.bottom]
        for top in layer.top:
            if top not in in_place:
                renamed.pop(top, None)
        tops = [renamed.get(top, top) for top in layer.top]
        layer.bottom[:], layer.top[:] = bottoms, tops
        kept.layer.add().CopyFrom(layer)
    new.ClearField("layer")
    new.MergeFrom(kept)
    return new, merges


def _takers(layers: list[LayerParameter]) -> dict[int, list[int]]:
    """By the index of a layer, the layers that take any of its tops; -1 stands for the loss."""
    makers: dict[str, int] = {}
    takers: dict[int, list[int]] = {index: [] for index in range(len(layers))}
    for index, layer in enumerate(layers):
        for bottom in layer.bottom:
            if bottom in makers:
                takers[makers[bottom]].append(index)
        makers.update(dict.fromkeys(layer.top, index))
        takers[index].extend(-1 for weight in layer.loss_weight if weight)
    return takers


def _only_taker(takers: list[int]) -> int | None:
    """The one layer among the takers of a top, unless there are several or the top is a loss."""
    return takers[0] if len(takers) == 1 and takers[0] >= 0 else None


def _param_names(layers: list[LayerParameter]) -> list[str]:
    return [spec.name for layer in layers for spec in layer.param if spec.name]


def _shares(layer: LayerParameter, shared: set[str]) -> bool:
    return any(spec.name in shared for spec in layer.param)


def _same_rules(one: LayerParameter, other: LayerParameter) -> bool:
    return list(one.include) == list(other.include) and list(one.exclude) == list(other.exclude)


def _can_absorb(layer: LayerParameter, shared: set[str]) -> bool:
    axis = getattr(layer, _PARAMS[layer.type]).axis
    return len(layer.bottom) == len(layer.top) == 1 and axis == 1 and not _shares(layer, shared)


def _is_stored_norm(norm: LayerParameter, layer: LayerParameter, net: Any, shared: set[str]) -> bool:
    param = norm.batch_norm_param
    phase = norm.phase if norm.HasField("phase") else net.state.phase
    test = phase == type(net.state)().phase  # the default of `phase` is TEST
    stored = param.use_global_stats if param.HasField("use_global_stats") else test
    return (
        norm.type == "BatchNorm"
        and len(norm.bottom) == len(norm.top) == 1
        and stored
        and _same_rules(norm, layer)
        and not _shares(norm, shared)
    )


def _is_channel_scale(scale: LayerParameter, layer: LayerParameter, shared: set[str]) -> bool:
    param = scale.scale_param
    return (
        scale.type == "Scale"
        and len(scale.bottom) == len(scale.top) == 1
        and param.axis == 1
        and param.num_axes == 1
        and _same_rules(scale, layer)
        and not _shares(scale, shared)
    )
