"""What conditions can ask of a layer: facts by name, from its options and from the shapes around it.

Every layer has `type`, `name_length` (of the longest of its name and its tops), `bottoms`, `tops` (how many),
`in_place`, `on_input` (in place on an input of the network). Where shapes are known also `axes`, `batch`, `channels`,
`height`, `width` of the first bottom and `top_axes`, `top_channels`, `top_height`, `top_width` of the first top; sizes
that a blob does not have are 1.

Layers with windows have `kernel_h`, `kernel_w`, `stride_h`, `stride_w`, `pad_h`, `pad_w`, `dilation_h`, `dilation_w`;
Convolution and its kin also `group`, `depthwise`, `bias`. `axis` is counted from the front.
Every option that is a number, a flag, a word or a list of such is there by its own name, with Caffe's default where it
is not set: `negative_slope`, `operation`, `coeff`, `pool`, `global_pooling`, `top_k`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from converters.targets.spellings import in_known_words
from prototxt_gen.layers import LAYERS, Shape
from prototxt_gen.layers import convolution as convolutions
from prototxt_gen.layers import pooling as poolings
from prototxt_gen.layers.windows import Windows
from prototxt_gen.proto import LayerParameter, fields_of

_CONVOLUTIONS = ("Convolution", "Deconvolution", "DepthwiseConvolution", "Im2col")


def facts_of(
    layer: LayerParameter,
    bottoms: Sequence[Shape] | None = None,
    tops: Sequence[Shape] | None = None,
    inputs: Sequence[str] = (),
) -> dict[str, Any]:
    """The facts of a layer by name; those that need shapes are missing where none are given.

    `inputs` are the tops of the network's inputs.
    """
    spelled, layer = layer.type, in_known_words(layer)
    in_place = bool(layer.bottom) and layer.bottom[0] in layer.top
    facts: dict[str, Any] = {
        "type": spelled,
        "name_length": max(map(len, [layer.name, *layer.top])),
        "bottoms": len(layer.bottom),
        "tops": len(layer.top),
        "in_place": in_place,
        "on_input": in_place and layer.bottom[0] in inputs,
    }
    if layer.type in LAYERS:
        for options in LAYERS[layer.type].options:
            facts |= _options(getattr(layer, options))
    for prefix, shapes in (("", bottoms), ("top_", tops)):
        if shapes:
            batch, channels, height, width = [*shapes[0], 1, 1, 1, 1][:4]
            facts |= {f"{prefix}axes": len(shapes[0]), f"{prefix}channels": channels}
            facts |= {f"{prefix}height": height, f"{prefix}width": width}
            if not prefix:
                facts["batch"] = batch
    if bottoms:
        facts |= _windowed(layer, bottoms[0])
        if isinstance(facts.get("axis"), int):
            facts["axis"] %= max(1, len(bottoms[0]))
    return facts


def _options(message: Any) -> dict[str, Any]:
    """The plain options of a message by name, enums as words."""
    found: dict[str, Any] = {}
    for name, field in fields_of(type(message)).items():
        if field.kind == "message":
            continue
        value = getattr(message, name)
        if field.kind == "enum":
            words = {number: word for word, number in field.values.items()}
            value = [words.get(one, one) for one in value] if field.repeated else words.get(value, value)
        found[name] = list(value) if field.repeated else value
    return found


def _windowed(layer: LayerParameter, bottom: Shape) -> dict[str, Any]:
    """Kernel, stride, padding and dilation along the last two axes, and what kinds of windows have beside them."""
    if layer.type in _CONVOLUTIONS:
        found = convolutions.windows(layer, bottom)
        options = layer.convolution_param
        group = bottom[found.axis] if layer.type == "DepthwiseConvolution" else options.group
        return {
            **_sizes(found),
            "group": group,
            "depthwise": group == bottom[found.axis] == options.num_output and group > 1,
            "bias": options.bias_term,
        }
    if layer.type == "Pooling":
        return _sizes(poolings.windows(layer, bottom))
    return {}


def _sizes(windows: Windows) -> dict[str, int]:
    found = {}
    for what in ("kernel", "stride", "pad", "dilation"):
        absent = 0 if what == "pad" else 1
        sizes = (absent, absent, *getattr(windows, what))[-2:]
        found[f"{what}_h"], found[f"{what}_w"] = sizes
    return found
