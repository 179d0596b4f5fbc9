"""Interp, Upsample and ShuffleChannel in layers that the target has: those of stock Caffe first, then others.

All three are linear maps that prototxt_gen/stock.py has in stock Caffe's layers. Where the target lacks one of these,
a map along one axis is also a depthwise Convolution over the whole of the axis, whose channels are the new rows, and
what puts these in their places; or a Convolution of 1x1 between Permutes; or, of small maps, one dense product.

Nearly the same are the forms that enlarge at pixel centres, where an Interp aligns corners.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import Building, factor_chains
from converters.targets.rewrites.deconvolution import bilinear, box, phase_order, shuffle
from prototxt_gen.layers import Shape
from prototxt_gen.layers.layer_types import count
from prototxt_gen.passes.stock import stock_ways
from prototxt_gen.stock import MOST_FACTORS, aligned, along_axes, repeated

# Numbers of a dense matrix for a whole map; more of them are slower than any other form.
_MOST_DENSE = 1 << 22


@layers_rewritten("layers of stock Caffe", "Interp", "ShuffleChannel", "Upsample")
def in_stock_words(place: Place) -> Iterator[Form]:
    """The form that `to_stock` writes, with its fixed weights, and others of its kind that cost more."""
    if _is_too_large(place):
        return
    for steps in stock_ways(place.row):
        made = Building(place)
        made.steps(steps, made.bottom)
        kinds = ", ".join(step.kind for step in steps)
        yield made.form(f"{place.row.type} as {kinds} with fixed weights, {made.costs()}")


@layers_rewritten("maps along axes between Permutes", "Interp")
def between_permutes(place: Place) -> Iterator[Form]:
    """Each axis brought to the channels' place by a Permute, and a Convolution of 1x1 there."""
    if _is_too_large(place):
        return
    shape = place.row.bottom_shapes[0]
    if len(shape) != 4 or len(_matrices(place)) != 2:
        return
    made = Building(place)
    blob = made.bottom
    for axis, order in ((2, [0, 2, 1, 3]), (3, [0, 3, 2, 1])):
        matrix = _matrices(place)[axis]
        blob = made.add("Permute", [blob], f"turned{axis}", permute_param={"order": order})
        stated = {"num_output": len(matrix), "bias_term": False, "kernel_size": [1]}
        weights = matrix[:, :, None, None]
        blob = made.add("Convolution", [blob], f"axis{axis}", [weights], convolution_param=stated)
    # The axes are width, channels, height now.
    made.add("Permute", [blob], "back", permute_param={"order": [0, 2, 3, 1]})
    yield made.form(f"{place.row.type} as Convolutions of 1x1 between three Permutes, {made.costs()}")


@layers_rewritten("rows by weights of their own", "Interp")
def by_rows(place: Place) -> Iterator[Form]:
    """Along each axis a depthwise Convolution over the whole of it, whose channels a Deconvolution or Reshape moves."""
    if _is_too_large(place) or len(place.row.bottom_shapes[0]) != 4:
        return
    matrices = _matrices(place)
    if not matrices:
        return
    kept: list[tuple[int, int, int, Building]] = []
    for order in dict.fromkeys((tuple(matrices), tuple(reversed(tuple(matrices))))):
        ways = []
        for axis in order:
            sizes = (len(matrices[axis]), 1) if axis == 2 else (1, len(matrices[axis]))
            # Of the chains of each length the one in small steps.
            shortest = {len(chain): chain for chain in reversed(factor_chains(sizes))}
            chains: list[tuple[Shape, ...] | None] = [(sizes,), *shortest.values()]
            ways.append([*chains, None] if axis == 2 else chains)
        for grouped, chosen in product((True, False), product(*ways)):
            if kept and not grouped:
                break  # zeros in the place of groups cost more
            made = Building(place)
            blob = made.bottom
            for axis, chain in zip(order, chosen, strict=True):
                blob = _rows(made, blob, axis, matrices[axis], chain, grouped)
            if not made.refused_but("Convolution"):
                kept.append((made.multiply_adds, made.numbers, len(kept), made))
    for _, _, _, made in sorted(kept, key=lambda one: one[:3])[:2]:
        yield made.form(f"{place.row.type} by depthwise Convolutions that make each row, {made.costs()}")


