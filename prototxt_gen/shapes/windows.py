"""Shape rules of spatial layers: those that slide a window over a map, and those that resize or crop it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prototxt_gen.proto import LayerParameter
from prototxt_gen.shapes.rules import LayerShape, Shape, canonical_axis, count, legacy_shape, require, shape_rule


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


def _slid(spatial: Shape, windows: Windows) -> Shape:
    """How often the window fits on each axis; NetworkError where it never does."""
    parts = zip(spatial, windows.extents(), windows.stride, windows.pad, strict=True)
    return _positive(tuple(convolved_size(*part) for part in parts), spatial)


def _spread(spatial: Shape, windows: Windows) -> Shape:
    """How far a deconvolution's windows reach on each axis (Caffe: deconv_layer.cpp)."""
    parts = zip(spatial, windows.extents(), windows.stride, windows.pad, strict=True)
    return _positive(tuple(stride * (size - 1) + extent - 2 * pad for size, extent, stride, pad in parts), spatial)


def _positive(made: Shape, spatial: Shape) -> Shape:
    fits = all(size > 0 for size in made)
    require(fits, "convolution_param.kernel_size", f"an output of {made} for a map of {spatial}", "1 or more")
    return made


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
    made = _spread(spatial, windows) if transposed else _slid(spatial, windows)
    top = (*bottom[: windows.axis], outputs, *made)
    inner, outer = (channels, outputs) if transposed else (outputs, channels)
    weights = (inner, outer // group, *windows.kernel)
    blobs: tuple[Shape, ...] = (weights, (outputs,)) if param.bias_term else (weights,)
    # Each weight meets every position of the smaller map once: the output's, or a deconvolution's input's.
    positions = count(bottom[: windows.axis]) * count(spatial if transposed else made)
    return LayerShape((top,) * len(bottoms), blobs, len(bottoms) * count(weights) * positions)


@shape_rule("Im2col")
def im2col(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The windows' numbers as channels, at the positions of a convolution's output (Caffe: im2col_layer.cpp)."""
    bottom = bottoms[0]
    windows = convolution_windows(layer, bottom)
    spatial = bottom[windows.axis + 1 :]
    require(len(spatial) > 0, "convolution_param.axis", windows.axis, f"an axis of {bottom} before the last one")
    made = _slid(spatial, windows)
    return LayerShape(((*bottom[: windows.axis], bottom[windows.axis] * count(windows.kernel), *made),))


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
        # Padding on either axis makes Caffe clip both; without any, a window may even begin behind the map.
        if any(pad) and (outputs - 1) * step >= size + margin:
            outputs -= 1
        require(
            outputs > 0, "pooling_param.kernel_size", kernel, f"a window that fits a map of {sizes} padded by {pad}"
        )
        made.append(outputs)
    return tuple(made)


@shape_rule("SPP")
def spp(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(batch, numbers of all levels); level i pools 2^i x 2^i windows (Caffe: spp_layer.cpp).

    One level alone is a pooling layer, so its top keeps 4 axes.
    """
    height = layer.spp_param.pyramid_height
    require(len(bottoms[0]) == 4, "bottom[0]", f"shape {bottoms[0]}", "4 axes")
    require(all(size > 0 for size in bottoms[0][2:]), "bottom[0]", f"shape {bottoms[0]}", "no empty map")
    require(height > 0, "spp_param.pyramid_height", height, "1 or more")
    batch, channels, *sizes = bottoms[0]
    numbers = 0
    for level in range(height):
        kernel, pad = spp_windows(level, tuple(sizes))
        # Caffe's pooling refuses this; more bins than positions end the loop here, however high the pyramid.
        fits = all(margin < size for margin, size in zip(pad, kernel, strict=True))
        require(
            fits, "spp_param.pyramid_height", height, f"levels whose padding {pad} is less than the kernel {kernel}"
        )
        if any(pad):
            stochastic = layer.spp_param.pool == layer.spp_param.STOCHASTIC
            require(not stochastic, "spp_param.pool", "STOCHASTIC", f"MAX or AVE, as level {level} needs padding")
        numbers += channels * count(pooled_sizes(tuple(sizes), kernel, kernel, pad))
    return LayerShape(((batch, channels, 1, 1),) if height == 1 else ((batch, numbers),))


def spp_windows(level: int, sizes: Shape) -> tuple[Shape, Shape]:
    """Kernel, which is the stride too, and pad of one level of the pyramid (Caffe: spp_layer.cpp, GetPoolingParam)."""
    bins = 2**level
    kernel = tuple(-(-size // bins) for size in sizes)
    pad = tuple((window * bins - size + 1) // 2 for window, size in zip(kernel, sizes, strict=True))
    return kernel, pad


@shape_rule("Crop", bottoms=2)
def crop(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The first bottom cut to the second one's sizes on the axes from `axis` on (Caffe: crop_layer.cpp)."""
    offsets = crop_offsets(layer, bottoms[0])
    made = list(bottoms[0])
    for axis, offset in offsets.items():
        require(axis < len(bottoms[1]), "bottom[1]", f"shape {bottoms[1]}", f"an axis {axis} to crop to")
        made[axis] = bottoms[1][axis]
        room = bottoms[0][axis] - offset
        require(made[axis] <= room, "crop_param.offset", f"{offset} on axis {axis}", f"room for {made[axis]} of {room}")
    return LayerShape((tuple(made),))


def crop_offsets(layer: LayerParameter, bottom: Shape) -> dict[int, int]:
    """How much is cut from the beginning of each cropped axis (Caffe: crop_layer.cpp)."""
    param = layer.crop_param
    start = canonical_axis(param.axis, bottom, "crop_param.axis")
    axes = range(start, len(bottom))
    given = list(param.offset)
    require(len(given) in (0, 1, len(axes)), "crop_param.offset", f"{len(given)} numbers", f"none, 1 or {len(axes)}")
    offsets = given if len(given) == len(axes) else (given or [0]) * len(axes)
    return dict(zip(axes, offsets, strict=True))


@shape_rule("Interp", bottoms=(1, 2))
def interp(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Bilinear resizing of what pads of 0 or less leave of the map (DeepLab and DF forks: interp_layer.cpp).

    The size comes from a shrink_factor or a zoom_factor where only one is stated, else from height and width where
    both are, else from shrinking and then zooming. A zoom by z puts z - 1 positions between two of the map. PSPNet's
    fork takes a second bottom instead, of the size that is wanted.
    """
    param, bottom = layer.interp_param, legacy_shape(bottoms[0], "bottom[0]")
    for field in ("pad_beg", "pad_end"):
        require(getattr(param, field) <= 0, f"interp_param.{field}", getattr(param, field), "0 or less: it crops")
    sizes = tuple(size + param.pad_beg + param.pad_end for size in bottom[2:])
    require(all(size > 0 for size in sizes), "interp_param.pad_beg", f"{sizes} left of {bottom[2:]}", "1 or more")
    shrinks, zooms = param.HasField("shrink_factor"), param.HasField("zoom_factor")
    sized = param.HasField("height") and param.HasField("width")
    if len(bottoms) == 2:
        stated = [name for name in ("height", "width", "zoom_factor", "shrink_factor") if param.HasField(name)]
        require(not stated, "interp_param", ", ".join(stated), "no size beside a second bottom")
        made = legacy_shape(bottoms[1], "bottom[1]")[2:]
    elif sized and shrinks == zooms:
        made = (param.height, param.width)
    else:
        require(shrinks or zooms, "interp_param", "no size", "shrink_factor, zoom_factor, or height and width")
        made = sizes
        if shrinks:
            require(param.shrink_factor >= 1, "interp_param.shrink_factor", param.shrink_factor, "1 or more")
            made = tuple((size - 1) // param.shrink_factor + 1 for size in made)
        if zooms:
            require(param.zoom_factor >= 1, "interp_param.zoom_factor", param.zoom_factor, "1 or more")
            made = tuple(size + (size - 1) * (param.zoom_factor - 1) for size in made)
    require(all(size > 0 for size in made), "interp_param", f"an output of {made}", "1 or more on both axes")
    return LayerShape((bottom[:2] + made,))
