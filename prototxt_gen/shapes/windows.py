"""Shape rules of layers that slide a window over spatial axes: convolutions and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prototxt_gen.proto import LayerParameter
from prototxt_gen.shapes.rules import LayerShape, Shape, canonical_axis, count, require, shape_rule


@dataclass(frozen=True)
class Windows:
    """Kernel, stride, padding and dilation on every spatial axis, and the axis of the channels."""

    axis: int
    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape

    def extents(self) -> Shape:
        """How far a dilated kernel reaches."""
        return tuple(dilation * (kernel - 1) + 1 for kernel, dilation in zip(self.kernel, self.dilation, strict=True))


def convolution_windows(layer: LayerParameter, bottom: Shape) -> Windows:
    """The window of a Convolution, Deconvolution or Im2col layer (Caffe: base_conv_layer.cpp, LayerSetUp).

    Sizes are given once for all spatial axes, once for each, or, for two axes, as *_h and *_w.
    """
    param = layer.convolution_param
    axis = canonical_axis(param.axis, bottom, "convolution_param.axis")
    axes = len(bottom) - axis - 1

    def sizes(field: str, stem: str, default: int | None, least: int) -> Shape:
        listed = list(getattr(param, field))
        height, width = f"{stem}_h", f"{stem}_w"
        has_pair = stem != "dilation" and (param.HasField(height) or param.HasField(width))
        if has_pair:
            require(axes == 2, f"convolution_param.{height}", f"{axes} spatial axes", "2; otherwise use " + field)
            require(not listed, f"convolution_param.{field}", f"{field} and {height}, {width}", "one of the two")
            values = [getattr(param, height), getattr(param, width)]
        elif not listed and default is not None:
            values = [default] * axes
        else:
            require(len(listed) in (1, axes), f"convolution_param.{field}", f"{len(listed)} sizes", f"1 or {axes}")
            values = listed * axes if len(listed) == 1 else listed
        for value in values:
            require(least <= value, f"convolution_param.{field}", value, f"{least} or more")
        return tuple(values)

    return Windows(
        axis,
        sizes("kernel_size", "kernel", None, 1),
        sizes("stride", "stride", 1, 1),
        sizes("pad", "pad", 0, 0),
        sizes("dilation", "dilation", 1, 1),
    )


def convolved_size(size: int, extent: int, stride: int, pad: int) -> int:
    """The output's size on one axis (Caffe: conv_layer.cpp).

    C++ division rounds to zero, so a window that overhangs the padded input by less than a stride still gives one.
    """
    overhang = size + 2 * pad - extent
    return (overhang // stride if overhang >= 0 else -(-overhang // stride)) + 1


@shape_rule("Convolution", "DepthwiseConvolution", bottoms=(1, None), tops=(1, None), paired=True)
def convolution(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Weights (num_output, channels / group, kernel...), then a bias (Caffe: base_conv_layer.cpp, conv_layer.cpp).

    DepthwiseConvolution is of forks: the same fields, run faster when group is the number of channels.
    """
    return _convolve(layer, bottoms, transposed=False)


