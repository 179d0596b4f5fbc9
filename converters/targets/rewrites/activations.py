"""Activations by one another: ReLU6 and Clip, ReLU and PReLU, and others by ReLU, Sigmoid, sums and products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import Building, alone, shares_blobs


@layers_rewritten("Clip as ReLU6", "Clip")
def as_relu6(place: Place) -> Iterator[Form]:
    """A Clip to 0..6 is a ReLU6."""
    options = place.row.layer.clip_param
    if (options.min, options.max) == (0, 6):
        yield alone(place, "ReLU6", "Clip to 0..6 as ReLU6")


@layers_rewritten("ReLU6 as Clip", "ReLU6")
def as_clip(place: Place) -> Iterator[Form]:
    """A ReLU6 is a Clip to 0..6."""
    yield alone(place, "Clip", "ReLU6 as Clip to 0..6", clip_param={"min": 0, "max": 6})


@layers_rewritten("limits by two ReLUs", "Clip", "ReLU6")
def by_relus(place: Place) -> Iterator[Form]:
    """A limit to low..high as low + relu(x - low) - relu(x - high).

    Far beyond the limits float16 loses what the difference cancels.
    """
    low, high = _limits(place)
    if low > high:
        return
    for sums in (_difference, _plain_sum):
        made = Building(place)
        above = _relu_over(made, made.bottom, low, "low")
        beyond = _relu_over(made, made.bottom, high, "high")
        total = sums(made, above, beyond, "limited")
        if low:
            made.add("Power", [total], "raised", power_param={"shift": low})
        yield made.form(f"limits {low:g} to {high:g} as a ReLU less a shifted one")


@layers_rewritten("limits by maxima", "Clip", "ReLU6")
def by_maxima(place: Place) -> Iterator[Form]:
    """A limit from above as the negative of the maximum of the negative: max(x, low), then -max(-x, -high)."""
    low, high = _limits(place)
    if low > high:
        return
    made = Building(place)
    raised = _relu_over(made, made.bottom, low, "low")
    # -min(r, high - low) = max(-r, low - high), and r = max(x - low, 0).
    turned = made.add("Power", [raised], "turned", power_param={"scale": -1, "shift": high - low})
    held = made.add("ReLU", [turned], "held")
    made.add("Power", [held], "back", power_param={"scale": -1, "shift": high})
    yield made.form(f"limits {low:g} to {high:g} by two ReLUs, one behind the other")


@layers_rewritten("a slope as PReLU", "ReLU")
def as_prelu(place: Place) -> Iterator[Form]:
    """A ReLU with negative_slope as a PReLU whose slopes are fixed."""
    row, slope = place.row, place.row.layer.relu_param.negative_slope
    shape = row.bottom_shapes[0]
    if slope and 2 <= len(shape) <= 4:
        yield alone(place, "PReLU", f"negative_slope {slope:g} as PReLU", [np.full(shape[1:2], slope)])
        yield alone(
            place,
            "PReLU",
            f"negative_slope {slope:g} as PReLU",
            [np.array(slope)],
            prelu_param={"channel_shared": True},
        )


@layers_rewritten("a slope by two ReLUs", "ReLU")
def by_two_relus(place: Place) -> Iterator[Form]:
    """A ReLU with negative_slope s as relu(x) - s * relu(-x)."""
    slope = place.row.layer.relu_param.negative_slope
    if not slope:
        return
    for sums in (_difference, _plain_sum):
        made = Building(place)
        above = made.add("ReLU", [made.bottom], "above")
        below = made.add("Power", [made.bottom], "turned", power_param={"scale": -1})
        below = made.add("ReLU", [below], "below")
        sums(made, above, below, "joined", slope)
        yield made.form(f"negative_slope {slope:g} as the difference of two ReLUs")


@layers_rewritten("equal slopes as ReLU", "PReLU")
def as_relu(place: Place) -> Iterator[Form]:
    """A PReLU whose slopes are all alike as a ReLU with negative_slope; the weights must be there to know."""
    slopes = None if place.blobs is None else np.unique(place.blobs[0])
    if slopes is not None and len(slopes) == 1 and not shares_blobs(place):
        slope = float(slopes[0])
        options: dict[str, Any] = {"relu_param": {"negative_slope": slope}} if slope else {}
        yield alone(place, "ReLU", f"equal slopes {slope:g} as ReLU", **options)


@layers_rewritten("slopes by a Scale", "PReLU")
def by_scale(place: Place) -> Iterator[Form]:
    """A PReLU with slopes a as relu(x) + (-a) * relu(-x), the product by a Scale a channel."""
    row = place.row
    if shares_blobs(place) or row.layer.prelu_param.channel_shared:
        return
    made = Building(place)
    above = made.add("ReLU", [made.bottom], "above")
    below = made.add("Power", [made.bottom], "turned", power_param={"scale": -1})
    below = made.add("ReLU", [below], "below")
    blobs = None if place.blobs is None else [-place.blobs[0]]
    below = made.add("Scale", [below], "slopes", blobs)
    made.add("Eltwise", [above, below], "joined")
    yield made.form("slopes as a Scale of the negative part")


@layers_rewritten("absolute values by two ReLUs", "AbsVal")
def absolute(place: Place) -> Iterator[Form]:
    """|x| as relu(x) + relu(-x)."""
    made = Building(place)
    above = made.add("ReLU", [made.bottom], "above")
    below = made.add("Power", [made.bottom], "turned", power_param={"scale": -1})
    below = made.add("ReLU", [below], "below")
    made.add("Eltwise", [above, below], "joined")
    yield made.form("AbsVal as the sum of two ReLUs")


@layers_rewritten("x times its Sigmoid", "Swish")
def swish(place: Place) -> Iterator[Form]:
    """A Swish with beta b as x * sigmoid(b * x)."""
    beta = place.row.layer.swish_param.beta
    made = Building(place)
    x = made.bottom if beta == 1 else made.add("Power", [made.bottom], "scaled", power_param={"scale": beta})
    gate = made.add("Sigmoid", [x], "gate")
    made.add("Eltwise", [made.bottom, gate], "product", eltwise_param={"operation": "PROD"})
    yield made.form("Swish as the product with a Sigmoid")


@layers_rewritten("TanH by Sigmoid", "TanH")
def tanh(place: Place) -> Iterator[Form]:
    """Tanh(x) as 2 * sigmoid(2 x) - 1."""
    made = Building(place)
    x = made.add("Power", [made.bottom], "doubled", power_param={"scale": 2})
    x = made.add("Sigmoid", [x], "sigmoid")
    made.add("Power", [x], "stretched", power_param={"scale": 2, "shift": -1})
    yield made.form("TanH as a stretched Sigmoid")


@layers_rewritten("Sigmoid by TanH", "Sigmoid")
def sigmoid(place: Place) -> Iterator[Form]:
    """Sigmoid(x) as tanh(x / 2) / 2 + 1 / 2."""
    made = Building(place)
    x = made.add("Power", [made.bottom], "halved", power_param={"scale": 0.5})
    x = made.add("TanH", [x], "tanh")
    made.add("Power", [x], "shrunk", power_param={"scale": 0.5, "shift": 0.5})
    yield made.form("Sigmoid as a shrunk TanH")


@layers_rewritten("ELU by Exp", "ELU")
def elu(place: Place) -> Iterator[Form]:
    """An ELU with alpha a as relu(x) + a * (exp(-relu(-x)) - 1)."""
    alpha = place.row.layer.elu_param.alpha
    made = Building(place)
    above = made.add("ReLU", [made.bottom], "above")
    x = made.add("Power", [made.bottom], "turned", power_param={"scale": -1})
    x = made.add("ReLU", [x], "below")
    x = made.add("Exp", [x], "exp", exp_param={"scale": -1})
    x = made.add("Power", [x], "tail", power_param={"scale": alpha, "shift": -alpha})
    made.add("Eltwise", [above, x], "joined")
    yield made.form("ELU as a ReLU and an Exp of the negative part")


def _limits(place: Place) -> tuple[float, float]:
    options = place.row.layer.clip_param
    return (0, 6) if place.row.type == "ReLU6" else (options.min, options.max)


def _relu_over(made: Building, blob: str, limit: float, what: str) -> str:
    """Relu(x - limit)."""
    if limit:
        blob = made.add("Power", [blob], f"{what}shift", power_param={"shift": -limit})
    return made.add("ReLU", [blob], what)


def _difference(made: Building, one: str, other: str, what: str, factor: float = 1) -> str:
    """One - factor * other, by an Eltwise with coefficients."""
    return made.add("Eltwise", [one, other], what, eltwise_param={"operation": "SUM", "coeff": [1, -factor]})


def _plain_sum(made: Building, one: str, other: str, what: str, factor: float = 1) -> str:
    """The same without coefficients, which not all targets read."""
    other = made.add("Power", [other], f"{what}sign", power_param={"scale": -factor})
    return made.add("Eltwise", [one, other], what)
