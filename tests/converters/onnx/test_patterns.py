from __future__ import annotations

import numpy as np
import pytest

from converters.onnx.model import model_of
from converters.onnx.patterns import recognised
from tests.converters.onnx.operators.checking import check, model, node, normal, refused, types

C = {
    name: np.float32(value)
    for name, value in {
        "half": 0.5, "one": 1, "two": 2, "three": 3, "six": 6, "zero": 0, "sixth": 1 / 6, "root": 2**0.5,
        "slope": 1.702, "twenty": 20, "cubic": 0.044715, "rate": (2 / np.pi) ** 0.5, "tenth": 0.1, "eps": 1e-3,
        "inverse_root": 0.5**0.5,
    }.items()
}  # fmt: skip


def chain(text: str) -> list:
    """Nodes written as "operator inputs -> output; ..."."""
    made = []
    for line in text.split(";"):
        left, _, output = line.partition("->")
        operator, inputs = left.strip().split(" ", 1)
        made.append(node(operator, inputs, output.strip()))
    return made


RELU6 = "Add x three -> a; Clip a zero six -> r; "
ERF = "Div x root -> d; Erf d -> e; Add e one -> p; "


@pytest.mark.parametrize(
    ("text", "operators", "layers"),
    [
        ("Sigmoid x -> s; Mul x s -> y", "Swish", "Swish"),
        ("Mul x slope -> m; Sigmoid m -> s; Mul s x -> y", "Swish", "Swish"),
        ("Softplus x -> p; Tanh p -> t; Mul x t -> y", "Mish", "BNLL TanH Eltwise"),
        ("HardSigmoid x -> h; Mul x h -> y", "HardSwish", "Power Clip Eltwise"),
        (RELU6 + "Div r six -> y", "HardSigmoid", "Power Clip"),
        (RELU6 + "Mul r sixth -> y", "HardSigmoid", "Power Clip"),
        (RELU6 + "Mul x r -> m; Div m six -> y", "HardSwish", "Power Clip Eltwise"),
        (RELU6 + "Div r six -> h; Mul h x -> y", "HardSwish", "Power Clip Eltwise"),
        (RELU6 + "Mul r sixth -> h; Mul x h -> y", "HardSwish", "Power Clip Eltwise"),
        ("Softplus x -> p; Greater x twenty -> g; Where g x p -> y", "Softplus", "BNLL"),
        ("Mul x tenth -> m; Max x m -> y", "LeakyRelu", "ReLU"),
        ("Abs x -> b; LessOrEqual b half -> l; Where l zero x -> y", "Shrink", "AbsVal Threshold Eltwise"),
        (
            "Abs x -> b; Greater b half -> g; Sign x -> s; Mul s half -> m; Sub x m -> d; Mul x zero -> z;"
            "Where g d z -> y",
            "Shrink",
            "Power ReLU Power ReLU Eltwise",
        ),
        ("Mul x two -> m; Add m half -> y", "caffe.Affine", "Power"),
        ("Mul x two -> m; Sub m half -> y", "caffe.Affine", "Power"),
        ("Mul x two -> m; Add half m -> a; Pow a two -> y", "caffe.Power", "Power"),
        ("Abs x -> b; Add b eps -> a; Sqrt a -> s; Div one s -> y", "Abs caffe.Power", "AbsVal Power"),
        ("Abs x -> b; Add b eps -> a; Sqrt a -> s; Reciprocal s -> y", "Abs caffe.Power", "AbsVal Power"),
        (
            "Mul x half -> h; Mul x x -> q; Mul q x -> c; Mul c cubic -> k; Add x k -> s; Mul s rate -> t;"
            "Tanh t -> u; Add u one -> v; Mul h v -> y",
            "Gelu",
            "Power Eltwise TanH Power Eltwise",
        ),
        ("Exp x -> e; Mul x two -> m; Mul e half -> n; Add m n -> y", "Exp caffe.Sum", "Exp Eltwise"),
        ("Exp x -> e; Div e two -> m; Sub x m -> y", "Exp caffe.Sum", "Exp Eltwise"),
        # These stay in pieces: a constant is another, or somebody else takes what would go.
        ("Sigmoid x -> s; Mul x s -> m; Mul m half -> y", "Swish Mul", "Swish Power"),
        ("Add x two -> a; Clip a zero six -> r; Div r six -> y", "Add Clip Div", "Power Clip Power"),
        ("Mul x two -> m; Add m half -> a; Mul a m -> y", "Mul Add Mul", "Power Power Eltwise"),
        ("Mul x two -> m; Max x m -> y", "Mul Max", "Power Eltwise"),
    ],
)
def test_pieces_are_one_operator(text, operators, layers):
    x = {"x": 3 * normal(2, 3, 4, 5)}
    used = {name: value for name, value in C.items() if name in text.replace(";", " ").split()}
    nodes = chain(text)
    found = recognised(model_of(model(nodes, x, used)))
    assert [one.operator for one in found.nodes] == operators.split()
    assert types(check(nodes, x, used)) == layers.split()