@shape_rule("Deconvolution", bottoms=(1, None), tops=(1, None), paired=True)
def deconvolution(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Weights (channels, num_output / group, kernel...), then a bias (Caffe: deconv_layer.cpp)."""
    return _convolve(layer, bottoms, transposed=True)


def _convolve(layer: LayerParameter, bottoms: Sequence[Shape], transposed: bool) -> LayerShape:
    bottom, param = bottoms[0], layer.convolution_param
    windows = convolution_windows(layer, bottom)
    for index, other in enumerate(bottoms):
        require(other == bottom, f"bottom[{index}]", f"shape {other}", f"{bottom} as bottom[0]")
    channels, outputs, group = bottom[windows.axis], param.num_output, param.group
    require(outputs > 0, "convolution_param.num_output", outputs, "1 or more")
    require(group > 0 and channels % group == 0, "convolution_param.group", group, f"a divisor of {channels} channels")
    require(outputs % group == 0, "convolution_param.num_output", outputs, f"a multiple of group {group}")
    spatial = bottom[windows.axis + 1 :]
    parts = zip(spatial, windows.extents(), windows.stride, windows.pad, strict=True)
    if transposed:
        made = tuple(stride * (size - 1) + extent - 2 * pad for size, extent, stride, pad in parts)
    else:
        made = tuple(convolved_size(*part) for part in parts)
    require(
        all(size > 0 for size in made),
        "convolution_param",
        f"an output of {made} for a bottom of shape {bottom}",
        "1 or more on every axis; the kernel does not fit",
    )
    top = (*bottom[: windows.axis], outputs, *made)
    inner, outer = (channels, outputs) if transposed else (outputs, channels)
    weights = (inner, outer // group, *windows.kernel)
    blobs: tuple[Shape, ...] = (weights, (outputs,)) if param.bias_term else (weights,)
    # Each weight meets every position of the smaller map once: the output's, or a deconvolution's input's.
    positions = count(bottom[: windows.axis]) * count(spatial if transposed else made)
    return LayerShape((top,) * len(bottoms), blobs, len(bottoms) * count(weights) * positions)


@shape_rule("Pooling", tops=(1, 2))
def pooling(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Sizes round up, then a last window that would begin in the padding is dropped (Caffe: pooling_layer.cpp).

    MAX may have a second top, the positions of the maxima.
    """
    param = layer.pooling_param
    if param.pool != param.MAX:
        require(len(layer.top) == 1, "top", len(layer.top), "1; only MAX has a mask")
    require(len(bottoms[0]) == 4, "bottom[0]", f"shape {bottoms[0]}", "4 axes")
    kernel, stride, pad = pooling_windows(layer, bottoms[0])
    made = pooled_sizes(bottoms[0][2:], kernel, stride, pad, floor=param.round_mode == param.FLOOR)
    return LayerShape((bottoms[0][:2] + made,) * len(layer.top))


def pooling_windows(layer: LayerParameter, bottom: Shape) -> tuple[Shape, Shape, Shape]:
    """Kernel, stride and pad of a Pooling layer as (height, width) (Caffe: pooling_layer.cpp, LayerSetUp)."""
    param = layer.pooling_param

    def pair(field: str, stem: str) -> Shape:
        height, width = param.HasField(f"{stem}_h"), param.HasField(f"{stem}_w")
        require(height == width, f"pooling_param.{stem}_h", "only one of height and width", "both")
        require(not (height and param.HasField(field)), f"pooling_param.{field}", f"{field} and {stem}_h", "one")
        one = getattr(param, field)
        return (getattr(param, f"{stem}_h"), getattr(param, f"{stem}_w")) if height else (one, one)

    if param.global_pooling:
        stated = [name for name in ("kernel_size", "kernel_h", "kernel_w") if param.HasField(name)]
        require(not stated, "pooling_param.global_pooling", f"true and {', '.join(stated)}", "no kernel")
        kernel = bottom[2:]
    else:
        kernel = pair("kernel_size", "kernel")
    stride, pad = pair("stride", "stride"), pair("pad", "pad")
    require(all(size > 0 for size in kernel), "pooling_param.kernel_size", kernel, "1 or more")
    require(all(size > 0 for size in stride), "pooling_param.stride", stride, "1 or more")
    if param.global_pooling:
        require(stride == (1, 1) and pad == (0, 0), "pooling_param", f"stride {stride}, pad {pad}", "1 and 0 if global")
    if any(pad):
        require(param.pool != param.STOCHASTIC, "pooling_param.pad", pad, "0 with STOCHASTIC")
        fits = all(size < window for size, window in zip(pad, kernel, strict=True))
        require(fits, "pooling_param.pad", pad, f"less than the kernel {kernel}")
    return kernel, stride, pad


def pooled_sizes(sizes: Shape, kernel: Shape, stride: Shape, pad: Shape, floor: bool = False) -> Shape:
    """The output's sizes (Caffe: pooling_layer.cpp, Reshape). `floor` rounds down (round_mode FLOOR)."""
    made = []
    for size, window, step, margin in zip(sizes, kernel, stride, pad, strict=True):
        room = size + 2 * margin - window
        outputs = (room // step if floor else -(-room // step)) + 1
        # Caffe looks at both axes' padding before it clips either; an axis without padding cannot overhang, as then
        # (outputs - 1) * step < size already.
        if any(pad) and (outputs - 1) * step >= size + margin:
            outputs -= 1
        require(
            outputs > 0, "pooling_param.kernel_size", kernel, f"a window that fits a map of {sizes} padded by {pad}"
        )
        made.append(outputs)
    return tuple(made)


@shape_rule("Interp")
def interp(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Bilinear resizing of what pads of 0 or less leave of the map (DeepLab and DF forks: interp_layer.cpp).

    The size comes from shrink_factor alone, zoom_factor alone, height and width, or shrink and then zoom, whichever
    of these is stated first in this order.
    """
    param, bottom = layer.interp_param, bottoms[0]
    require(len(bottom) == 4, "bottom[0]", f"shape {bottom}", "4 axes")
    for field in ("pad_beg", "pad_end"):
        require(getattr(param, field) <= 0, f"interp_param.{field}", getattr(param, field), "0 or less: it crops")
    sizes = tuple(size + param.pad_beg + param.pad_end for size in bottom[2:])
    require(all(size > 0 for size in sizes), "interp_param.pad_beg", f"{sizes} left of {bottom[2:]}", "1 or more")
    shrinks, zooms = param.HasField("shrink_factor"), param.HasField("zoom_factor")
    for field, stated in (("shrink_factor", shrinks), ("zoom_factor", zooms)):
        require(not stated or getattr(param, field) >= 1, f"interp_param.{field}", getattr(param, field), "1 or more")
    if not (shrinks or zooms) or (shrinks and zooms and param.HasField("height") and param.HasField("width")):
        stated = param.HasField("height") and param.HasField("width")
        require(stated, "interp_param", "no size", "shrink_factor, zoom_factor, or height and width")
        made = (param.height, param.width)
    else:
        made = sizes
        if shrinks:
            made = tuple((size - 1) // param.shrink_factor + 1 for size in made)
        if zooms:
            made = tuple(size + (size - 1) * (param.zoom_factor - 1) for size in made)
    require(all(size > 0 for size in made), "interp_param", f"an output of {made}", "1 or more on both axes")
    return LayerShape((bottom[:2] + made,))
