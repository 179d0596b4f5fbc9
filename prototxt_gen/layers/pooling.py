"""Pooling and SPP.

`windows` and `spp_windows` read what a layer states; `pooled_sizes` is Caffe's rule for sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.layers.layer_types import LayerShape, Shape, check_in_place, count, layer_type, require
from prototxt_gen.layers.windows import Windows, spatial_sizes, stated
from prototxt_gen.proto import LayerParameter


def windows(layer: LayerParameter, bottom: Shape) -> Windows:
    """The windows of a Pooling layer over a bottom of 4 axes (Caffe: pooling_layer.cpp, LayerSetUp).

    stride_h and stride_w come together, and so do pad_h and pad_w. Beside kernel_size, a single kernel_h or kernel_w is
    ignored.
    """
    options = layer.pooling_param

    def pair(field: str, default: int | None = None) -> Shape:
        stem = field.removesuffix("_size")
        twins = [twin for twin in (f"{stem}_h", f"{stem}_w") if options.HasField(twin)]
        if field == "kernel_size" and len(twins) == 1 and stated(options, field):
            return (options.kernel_size,) * 2
        require(len(twins) != 1, f"pooling_param.{stem}_h", "only one of height and width", "both")
        return spatial_sizes(options, "pooling_param", field, 2, default)

    if options.global_pooling:
        found = [name for name in ("kernel_size", "kernel_h", "kernel_w") if options.HasField(name)]
        require(not found, "pooling_param.global_pooling", f"true and {', '.join(found)}", "no kernel")
        kernel = bottom[2:]
    else:
        kernel = pair("kernel_size")
    stride, pad = pair("stride", 1), pair("pad", 0)
    require(all(size > 0 for size in kernel), "pooling_param.kernel_size", kernel, "1 or more")
    require(all(size > 0 for size in stride), "pooling_param.stride", stride, "1 or more")
    if options.global_pooling:
        require(stride == (1, 1) and pad == (0, 0), "pooling_param", f"stride {stride}, pad {pad}", "1 and 0 if global")
    if any(pad):
        require(options.pool != options.STOCHASTIC, "pooling_param.pad", pad, "0 with STOCHASTIC")
        fits = all(size < window for size, window in zip(pad, kernel, strict=True))
        require(fits, "pooling_param.pad", pad, f"less than the kernel {kernel}")
    return Windows(1, kernel, stride, pad, (1, 1))


def pooled_sizes(sizes: Shape, windows: Windows, floor: bool = False) -> Shape:
    """The output's height and width (Caffe: pooling_layer.cpp, Reshape). NetworkError where no window fits.

    Sizes round up, or down with `floor` (round_mode FLOOR); then a last window that would begin in the padding is
    dropped.
    """
    made = []
    for size, window, step, margin in zip(sizes, windows.kernel, windows.stride, windows.pad, strict=True):
        room = size + 2 * margin - window
        outputs = (room // step if floor else -(-room // step)) + 1
        # Padding on either axis makes Caffe clip both; without any, a window may even begin behind the map.
        if any(windows.pad) and (outputs - 1) * step >= size + margin:
            outputs -= 1
        require(
            outputs > 0,
            "pooling_param.kernel_size",
            windows.kernel,
            f"a window that fits a map of {sizes} padded by {windows.pad}",
        )
        made.append(outputs)
    return tuple(made)


def spp_windows(level: int, sizes: Shape) -> Windows:
    """The windows of one level of the pyramid over a map of these sizes (Caffe: spp_layer.cpp, GetPoolingParam)."""
    bins = 2**level
    kernel = tuple(-(-size // bins) for size in sizes)
    pad = tuple((window * bins - size + 1) // 2 for window, size in zip(kernel, sizes, strict=True))
    return Windows(1, kernel, kernel, pad, (1, 1))


@layer_type(
    "Pooling",
    options=("pooling_param",),
    source="pooling_layer.cpp",
    tops=(1, 2),
    does="MAX with a mask, AVE, STOCHASTIC; Caffe's rounding up, its last window, "
    "its divisor with padding; round_mode, global_pooling",
    differs="STOCHASTIC draws in TRAIN with torch's random numbers",
)
def pooling(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The map pooled; MAX may have a second top, the positions of the maxima (Caffe: pooling_layer.cpp)."""
    options = layer.pooling_param
    if options.pool != options.MAX:
        require(len(layer.top) == 1, "top", len(layer.top), "1; only MAX has a mask")
    require(len(bottoms[0]) == 4, "bottom[0]", f"shape {bottoms[0]}", "4 axes")
    made = pooled_sizes(bottoms[0][2:], windows(layer, bottoms[0]), floor=options.round_mode == options.FLOOR)
    return LayerShape((bottoms[0][:2] + made,) * len(layer.top))


@layer_type(
    "SPP",
    options=("spp_param",),
    source="spp_layer.cpp",
    does="MAX, AVE, STOCHASTIC",
    differs="levels with padding as large as the kernel, as in Caffe",
)
def spp(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(batch, numbers of all levels); level i pools 2^i x 2^i windows (Caffe: spp_layer.cpp).

    One level alone is a pooling layer, so its top keeps 4 axes.
    """
    height = layer.spp_param.pyramid_height
    require(len(bottoms[0]) == 4, "bottom[0]", f"shape {bottoms[0]}", "4 axes")
    batch, channels, *sizes = bottoms[0]
    require(all(size > 0 for size in sizes), "bottom[0]", f"shape {bottoms[0]}", "no empty map")
    require(height > 0, "spp_param.pyramid_height", height, "1 or more")
    numbers = 0
    for level in range(height):
        window = spp_windows(level, tuple(sizes))
        # Caffe's pooling refuses this; it also ends the loop early where a pyramid has very many levels.
        fits = all(margin < size for margin, size in zip(window.pad, window.kernel, strict=True))
        require(
            fits,
            "spp_param.pyramid_height",
            height,
            f"levels whose padding {window.pad} is less than the kernel {window.kernel}",
        )
        if any(window.pad):
            stochastic = layer.spp_param.pool == layer.spp_param.STOCHASTIC
            require(not stochastic, "spp_param.pool", "STOCHASTIC", f"MAX or AVE, as level {level} needs padding")
        numbers += channels * count(pooled_sizes(tuple(sizes), window))
    if height == 1:
        return LayerShape(((batch, channels, 1, 1),))
    check_in_place(layer, bottoms[0], (batch, numbers))
    return LayerShape(((batch, numbers),))
