"""Pass: brings a solver of every age to the current format.

It takes any solver; one in the current format comes out as it went in.

1. `solver_type`, an enum, becomes `type`, a string: ADAM is "Adam".

All other fields stay equal, networks in the solver too. (Caffe: UpgradeSolverType in upgrade_proto.cpp.)
"""

from __future__ import annotations

from prototxt_gen.errors import FormatError
from prototxt_gen.proto import SolverParameter

_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}


def upgrade_solver(solver: SolverParameter) -> SolverParameter:
    """The solver in the current format. FormatError where it has both `solver_type` and `type`, as for Caffe."""
    new = SolverParameter()
    new.CopyFrom(solver)
    if new.HasField("solver_type"):
        name = new.SolverType.Name(new.solver_type)
        if new.HasField("type"):
            raise FormatError(f"solver: found solver_type {name} and type {new.type!r}, expected one of the two")
        new.type = _TYPES[name]
        new.ClearField("solver_type")
    return new
