"""Power, maxima and Reduction by other layers: Scale, products, ReLU, pooling; a Scale with a bias of zeros."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import Building, alone, shares_blobs
from prototxt_gen.layers.layer_types import axis_of


@layers_rewritten("factors of channels", "Power")
def linear_power(place: Place) -> Iterator[Form]:
    """A Power of 1 as a Scale, or as a depthwise Convolution of 1x1, with equal factors."""
    options, shape = place.row.layer.power_param, place.row.bottom_shapes[0]
    if options.power != 1 or len(shape) < 2:
        return
    factors = [np.full(shape[1], options.scale), np.full(shape[1], options.shift)][: 1 + bool(options.shift)]
    said = f"{options.scale:g} * x + {options.shift:g}"
    yield alone(place, "Scale", f"{said} as Scale", factors, **_if({"bias_term": True}, options.shift, "scale_param"))
    yield from _depthwise(place, factors, said)


@layers_rewritten("a power as products", "Power")
def whole_power(place: Place) -> Iterator[Form]:
    """A Power of a whole number from 2 to 8 as products of the number with itself."""
    options = place.row.layer.power_param
    power = int(options.power)
    if options.power != power or not 2 <= power <= 8:
        return
    made = Building(place)
    x = made.bottom
    if (options.scale, options.shift) != (1, 0):
        x = made.add("Power", [x], "linear", power_param={"scale": options.scale, "shift": options.shift})
    product = x
    for digit in bin(power)[3:]:
        product = _times(made, product, product)
        if digit == "1":
            product = _times(made, product, x)
    yield made.form(f"a power of {power} as products")


@layers_rewritten("a Scale with a bias", "Scale")
def scale_with_bias(place: Place) -> Iterator[Form]:
    """A Scale without bias as one with a bias of zeros, for targets that always read one."""
    row, options = place.row, place.row.layer.scale_param
    if len(row.bottoms) > 1 or options.bias_term or shares_blobs(place):
        return
    blobs = None if place.blobs is None else [place.blobs[0], np.zeros_like(place.blobs[0])]
    stated = {"axis": options.axis, "num_axes": options.num_axes, "bias_term": True}
    yield alone(place, "Scale", "with a bias of zeros", blobs, scale_param=stated)


@layers_rewritten("a difference as a maximum", "Eltwise")
def by_maximum(place: Place) -> Iterator[Form]:
    """The maximum of two as a + relu(b - a)."""
    row, options = place.row, place.row.layer.eltwise_param
    if options.operation != options.MAX or len(row.bottoms) != 2:
        return
    made = Building(place)
    one, other = row.bottoms
    turned = made.add("Power", [one], "turned", power_param={"scale": -1})
    more = made.add("Eltwise", [other, turned], "more")
    more = made.add("ReLU", [more], "gain")
    made.add("Eltwise", [one, more], "most")
    yield made.form("a maximum as a sum with a ReLU")


@layers_rewritten("sums over the map by pooling", "Reduction")
def reduction_by_pooling(place: Place) -> Iterator[Form]:
    """A mean or a sum of the whole map as global pooling, a factor, and a Reshape."""
    row, options = place.row, place.row.layer.reduction_param
    shape = row.bottom_shapes[0]
    if len(shape) != 4 or axis_of(row.layer, "reduction_param", shape) != 2:
        return
    if options.operation not in (options.MEAN, options.SUM):
        return
    made = Building(place)
    x = made.add("Pooling", [made.bottom], "pool", pooling_param={"pool": "AVE", "global_pooling": True})
    factor = options.coeff * (prod(shape[2:]) if options.operation == options.SUM else 1)
    if factor != 1:
        x = made.add("Power", [x], "factor", power_param={"scale": factor})
    made.add("Flatten", [x], "axes")
    yield made.form("a Reduction of the map as global pooling")


def _depthwise(place: Place, blobs: list[np.ndarray], said: str) -> Iterator[Form]:
    """Factors and summands of channels as a depthwise Convolution of 1x1 over a map."""
    shape = place.row.bottom_shapes[0]
    if len(shape) != 4:
        return
    options = {"num_output": shape[1], "kernel_size": [1], "group": shape[1], "bias_term": len(blobs) > 1}
    weights = [blobs[0].reshape(-1, 1, 1, 1), *blobs[1:]]
    yield alone(place, "Convolution", f"{said} as a depthwise Convolution of 1x1", weights, convolution_param=options)


def _times(made: Building, one: str, other: str) -> str:
    return made.add("Eltwise", [one, other], "product", eltwise_param={"operation": "PROD"})


def _if(options: dict[str, Any], wanted: object, field: str) -> dict[str, Any]:
    return {field: options} if wanted else {}
