"""Solvers that BVLC Caffe accepts."""

from __future__ import annotations

import re

import pytest

from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.solver import solver
from prototxt_gen.proto import SolverParameter
from prototxt_gen.text import parse_text, to_text

# Caffe: sgd_solver.cpp, GetLearningRate: a field that the policy reads and the solver lacks would count as 0.
POLICIES = [
    ("fixed", {}),
    ("step", {"gamma": 0.1, "stepsize": 1000}),
    ("exp", {"gamma": 0.99}),
    ("inv", {"gamma": 0.0001, "power": 0.75}),
    ("multistep", {"gamma": 0.1, "stepvalue": [100, 200]}),
    ("poly", {"power": 2.0}),
    ("sigmoid", {"gamma": 0.1, "stepsize": 10}),
]


def test_defaults_train_on_imagenet_with_the_decay_the_authors_advise():
    made = solver()
    assert made.weight_decay == pytest.approx(0.0001)
    assert (made.net, made.lr_policy, made.power) == ("train_val.prototxt", "poly", 1.0)
    # 500 tests of the 100 images that train_val's batch has are ImageNet's 50,000.
    assert list(made.test_iter) == [500]
    assert made.max_iter == 50 * made.test_interval


def test_text_is_read_back():
    made = solver("nets/a.prototxt", max_iter=10, base_lr=0.1, snapshot_prefix="out/a", solver_mode="CPU")
    text = to_text(made)
    assert parse_text(text, SolverParameter()) == made
    for line in ('net: "nets/a.prototxt"', "solver_mode: CPU", "weight_decay: 0.0001", 'snapshot_prefix: "out/a"'):
        assert line in text.splitlines()


@pytest.mark.parametrize(("policy", "numbers"), POLICIES, ids=[policy for policy, _ in POLICIES])
def test_policies_carry_the_numbers_they_read(policy, numbers):
    made = solver(lr_policy=policy, **numbers)
    for field in ("gamma", "power", "stepsize"):
        assert made.HasField(field) == (field in numbers)
        if field in numbers:
            assert getattr(made, field) == pytest.approx(numbers[field])
    assert list(made.stepvalue) == numbers.get("stepvalue", [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lr_policy": "cosine"}, "lr_policy is 'cosine', expected one of fixed, step"),
        ({"lr_policy": "step", "gamma": 0.1}, "lr_policy step with gamma, expected gamma, stepsize"),
        ({"lr_policy": "fixed", "gamma": 0.1}, "lr_policy fixed with gamma, expected none"),
        ({"lr_policy": "multistep", "gamma": 0.1, "stepvalue": 3}, "stepvalue is 3"),
        ({"lr_policy": "multistep", "gamma": 0.1, "stepvalue": [-3]}, "stepvalue is [-3]"),
        ({"max_iter": 0}, "max_iter is 0: expected a number above 0"),
        ({"max_iter": 1.5}, "max_iter is 1.5"),
        ({"max_iter": "many"}, "max_iter is 'many'"),
        ({"max_iter": 2**31}, "max_iter is 2147483648"),
        ({"base_lr": float("nan")}, "base_lr is nan"),
        ({"base_lr": float("inf")}, "base_lr is inf"),
        ({"test_iter": 0}, "test_iter is [0]"),
        ({"momentum": 1.0}, "momentum is 1.0: expected 0 <= momentum < 1"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"solver_mode": "TPU"}, "solver_mode is 'TPU'"),
        ({"net": 3}, "net is 3"),
    ],
)
def test_what_is_wrong_is_named(arguments, said):
    with pytest.raises(ArchitectureError, match=re.escape(said)):
        solver(**arguments)
