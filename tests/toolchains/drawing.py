"""Random single layers and small networks, in text: any options that Caffe takes, likely to meet a tool's limits."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

Shapes = Mapping[str, tuple[int, ...]]
#: A layer's options in text, the shapes of its bottoms, and its tops.
Drawn = tuple[str, Shapes, str]

_MAP = (9, 11)


def draw(seed: int) -> tuple[str, Shapes]:
    """The layers of a small network in text, and the shapes of its inputs; the same for the same number."""
    numbers = random.Random(seed)
    kind = numbers.choice([*_KINDS])
    text, shapes, tops = _KINDS[kind](numbers)
    layer = _layer(kind.partition(" ")[0], text, " ".join(shapes), tops)
    first, *others = shapes
    has_map = len(shapes[first]) == 4
    if has_map and numbers.random() < 0.4:  # behind a convolution, which compilers fuse with what follows
        before = f"convolution_param {{ num_output: {shapes[first][1]} kernel_size: 1 }}"
        layer = _layer("Convolution", before, "in", first, "before") + layer
        shapes = {"in": shapes[first], **{name: shapes[name] for name in others}}
    if tops == "y" and numbers.random() < 0.3:
        after = numbers.choice(["ReLU", "Sigmoid", "TanH", "Dropout"])
        layer += _layer(after, "", "y", numbers.choice(["y", "after"]), "after")
    return layer, shapes


def _layer(kind: str, text: str, bottoms: str, tops: str, name: str = "op") -> str:
    ends = "".join(f'bottom: "{bottom}" ' for bottom in bottoms.split())
    ends += "".join(f'top: "{top}" ' for top in tops.split())
    return f'layer {{ name: "{name}" type: "{kind}" {ends}{text} }}\n'


def _options(numbers: random.Random, **choices: list[object]) -> str:
    """Some of the options, each one of its values; None leaves it out. Repeated ones are tuples."""
    words = []
    for name, values in choices.items():
        value = numbers.choice(values)
        if value is not None:
            words += [f"{name}: {one}" for one in (value if isinstance(value, tuple) else (value,))]
    return " ".join(words)


def _shape(numbers: random.Random, axes: list[int] | None = None) -> tuple[int, ...]:
    count = numbers.choice(axes or [4, 4, 4, 4, 2, 3])
    batch = numbers.choice([1, 1, 1, 2])
    sizes = [numbers.choice([1, 2, 4, 6, 8, 12]), *(numbers.choice([1, 5, 8, 9, 16]) for _ in range(2))]
    return (batch, *sizes[: count - 1])


def _convolution(numbers: random.Random, depthwise: bool = False) -> Drawn:
    group = 1 if depthwise else numbers.choice([1, 1, 2, 4])
    channels = group * numbers.choice([1, 2, 3, 4])
    if not depthwise and numbers.random() < 0.25:
        group = channels
    outputs = channels if depthwise else group * numbers.choice([1, 1, 2, 3])
    height, width = (numbers.choice([4, 7, 9, 12, 16]) for _ in range(2))
    text = f"num_output: {outputs} "
    if numbers.random() < 0.6:
        text += _options(numbers, kernel_size=[1, 2, 3, 3, 4, 5], stride=[None, 1, 2, 2, 3, 4], pad=[None, 0, 1, 2])
    else:
        sides = {f"{what}_{side}": values for what, values in (
            ("kernel", [1, 2, 3, 4]), ("stride", [1, 2, 3]), ("pad", [0, 1, 2])) for side in "hw"}  # fmt: skip
        text += _options(numbers, **sides)  # type: ignore[arg-type]
    dilation = "" if depthwise else " " + _options(numbers, dilation=[None, None, 1, 2])
    text += dilation + " " + _options(numbers, bias_term=[None, None, "false"])
    text += f" group: {group}" if group > 1 else ""
    return f"convolution_param {{ {text} }}", {"x": (numbers.choice([1, 1, 2]), channels, height, width)}, "y"


def _pooling(numbers: random.Random) -> Drawn:
    shape = (numbers.choice([1, 1, 2]), 4, numbers.choice([4, 8, 9, 12, 15]), numbers.choice([4, 8, 9, 13]))
    text = _options(numbers, pool=["MAX", "AVE"])
    if numbers.random() < 0.15:
        return f"pooling_param {{ {text} global_pooling: true }}", {"x": shape}, "y"
    kernel = numbers.choice([1, 2, 3, 3, 4])
    text += f" kernel_size: {kernel} " + _options(numbers, stride=[None, 1, 2, 2, 3], round_mode=[None, None, "FLOOR"])
    return f"pooling_param {{ {text} pad: {numbers.randrange(min(kernel, 3))} }}", {"x": shape}, "y"


def _inner_product(numbers: random.Random) -> Drawn:
    shape = _shape(numbers)
    text = _options(numbers, num_output=[1, 3, 7], bias_term=[None, "false"], transpose=[None, None, None, "true"])
    return (
        f"inner_product_param {{ {text} {_options(numbers, axis=[None, 1, len(shape) - 1, -1])} }}",
        {"x": shape},
        "y",
    )


def _scale(numbers: random.Random) -> Drawn:
    shape = _shape(numbers)
    bias = _options(numbers, bias_term=[None, "true"])
    if numbers.random() < 0.4:
        axis, length = numbers.choice([(0, 2), (0, len(shape)), (1, 1), (0, 1)])
        return f"scale_param {{ axis: {axis} {bias} }}", {"x": shape, "w": shape[axis : axis + length]}, "y"
    text = _options(numbers, axis=[None, None, 0, len(shape) - 1, -1], num_axes=[None, None, 2, -1])
    return f"scale_param {{ {text} {bias} }}", {"x": shape}, "y"


def _eltwise(numbers: random.Random) -> Drawn:
    shape, count = _shape(numbers), numbers.choice([2, 2, 2, 3])
    text = _options(numbers, operation=[None, "SUM", "PROD", "MAX"])
    if "PROD" not in text and "MAX" not in text and numbers.random() < 0.5:
        text += "".join(f" coeff: {numbers.choice([1, 1, -1, 0.5, 2])}" for _ in range(count))
    return f"eltwise_param {{ {text} }}", dict.fromkeys("xwv"[:count], shape), "y"


def _concat(numbers: random.Random) -> Drawn:
    shape = _shape(numbers)
    place = numbers.randrange(len(shape))
    shapes = {}
    for name in "xwv"[: numbers.choice([1, 2, 2, 3])]:
        sizes = list(shape)
        sizes[place] = numbers.choice([1, 2, 3])
        shapes[name] = tuple(sizes)
    field = numbers.choice(["axis: {}", "axis: {}", "concat_dim: {}"])
    stated = place if field.startswith("concat_dim") else numbers.choice([place, place - len(shape)])
    return f"concat_param {{ {field.format(stated)} }}", shapes, "y"


def _slice(numbers: random.Random) -> Drawn:
    shape = list(_shape(numbers))
    place = numbers.randrange(1, len(shape))
    shape[place] = 6
    field = numbers.choice(["axis", "axis", "slice_dim"])
    points = numbers.choice(["", "slice_point: 1 slice_point: 3", "slice_point: 2 slice_point: 5"])
    return f"slice_param {{ {field}: {place} {points} }}", {"x": tuple(shape)}, "y z q"


def _reshape(numbers: random.Random) -> Drawn:
    shape = _shape(numbers)
    dims = numbers.choice([(0, -1), (shape[0], -1, 1, 1), (0, 0, -1), (-1, 1), (0, 0, 0, 0), (0, 1, -1, 1)])
    dims = dims if all(place < len(shape) for place, dim in enumerate(dims) if dim == 0) else (0, -1)
    more = _options(numbers, axis=[None, None, None, 1], num_axes=[None, None, None, 1])
    dims = (-1,) if more else dims
    return f"reshape_param {{ shape {{ {' '.join(f'dim: {dim}' for dim in dims)} }} {more} }}", {"x": shape}, "y"


def _permute(numbers: random.Random) -> Drawn:
    shape = _shape(numbers)
    order = [0, *numbers.sample(range(1, len(shape)), len(shape) - 1)]
    kept = numbers.choice([len(order), len(order), len(order) - 1])
    return f"permute_param {{ {' '.join(f'order: {axis}' for axis in order[:kept])} }}", {"x": shape}, "y"


def _crop(numbers: random.Random) -> Drawn:
    axis = numbers.choice([1, 2, 3, -1, -2])
    first = axis % 4
    small = tuple(6 if place < 2 and place < first else 3 + place for place in range(4))
    small = (1, *small[1:])
    offsets = numbers.choice([[], [1], [numbers.choice([0, 1, 2]) for _ in range(4 - first)]])
    text = " ".join(f"offset: {one}" for one in offsets)
    return f"crop_param {{ axis: {axis} {text} }}", {"x": (1, 6, *_MAP), "w": small}, "y"


def _plain(field: str = "", axes: list[int] | None = None, **choices: list[object]) -> Callable[[random.Random], Drawn]:
    """Layers of one bottom whose options do not depend on its shape."""

    def drawn(numbers: random.Random) -> Drawn:
        text = _options(numbers, **choices)
        return f"{field} {{ {text} }}" if field else "", {"x": _shape(numbers, axes)}, "y"

    return drawn


#: By type, with a word more where one type is drawn in two ways.
_KINDS: dict[str, Callable[[random.Random], Drawn]] = {
    "Convolution": _convolution,
    "Convolution again": _convolution,
    "Deconvolution": _convolution,
    "DepthwiseConvolution": lambda numbers: _convolution(numbers, True),
    "ConvolutionDepthwise": lambda numbers: _convolution(numbers, True),
    "Pooling": _pooling,
    "Pooling again": _pooling,
    "InnerProduct": _inner_product,
    "Scale": _scale,
    "Eltwise": _eltwise,
    "Concat": _concat,
    "Slice": _slice,
    "Reshape": _reshape,
    "Permute": _permute,
    "Crop": _crop,
    "Flatten": _plain("flatten_param", axis=[None, 1, 1, 2], end_axis=[None, None, 2, -1]),
    "BatchNorm": _plain("batch_norm_param", use_global_stats=[None, None, "true", "false"], eps=[None, 0.001]),
    "ReLU": _plain("relu_param", negative_slope=[None, 0, 0.1, 1.5, -0.5]),
    "PReLU": _plain("prelu_param", channel_shared=[None, "true"]),
    "Power": _plain("power_param", power=[None, 1, 2, 3], scale=[None, 0.5, -1, 2], shift=[None, 1, -0.5]),
    "Softmax": _plain("softmax_param", axis=[None, 1, -1]),
    "Reduction": _plain("reduction_param", operation=["SUM", "MEAN", "MEAN", "ASUM", "SUMSQ"], axis=[None, 0, 1, 1, -1],
                        coeff=[None, None, 2]),
    "Tile": _plain("tile_param", axis=[None, 1, -1, 0], tiles=[1, 2, 3]),
    "LRN": _plain("lrn_param", [4], local_size=[1, 3, 5], alpha=[None, 0.5], k=[None, 2],
                  norm_region=[None, None, "WITHIN_CHANNEL"]),
    "Normalize": _plain("norm_param", across_spatial=["true", "false", "false"], eps=[None, None, 0.1],
                        channel_shared=["true", "false", "false"]),
    "Upsample": _plain("upsample_param", [4], scale=[1, 2, 3, 4]),
    "ArgMax": _plain("argmax_param", axis=[None, 1, -1], top_k=[None, None, 2], out_max_val=[None, None, "true"]),
    "Dropout": _plain(),
    "Sigmoid": _plain(),
    "TanH": _plain(),
    "BNLL": _plain(),
    "ReLU6": _plain(),
    "Split": lambda numbers: ("", {"x": _shape(numbers)}, "y z"),
    "AbsVal": _plain(),
    "Bias": _plain("bias_param", axis=[None, 1]),
    "Clip": lambda numbers: ("clip_param { min: 0 max: 6 }", {"x": _shape(numbers)}, "y"),
    "ELU": _plain("elu_param", alpha=[None, 0.5]),
    "Exp": _plain("exp_param", base=[None, 2]),
    "Swish": _plain(),
    "MVN": _plain("mvn_param", normalize_variance=[None, "false"], across_channels=[None, "true"]),
    "Interp": _plain("interp_param", [4], zoom_factor=[2]),
    "ShuffleChannel": lambda numbers: ("shuffle_channel_param { group: 2 }", {"x": (1, 8, *_MAP)}, "y"),
}  # fmt: skip
