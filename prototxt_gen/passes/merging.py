"""Pass: folds batch normalisation into the layer before it, structure only; converters.weights.merge does the weights.

It takes any network, also one for both phases. Everything that the network computes stays equal.

1. A Convolution, DepthwiseConvolution, Deconvolution or InnerProduct with one bottom, whose outputs lie on axis 1 and
   whose top only a BatchNorm takes, absorbs this BatchNorm when that runs on stored statistics.
2. When only a Scale takes the BatchNorm's top, and its factors are a blob over axis 1, it is absorbed too.
3. The layer gets `bias_term: true` and loses its blobs, which no longer fit; layers that took the last absorbed top
   take the layer's own top, and layers that run in place there go on under this name.
4. Outputs keep their names: where no layer takes the last absorbed top, or another layer makes a top of this name for
   another phase, the layer's own top changes its name instead.
5. Nothing is merged across phases (rules of inclusion that differ), nor where weights are shared with other layers,
   where a top is a loss, or where another layer has the name of a merged one, since weights are found by name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

from prototxt_gen.layers.layer_types import shared_names
from prototxt_gen.layers.losses import loss_weights
from prototxt_gen.layers.normalization import is_affine_part
from prototxt_gen.passes.phase import PHASES, Phase, is_included, phase_of, stated_phase
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import LayerParameter, NetParameter, NetState

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
    shared = shared_names(layers)
    names = Counter(layer.name for layer in layers)
    phase = phase_of(new)
    made, taken = _plain_names(layers)
    renamed_later: dict[int, str] = {}
    merges = []
    for index, layer in enumerate(layers):
        if layer.type not in _PARAMS or not _can_absorb(layer, shared):
            continue
        norm = _only_taker(takers[index])
        if norm is None or not _is_stored_norm(layers[norm], layer, phase, shared):
            continue
        scale = _only_taker(takers[norm])
        if scale is not None and not _is_affine(layers[scale], layers[norm], shared):
            scale = None
        absorbed = [norm] if scale is None else [norm, scale]
        if any(names[layers[place].name] > 1 for place in (index, *absorbed)):
            continue
        last, own = layers[absorbed[-1]], {index, *absorbed}
        name = last.top[0]
        if made[name] - own or _is_output(last, [layers[taker] for taker in taken[name] - own], new):
            made[layer.top[0]].discard(index)
            made[name].add(index)
            layer.top[0] = name
        renamed_later.update(dict.fromkeys(absorbed, layer.top[0]))
        options = getattr(layer, _PARAMS[layer.type])
        if not options.bias_term:
            options.bias_term = True
        layer.ClearField("blobs")
        merges.append(Merge(layer.name, layers[norm].name, None if scale is None else layers[scale].name))

    kept = NetParameter()
    renamed: dict[str, str] = {}
    for index, layer in enumerate(layers):
        if index in renamed_later:
            renamed[layer.top[0]] = renamed_later[index]
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


def _plain_names(layers: list[LayerParameter]) -> tuple[defaultdict[str, set[int]], defaultdict[str, set[int]]]:
    """By the name of a blob the layers that make it, and those that take it; layers in place are in neither."""
    made, taken = defaultdict[str, set[int]](set), defaultdict[str, set[int]](set)
    for index, layer in enumerate(layers):
        tops, bottoms = set(layer.top), set(layer.bottom)
        for name in tops - bottoms:
            made[name].add(index)
        for name in bottoms - tops:
            taken[name].add(index)
    return made, taken


def _is_output(last: LayerParameter, takers: list[LayerParameter], net: NetParameter) -> bool:
    """Whether no layer takes the top of the last absorbed layer in some phase; `takers` are those that may."""
    states = [_state(net, phase) for phase in PHASES]
    return any(is_included(last, state) and not any(is_included(taker, state) for taker in takers) for state in states)


def _state(net: NetParameter, phase: Phase) -> NetState:
    state = NetState(phase=phase)
    state.level = net.state.level
    state.stage.extend(net.state.stage)
    return state


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


def _shares(layer: LayerParameter, shared: set[str]) -> bool:
    return any(spec.name in shared for spec in layer.param)


def _same_rules(one: LayerParameter, other: LayerParameter) -> bool:
    return list(one.include) == list(other.include) and list(one.exclude) == list(other.exclude)


def _can_absorb(layer: LayerParameter, shared: set[str]) -> bool:
    axis = getattr(layer, _PARAMS[layer.type]).axis
    return len(layer.bottom) == len(layer.top) == 1 and axis == 1 and not _shares(layer, shared)


def _is_stored_norm(norm: LayerParameter, layer: LayerParameter, phase: str, shared: set[str]) -> bool:
    """Whether the layer behind `layer` is a BatchNorm on stored statistics that may be folded."""
    options = norm.batch_norm_param
    test = (stated_phase(norm) or phase) == "TEST"
    return (
        norm.type == "BatchNorm"
        and len(norm.bottom) == len(norm.top) == 1
        and (options.use_global_stats if options.HasField("use_global_stats") else test)
        and _same_rules(norm, layer)
        and not _shares(norm, shared)
        and not any(loss_weights(norm, 1))
    )


def _is_affine(scale: LayerParameter, norm: LayerParameter, shared: set[str]) -> bool:
    return (
        is_affine_part(scale, norm)
        and _same_rules(scale, norm)
        and not _shares(scale, shared)
        and not any(loss_weights(scale, 1))
    )
