"""Pooling and SPP, with Caffe's windows."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.layers.table import LayerShape, Shape, count, layer_type, require
from prototxt_gen.proto import LayerParameter


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


def spp_windows(level: int, sizes: Shape) -> tuple[Shape, Shape]:
    """Kernel, which is the stride too, and pad of one level of the pyramid (Caffe: spp_layer.cpp, GetPoolingParam)."""
    bins = 2**level
    kernel = tuple(-(-size // bins) for size in sizes)
    pad = tuple((window * bins - size + 1) // 2 for window, size in zip(kernel, sizes, strict=True))
    return kernel, pad
