"""Solvers of every age become current ones, as by Caffe's upgrade_solver_proto_text."""

from __future__ import annotations

import pytest

from prototxt_gen import SolverParameter, upgrade_solver
from prototxt_gen.errors import FormatError
from prototxt_gen.text import parse_text

REST = 'net: "n.prototxt" base_lr: 0.01 momentum: 0.9 snapshot_prefix: "" snapshot: 100\n'


def solver(text: str) -> SolverParameter:
    return parse_text(REST + text, SolverParameter())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("solver_type: SGD", 'type: "SGD"'),
        ("solver_type: NESTEROV", 'type: "Nesterov"'),
        ("solver_type: ADAGRAD", 'type: "AdaGrad"'),
        ("solver_type: RMSPROP rms_decay: 0.98", 'type: "RMSProp" rms_decay: 0.98'),
        ("solver_type: ADADELTA delta: 1e-6", 'type: "AdaDelta" delta: 1e-6'),
        ("solver_type: ADAM momentum2: 0.999", 'type: "Adam" momentum2: 0.999'),
        ("solver_type: 2", 'type: "AdaGrad"'),
        ("", ""),
        ('type: "Adam"', 'type: "Adam"'),
        ('type: "of a fork"', 'type: "of a fork"'),
        # Networks in the solver stay as they are.
        ("solver_type: ADAM net_param { layers { type: RELU } }", 'type: "Adam" net_param { layers { type: RELU } }'),
    ],
)
def test_the_type_becomes_a_string_and_nothing_else_changes(old: str, new: str) -> None:
    given = solver(old)
    assert upgrade_solver(given) == solver(new)
    assert given == solver(old)
    assert upgrade_solver(upgrade_solver(given)) == solver(new)


@pytest.mark.parametrize("both", ['solver_type: ADAM type: "Adam"', 'solver_type: SGD type: "SGD"'])
def test_both_kinds_of_type_are_refused_as_by_caffe(both: str) -> None:
    with pytest.raises(FormatError, match=r"found solver_type \w+ and type '\w+', expected one of the two"):
        upgrade_solver(solver(both))


@pytest.mark.parametrize("name", ["FOO", "sgd", "6"])
def test_unknown_types_are_refused_as_by_caffe(name: str) -> None:
    with pytest.raises(FormatError, match="solver_type"):
        solver(f"solver_type: {name}")