def _rows(
    made: Building, blob: str, axis: int, matrix: np.ndarray, chain: tuple[Shape, ...] | None, grouped: bool
) -> str:
    """A matrix along an axis: all its rows as channels, moved by a chain of shuffles, or by a Reshape where it is None.

    An axis of size 1 that is repeated needs no weights of its own.
    """
    _, channels, _, width = made.shape(blob)
    outputs, size = matrix.shape
    if size == 1 and chain is not None:
        for index, sizes in enumerate(chain, 1):
            blob = box(made, blob, sizes, f"axis{axis}times{index}")
        return blob
    kernel = (size, 1) if axis == 2 else (1, size)
    stated: dict[str, Any] = {"num_output": channels * outputs, "bias_term": False, "group": channels}
    stated |= {f"kernel_{side}": length for side, length in zip("hw", kernel, strict=True)}
    ordered = matrix if chain is None else matrix[phase_order(chain)]

    def weights() -> list[np.ndarray]:
        return [np.tile(ordered, (channels, 1)).reshape(-1, 1, *kernel)]

    blob = made.add("Convolution", [blob], f"axis{axis}", weights, convolution_param=stated)
    if chain is None:
        dims = [0, channels, outputs, width]
        return made.add("Reshape", [blob], f"axis{axis}rows", reshape_param={"shape": {"dim": dims}})
    for index, strides in enumerate(chain, 1):
        blob = shuffle(made, blob, strides, f"axis{axis}shuffle{index}", grouped)
    return blob


@layers_rewritten("one dense product", "Interp")
def as_inner_product(place: Place) -> Iterator[Form]:
    """Of a small map: Flatten, an InnerProduct from all its numbers to all of the new map, a Reshape."""
    row = place.row
    shape, top = row.bottom_shapes[0], row.top_shapes[0]
    if len(shape) != 4 or not _matrices(place) or count(shape[1:]) * count(top[1:]) > _MOST_DENSE:
        return
    maps = [_matrices(place).get(axis, np.eye(shape[axis])) for axis in (2, 3)]
    weights = np.kron(np.eye(shape[1]), np.kron(*maps))
    made = Building(place)
    blob = made.add("Flatten", [made.bottom], "flat")
    dense = {"num_output": len(weights), "bias_term": False}
    blob = made.add("InnerProduct", [blob], "product", [weights], inner_product_param=dense)
    made.add("Reshape", [blob], "map", reshape_param={"shape": {"dim": [0, *top[1:]]}})
    yield made.form(f"{row.type} as one InnerProduct of {weights.size:,} weights, {made.costs()}")


@layers_rewritten("a map of 1x1 repeated", "Interp")
def repeated_map(place: Place) -> Iterator[Form]:
    """Of a map of 1x1: a Deconvolution of ones whose kernel is the new map, or two Tiles."""
    row = place.row
    if row.bottom_shapes[0][2:] != (1, 1) or not _matrices(place):
        return
    made = Building(place)
    box(made, made.bottom, row.top_shapes[0][2:], "repeated")
    yield made.form(f"a map of 1x1 repeated by a Deconvolution of ones, {made.costs()}")


@layers_rewritten("in steps", "Upsample")
def in_steps(place: Place) -> Iterator[Form]:
    """An Upsample as several of smaller scales: 4 as 2 and 2."""
    scale = place.row.layer.upsample_param.scale
    for chain in factor_chains((scale, scale)):
        scales = [high for high, wide in chain if high == wide]
        if len(scales) < len(chain):
            continue
        made = Building(place)
        blob = made.bottom
        for index, one in enumerate(scales, 1):
            blob = made.add("Upsample", [blob], f"step{index}", upsample_param={"scale": one})
        yield made.form(f"an Upsample by {scale} in steps of {', '.join(map(str, scales))}")


