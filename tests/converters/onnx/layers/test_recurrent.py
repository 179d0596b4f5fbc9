"""LSTM and RNN, held against to_torch, with sequences that begin anywhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.converters.onnx.checking import check, net_of, operators

NUMBERS = np.random.default_rng(0)


def numbers(*shape):
    return NUMBERS.normal(size=shape).astype(np.float32)


def network(kind, steps, static, exposed, constant):
    """The network, its weights' shapes and its inputs' shapes; `constant` makes cont a Parameter."""
    states = (2 if kind == "LSTM" else 1) if exposed else 0
    shapes = {"x": (steps, 2, 3, 2), "c": (steps, 2)}
    if static:
        shapes["s"] = (2, 4)
    shapes |= {f"h{index}": (1, 2, 5) for index in range(states)}
    bottoms = " ".join(f'bottom: "{name}"' for name in shapes)
    tops = " ".join(f'top: "y{index}"' for index in range(1 + states))
    text = ""
    if constant:
        text = (
            f'layer {{ name: "c" type: "Parameter" top: "c" parameter_param {{ shape {{ dim: {steps} dim: 2 }} }} }}\n'
        )
        del shapes["c"]
    option = f"num_output: 5 expose_hidden: {str(exposed).lower()}"
    text += f'layer {{ name: "l" type: "{kind}" {bottoms} {tops} recurrent_param {{ {option} }} }}'
    gates = 20 if kind == "LSTM" else 5
    blobs = [(gates, 6), (gates,), *([(gates, 4)] if static else []), (gates, 5)]
    return net_of(text, **shapes), blobs if kind == "LSTM" else [*blobs, (5, 5), (5,)], shapes


CASES = list(itertools.product(["LSTM", "RNN"], [1, 4], [False, True], [False, True]))


@pytest.mark.parametrize(("kind", "steps", "static", "exposed"), CASES)
def test_sequences_that_begin_anywhere(kind, steps, static, exposed):
    net, blobs, shapes = network(kind, steps, static, exposed, constant=False)
    inputs = {name: numbers(*shape) for name, shape in shapes.items()}
    inputs["c"] = NUMBERS.choice([0, 1, 1], shapes["c"]).astype(np.float32)
    check(net, {"l": [numbers(*shape) / 2 for shape in blobs]}, inputs)


@pytest.mark.parametrize("value", [0, 1])
def test_marks_from_dummy_data(value):
    filler = f'data_filler {{ type: "constant" value: {value} }}'
    net = net_of(
        f"""layer {{ name: "c" type: "DummyData" top: "c" dummy_data_param {{ shape {{ dim: 3 dim: 2 }} {filler} }} }}
        layer {{ name: "l" type: "LSTM" bottom: "x" bottom: "c" top: "y" recurrent_param {{ num_output: 4 }} }}""",
        x=(3, 2, 5),
    )
    made = check(net, {"l": [numbers(16, 5), numbers(16), numbers(16, 4)]})
    assert ("LSTM" in operators(made)) == (value == 1)


@pytest.mark.parametrize("cont", ["all", "from the second", "one stream", "any"])
@pytest.mark.parametrize(("kind", "steps", "static", "exposed"), [case for case in CASES if case[1] > 1 or case[3]])
def test_constant_marks(kind, steps, static, exposed, cont):
    net, blobs, _ = network(kind, steps, static, exposed, constant=True)
    marks = np.ones((steps, 2), np.float32)
    if cont == "any":
        marks[:] = 0
        marks[-1, 0] = 1
    elif cont != "all":
        marks[0, slice(None) if cont == "from the second" else 1] = 0
    made = check(net, {"c": [marks], "l": [numbers(*shape) / 2 for shape in blobs]})
    assert (kind in operators(made)) == ((cont != "any" or steps == 1) and not static)