@pytest.mark.parametrize(
    "text",
    [
        ERF + "Mul x p -> m; Mul m half -> y",
        ERF + "Mul x half -> h; Mul h p -> y",
        ERF + "Mul p half -> h; Mul x h -> y",
        "Mul x inverse_root -> d; Erf d -> e; Add one e -> p; Mul x half -> h; Mul p h -> y",
    ],
)
def test_gelu_in_pieces_is_refused_as_one_and_approximated_as_one(text):
    x = {"x": normal(2, 3, 4)}
    used = {name: value for name, value in C.items() if name in text.replace(";", " ").split()}
    refused(chain(text), x, used, match="1 node exactly.*\n.*Gelu.*no erf")
    check(chain(text), x, used, limit=5e-4, gelu="tanh")


def test_softplus_with_a_factor():
    text = "Mul x two -> m; Softplus m -> p; Div p two -> d; Greater m twenty -> g; Where g x d -> y"
    check(chain(text), {"x": 9 * normal(2, 3, 4)}, {name: C[name] for name in ("two", "twenty")})


@pytest.mark.parametrize("rest", ["Add c b -> y", "Mul c b -> y", "Mul c b -> m; Add m b2 -> y"])
@pytest.mark.parametrize("biased", ["", " o"])
@pytest.mark.parametrize("shape", [(6, 1, 1), (1, 6, 1, 1), (1, 1, 1)])
def test_what_is_done_to_each_channel_goes_into_a_convolution(rest, biased, shape):
    constants = {"w": normal(6, 3, 3, 3), "b": normal(*shape, seed=1)}
    constants |= {"o": normal(6, seed=2)} if biased else {}
    constants |= {"b2": normal(6, 1, 1, seed=3)} if "b2" in rest else {}
    net = check(chain(f"Conv x w{biased} -> c; {rest}"), {"x": normal(2, 3, 5, 5)}, constants)
    assert types(net) == ["Convolution"]


def test_a_convolution_that_others_read_keeps_its_weights():
    nodes = chain("Conv x w -> c; Add c b -> d; Mul c d -> y")
    net = check(nodes, {"x": normal(2, 3, 5, 5)}, {"w": normal(6, 3, 3, 3), "b": normal(6, 1, 1)})
    assert types(net) == ["Convolution", "Bias", "Eltwise"]


def test_what_differs_within_a_channel_stays():
    nodes = chain("Conv x w -> c; Add c b -> y")
    net = check(nodes, {"x": normal(2, 3, 5, 5)}, {"w": normal(6, 3, 3, 3), "b": normal(6, 1, 3)})
    assert types(net) == ["Convolution", "Bias"]


def test_a_summand_is_the_bias_of_a_matrix_product():
    net = check(chain("MatMul x w -> m; Add b m -> y"), {"x": normal(2, 5, 3)}, {"w": normal(3, 4), "b": normal(4)})
    assert types(net) == ["InnerProduct"]
    assert net.layer[1].inner_product_param.bias_term


def test_factors_and_summands_of_channels_are_one_scale():
    constants = {"s": normal(3, 1, 1), "b": normal(3, 1, 1, seed=1)}
    net = check(chain("Mul x s -> m; Add m b -> y"), {"x": normal(2, 3, 4, 5)}, constants)
    assert types(net) == ["Scale"] and net.layer[1].scale_param.bias_term


def test_group_normalization_of_torch():
    nodes = [
        node("Reshape", "x g", "groups"),
        node("InstanceNormalization", "groups i0 i1", "normal"),
        node("Reshape", "normal s", "channels"),
        node("Mul", "channels w", "scaled"),
        node("Add", "scaled b"),
    ]
    constants = {
        "g": np.int64([0, 2, -1]), "i0": np.ones(2, np.float32), "i1": np.zeros(2, np.float32),
        "s": np.int64([2, 6, 4, 5]), "w": normal(6, 1, 1), "b": normal(6, 1, 1, seed=1),
    }  # fmt: skip
    net = check(nodes, {"x": normal(2, 6, 4, 5)}, constants)
    assert types(net) == ["Reshape", "Reduction", "Bias", "Reduction", "Power", "Scale", "Reshape", "Scale"]


def test_a_model_without_groups_is_itself():
    plain = model_of(model(chain("Relu x -> r; Tanh r -> y"), {"x": normal(2, 3)}))
    assert recognised(plain) is plain
