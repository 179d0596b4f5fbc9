"""A network's layers with their shapes: every layer's rule applied in order, as Caffe sets a network up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prototxt_gen.errors import NetworkError, UnsupportedError
from prototxt_gen.layers import LAYERS, Filler, LayerShape, Shape
from prototxt_gen.layers.layer_types import ShapeRule, checked_shape, count, is_blob_shape
from prototxt_gen.layers.likeness import Likeness, likeness
from prototxt_gen.passes.upgrade import is_current, upgrade
from prototxt_gen.proto import LayerParameter, NetParameter

FLOAT_BYTES = 4
# What Caffe calls the top of a loss that names none.
AUTOMATIC = "(automatic)"
# What rules made of layers and the shapes of their bottoms; faults are not kept.
_MADE: dict[tuple[ShapeRule, Likeness, tuple[Shape, ...]], LayerShape] = {}
_MOST_MADE = 20_000


@dataclass(frozen=True)
class LayerSummary:
    """One layer of a network with the shapes around it.

    `parameters` counts the numbers in its blobs, without those it shares with an earlier layer. `multiply_adds` are
    of the whole batch; `memory` is the bytes of its tops as Caffe counts them: in-place tops count again.
    """

    layer: LayerParameter
    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    bottom_shapes: tuple[Shape, ...]
    top_shapes: tuple[Shape, ...]
    blob_shapes: tuple[Shape, ...]
    parameters: int
    multiply_adds: int
    memory: int
    fillers: tuple[Filler, ...] = ()


def trace(net: NetParameter, input_shapes: Mapping[str, Sequence[int]] | None = None) -> list[LayerSummary]:
    """The layers of a network whose phase is selected, in order, with their shapes; no Split is inserted.

    Errors and `input_shapes` are as in `summarize`.
    """
    if not is_current(net):
        net = upgrade(net)
    unknown = [f"{layer.name!r} ({layer.type or 'no type'})" for layer in net.layer if layer.type not in LAYERS]
    if unknown:
        raise UnsupportedError(f"network {net.name!r}: {len(unknown)} layers of unknown type: {', '.join(unknown)}")
    given = {name: checked_shape(shape, f"input_shapes[{name!r}]") for name, shape in (input_shapes or {}).items()}
    uses = _uses(net)
    makers: dict[str, int] = {}
    shapes: dict[str, Shape | None] = {}
    owners: dict[str, Shape] = {}
    faults: list[str] = []
    done: list[LayerSummary] = []
    for index, layer in enumerate(net.layer):
        tops = tuple(layer.top)
        try:
            _check_names(layer, makers, uses)
            bottoms = [shapes[bottom] for bottom in layer.bottom]
            known = [shape for shape in bottoms if shape is not None]
            if len(known) < len(bottoms):  # a layer further up has a fault, which is listed
                continue
            made = _apply(layer, known, given)
            tops += (AUTOMATIC,) * (len(made.tops) - len(tops))
            parameters = _count_parameters(layer, made, owners)
        except NetworkError as fault:
            faults.append(f"layer {layer.name!r} ({layer.type}): {fault}")
            continue
        finally:
            shapes.update(dict.fromkeys(layer.top))
            makers.update(dict.fromkeys(layer.top, index))
        shapes.update(zip(tops, made.tops, strict=True))
        memory = FLOAT_BYTES * sum(count(shape) for shape in made.tops)
        done.append(
            LayerSummary(
                layer, layer.name, layer.type, tuple(layer.bottom), tops, tuple(known), made.tops, made.blobs,
                parameters, made.multiply_adds, memory, made.fillers,
            )
        )  # fmt: skip
    missing = sorted(set(given) - {top for layer in net.layer if LAYERS[layer.type].is_input for top in layer.top})
    if missing:
        faults.append(f"input_shapes: found {', '.join(missing)}, which no input or data layer makes")
    if faults:
        raise NetworkError(f"network {net.name!r}: " + "; ".join(faults))
    return done


def _uses(net: NetParameter) -> dict[tuple[int, str], int]:
    """How many bottoms take each top, by (index of the layer that makes it, name); a stated loss weight is one more.

    Where there are several, each takes a top of a Split (Caffe: insert_splits.cpp).
    """
    makers: dict[str, int] = {}
    uses: dict[tuple[int, str], int] = {}
    for index, layer in enumerate(net.layer):
        for bottom in layer.bottom:
            if bottom in makers:
                key = (makers[bottom], bottom)
                uses[key] = uses.get(key, 0) + 1
        makers.update(dict.fromkeys(layer.top, index))
        for top, weight in zip(layer.top, layer.loss_weight, strict=False):
            if weight:
                uses[index, top] = uses.get((index, top), 0) + 1
    return uses


def _check_names(layer: LayerParameter, makers: Mapping[str, int], uses: Mapping[tuple[int, str], int]) -> None:
    """Every bottom exists, and every top is new or runs in place on a bottom nobody else takes (Caffe: net.cpp)."""
    for bottom in layer.bottom:
        if bottom not in makers:
            raise NetworkError(f"bottom: found {bottom!r}, which no earlier layer makes")
    seen: set[str] = set()
    for index, top in enumerate(layer.top):
        in_place = index < len(layer.bottom) and layer.bottom[index] == top
        if top in seen or (top in makers and not in_place):
            raise NetworkError(f"top: found {top!r}, a name that another top has already")
        if in_place and uses[makers[top], top] > 1:
            raise NetworkError(f"top: found {top!r} in place, but other layers take the same bottom, or a loss weight")
        seen.add(top)


def _apply(layer: LayerParameter, bottoms: Sequence[Shape], given: Mapping[str, Shape]) -> LayerShape:
    """The rule of the layer's type, and what is checked for layers of any type (Caffe: net.cpp, layer.hpp)."""
    made = _apply_source(layer, given) if LAYERS[layer.type].is_input else _apply_rule(layer, bottoms)
    tops = made.tops
    if len(layer.loss_weight) not in (0, len(tops)):
        raise NetworkError(
            f"loss_weight: found {len(layer.loss_weight)}, expected none or {len(tops)}, one for each top"
        )
    if len(layer.propagate_down) not in (0, len(bottoms)):
        raise NetworkError(f"propagate_down: found {len(layer.propagate_down)}, expected none or {len(bottoms)}")
    if len(layer.param) > len(made.blobs):
        raise NetworkError(f"param: found {len(layer.param)}, expected at most {len(made.blobs)}, one for each blob")
    for field, shapes in (("top", tops), ("blobs", made.blobs)):
        for index, shape in enumerate(shapes):
            if not is_blob_shape(shape):
                checked_shape(shape, f"{field}[{index}]")
    return made


