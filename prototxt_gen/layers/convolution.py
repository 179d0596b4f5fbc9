"""Convolution, Deconvolution, DepthwiseConvolution and Im2col, over any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prototxt_gen.layers.table import LayerShape, Shape, canonical_axis, count, layer_type, require, weight_and_bias
from prototxt_gen.proto import LayerParameter


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


@layer_type(
    "Convolution",
    options=("convolution_param",),
    source="conv_layer.cpp",
    bottoms=(1, None),
    tops=(1, None),
    paired=True,
    each_bottom_alone=True,
    does="any number of spatial axes, group, dilation, `*_h` and `*_w`, several bottoms with one set of weights, "
    "force_nd_im2col",
    differs="more than 3 spatial axes are slow: torch has no kernel for them",
)
@layer_type(
    "DepthwiseConvolution",
    options=("convolution_param",),
    source="conv_layer.cpp",
    bottoms=(1, None),
    tops=(1, None),
    paired=True,
    each_bottom_alone=True,
    does="as Convolution; the type of forks for mobile networks",
)
def convolution(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Weights (num_output, channels / group, kernel...), then a bias (Caffe: base_conv_layer.cpp, conv_layer.cpp).

    DepthwiseConvolution is of forks: the same fields, run faster when group is the number of channels.
    """
    return _convolve(layer, bottoms, transposed=False)


@layer_type(
    "Deconvolution",
    options=("convolution_param",),
    source="deconv_layer.cpp",
    bottoms=(1, None),
    tops=(1, None),
    paired=True,
    each_bottom_alone=True,
    does="as Convolution, transposed; weights that a file lacks come from a bilinear filler",
)
def deconvolution(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Weights (channels, num_output / group, kernel...), then a bias (Caffe: deconv_layer.cpp)."""
    return _convolve(layer, bottoms, transposed=True)


@layer_type(
    "Im2col",
    options=("convolution_param",),
    source="im2col_layer.cpp",
    each_bottom_alone=True,
    does="any number of spatial axes, dilation",
)
def im2col(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The windows' numbers as channels, at the positions of a convolution's output (Caffe: im2col_layer.cpp)."""
    bottom = bottoms[0]
    windows = convolution_windows(layer, bottom)
    spatial = bottom[windows.axis + 1 :]
    require(len(spatial) > 0, "convolution_param.axis", windows.axis, f"an axis of {bottom} before the last one")
    made = _slid(spatial, windows)
    return LayerShape(((*bottom[: windows.axis], bottom[windows.axis] * count(windows.kernel), *made),))


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
    costs = len(bottoms) * count(weights) * positions
    return LayerShape((top,) * len(bottoms), blobs, costs, weight_and_bias("convolution_param"))