@layers_rewritten("enlarged at pixel centres", "Interp")
def at_pixel_centres(place: Place) -> Iterator[Form]:
    """Nearly the same, where both sides are enlarged by whole factors: bilinear at pixel centres, else the nearest.

    An Interp aligns the corners of both maps instead, so samples lie up to half a pixel of the small map elsewhere,
    most at the borders.
    """
    row = place.row
    shape, top = row.bottom_shapes[0], row.top_shapes[0]
    options = row.layer.interp_param
    if len(shape) != 4 or any(new % old for old, new in zip(shape[2:], top[2:], strict=True)):
        return
    if options.pad_beg or options.pad_end or shape == top:
        return
    factors = top[2] // shape[2], top[3] // shape[3]
    for made, what in _centred(place, shape, factors):
        if not made.refused():
            yield made.form(f"{what}, where corners were aligned: samples up to half a pixel away", exact=False)
            return


def _centred(place: Place, shape: Shape, factors: tuple[int, int]) -> Iterator[tuple[Building, str]]:
    """The ways to enlarge by whole factors at pixel centres, the nearest to an Interp first."""
    maps = {axis: _half_pixel(shape[axis], factor) for axis, factor in zip((2, 3), factors, strict=True)}
    made = Building(place)
    made.steps(along_axes(shape, maps), made.bottom)
    yield made, "bilinear at pixel centres"
    if all(factor % 2 == 0 for factor in factors) and factors[0] == factors[1]:
        for chain in ([factors[0]], *([high for high, _ in one] for one in factor_chains(factors))):
            if any(factor % 2 for factor in chain):
                continue
            made = Building(place)
            blob = made.bottom
            for index, factor in enumerate(chain, 1):
                blob = bilinear(made, blob, factor, f"times{index}")
            steps = f" in steps of {', '.join(map(str, chain))}" if len(chain) > 1 else ""
            yield made, f"bilinear at pixel centres{steps}, with zeros around the map"
    if factors[0] == factors[1]:
        made = Building(place)
        made.add("Upsample", [made.bottom], "nearest", upsample_param={"scale": factors[0]})
        yield made, "the nearest pixel"
    made = Building(place)
    box(made, made.bottom, factors, "nearest")
    yield made, "the nearest pixel"


def _half_pixel(size: int, factor: int) -> np.ndarray:
    """(size * factor, size): linear between pixel centres, the border's pixel beyond them."""
    places = ((np.arange(size * factor) + 0.5) / factor - 0.5).clip(0, size - 1)
    return (1 - np.abs(places[:, None] - np.arange(size))).clip(0)


def _matrices(place: Place) -> Mapping[int, np.ndarray]:
    """The linear map along each axis that an Interp or an Upsample changes."""
    row = place.row
    shape, top = row.bottom_shapes[0], row.top_shapes[0]
    made = {}
    for axis in (2, 3) if len(shape) == 4 else ():
        if row.type == "Upsample":
            one = repeated(shape[axis], top[axis] // shape[axis])
        else:
            options = row.layer.interp_param
            one = aligned(shape[axis], top[axis], -options.pad_beg, -options.pad_end)
        if one.shape[0] != one.shape[1] or not np.array_equal(one, np.eye(len(one))):
            made[axis] = one
    return made


def _is_too_large(place: Place) -> bool:
    row = place.row
    if row.type == "ShuffleChannel":
        return row.bottom_shapes[0][1] ** 2 > MOST_FACTORS
    return any(old * new > MOST_FACTORS for old, new in zip(row.bottom_shapes[0], row.top_shapes[0], strict=False))
