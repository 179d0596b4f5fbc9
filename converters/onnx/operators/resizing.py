"""Resize and Upsample: a matrix along each axis, written by the cheapest layers that are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converters.onnx.network import Network
from converters.onnx.operators.readers import OPERATORS, Call, refuse
from converters.onnx.operators.windows import write_steps
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import need
from prototxt_gen.layers import Shape
from prototxt_gen.stock import MOST_FACTORS, aligned, along_axes, repeated

_COORDINATES = (
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "half_pixel_symmetric",
    "tf_half_pixel_for_nn",
)
"""The last is of opsets 11 and 12; tf2onnx still writes it, and onnxruntime takes it."""
_ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@dataclass(frozen=True)
class _Sampling:
    """How places of the new map are found in the old one (ONNX: Resize)."""

    mode: str = "nearest"
    coordinates: str = "asymmetric"
    rounding: str = "floor"
    cubic: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False


@OPERATORS.register("Upsample")
def upsample(call: Call, net: Network) -> Tensor:
    """Enlargement by factors (ONNX: Upsample, up to opset 9)."""
    bottom = call.tensor(0)
    scales = call.constant(1) if call.opset >= 9 else np.array(call.attribute("scales"), np.float32)
    need(scales is not None, "no scales")
    assert scales is not None
    sizes, factors = _by_scales(bottom.shape, [float(scale) for scale in scales.reshape(-1)])
    mode = {"bilinear": "linear"}.get(found := call.attribute("mode", "nearest"), found)
    return _resized(net, bottom, sizes, factors, _Sampling(mode))


@OPERATORS.register("Resize")
def resize(call: Call, net: Network) -> Tensor:
    """Resizing to sizes or by factors (ONNX: Resize)."""
    bottom = call.tensor(0)
    axes = len(bottom.shape)
    if call.opset < 11:
        scales, stated = _numbers(call.constant(1)), None
        # onnxruntime's rule where the opset does not say: up where a map gets smaller, else down.
        sampling = _Sampling(call.attribute("mode", "nearest"), rounding="simple")
    else:
        scales, stated = _numbers(call.constant(2)), _numbers(call.constant(3))
        sampling = _Sampling(
            call.attribute("mode", "nearest"),
            call.attribute("coordinate_transformation_mode", "half_pixel"),
            call.attribute("nearest_mode", "round_prefer_floor"),
            call.attribute("cubic_coeff_a", -0.75),
            bool(call.attribute("exclude_outside", 0)),
            bool(call.attribute("antialias", 0)),
        )
    chosen = [int(axis) % axes for axis in call.attribute("axes") or range(axes)]
    need((scales is None) != (stated is None), "expected scales or sizes")
    if stated is not None:
        need(len(stated) == len(chosen), f"found {len(stated)} sizes for {len(chosen)} axes")
        sizes, factors = _by_sizes(bottom.shape, chosen, stated, call.attribute("keep_aspect_ratio_policy", "stretch"))
    else:
        assert scales is not None
        need(len(scales) == len(chosen), f"found {len(scales)} scales for {len(chosen)} axes")
        given = dict(zip(chosen, scales, strict=True))
        sizes, factors = _by_scales(bottom.shape, [given.get(axis, 1.0) for axis in range(axes)])
    return _resized(net, bottom, sizes, factors, sampling)


def _numbers(found: Constant | None) -> list[float] | None:
    """The numbers of an input; None where it is left out, or empty as older exporters write it."""
    return None if found is None or not found.size else [float(number) for number in found.reshape(-1)]


def _by_scales(shape: Shape, scales: Sequence[float]) -> tuple[Shape, list[float]]:
    need(len(scales) == len(shape), f"found {len(scales)} scales for {len(shape)} axes")
    need(all(0 < scale < 2**31 for scale in scales), f"scales: found {scales}")
    return tuple(int(size * np.float32(scale)) for size, scale in zip(shape, scales, strict=True)), list(scales)


def _by_sizes(shape: Shape, chosen: Sequence[int], stated: Sequence[float], policy: str) -> tuple[Shape, list[float]]:
    ratios = {axis: size / shape[axis] for axis, size in zip(chosen, stated, strict=True)}
    sizes = {axis: int(size) for axis, size in zip(chosen, stated, strict=True)}
    if policy != "stretch":
        need(policy in ("not_larger", "not_smaller"), f"keep_aspect_ratio_policy {policy!r}")
        ratio = min(ratios.values()) if policy == "not_larger" else max(ratios.values())
        sizes = {axis: int(np.floor(ratio * shape[axis] + 0.5)) for axis in chosen}
        ratios = dict.fromkeys(chosen, ratio)
    made = tuple(sizes.get(axis, size) for axis, size in enumerate(shape))
    return made, [ratios.get(axis, 1.0) for axis in range(len(shape))]


def _resized(net: Network, bottom: Tensor, sizes: Shape, scales: Sequence[float], sampling: _Sampling) -> Tensor:
    need(sampling.mode in ("nearest", "linear", "cubic"), f"mode {sampling.mode!r}")
    need(sampling.coordinates in _COORDINATES, f"coordinate_transformation_mode {sampling.coordinates!r}")
    need(sampling.rounding in (*_ROUNDINGS, "simple"), f"nearest_mode {sampling.rounding!r}")
    need(min(sizes, default=0) > 0, f"an output of shape {sizes}")
    matrices = {}
    for axis, (size, made, scale) in enumerate(zip(bottom.shape, sizes, scales, strict=True)):
        # With antialias onnxruntime leaves an axis alone whose size stays, whatever its factor.
        if made == size and (scale == 1 or sampling.antialias):
            continue
        need(axis > 0, "the batch is resized")
        need(made * size <= MOST_FACTORS, f"a matrix of {made}x{size}, expected at most {MOST_FACTORS} factors")
        net.budget.take(made * size)
        matrices[axis] = _matrix(size, made, scale, sampling)
    if net.options.dialect == "fork" and (found := _of_a_fork(net, bottom, sizes, matrices)):
        return found
    return write_steps(net, bottom, along_axes(bottom.shape, matrices), "resize")


def _of_a_fork(net: Network, bottom: Tensor, sizes: Shape, matrices: dict[int, Constant]) -> Tensor | None:
    """Upsample or Interp where one of them does the same."""
    if len(sizes) != 4 or not matrices or min(matrices) < 2:
        return None
    factor, height, width = sizes[2] // bottom.shape[2], bottom.shape[2], bottom.shape[3]
    whole = sizes[2:] == (height * factor, width * factor) and len(matrices) == 2
    if whole and all(np.array_equal(matrices[axis], repeated(bottom.shape[axis], factor)) for axis in (2, 3)):
        return net.layer("Upsample", [bottom], upsample_param={"scale": factor})
    if all(np.array_equal(matrix, aligned(bottom.shape[axis], sizes[axis])) for axis, matrix in matrices.items()):
        return net.layer("Interp", [bottom], interp_param={"height": sizes[2], "width": sizes[3]})
    return None


def _matrix(size: int, made: int, scale: float, sampling: _Sampling) -> Constant:
    """(made, size): what each place of the new axis takes of those of the old one."""
    if sampling.mode == "nearest":
        # In float32, as engines do it: which of two places is nearer may hang on the last digit.
        places = _places(size, made, scale, sampling.coordinates, np.float32)
        return np.eye(size)[_nearest(places, scale, sampling.rounding, size)]
    if sampling.mode == "linear" and sampling.coordinates == "align_corners" and not sampling.antialias:
        return aligned(size, made)
    places = _places(size, made, scale, sampling.coordinates, np.float64)
    low = np.floor(places)
    spread = 1 / min(scale, 1.0) if sampling.antialias else 1.0
    support = 1 if sampling.mode == "linear" else 2
    reach = int(np.ceil(support * spread)) + 1
    taps = low[:, None] + np.arange(-reach, reach + 1)
    distances = np.abs(taps - places[:, None]) / spread
    factors = (1 - distances).clip(0) if sampling.mode == "linear" else _cubic(distances, sampling.cubic)
    if sampling.exclude_outside:
        factors = np.where((taps >= 0) & (taps < size), factors, 0)
    sums = factors.sum(1, keepdims=True)
    need(bool((sums != 0).all()), "a place that takes nothing of the map")
    matrix = np.zeros((made, size))
    rows = np.broadcast_to(np.arange(made)[:, None], taps.shape)
    np.add.at(matrix, (rows, taps.clip(0, size - 1).astype(int)), factors / sums)
    return matrix


def _places(size: int, made: int, scale: float, coordinates: str, kind: type[np.floating]) -> Constant:
    """Where each place of the new axis lies on the old one.

    Where `scale` does not give a whole size, corners are aligned by the size made, as onnxruntime does it.
    """
    index, step, half = np.arange(made, dtype=kind), kind(scale), kind(0.5)
    if coordinates == "asymmetric":
        return index / step
    if coordinates == "align_corners":
        return index * kind(size - 1) / kind(made - 1) if made > 1 else np.zeros(1, kind)
    if coordinates == "pytorch_half_pixel" and made == 1:
        return np.zeros(1, kind)
    if coordinates == "tf_half_pixel_for_nn":
        return (index + half) / step
    centres = (index + half) / step - half
    if coordinates == "half_pixel_symmetric":
        return centres + kind(size) / 2 * (1 - kind(made) / (step * kind(size)))
    return centres


def _nearest(places: Constant, scale: float, rounding: str, size: int) -> Constant:
    if rounding == "simple":
        rounding = "ceil" if scale < 1 else "floor"
    if rounding == "round_prefer_floor":
        found = np.ceil(places - np.float32(0.5))
    elif rounding == "round_prefer_ceil":
        found = np.floor(places + np.float32(0.5))
    else:
        found = np.floor(places) if rounding == "floor" else np.ceil(places)
    return found.clip(0, size - 1).astype(int)


def _cubic(distances: Constant, a: float) -> Constant:
    """Keys' kernel (ONNX: Resize, cubic_coeff_a)."""
    near = ((a + 2) * distances - (a + 3)) * distances**2 + 1
    far = ((distances - 5) * distances + 8) * distances * a - 4 * a
    return np.where(distances <= 1, near, np.where(distances < 2, far, 0))


refuse(
    "it reads a map at places that the network computes, which no layer of stock Caffe does",
    "GridSample",
    "AffineGrid",
    "DeformConv",
    "RoiAlign",
    "MaxRoiPool",
    "MaxUnpool",
)
