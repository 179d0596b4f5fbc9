"""Convolution, Deconvolution, DepthwiseConvolution and Im2col, over any number of spatial axes.

`windows` reads what a layer states; `convolved_sizes` and `deconvolved_sizes` are Caffe's rules for sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from prototxt_gen.layers.layer_types import (
    LayerShape,
    Shape,
    axis_of,
    check_in_place,
    count,
    layer_type,
    require,
    weight_and_bias,
)
from prototxt_gen.layers.windows import Windows, spatial_sizes
from prototxt_gen.proto import LayerParameter

_convolution = partial(
    layer_type,
    has_blobs=True,
    options=("convolution_param",),
    bottoms=(1, None),
    tops=(1, None),
    paired=True,
    each_bottom_alone=True,
)


def windows(layer: LayerParameter, bottom: Shape) -> Windows:
    """The windows of a Convolution, Deconvolution or Im2col layer (Caffe: base_conv_layer.cpp, LayerSetUp).

    With dilation 0, which Caffe accepts, all numbers of a kernel meet one number of the map.
    """
    axis = axis_of(layer, "convolution_param", bottom)
    axes = len(bottom) - axis - 1

    def sizes(field: str, least: int, default: int | None = None) -> Shape:
        found = spatial_sizes(layer.convolution_param, "convolution_param", field, axes, default)
        for size in found:
            require(size >= least, f"convolution_param.{field}", size, f"{least} or more")
        return found

    return Windows(axis, sizes("kernel_size", 1), sizes("stride", 1, 1), sizes("pad", 0, 0), sizes("dilation", 0, 1))


def convolved_sizes(sizes: Shape, windows: Windows) -> Shape:
    """How often the windows fit on each spatial axis (Caffe: conv_layer.cpp). NetworkError where they never fit.

    C++ division rounds to zero, so a window that overhangs the padded map by less than a stride still gives one.
    """
    made = []
    for size, extent, stride, pad in zip(sizes, windows.extents(), windows.stride, windows.pad, strict=True):
        overhang = size + 2 * pad - extent
        made.append((overhang // stride if overhang >= 0 else -(-overhang // stride)) + 1)
    return _positive(tuple(made), sizes)


def deconvolved_sizes(sizes: Shape, windows: Windows) -> Shape:
    """How far a deconvolution's windows reach on each spatial axis (Caffe: deconv_layer.cpp)."""
    parts = zip(sizes, windows.extents(), windows.stride, windows.pad, strict=True)
    return _positive(tuple(stride * (size - 1) + extent - 2 * pad for size, extent, stride, pad in parts), sizes)


def _positive(made: Shape, sizes: Shape) -> Shape:
    fits = all(size > 0 for size in made)
    require(fits, "convolution_param.kernel_size", f"an output of {made} for a map of {sizes}", "1 or more")
    return made


@_convolution(
    "Convolution",
    source="conv_layer.cpp",
    does="any number of spatial axes, group, dilation, `*_h` and `*_w`, several bottoms with one set of weights, "
    "force_nd_im2col",
    differs="more than 3 spatial axes are slow: torch has no kernel for them",
)
@_convolution(
    "DepthwiseConvolution",
    source="conv_layer.cpp",
    does="as Convolution; a type that forks for mobile networks have",
)
def convolution(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Weights (num_output, channels / group, kernel...), then a bias (Caffe: base_conv_layer.cpp, conv_layer.cpp).

    Only forks have DepthwiseConvolution: the same fields, run faster when group is the number of channels.
    """
    return _convolve(layer, bottoms, transposed=False)


@_convolution(
    "Deconvolution",
    source="deconv_layer.cpp",
    does="as Convolution, transposed; weights that a file lacks come from a bilinear filler",
)
def deconvolution(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Weights (channels, num_output / group, kernel...), then a bias (Caffe: deconv_layer.cpp)."""
    return _convolve(layer, bottoms, transposed=True)


def _convolve(layer: LayerParameter, bottoms: Sequence[Shape], transposed: bool) -> LayerShape:
    bottom, options = bottoms[0], layer.convolution_param
    window = windows(layer, bottom)
    for index, other in enumerate(bottoms):
        require(other == bottom, f"bottom[{index}]", f"shape {other}", f"{bottom} as bottom[0]")
    channels, outputs, group = bottom[window.axis], options.num_output, options.group
    require(outputs > 0, "convolution_param.num_output", outputs, "1 or more")
    require(group > 0 and channels % group == 0, "convolution_param.group", group, f"a divisor of {channels} channels")
    require(outputs % group == 0, "convolution_param.num_output", outputs, f"a multiple of group {group}")
    sizes = bottom[window.axis + 1 :]
    made = deconvolved_sizes(sizes, window) if transposed else convolved_sizes(sizes, window)
    top = (*bottom[: window.axis], outputs, *made)
    inner, outer = (channels, outputs) if transposed else (outputs, channels)
    weights = (inner, outer // group, *window.kernel)
    blobs: tuple[Shape, ...] = (weights, (outputs,)) if options.bias_term else (weights,)
    # Each weight meets every position of the smaller map once: the output's, or a deconvolution's input's.
    positions = count(bottom[: window.axis]) * count(sizes if transposed else made)
    costs = len(bottoms) * count(weights) * positions
    return LayerShape((top,) * len(bottoms), blobs, costs, weight_and_bias("convolution_param"))


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
    window = windows(layer, bottom)
    sizes = bottom[window.axis + 1 :]
    require(len(sizes) > 0, "convolution_param.axis", window.axis, f"an axis of {bottom} before the last one")
    top = (*bottom[: window.axis], bottom[window.axis] * count(window.kernel), *convolved_sizes(sizes, window))
    check_in_place(layer, bottom, top)
    return LayerShape((top,))
