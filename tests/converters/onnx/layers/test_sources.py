"""Parameter and DummyData in ONNX against to_torch."""

from __future__ import annotations

import numpy as np
import pytest

from converters.onnx.exporting import to_graph
from prototxt_gen.errors import UnsupportedError
from tests.converters.onnx.checking import check, net_of, operators

PARAMETER = 'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 2 dim: 3 } } }\n'
BLOB = {"p": [np.arange(6, dtype=np.float32).reshape(2, 3)]}


def dummy(shapes, *fillers, tops=("d",)):
    shapes = " ".join(f"shape {{ {' '.join(f'dim: {size}' for size in shape)} }}" for shape in shapes)
    fillers = " ".join(f"data_filler {{ {filler} }}" for filler in fillers)
    names = " ".join(f'top: "{top}"' for top in tops)
    return f'layer {{ name: "l" type: "DummyData" {names} dummy_data_param {{ {shapes} {fillers} }} }}\n'


@pytest.mark.parametrize(
    "text",
    [
        dummy([(2, 3)]),
        dummy([(2, 3)], 'type: "constant" value: 1.5'),
        dummy([(2, 3), ()], 'type: "constant" value: 1.5', tops=("d", "e")),
        dummy([(2, 3)], 'type: "constant" value: 1.5', 'type: "constant" value: -1', tops=("d", "e")),
        dummy([(2, 1, 5, 5)], 'type: "bilinear"'),
    ],
)
def test_dummy_data(text):
    check(net_of(text), {})


def test_random_numbers_are_refused():
    with pytest.raises(UnsupportedError, match=r"layer 'l' \(DummyData\): filler 'gaussian' draws other numbers"):
        to_graph(net_of(dummy([(2, 3)], 'type: "gaussian"')), {})


def test_a_parameter_is_an_initializer_and_an_identity_where_it_is_an_output():
    found = check(net_of(f'{PARAMETER} layer {{ name: "r" type: "Power" bottom: "p" top: "y" }}'), BLOB)
    assert list(found.graph.constants) == ["p"] and operators(found) == ["Identity"]
    assert operators(check(net_of(PARAMETER), BLOB)) == ["Identity"]
    check(net_of(f'{PARAMETER} layer {{ name: "r" type: "ReLU" bottom: "p" top: "p" }}'), BLOB)
