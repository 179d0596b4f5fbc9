"""Functions that a file defines: written out they compute the same, in circles and without end they are refused."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
inliner = pytest.importorskip("onnx.inliner")
from onnx import helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from converters.onnx.models.model import model_of  # noqa: E402
from prototxt_gen.errors import FormatError  # noqa: E402

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]


def function(name, inputs, outputs, nodes, **more):
    return helper.make_function("own", name, inputs.split(), outputs.split(), nodes, OPSETS, **more)


def node(operator, inputs, outputs, name="", domain="", **attributes):
    return helper.make_node(operator, inputs.split(), outputs.split(), name, domain=domain, **attributes)


def leaky(**reference):
    made = node("LeakyRelu", "a", "b", "leaky")
    attribute = made.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT)
    attribute.ref_attr_name = "slope"
    return made


def model(nodes, functions, outputs="y"):
    info = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3]) for name in ("x", *outputs.split())]
    graph = helper.make_graph(nodes, "g", info[:1], info[1:])
    return helper.make_model(graph, functions=functions, opset_imports=OPSETS, ir_version=8)


LEAKY = function("Leaky", "a", "b", [leaky()], attributes=["slope"])
TWICE = function(
    "Twice", "a", "c d", [node("Leaky", "a", "b", "one", "own", slope=0.5), node("Add", "b a", "c"),
                          node("Leaky", "c", "d", "two", "own")],
)  # fmt: skip


def test_calls_become_the_nodes_within():
    proto = model([node("Twice", "x", "u v", "t", "own"), node("Twice", "v", "y w", "s", "own")], [LEAKY, TWICE], "y w")
    made = model_of(proto)
    assert [one.operator for one in made.nodes] == ["LeakyRelu", "Add", "LeakyRelu"] * 2
    assert [one.name for one in made.nodes] == ["t/one/leaky", "", "t/two/leaky", "s/one/leaky", "", "s/two/leaky"]
    assert [dict(one.attributes) for one in made.nodes[:3]] == [{"alpha": 0.5}, {}, {}]
    flat = helper.make_model(
        helper.make_graph(
            [helper.make_node(one.operator, one.inputs, one.outputs, **one.attributes) for one in made.nodes],
            "g", proto.graph.input, proto.graph.output,
        ),
        opset_imports=OPSETS[:1], ir_version=8,
    )  # fmt: skip
    onnx.checker.check_model(flat)
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    inlined = inliner.inline_local_functions(proto)
    for ours, theirs in zip(
        ReferenceEvaluator(flat).run(None, {"x": x}), ReferenceEvaluator(inlined).run(None, {"x": x}), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_defaults_and_inputs_left_out_and_passed_on():
    clip = function("Bounded", "a low", "b a", [node("Clip", "a low", "b")])
    defaulted = function("Leaky", "a", "b", [leaky()], attribute_protos=[helper.make_attribute("slope", 0.25)])
    nodes = [node("Bounded", "x", "u y", "c", "own"), node("Leaky", "u", "v", "l", "own")]
    made = model_of(model(nodes, [clip, defaulted], "y v"))
    assert [(one.operator, one.inputs, one.outputs) for one in made.nodes] == [
        ("Clip", ("x", ""), ("u",)),
        ("Identity", ("x",), ("y",)),
        ("LeakyRelu", ("u",), ("v",)),
    ]
    assert dict(made.nodes[2].attributes) == {"alpha": 0.25}


def test_values_within_never_meet_values_outside():
    inner = function("F", "a", "c", [node("Relu", "a", "b"), node("Relu", "b", "c")])
    nodes = [node("F", "x", "t/b", "t", "own"), node("F", "t/b", "y", "t", "own")]
    made = model_of(model(nodes, [inner]))
    values = [value for one in made.nodes for value in one.outputs]
    assert len(set(values)) == len(values) == 4


@pytest.mark.parametrize(
    "functions, message",
    [
        ([function("F", "a", "b", [node("F", "a", "b", "", "own")])], "a function that calls itself"),
        (
            [
                function("F", "a", "b", [node("G", "a", "b", "", "own")]),
                function("G", "a", "b", [node("F", "a", "b", "", "own")]),
            ],
            "a function that calls itself",
        ),
        (
            [function(f"F{'F' * n}", "a", "b", [node(f"F{'F' * (n + 1)}", "a", "b", "", "own")]) for n in range(99)],
            "more than 32 within each other",
        ),
        ([function("F", "", "", [])], "found 1 inputs and 1 outputs, expected at most 0 and 0"),
        ([LEAKY, LEAKY], "function 'Leaky': found twice"),
    ],
)
def test_functions_that_are_none_are_refused(functions, message):
    with pytest.raises(FormatError, match=message):
        model_of(model([node("F", "x", "y", "f", "own")], functions))


@pytest.mark.parametrize("last", [[], [node("Relu", "a", "b")]])
def test_functions_that_double_without_end_are_refused(last):
    functions = [function("F20", "a", "b", last)]
    for level in range(20):
        calls = [node(f"F{level + 1}", "a", name, "", "own") for name in ("b", "c")]
        functions.append(function(f"F{level}", "a", "b", calls))
    with pytest.raises(FormatError, match="make more than 50000 nodes"):
        model_of(model([node("F0", "x", "y", "f", "own")], functions))
