"""What conditions can ask of a layer, or of a whole network: facts by name.

Every layer
: `type`; `name_length`, of the longest of its name and its tops; `bottoms` and `tops`, how many; `distinct_bottoms`,
  how many blobs these are; `in_place`; `on_input`: in place on an input of the network; `phase`: "TRAIN", "TEST", or ""
  where the layer states none; `given`: the names of the options that it states; `made_by`: the type of the last layer
  that wrote its first bottom, one in place counts, "" without bottoms; `taken_by`: the types of the layers that take
  its tops, none for an output of the network; `untaken`: how many of its tops no layer takes; `in_place_before`: its
  first bottom was written in place already; `written_over`: how many of its tops a later layer writes in place.

Where shapes are known
: `axes`, `batch`, `channels`, `height`, `width` of the first bottom; the same of the first top (`top_axes`, ...) and,
  where there is one, of the second bottom (`other_axes`, ...); sizes that a blob does not have are 1. `shapes` of all
  bottoms, as in `shapes[2][1]`; `same_shapes`: whether these are all one; `has_weights`.

Layers with windows
: `kernel_h`, `kernel_w`, `stride_h`, `stride_w`, `pad_h`, `pad_w`, `dilation_h`, `dilation_w`. Convolution and its kin
  also `group`; `depthwise`: group is the number of channels and of outputs; `bias`; `repeated_kernel`: kernel_size,
  stride, pad or dilation is a list of different numbers, which some readers take for width and height. Pooling also
  `rounds_up`: round_mode is not FLOOR; `overhangs`: sizes rounded up and down differ; `covers_map`: one window without
  padding sees the whole map.

Options
: every option that is a number, a flag, a word or a list of such is there by its own name, with Caffe's default where
  it is not stated: `negative_slope`, `operation`, `coeff`, `pool`, `global_pooling`, `top_k`. But for options that have
  the name of another fact, such as Interp's `height`. `axis` is counted from the front, and is Concat's `concat_dim`
  and Slice's `slice_dim`, too; `negative_axis`: it is stated from the end; `axis_size`: the bottom's size there.
  Reshape has `dims`, BatchNorm `global_stats`: whether it uses them in the TEST phase.

Rules for "network" ask of the whole
: `layers`, `inputs`, `outputs`, how many; `batch`, the first size of its first input; `types` of all layers, as in
  `count(types, "ROIPooling") <= 4`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from converters.targets.spellings import in_known_words, known_type
from prototxt_gen.errors import NetworkError
from prototxt_gen.layers import LAYERS, Shape
from prototxt_gen.layers import convolution as convolutions
from prototxt_gen.layers import pooling as poolings
from prototxt_gen.layers.likeness import Likeness, likeness
from prototxt_gen.layers.windows import Windows, stated
from prototxt_gen.passes.phase import stated_phase
from prototxt_gen.proto import LayerParameter, Message, fields_of, set_fields

#: What rules name for the whole network, and for every layer.
NETWORK, EVERY = "network", "*"
#: Facts that other names, or tops of their own, change.
NAMES_AND_MEMORY = frozenset(("name_length", "in_place", "on_input", "in_place_before", "written_over"))

_ALWAYS = (
    "type", "name_length", "bottoms", "tops", "distinct_bottoms", "in_place", "on_input", "phase", "given", "made_by",
    "taken_by", "untaken", "in_place_before", "written_over",
)  # fmt: skip
_SIZES = ("axes", "batch", "channels", "height", "width")
_SHAPES = (
    *_SIZES,
    *(f"{whose}_{size}" for whose in ("top", "other") for size in _SIZES),
    "shapes",
    "same_shapes",
    "has_weights",
)
_WINDOWS = tuple(f"{what}_{side}" for what in ("kernel", "stride", "pad", "dilation") for side in "hw")
_CONVOLUTIONS = ("Convolution", "Deconvolution", "DepthwiseConvolution", "Im2col")
_OWN = {
    **dict.fromkeys(_CONVOLUTIONS, (*_WINDOWS, "group", "depthwise", "bias", "repeated_kernel")),
    "Pooling": (*_WINDOWS, "rounds_up", "overhangs", "covers_map"),
    "Reshape": ("dims",),
    "BatchNorm": ("global_stats",),
}
_NETWORK = ("layers", "inputs", "outputs", "batch", "types")
_SHARED = frozenset((*_ALWAYS, *_SHAPES))
# Facts of layers, by what they are and the shapes around them: targets ask for the same again and again.
_OWN_FACTS: dict[tuple[Likeness | None, Any, Any], dict[str, Any]] = {}
_MOST_FACTS = 20_000
# Options of these names are not facts: what is said of windows and axes is worked out of all of them.
_DERIVED = _SHARED | {"axis", *_WINDOWS}


@cache
def fact_names(kind: str) -> frozenset[str] | None:
    """The facts that there may be of layers of this type, of "*" or of "network"; None for types not known here."""
    if kind == NETWORK:
        return frozenset(_NETWORK)
    if kind == EVERY:
        return _SHARED
    kind = known_type(kind)
    if kind not in LAYERS:
        return None
    options = {
        name
        for field in LAYERS[kind].options
        for name, option in fields_of(type(getattr(LayerParameter(), field))).items()
        if option.kind != "message"
    }
    axes = {"negative_axis", "axis_size"} if "axis" in options else set()
    return _SHARED | options | axes | set(_OWN.get(kind, ()))


def facts_of(
    layer: LayerParameter,
    bottoms: Sequence[Shape] | None = None,
    tops: Sequence[Shape] | None = None,
    inputs: Iterable[str] = (),
    made_by: str | None = None,
    taken_by: Sequence[str] | None = None,
    untaken: int | None = None,
    in_place_before: bool | None = None,
    written_over: int | None = None,
) -> dict[str, Any]:
    """The facts of a layer by name; those that need shapes or neighbours are missing where none are given.

    `inputs` are the tops of the network's inputs.
    """
    like = likeness(layer)
    key = (like, None if bottoms is None else tuple(bottoms), None if tops is None else tuple(tops))
    own = _OWN_FACTS.get(key)
    if own is None or like is None:
        own = _own_facts(layer, bottoms, tops)
        if like is not None:
            if len(_OWN_FACTS) >= _MOST_FACTS:
                _OWN_FACTS.clear()
            _OWN_FACTS[key] = own
    facts: dict[str, Any] = {
        **own,
        "name_length": name_length(layer),
        "on_input": own["in_place"] and layer.bottom[0] in inputs,
    }
    around = {
        "made_by": made_by,
        "taken_by": None if taken_by is None else list(taken_by),
        "untaken": untaken,
        "in_place_before": in_place_before,
        "written_over": written_over,
    }
    return facts | {name: value for name, value in around.items() if value is not None}


def name_length(layer: LayerParameter) -> int:
    """Of the longest of the names of a layer and its tops."""
    return max(map(len, (layer.name, *layer.top)))


def _own_facts(layer: LayerParameter, bottoms: Sequence[Shape] | None, tops: Sequence[Shape] | None) -> dict[str, Any]:
    """What depends on neither names nor neighbours."""
    spelled, layer = layer.type, in_known_words(layer)
    facts: dict[str, Any] = {
        **_options(layer),
        "type": spelled,
        "bottoms": len(layer.bottom),
        "tops": len(layer.top),
        "distinct_bottoms": len(set(layer.bottom)),
        "phase": stated_phase(layer) or "",
        "in_place": bool(layer.bottom) and layer.bottom[0] in layer.top,
        "given": _given(layer),
    }
    facts |= _shaped(layer, bottoms, tops)
    facts |= _windowed(layer, bottoms[0] if bottoms else None)
    if layer.type == "DepthwiseConvolution" and not bottoms:
        del facts["group"]  # it is the number of channels
    if layer.type == "Reshape":
        facts["dims"] = list(layer.reshape_param.shape.dim)
    if layer.type == "BatchNorm":
        options = layer.batch_norm_param
        facts["global_stats"] = not options.HasField("use_global_stats") or options.use_global_stats
    return facts


def network_facts(
    layers: Sequence[LayerParameter], inputs: Sequence[str], outputs: Sequence[str], first: Shape | None
) -> dict[str, Any]:
    """The facts of a network; `first` is the shape of its first input."""
    facts: dict[str, Any] = {
        "layers": len(layers),
        "inputs": len(inputs),
        "outputs": len(outputs),
        "types": [layer.type for layer in layers],
    }
    return facts | ({"batch": first[0]} if first else {})


def _messages(layer: LayerParameter) -> list[Message]:
    """The options of a layer: those that its type reads; those that are set, where the type is not known here."""
    if layer.type in LAYERS:
        return [getattr(layer, name) for name in LAYERS[layer.type].options]
    return [value for field, value in set_fields(layer) if field.kind == "message" and not field.repeated]


def _options(layer: LayerParameter) -> dict[str, Any]:
    """The plain options of a layer by name, enums as words."""
    found: dict[str, Any] = {}
    for message in _messages(layer):
        for name, field in fields_of(type(message)).items():
            if field.kind == "message" or name in _DERIVED:
                continue
            value = getattr(message, name)
            if field.kind == "enum":
                words = {number: word for word, number in field.values.items()}
                value = [words.get(one, one) for one in value] if field.repeated else words.get(value, value)
            found[name] = list(value) if field.repeated else value
    return found


def _given(layer: LayerParameter) -> list[str]:
    return [field.name for message in _messages(layer) for field, _ in set_fields(message)]


def _shaped(layer: LayerParameter, bottoms: Sequence[Shape] | None, tops: Sequence[Shape] | None) -> dict[str, Any]:
    """What the shapes around a layer say, and its axis counted from the front."""
    facts: dict[str, Any] = {}
    for prefix, shapes in (("", bottoms), ("other_", (bottoms or ())[1:]), ("top_", tops)):
        if shapes:
            sizes = [len(shapes[0]), *[*shapes[0], 1, 1, 1, 1][:4]]
            facts |= {f"{prefix}{name}": size for name, size in zip(_SIZES, sizes, strict=True)}
    if bottoms is not None:
        facts["shapes"] = [list(shape) for shape in bottoms]
        facts["same_shapes"] = len(set(bottoms)) <= 1
        if layer.type in LAYERS:
            facts["has_weights"] = LAYERS[layer.type].has_blobs and bool(LAYERS[layer.type].shape(layer, bottoms).blobs)
    return facts | _axis(layer, bottoms)


def _axis(layer: LayerParameter, bottoms: Sequence[Shape] | None) -> dict[str, Any]:
    """The axis that a layer works on: as the text says it, from the front, and the size there."""
    for message in _messages(layer):
        if "axis" not in fields_of(type(message)):
            continue
        old = [name for name in ("concat_dim", "slice_dim") if name in fields_of(type(message))]
        said = getattr(message, old[0] if old and message.HasField(old[0]) else "axis")
        if not bottoms:
            # Counted from the front already, or not known.
            return {"negative_axis": False, "axis": said} if said >= 0 else {"negative_axis": True}
        # The axes of a Reshape are places between axes, so that there is one more.
        axes = len(bottoms[0]) + (layer.type == "Reshape")
        axis = said % max(1, axes)
        size = bottoms[0][axis] if axis < len(bottoms[0]) else 1
        return {"negative_axis": said < 0, "axis": axis, "axis_size": size}
    return {}


def _windowed(layer: LayerParameter, bottom: Shape | None) -> dict[str, Any]:
    """Kernel, stride, padding and dilation along the last two axes, and what kinds of windows have beside them."""
    assumed = bottom is None
    try:
        if layer.type in _CONVOLUTIONS:
            return _of_convolution(layer, bottom)
        if layer.type != "Pooling":
            return {}
        options = layer.pooling_param
        rounding = {"rounds_up": options.round_mode != options.FLOOR}
        if bottom is None:
            # Of a map of any size; a global window has that map's.
            return rounding | ({} if options.global_pooling else _sizes(poolings.windows(layer, (1, 1, 1, 1))))
    except NetworkError:
        if assumed:  # there may be more axes than two
            return {}
        raise
    found = poolings.windows(layer, bottom)
    up, down = (_pooled(bottom[2:], found, floor) for floor in (False, True))
    covers = found.kernel == tuple(bottom[2:]) and not any(found.pad)
    return {**rounding, **_sizes(found), "overhangs": up != down, "covers_map": covers}


def _pooled(sizes: Shape, windows: Windows, floor: bool) -> Shape | None:
    try:
        return poolings.pooled_sizes(sizes, windows, floor)
    except NetworkError:  # a window larger than the map fits rounded up alone
        return None


def _of_convolution(layer: LayerParameter, bottom: Shape | None) -> dict[str, Any]:
    options = layer.convolution_param
    lists = [stated(options, name) for name in ("kernel_size", "stride", "pad", "dilation")]
    facts: dict[str, Any] = {"bias": options.bias_term, "repeated_kernel": any(len({*sizes}) > 1 for sizes in lists)}
    found = convolutions.windows(layer, (1, 1, 1, 1) if bottom is None else bottom)
    facts |= _sizes(found)
    is_depthwise = layer.type == "DepthwiseConvolution"
    if bottom is None:
        return facts
    channels = bottom[found.axis]
    group = channels if is_depthwise else options.group
    return facts | {"group": group, "depthwise": group == channels == options.num_output and group > 1}


def _sizes(windows: Windows) -> dict[str, int]:
    found = {}
    for what in ("kernel", "stride", "pad", "dilation"):
        absent = 0 if what == "pad" else 1
        sizes = (absent, absent, *getattr(windows, what))[-2:]
        found[f"{what}_h"], found[f"{what}_w"] = sizes
    return found
