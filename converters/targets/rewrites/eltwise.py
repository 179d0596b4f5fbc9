"""Eltwise in other words: without coefficients, and two bottoms at a time.

SUM with coefficients is a plain SUM of what a Power has multiplied before. A chain takes the first two bottoms, then
their result and the third, and so on: sums are rounded in that order by Caffe, too (eltwise_layer.cpp).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import Building

_SUM = "SUM"


@layers_rewritten("coefficients before the sum", "Eltwise")
def coefficients_apart(place: Place) -> Iterator[Form]:
    """Each bottom of a SUM times its coefficient before a SUM without any: by Power, by Scale, by a 1x1 Convolution."""
    row, options = place.row, place.row.layer.eltwise_param
    if options.operation != options.SUM or not options.coeff:
        return
    if all(value == 1 for value in options.coeff):
        made = Building(place)
        made.add("Eltwise", row.bottoms, "sum")
        yield made.form("SUM without coefficients, which are all 1")
        return
    for kind in ("Power", "Scale", "Convolution"):
        made = Building(place)
        shape = row.bottom_shapes[0]
        if kind != "Power" and len(shape) < 2:
            continue
        names = []
        for index, (bottom, value) in enumerate(zip(row.bottoms, options.coeff, strict=True)):
            names.append(bottom if value == 1 else _times(made, kind, bottom, value, f"times{index}"))
        made.add("Eltwise", names, "sum")
        yield made.form(f"SUM with coefficients as {kind} and SUM")


@layers_rewritten("two bottoms at a time", "Eltwise")
def chained(place: Place) -> Iterator[Form]:
    """An Eltwise of three bottoms or more as a chain of Eltwise of two."""
    row, options = place.row, place.row.layer.eltwise_param
    if len(row.bottoms) < 3:
        return
    word = {options.SUM: _SUM, options.PROD: "PROD", options.MAX: "MAX"}[options.operation]
    made = Building(place)
    before = row.bottoms[0]
    for index, bottom in enumerate(row.bottoms[1:], 1):
        one: dict[str, Any] = {} if word == _SUM else {"operation": word}
        if options.coeff:
            coefficients = [options.coeff[0] if index == 1 else 1.0, options.coeff[index]]
            one |= {"coeff": coefficients} if coefficients != [1, 1] else {}
        before = made.add("Eltwise", [before, bottom], f"to{index}", eltwise_param=one)
    yield made.form(f"{word} of {len(row.bottoms)} as a chain of two at a time")


def _times(made: Building, kind: str, bottom: str, value: float, what: str) -> str:
    """A layer that multiplies a bottom by a number."""
    if kind == "Power":
        return made.add("Power", [bottom], what, power_param={"scale": value})
    channels = made.shape(bottom)[1]
    factors = np.full(channels, value, np.float32)
    if kind == "Scale":
        return made.add("Scale", [bottom], what, [factors])
    kernel: Sequence[int] = (1,) * (len(made.shape(bottom)) - 2)
    if not kernel:
        dense = {"num_output": channels, "bias_term": False}
        return made.add("InnerProduct", [bottom], what, [np.diag(factors)], inner_product_param=dense)
    options = {"num_output": channels, "group": channels, "kernel_size": [1], "bias_term": False}
    return made.add("Convolution", [bottom], what, [factors.reshape(-1, 1, *kernel)], convolution_param=options)
