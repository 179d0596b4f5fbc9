"""ncnn's layer types in Caffe's language: `CONVERTERS` maps each to the layers and blobs that compute the same.

Numbers of parameters and the order of arrays in the weight file are each type's load_param and load_model in ncnn's
src/layer. ncnn's maps have no batch axis, so its axis 0 is Caffe's 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from converters.weights.blobs import Array
from converters.weights.ncnn.param_file import ABSENT, NcnnLayer, Number
from prototxt_gen.errors import UnsupportedError, need
from prototxt_gen.proto import LayerParameter
from prototxt_gen.registry import Registry


@dataclass(frozen=True)
class Read:
    """One array of the weight file: what messages call it, its count of numbers, whether a mark stands before it."""

    what: str
    count: int
    marked: bool = False


@dataclass(frozen=True)
class Made:
    """What one ncnn layer becomes: Caffe layers, what to read for them, how the arrays read become their blobs.

    `differences` are the points where ncnn computes something else than the layers made, and no layer of Caffe does the
    same.
    """

    layers: Sequence[LayerParameter]
    reads: Sequence[Read] = ()
    blobs: Callable[[list[Array]], dict[str, list[Array]]] = field(default=lambda arrays: {})
    differences: Sequence[str] = ()


Converter: TypeAlias = Callable[[NcnnLayer], Made]
CONVERTERS: Registry[Converter] = Registry("conversion from ncnn")


def _layer(ncnn: NcnnLayer, kind: str, **params: dict[str, Any]) -> LayerParameter:
    """One Caffe layer with the blobs of the ncnn layer; a field given as None stays unset."""
    layer = LayerParameter(name=ncnn.name, type=kind, bottom=ncnn.bottoms, top=ncnn.tops)
    for name, fields in params.items():
        message = getattr(layer, name)
        message.SetInParent()
        for key, value in fields.items():
            if isinstance(value, (list, tuple)):
                getattr(message, key).extend(value)
            elif value is not None:
                setattr(message, key, value)
    return layer


def _behind(ncnn: NcnnLayer, kind: str, suffix: str, **params: dict[str, Any]) -> LayerParameter:
    """A Caffe layer that works in place on the ncnn layer's top."""
    layer = _layer(ncnn, kind, **params)
    layer.name += suffix
    del layer.bottom[:]
    layer.bottom.extend(layer.top)
    return layer


def _activation(ncnn: NcnnLayer) -> list[LayerParameter]:
    """The activation that ncnnoptimize moved into a layer, as a layer of its own again."""
    kind = ncnn.whole(9, 0)
    numbers = [number.real for number in ncnn.array(10)]
    needed = {2: 1, 3: 2}.get(kind, 0)
    if len(numbers) < needed:
        raise ncnn.fault("parameter 10", numbers, f"{needed} numbers for activation {kind}")
    if kind == 0:
        return []
    if kind == 1:
        return [_behind(ncnn, "ReLU", "/relu")]
    if kind == 2:
        return [_behind(ncnn, "ReLU", "/relu", relu_param={"negative_slope": numbers[0]})]
    if kind == 3:
        return [_behind(ncnn, "Clip", "/clip", clip_param={"min": numbers[0], "max": numbers[1]})]
    need(kind == 4, f"activation {kind}, expected 0 to 4: none, ReLU, leaky ReLU, clip, sigmoid")
    return [_behind(ncnn, "Sigmoid", "/sigmoid")]


def _window(ncnn: NcnnLayer, kernel: int, dilation: int | None, stride: int, pad: int) -> dict[str, dict[str, int]]:
    """Kernel, dilation, stride and pad by width and height, from the numbers of their width parameters."""
    found = {}
    for what, key, default, least in (
        ("kernel", kernel, 0, 1), ("dilation", dilation, 1, 1), ("stride", stride, 1, 1), ("pad", pad, 0, ABSENT - 1),
    ):  # fmt: skip
        if key is not None:
            width = ncnn.size(key, default, least)
            found[what] = {"w": width, "h": ncnn.size(key + 10, width, least)}
    return found


def _fields(window: dict[str, dict[str, int]]) -> dict[str, Any]:
    """The window in the fields of a ConvolutionParameter."""
    fields: dict[str, Any] = {}
    for what, size in window.items():
        single = {"kernel": "kernel_size"}.get(what, what)
        if size["w"] == size["h"]:
            fields[single] = [size["w"]]
        elif what == "dilation":
            fields[what] = [size["h"], size["w"]]
        else:
            fields |= {f"{what}_h": size["h"], f"{what}_w": size["w"]}
    return fields