def _apply_rule(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """What the rule of the layer's type makes; it is asked once of layers that are alike, of which networks have many.

    Nor is it asked again when a network is traced anew, as it is often while it is changed or searched for.
    """
    rule = LAYERS[layer.type].shape
    like = likeness(layer)
    if like is None:
        return rule(layer, bottoms)
    key = (rule, like, tuple(bottoms))
    made = _MADE.get(key)
    if made is None:
        made = rule(layer, bottoms)
        if len(_MADE) >= _MOST_MADE:
            _MADE.clear()
        _MADE[key] = made
    return made


def _apply_source(layer: LayerParameter, given: Mapping[str, Shape]) -> LayerShape:
    """The given shapes of an input or data layer, else the stated ones; labels follow the batch of their images."""
    given = {top: given[top] for top in layer.top if top in given}
    if LAYERS[layer.type].is_labelled and len(layer.top) == 2 and given.get(layer.top[0]):
        given.setdefault(layer.top[1], given[layer.top[0]][:1])
    if layer.top and len(given) == len(layer.top):
        return LayerShape(tuple(given[top] for top in layer.top))
    stated = LAYERS[layer.type].shape(layer, ())
    return LayerShape(tuple(given.get(top, shape) for top, shape in zip(layer.top, stated.tops, strict=True)))


def _count_parameters(layer: LayerParameter, made: LayerShape, owners: dict[str, Shape]) -> int:
    """Numbers in the layer's own blobs; notes who owns the named ones (Caffe: net.cpp, AppendParam)."""
    total = 0
    for index, shape in enumerate(made.blobs):
        spec = layer.param[index] if index < len(layer.param) else None
        if spec is None or not spec.name or spec.name not in owners:
            total += count(shape)
            if spec is not None and spec.name:
                owners[spec.name] = shape
            continue
        owned = owners[spec.name]
        permissive = spec.share_mode == spec.PERMISSIVE
        if (count(owned) != count(shape)) if permissive else (owned != shape):
            raise NetworkError(f"param[{index}]: found shape {shape}, expected {owned} as the owner of {spec.name!r}")
    return total
