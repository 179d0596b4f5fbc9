"""How well predicted latencies agree with measured ones: errors in percent, and the order of the networks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prototxt_gen.errors import CaffeError


class Agreement(NamedTuple):
    """`mean_error` and `worst_error` are |predicted - measured| / measured, as shares of 1 (0.05 is 5 %); `bias` is
    the mean of (predicted - measured) / measured, negative where predictions are too low. `within_5` and `within_10`
    are the shares of networks with an error of at most 5 and 10 %. `tau` is Kendall's tau-b, nan for fewer than two
    networks or where all are equal. `networks` is how many there are, `worst` the index of the worst error.
    """

    networks: int
    mean_error: float
    worst_error: float
    bias: float
    within_5: float
    within_10: float
    tau: float
    worst: int

    def __str__(self) -> str:
        tau = "" if np.isnan(self.tau) else f", Kendall's tau {self.tau:.3f}"
        return f"mean error {100 * self.mean_error:.2f} %, worst {100 * self.worst_error:.2f} %{tau}"


def agreement(measured: ArrayLike, predicted: ArrayLike) -> Agreement:
    """Of predictions (n,) with measurements (n,) of the same networks, in any one unit.

    CaffeError where there are none, where the lengths differ, or where a number is not finite or a measured one is
    not above 0.
    """
    true, told = np.asarray(measured, np.float64), np.asarray(predicted, np.float64)
    if true.ndim != 1 or true.shape != told.shape or not len(true):
        raise CaffeError(f"measured and predicted latencies: found shapes {true.shape} and {told.shape}, expected one")
    if not (np.isfinite(true).all() and np.isfinite(told).all() and (true > 0).all()):
        raise CaffeError("measured and predicted latencies: expected finite numbers, and measured ones above 0")
    errors = (told - true) / true
    sizes = np.abs(errors)
    return Agreement(
        len(true),
        float(sizes.mean()),
        float(sizes.max()),
        float(errors.mean()),
        float((sizes <= 0.05).mean()),
        float((sizes <= 0.10).mean()),
        kendall_tau(true, told),
        int(sizes.argmax()),
    )


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's rank correlation of two rows of numbers (n,): 1 in the same order, -1 in the opposite one.

    It is tau-b, which allows for ties (Kendall, Biometrika 33, 1945); nan where one row has no two different numbers.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    agree = ordered_a = ordered_b = 0
    for index in range(len(a) - 1):
        signs_a, signs_b = _signs(a, index), _signs(b, index)
        agree += int((signs_a * signs_b).sum())
        ordered_a += int(np.count_nonzero(signs_a))
        ordered_b += int(np.count_nonzero(signs_b))
    # One root for each, as their product can pass what a float holds exactly.
    return agree / (ordered_a**0.5 * ordered_b**0.5) if ordered_a and ordered_b else float("nan")


def _signs(numbers: NDArray[np.float64], index: int) -> NDArray[np.int8]:
    """How a number compares with each later one: 1, 0 or -1."""
    later = numbers[index + 1 :]
    return (later > numbers[index]).astype(np.int8) - (later < numbers[index]).astype(np.int8)
