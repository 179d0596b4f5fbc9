"""Solvers for train_val networks: defaults, and what each learning rate policy reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal

from prototxt_gen.errors import ArchitectureError
from prototxt_gen.proto import SolverParameter

# Caffe: sgd_solver.cpp, GetLearningRate: what each policy reads beside base_lr.
_POLICIES = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power",),
    "sigmoid": ("gamma", "stepsize"),
}


def solver(
    net: str = "train_val.prototxt",
    *,
    max_iter: int = 640_000,
    base_lr: float = 0.05,
    lr_policy: str = "poly",
    gamma: float | None = None,
    power: float | None = None,
    stepsize: int | None = None,
    stepvalue: Sequence[int] | None = None,
    momentum: float = 0.9,
    weight_decay: float = 0.0001,
    test_iter: int = 500,
    test_interval: int = 12_800,
    display: int = 100,
    snapshot: int = 12_800,
    snapshot_prefix: str = "snapshot",
    solver_mode: Literal["GPU", "CPU"] = "GPU",
) -> SolverParameter:
    """A solver for a train_val network, as BVLC Caffe reads it.

    The defaults suit ImageNet in batches of 100: 12,800 iterations are one pass over the training images, of which
    there are 50; a test of 500 batches is one pass over the validation images. Weight decay 0.0001 is the DF authors'
    advice: fine-tuning with another value loses accuracy. `poly` without a power falls linearly.

    `gamma`, `power`, `stepsize` and `stepvalue` are for the policies that read them (Caffe: sgd_solver.cpp);
    ArchitectureError names those that are missing or that the policy does not read, and numbers out of range.
    """
    if lr_policy not in tuple(_POLICIES):
        raise ArchitectureError(f"solver: lr_policy is {lr_policy!r}, expected one of {', '.join(_POLICIES)}")
    if lr_policy == "poly" and power is None:
        power = 1.0
    policy = {"gamma": gamma, "power": power, "stepsize": stepsize, "stepvalue": stepvalue}
    stated = {field: value for field, value in policy.items() if value is not None}
    if set(stated) != set(_POLICIES[lr_policy]):
        raise ArchitectureError(
            f"solver: lr_policy {lr_policy} with {', '.join(stated) or 'none of its numbers'}, "
            f"expected {', '.join(_POLICIES[lr_policy]) or 'none'}"
        )
    made = SolverParameter()
    _set(made, {"max_iter": max_iter, "base_lr": base_lr, "test_iter": [test_iter], "test_interval": test_interval})
    _set(made, {"display": display, "snapshot": snapshot, **stated})
    _set(made, {"momentum": momentum, "weight_decay": weight_decay}, least=0, below=1)
    _set(made, {"net": net, "lr_policy": lr_policy, "snapshot_prefix": snapshot_prefix, "solver_mode": solver_mode})
    return made


def _set(message: SolverParameter, fields: Mapping[str, Any], least: float = 1e-30, below: float = math.inf) -> None:
    """Sets fields; ArchitectureError names the one whose value is of another type or whose number is out of range."""
    for field, value in fields.items():
        try:
            message.MergeFrom(SolverParameter(**{field: value}))
            numbers: list[Any] = [
                n for n in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(n, Real)
            ]
            if not all(least <= number < below for number in numbers):
                raise ValueError(
                    f"expected {'a number above 0' if below == math.inf else f'{least} <= {field} < {below}'}"
                )
        except (TypeError, ValueError) as fault:
            raise ArchitectureError(f"solver: {field} is {value!r}: {fault}") from fault
