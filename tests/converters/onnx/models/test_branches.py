"""If: the branch that is taken where shapes decide it, refused where the network would; hostile branches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from converters.onnx.models.branches import Branch, has_branches, taken_branch
from converters.onnx.models.model import Node, model_of
from converters.onnx.network import Options
from converters.onnx.reading import to_network
from prototxt_gen import FormatError
from tests.converters.onnx.operators.checking import check, model, node, normal, onnx, refused, types

MAP = {"x": normal(1, 4, 6, 5)}


def branch(nodes: list[Any], output: str, constants: dict[str, Any] | None = None) -> Any:
    tensors = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    return onnx.helper.make_graph(nodes, "branch", [], [onnx.helper.make_empty_tensor_value_info(output)], tensors)


SAME = branch([node("Identity", "x", "same_x")], "same_x")


def squeezed(axis: int) -> list[Any]:
    """As PyTorch writes a squeeze of an axis whose size it does not know, of the mean over height and width."""
    return [
        node("ReduceMean", "x", "mean", axes=[2, 3]),
        node("Shape", "mean", "shape"),
        node("Gather", "shape axis", "size"),
        node("Equal", "size one", "same"),
        node(
            "If",
            "same",
            "y",
            then_branch=branch([node("Squeeze", "mean axes", "s")], "s", {"axes": np.array([axis])}),
            else_branch=branch([node("Identity", "mean", "i")], "i"),
        ),
    ]


@pytest.mark.parametrize("axis, written", [(3, ["Pooling", "Flatten", "ReLU"]), (1, ["Pooling", "ReLU"])])
def test_a_branch_that_a_shape_decides(axis: int, written: list[str]):
    mean = MAP["x"].mean((2, 3), keepdims=True)
    wanted = np.maximum(mean[..., 0] if axis == 3 else mean, 0)
    nodes = [*squeezed(axis), node("Relu", "y", "end")]
    # onnxruntime infers shapes within the branch that is not taken, too, and stops there.
    net = check(nodes, MAP, {"axis": np.array(axis), "one": np.array(1)}, by=[wanted])
    assert sorted(types(net)) == sorted(written)


def test_branches_within_branches_and_names_that_are_taken():
    """The inner If hangs on a constant of the outer branch; both have a value `s`."""
    inner = node(
        "If",
        "flag",
        "s",
        then_branch=branch([node("Neg", "x", "t")], "t"),
        else_branch=branch([node("Sigmoid", "outer", "s")], "s"),
    )
    outer = node(
        "If",
        "yes",
        "y",
        then_branch=branch([node("Abs", "x", "outer"), inner], "s", {"flag": np.array(False)}),
        else_branch=SAME,
    )
    after = [node("Relu", "y", "s"), node("Add", "s y", "end")]
    assert types(check([outer, *after], MAP, {"yes": np.array(True)})) == ["AbsVal", "Sigmoid", "ReLU", "Eltwise"]
    assert types(check([outer, *after], MAP, {"yes": np.array(False)})) == ["ReLU", "Eltwise"]


def test_a_choice_by_computed_numbers_is_refused():
    nodes = [
        node("ReduceMax", "x", "top", keepdims=0),
        node("Greater", "top zero", "is"),
        node(
            "If",
            "is",
            then_branch=branch([node("Neg", "x", "t")], "t"),
            else_branch=SAME,
        ),
    ]
    refused(nodes, MAP, {"zero": np.float32(0)}, match=r"'If_y' \(If\): a graph within the node: a network of Caffe")


def test_weights_within_a_branch():
    taken = branch([node("Conv", "x w", "c")], "c", {"w": normal(3, 4, 3, 3)})
    nodes = [
        node("If", "yes", "y", then_branch=taken, else_branch=SAME),
        node("Relu", "y", "end"),
    ]
    assert types(check(nodes, MAP, {"yes": np.array(True)})) == ["Convolution", "ReLU"]


def test_values_within_give_way_to_names_outside():
    one = Branch((Node("n", "Relu", "", ("a",), ("b",)),), ("b",), {"c": np.ones(1)})
    taken = {"b", "c", "if/b"}
    made, constants = taken_branch(
        Node("if", "If", "", ("k",), ("y",), {"then_branch": one, "else_branch": one}), True, taken
    )
    assert [(n.inputs, n.outputs) for n in made] == [(("a",), ("if/b_1",)), (("if/b_1",), ("y",))]
    assert list(constants) == ["if/c"] and taken == {"b", "c", "if/b", "if/b_1", "if/c"}


def test_what_branches_must_make():
    one = Branch((), ("x", "x"), {})
    assert not has_branches(Node("", "If", "", ("k",), ("y",), {"then_branch": one, "else_branch": one}))
    assert not has_branches(Node("", "If", "", (), ("y", "z"), {"then_branch": one, "else_branch": one}))
    assert has_branches(Node("", "If", "", ("k",), ("y", "z"), {"then_branch": one, "else_branch": one}))


@pytest.mark.parametrize(
    "made, match",
    [
        pytest.param(branch([node("Neg", "nobody", "t")], "t"), "takes 'nobody', which no node", id="no such value"),
        pytest.param(branch([node("Neg", "b", "a"), node("Neg", "a", "b")], "b"), "cycle", id="a cycle"),
        pytest.param(branch([node("Neg", "x", "a"), node("Abs", "x", "a")], "a"), "already", id="made twice"),
    ],
)
def test_hostile_branches(made: Any, match: str):
    proto = model(node("If", "yes", then_branch=made, else_branch=made), MAP, {"yes": np.array(True)})
    with pytest.raises(FormatError, match=match):
        to_network(model_of(proto), Options())