@CONVERTERS.register("Convolution", "ConvolutionDepthWise", "Deconvolution", "DeconvolutionDepthWise")
def _convolution(ncnn: NcnnLayer) -> Made:
    """Weights of a convolution lie as in Caffe; those of a deconvolution by outputs, then inputs, in every group."""
    transposed = ncnn.type.startswith("Deconvolution")
    need(transposed or ncnn.whole(19, 0) == 0, "weights from another bottom")
    outputs = ncnn.size(0, 0, 1)
    window = _window(ncnn, 1, 2, 3, 4)
    pad = window["pad"]
    right, bottom = ncnn.whole(15, pad["w"]), ncnn.whole(16, pad["h"])
    bias, count = ncnn.whole(5, 0), ncnn.size(6, 0, 1)
    groups = ncnn.size(7, 1, 1)
    kernel = window["kernel"]["h"], window["kernel"]["w"]
    per_input = outputs // groups * kernel[0] * kernel[1]
    if outputs % groups or count % (groups * per_input):
        found = f"{count} weights, {outputs} outputs, {groups} groups, kernel {kernel}"
        raise ncnn.fault("parameter 6", found, "outputs that the groups divide, and weights that both divide")
    inputs = count // per_input // groups
    ncnn.asked.add(17)  # which of ncnn's implementations to use
    activation = _activation(ncnn)
    need(ncnn.whole(8, 0) == 0, "int8 arithmetic")
    need(min(pad.values()) >= 0, "padding by the size of the map (SAME)")
    need((right, bottom) == (pad["w"], pad["h"]), f"padding {right}, {bottom} at the end, {pad} at the beginning")
    param = {"num_output": outputs, "bias_term": None if bias else False, "group": groups if groups > 1 else None}
    layer = _layer(ncnn, "Deconvolution" if transposed else "Convolution", convolution_param=param | _fields(window))
    reads = [Read("weights", count, marked=True)] + ([Read("biases", outputs)] if bias else [])

    def blobs(arrays: list[Array]) -> dict[str, list[Array]]:
        weights, *biases = arrays
        if transposed:
            weights = weights.reshape(groups, outputs // groups, inputs, *kernel).swapaxes(1, 2)
            weights = weights.reshape(groups * inputs, outputs // groups, *kernel)
        else:
            weights = weights.reshape(outputs, inputs, *kernel)
        return {ncnn.name: [np.ascontiguousarray(weights), *biases]}

    return Made([layer, *activation], reads, blobs)


@CONVERTERS.register("InnerProduct")
def _inner_product(ncnn: NcnnLayer) -> Made:
    outputs, bias, count = ncnn.size(0, 0, 1), ncnn.whole(1, 0), ncnn.size(2, 0, 1)
    if count % outputs:
        raise ncnn.fault("parameter 2", f"{count} weights", f"a multiple of {outputs} outputs")
    activation = _activation(ncnn)
    need(ncnn.whole(8, 0) == 0, "int8 arithmetic")
    param = {"num_output": outputs, "bias_term": None if bias else False}
    reads = [Read("weights", count, marked=True)] + ([Read("biases", outputs)] if bias else [])
    return Made(
        [_layer(ncnn, "InnerProduct", inner_product_param=param), *activation],
        reads,
        lambda arrays: {ncnn.name: [arrays[0].reshape(outputs, -1), *arrays[1:]]},
    )


@CONVERTERS.register("BatchNorm")
def _batch_norm(ncnn: NcnnLayer) -> Made:
    """A BatchNorm and a Scale. Files from caffe2ncnn have eps in the variances already, and 0 here."""
    channels, eps = ncnn.size(0, 0, 1), ncnn.real(1, 0.0)
    norm = _layer(ncnn, "BatchNorm", batch_norm_param={"eps": eps})
    scale = _behind(ncnn, "Scale", "/scale", scale_param={"bias_term": True})
    reads = [Read(what, channels) for what in ("slopes", "means", "variances", "biases")]

    def blobs(arrays: list[Array]) -> dict[str, list[Array]]:
        slopes, means, variances, biases = arrays
        return {norm.name: [means, variances, np.ones(1, np.float32)], scale.name: [slopes, biases]}

    return Made([norm, scale], reads, blobs)


@CONVERTERS.register("Scale")
def _scale(ncnn: NcnnLayer) -> Made:
    count, bias = ncnn.whole(0, 0), ncnn.whole(1, 0)
    if count == ABSENT:
        need(not bias, "a bias behind a scale that comes from a second bottom")
        return Made([_layer(ncnn, "Scale", scale_param={"axis": 0})])
    count = ncnn.size(0, 0, 1)
    reads = [Read("scales", count)] + ([Read("biases", count)] if bias else [])
    layer = _layer(ncnn, "Scale", scale_param={"bias_term": True if bias else None})
    return Made([layer], reads, lambda arrays: {ncnn.name: arrays})


@CONVERTERS.register("Bias")
def _bias(ncnn: NcnnLayer) -> Made:
    read = Read("biases", ncnn.size(0, 0, 1))
    return Made([_layer(ncnn, "Bias")], [read], lambda arrays: {ncnn.name: arrays})


@CONVERTERS.register("PReLU")
def _prelu(ncnn: NcnnLayer) -> Made:
    count = ncnn.size(0, 0, 1)
    layer = _layer(ncnn, "PReLU", prelu_param={"channel_shared": True}) if count == 1 else _layer(ncnn, "PReLU")
    shape = () if count == 1 else (count,)
    return Made([layer], [Read("slopes", count)], lambda arrays: {ncnn.name: [arrays[0].reshape(shape)]})


@CONVERTERS.register("Input")
def _input(ncnn: NcnnLayer) -> Made:
    """An Input for one image. ncnn may leave the sizes open: then the Input has no shape."""
    sizes = [ncnn.whole(key, 0) for key in (2, 1, 0)]
    layer = _layer(ncnn, "Input", input_param={})
    given = [size for size in sizes if size not in (0, ABSENT)]
    if given:
        if min(given) < 0 or sizes[-len(given) :] != given:
            raise ncnn.fault(
                "parameters 2, 1, 0", sizes, "channels, height and width, the first of which may be absent"
            )
        layer.input_param.shape.add().dim.extend([1, *given])
    return Made([layer])


@CONVERTERS.register("Pooling")
def _pooling(ncnn: NcnnLayer) -> Made:
    """A mean in ncnn leaves padding out unless parameter 6 is set; Caffe's mean counts it (ncnn: pooling.cpp)."""
    method, whole_map, mode = ncnn.whole(0, 0), ncnn.whole(4, 0), ncnn.whole(5, 0)
    need(method in (0, 1), f"pooling method {method}, expected 0 (max) or 1 (mean)")
    if whole_map:
        ncnn.asked.update((1, 2, 3, 6, 11, 12, 13, 14, 15))
        return Made([_layer(ncnn, "Pooling", pooling_param={"pool": method, "global_pooling": True})])
    need(ncnn.whole(7, 0) == 0, "a size of its output in the place of a kernel")
    window = _window(ncnn, 1, None, 2, 3)
    pad = window["pad"]
    right = ncnn.whole(14, pad["w"])
    bottom = ncnn.whole(15, pad["h"])
    need(mode in (0, 1), f"padding by the size of the map (mode {mode})")
    need(min(pad.values()) >= 0, f"padding {pad}")
    need((right, bottom) == (pad["w"], pad["h"]), f"padding {right}, {bottom} at the end, {pad} at the beginning")
    counted = ncnn.whole(6, 0)
    fields: dict[str, Any] = {"pool": method, "round_mode": 1 if mode == 1 else None}
    for what, size in window.items():
        if size["w"] == size["h"]:
            fields["kernel_size" if what == "kernel" else what] = size["w"] or None
        else:
            fields |= {f"{what}_h": size["h"], f"{what}_w": size["w"]}
    differences = []
    if method == 1 and any(pad.values()) and not counted:
        differences.append("its mean leaves the padding out, Caffe's counts it")
    if method == 1 and mode == 0 and counted:
        differences.append("its mean counts what lies behind the padding, Caffe's does not")
    return Made([_layer(ncnn, "Pooling", pooling_param=fields)], differences=differences)


@CONVERTERS.register("Interp")
def _interp(ncnn: NcnnLayer) -> Made:
    """InterpHalfPixel, or Caffe's Interp where the file says that corners lie on corners (parameter 6)."""
    method, size = ncnn.whole(0, 0), (ncnn.whole(3, 0), ncnn.whole(4, 0))
    scales, corners = (ncnn.real(1, 1.0), ncnn.real(2, 1.0)), ncnn.whole(6, 0)
    need(method == 2, f"resizing by method {method}, expected 2 (bilinear)")
    need(len(ncnn.bottoms) == 1, "a size taken from a second bottom")
    if all(size):
        if min(size) < 0:
            raise ncnn.fault("parameters 3, 4", size, "a height and a width")
        param = {"height": size[0], "width": size[1]}
        return Made([_layer(ncnn, "Interp" if corners else "InterpHalfPixel", interp_param=param)])
    need(scales[0] == scales[1], f"different scales {scales} of height and width")
    scale = scales[0]
    zoom = scale >= 1 and scale.is_integer()
    shrink = 0 < scale < 1 and (1 / scale).is_integer()
    need(zoom or shrink, f"scale {scale}, expected a whole number or one divided by it")
    need(not corners, "aligned corners with a scale, expected a height and a width")
    param = {"zoom_factor": int(scale)} if zoom else {"shrink_factor": int(1 / scale)}
    return Made([_layer(ncnn, "InterpHalfPixel", interp_param=param)])


@CONVERTERS.register("Slice")
def _slice(ncnn: NcnnLayer) -> Made:
    sizes = _wholes(ncnn, 0)
    axis = _axis(ncnn.whole(1, 0))
    if len(sizes) != len(ncnn.tops):
        raise ncnn.fault("parameter 0", f"{len(sizes)} sizes", f"one for each of {len(ncnn.tops)} tops")
    equal = all(size == ABSENT for size in sizes)
    need(
        equal or (ABSENT not in sizes[:-1] and min(sizes[:-1]) > 0),
        f"slices of sizes {sizes}, where only the last may be what is left",
    )
    points = [] if equal else [sum(sizes[: place + 1]) for place in range(len(sizes) - 1)]
    return Made([_layer(ncnn, "Slice", slice_param={"axis": axis, "slice_point": points})])


@CONVERTERS.register("Concat")
def _concat(ncnn: NcnnLayer) -> Made:
    return Made([_layer(ncnn, "Concat", concat_param={"axis": _axis(ncnn.whole(0, 0))})])


@CONVERTERS.register("Softmax")
def _softmax(ncnn: NcnnLayer) -> Made:
    """Parameter 1 marks files whose axes other than the first can be trusted (ncnn: softmax.cpp)."""
    axis, fixed = ncnn.whole(0, 0), ncnn.whole(1, 0)
    need(axis == 0 or fixed == 1, f"axis {axis} in a file of the time when ncnn meant another one by it")
    return Made([_layer(ncnn, "Softmax", softmax_param={"axis": _axis(axis)})])


@CONVERTERS.register("ArgMax")
def _argmax(ncnn: NcnnLayer) -> Made:
    need(ncnn.whole(0, 0) == 0, "values beside places, which Caffe gives the other way round")
    return Made([_layer(ncnn, "ArgMax", argmax_param={"top_k": ncnn.size(1, 1, 1)})])


@CONVERTERS.register("Eltwise")
def _eltwise(ncnn: NcnnLayer) -> Made:
    operation = ncnn.whole(0, 0)
    need(operation in (0, 1, 2), f"operation {operation}, expected 0 to 2: product, sum, maximum")
    coefficients = [number.real for number in ncnn.array(1)]
    return Made([_layer(ncnn, "Eltwise", eltwise_param={"operation": operation, "coeff": coefficients})])


@CONVERTERS.register("BinaryOp")
def _binary(ncnn: NcnnLayer) -> Made:
    """Sum, difference, product and maximum of two maps of one shape, and the first three with a number."""
    operation, with_number, number = ncnn.whole(0, 0), ncnn.whole(1, 0), ncnn.real(2, 0.0)
    if with_number and operation in (0, 1, 2):
        param = {"scale": number} if operation == 2 else {"shift": number if operation == 0 else -number}
        return Made([_layer(ncnn, "Power", power_param=param)])
    need(
        not with_number and operation in (0, 1, 2, 4), f"operation {operation}{' with a number' if with_number else ''}"
    )
    code = {2: 0, 0: 1, 1: 1, 4: 2}[operation]
    coefficients = [1.0, -1.0] if operation == 1 else []
    return Made([_layer(ncnn, "Eltwise", eltwise_param={"operation": code, "coeff": coefficients})])


@CONVERTERS.register("Crop")
def _crop(ncnn: NcnnLayer) -> Made:
    """Cut to the channels, height and width of a second bottom."""
    need(len(ncnn.bottoms) == 2, "a size of its own, expected a second bottom that has it")
    offsets = [ncnn.whole(key, 0) for key in (2, 1, 0)]
    need(min(offsets) >= 0, f"offsets {offsets}")
    return Made([_layer(ncnn, "Crop", crop_param={"axis": 1, "offset": offsets})])


@CONVERTERS.register("Permute")
def _permute(ncnn: NcnnLayer) -> Made:
    orders = ((1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1))
    place = ncnn.whole(0, 0)
    need(0 <= place < len(orders), f"order {place}, expected 0 to 5")
    return Made([_layer(ncnn, "Permute", permute_param={"order": [0, *orders[place]]})])


@CONVERTERS.register("Reshape")
def _reshape(ncnn: NcnnLayer) -> Made:
    """A size of 0 copies the bottom's of the same axis, -1 is what is left."""
    sizes = [size for key in (2, 1, 0) if (size := ncnn.whole(key, ABSENT)) != ABSENT]
    need(ncnn.whole(3, 0) == 0, "numbers taken with the channels last")
    need(len(sizes) == 3 or 0 not in sizes, f"a copied size in {sizes}, of which axis depends on the bottom")
    layer = _layer(ncnn, "Reshape")
    layer.reshape_param.shape.dim.extend([0, *sizes])
    return Made([layer])


@CONVERTERS.register("Dropout")
def _dropout(ncnn: NcnnLayer) -> Made:
    """Nothing; or a factor, in files of forks that do not scale in training."""
    scale = ncnn.real(0, 1.0)
    return Made([_layer(ncnn, "Dropout") if scale == 1 else _layer(ncnn, "Power", power_param={"scale": scale})])


@CONVERTERS.register("LRN")
def _lrn(ncnn: NcnnLayer) -> Made:
    region, bias = ncnn.whole(0, 0), ncnn.real(4, 1.0)
    need(region in (0, 1), f"region {region}, expected 0 (across channels) or 1 (within)")
    need(region == 0 or bias == 1, f"bias {bias} within channels, expected 1")
    fields = {
        "norm_region": region,
        "local_size": ncnn.size(1, 5, 1),
        "alpha": ncnn.real(2, 1.0),
        "beta": ncnn.real(3, 0.75),
        "k": None if bias == 1 else bias,
    }
    return Made([_layer(ncnn, "LRN", lrn_param=fields)])


@CONVERTERS.register("MVN")
def _mvn(ncnn: NcnnLayer) -> Made:
    fields = {
        "normalize_variance": bool(ncnn.whole(0, 0)),
        "across_channels": bool(ncnn.whole(1, 0)),
        "eps": ncnn.real(2, 0.0001),
    }
    return Made([_layer(ncnn, "MVN", mvn_param=fields)])


@CONVERTERS.register("ShuffleChannel")
def _shuffle_channel(ncnn: NcnnLayer) -> Made:
    need(ncnn.whole(1, 0) == 0, "a shuffle undone (reverse)")
    return Made([_layer(ncnn, "ShuffleChannel", shuffle_channel_param={"group": ncnn.size(0, 1, 1)})])


# Types whose parameters each are one field of a message: number, field, ncnn's default.
_PLAIN: dict[str, tuple[str, tuple[tuple[int, str, float], ...]]] = {
    "AbsVal": ("", ()),
    "BNLL": ("", ()),
    "Clip": ("clip_param", ((0, "min", -3.4028234663852886e38), (1, "max", 3.4028234663852886e38))),
    "ELU": ("elu_param", ((0, "alpha", 0.1),)),
    "Exp": ("exp_param", ((0, "base", -1.0), (1, "scale", 1.0), (2, "shift", 0.0))),
    "Flatten": ("", ()),
    "Log": ("log_param", ((0, "base", -1.0), (1, "scale", 1.0), (2, "shift", 0.0))),
    "Power": ("power_param", ((0, "power", 1.0), (1, "scale", 1.0), (2, "shift", 0.0))),
    "ReLU": ("relu_param", ((0, "negative_slope", 0.0),)),
    "Sigmoid": ("", ()),
    "Swish": ("", ()),
    "TanH": ("", ()),
    "Threshold": ("threshold_param", ((0, "threshold", 0.0),)),
}


@CONVERTERS.register(*_PLAIN)
def _plain(ncnn: NcnnLayer) -> Made:
    message, keys = _PLAIN[ncnn.type]
    fields = {name: ncnn.real(key, default) for key, name, default in keys}
    if ncnn.type == "ReLU" and fields["negative_slope"] == 0:
        message = ""
    return Made([_layer(ncnn, ncnn.type, **({message: fields} if message else {}))])


@CONVERTERS.register("Noop")
def _noop(ncnn: NcnnLayer) -> Made:
    """What caffe2ncnn makes of Silence."""
    need(not ncnn.tops, "a top, expected none")
    return Made([_layer(ncnn, "Silence")])


def _axis(axis: int) -> int:
    if axis < 0:
        raise UnsupportedError(f"axis {axis} counted from the end, where ncnn's maps may have fewer axes than Caffe's")
    return axis + 1


def _wholes(ncnn: NcnnLayer, key: int) -> list[int]:
    found = []
    for number in ncnn.array(key):
        if not isinstance(number, Number) or number.whole is None:
            raise ncnn.fault(f"parameter {key}", number, "integers")
        found.append(number.whole)
    return found
