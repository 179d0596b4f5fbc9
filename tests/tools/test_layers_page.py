"""docs/layers.md is what the tables say, and what it tells to do works."""

from __future__ import annotations

import re

import pytest
import torch

from converters import to_torch
from converters.onnx.exporting import to_graph
from converters.onnx.layers import EMITTERS
from converters.pytorch.layers import BUILDERS
from prototxt_gen import NetParameter
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers import LAYERS, is_input
from prototxt_gen.proto import LayerParameter, fields_of
from prototxt_gen.text import parse_text
from tools.layers_page import PATH, page

MISH = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "mish" type: "Mish" bottom: "data" top: "mish" }
"""


def test_the_page_is_what_the_tables_say():
    assert PATH.read_text("utf-8") == page(), "run: make pages"


@pytest.mark.parametrize("kind", sorted(set(LAYERS) | set(BUILDERS)))
def test_every_type_runs_or_is_an_input_or_has_no_top(kind):
    assert kind in LAYERS
    assert kind in BUILDERS or is_input(kind) or kind in ("Silence", "Split", "HDF5Output")
    assert LAYERS[kind].source


@pytest.mark.parametrize("kind", sorted(set(LAYERS) | set(EMITTERS)))
def test_every_type_that_runs_goes_out_as_onnx(kind):
    assert (kind in EMITTERS) == (kind in BUILDERS)


def test_every_message_of_options_belongs_to_a_type():
    fields = fields_of(LayerParameter)
    known = {name for kind in LAYERS for name in LAYERS[kind].options}
    messages = {name for name in fields if name.endswith("_param")}
    assert messages - known == {"python_param"}


def test_a_type_of_your_own_as_the_page_tells():
    net = parse_text(MISH, NetParameter())
    with pytest.raises(UnsupportedError, match="'mish' \\(Mish\\)"):
        to_torch(net)
    (code,) = re.findall(r"```python\n(.*?)```", PATH.read_text("utf-8"), re.DOTALL)
    exec(code, {})  # noqa: S102
    try:
        x = torch.linspace(-1, 1, 3)[None]
        assert torch.equal(to_torch(net)(x), torch.nn.functional.mish(x))
        assert [node.operator for node in to_graph(net, {}).graph.nodes] == ["Softplus", "Tanh", "Mul"]
    finally:
        EMITTERS.remove("Mish")
        LAYERS.remove("Mish")
        BUILDERS.remove("Mish")
