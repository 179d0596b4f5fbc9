from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from converters.onnx.models.model import model_of
from converters.onnx.models.patterns import recognised
from tests.converters.onnx.operators.checking import check, model, node, normal, onnx, refused, types

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
        ("Sign x -> s; Abs x -> b; Relu b -> r; Mul s r -> m; Exp m -> y", "Identity Exp", "Exp"),
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


LRN = (
    "Mul x x -> q; Reshape q s5 -> d; Pad d p -> e; AveragePool e -> m; Squeeze m one -> n; Reshape n s4 -> o; "
    "Mul alpha o -> a; Add a k -> b; Pow b beta -> c; Div x c -> y"
)


def local_response(size: int = 3, kernel: int = 3, **changed: Any) -> tuple[list[Any], dict[str, Any]]:
    """What PyTorch writes for local_response_norm of (2, 6, 4, 5)."""
    nodes = chain(LRN)
    nodes[3].attribute.append(onnx.helper.make_attribute("kernel_shape", [kernel, 1, 1]))
    border = [0, 0, size // 2, 0, 0]
    constants = {
        "s5": np.int64([2, 1, 6, 4, -1]), "p": np.int64(border * 2), "one": np.int64([1]), "s4": np.int64([2, 6, 4, 5]),
        "alpha": np.float32(0.3), "k": np.float32(1.5), "beta": np.float32(0.6),
    }  # fmt: skip
    return nodes, constants | changed


@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_response_norm_of_torch(size: int):
    nodes, constants = local_response(size, size)
    net = check(nodes, {"x": normal(2, 6, 4, 5)}, constants)
    found = net.layer[1].lrn_param
    assert types(net) == ["LRN"] and (found.local_size, round(found.k, 6)) == (size, 1.5)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"p": np.int64([0, 0, 2, 0, 0, 0, 0, 0, 0, 0])}, id="the two channels before"),
        pytest.param({"p": np.int64([0, 0, 1, 0, 0] * 2), "k": np.float32(0.5)}, id="k below 1"),
    ],
)
def test_what_is_like_local_response_norm(changed: dict[str, Any]):
    nodes, constants = local_response(**changed)
    check(nodes, {"x": normal(2, 6, 4, 5)}, constants)


@pytest.mark.parametrize(
    "attributes, shift, written",
    [
        pytest.param({}, 1, "LRN", id="the whole window counts"),
        pytest.param({"count_include_pad": 0}, 1, "Eltwise", id="only numbers of the map count"),
        pytest.param({"strides": [1, 1]}, 2, "Eltwise", id="another shift"),
        pytest.param({"strides": [1, 1], "ceil_mode": 0, "auto_pad": "NOTSET"}, 1, "LRN", id="all stated"),
    ],
)
def test_local_response_within_a_channel(attributes: dict[str, Any], shift: int, written: str):
    stated = {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1} | attributes
    nodes = [node("Mul", "x x", "q"), node("AveragePool", "q", "m", **stated)]
    nodes += chain("Mul m alpha -> a; Add a k -> b; Pow b beta -> c; Div x c -> y")
    constants = {"alpha": np.float32(0.4), "k": np.float32(shift), "beta": np.float32(0.7)}
    assert types(check(nodes, {"x": normal(2, 3, 5, 4)}, constants))[-1] == written


def test_means_over_something_else_than_channels_are_no_lrn():
    """The squares are seen as other channels: exact, or refused by name."""
    nodes, constants = local_response(s5=np.int64([2, 1, 4, 6, 5]))
    refused(nodes, {"x": normal(2, 6, 4, 5)}, constants, match="the means are not over channels")


def test_a_model_without_groups_is_itself():
    plain = model_of(model(chain("Relu x -> r; Tanh r -> y"), {"x": normal(2, 3)}))
    assert recognised(plain) is plain


@pytest.mark.parametrize("pads", [(0, 1, 0, 1), (1, 0, 2, 1)])
@pytest.mark.parametrize("own", [None, [1, 0, 0, 1]])
def test_a_border_of_minus_infinity_is_padding_of_the_maxima(pads, own):
    constants = {"pads": np.array([0, 0, *pads[:2], 0, 0, *pads[2:]]), "low": np.float32(-np.inf)}
    pool = node("MaxPool", "b", "y", kernel_shape=[3, 3], strides=[2, 2], **({"pads": own} if own else {}))
    nodes = [node("Pad", "x pads low", "b"), pool]
    net = check(nodes, {"x": normal(1, 2, 9, 8)}, constants)
    assert not {"Convolution", "InnerProduct", "Bias"} & set(types(net))


def test_a_border_of_minus_infinity_that_others_take_is_refused():
    constants = {"pads": np.array([0, 0, 0, 0, 0, 0, 1, 1]), "low": np.float32(-np.inf)}
    nodes = [node("Pad", "x pads low", "b"), node("Relu", "b", "y")]
    refused(nodes, {"x": normal(1, 2, 9, 8)}, constants, match="-inf")
