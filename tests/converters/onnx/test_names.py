"""Names of layers: module paths, scopes, numbers, other separators, limits."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import numpy as np
import pytest

from converters.onnx.models.model import Model, Node, Origin
from converters.onnx.names import fitted_names, layer_names, named, renamed
from prototxt_gen import NetParameter, to_text
from prototxt_gen.text import parse_text


def chain(*nodes: tuple[str, str, Origin], producer: str = "pytorch", inputs: tuple[str, ...] = ("x",)) -> Model:
    """Nodes (operator, name, origin), each of which takes what the one before it makes."""
    made = [
        Node(name, operator, "", (f"v{index}" if index else "x", f"w{index}"), (f"v{index + 1}",), {}, origin)
        for index, (operator, name, origin) in enumerate(nodes)
    ]
    return Model("net", dict.fromkeys(inputs, (1,)), (f"v{len(nodes)}",), {}, tuple(made), 20, producer=producer)


def traced(text: str) -> list[tuple[str, str, Origin]]:
    """Nodes of PyTorch's exporter from "operator module operation", one a line; "." is the model itself."""
    nodes = []
    for index, line in enumerate(text.strip().splitlines()):
        operator, module, operation, *call = line.split()
        origin = Origin("" if module == "." else module, call[0] if call else f"{operation}_{index}")
        nodes.append((operator, f"node_{index}", origin))
    return nodes


MODULES = {
    "a residual block": (
        """
        Conv layer1.0.conv1 conv2d
        BatchNormalization layer1.0.bn1 batch_norm
        Relu layer1.0.relu relu
        Conv layer1.0.conv2 conv2d
        Add layer1.0 add
        Relu layer1.0.relu relu
        ReduceMean . mean
        Gemm fc linear
        """,
        "layer1.0.conv1 layer1.0.bn1 layer1.0.relu layer1.0.conv2 layer1.0.add layer1.0.relu_2 mean fc",
    ),
    "an activation of two operations, twice": (
        """
        Conv conv conv2d
        Sigmoid act sigmoid
        Mul act mul
        Conv conv2 conv2d
        Sigmoid act sigmoid
        Mul act mul
        """,
        "conv act.sigmoid act conv2 act.sigmoid_2 act_2",
    ),
    "a module that runs three times on end": (
        """
        MaxPool sppf.m max_pool2d
        MaxPool sppf.m max_pool2d
        MaxPool sppf.m max_pool2d
        Concat sppf cat
        """,
        "sppf.m sppf.m_2 sppf.m_3 sppf.cat",
    ),
    "a convolution that pads before": (
        """
        Pad stem pad
        Conv stem conv2d
        Relu . relu
        Relu . relu
        """,
        "stem.pad stem relu relu_2",
    ),
    "an operation of several nodes": (
        """
        Reshape gn group_norm group_norm
        InstanceNormalization gn group_norm group_norm
        Reshape gn group_norm group_norm
        Mul gn group_norm group_norm
        Add gn group_norm group_norm
        """,
        "gn/reshape gn/instancenormalization gn/reshape_2 gn/mul gn",
    ),
    "a module named as a second run would be": (
        """
        Relu relu relu
        Conv conv conv2d
        Relu relu relu
        Conv conv_2 conv2d
        Relu relu_2 relu
        Conv conv conv2d
        """,
        "relu conv relu_3 conv_2 relu_2 conv_3",
    ),
    "a module named as the input": ("Relu x relu", "x_2"),
    "what passes takes no name": ("Conv c conv2d\nIdentity c alias\nRelu r relu", "c node_1 r"),
}


@pytest.mark.parametrize("case", MODULES)
def test_module_paths(case):
    text, names = MODULES[case]
    assert layer_names(chain(*traced(text))) == tuple(names.split())


def test_the_convolution_that_a_batch_norm_was_folded_into():
    node = Node(
        "n", "Conv", "", ("x", "conv1.weight", "b"), ("y",), {}, Origin("bn1", "_native_batch_norm_legit_no_training_4")
    )
    assert layer_names(Model("", {"x": (1,)}, ("y",), {}, (node,), 20)) == ("conv1",)


def test_operators_of_our_own_are_called_without_their_mark():
    mul, add = Origin("block.scale", "mul"), Origin("block.scale", "")
    found = layer_names(chain(("caffe.Affine", "a", add), ("Relu", "r", mul), ("Conv", "c", Origin("block.conv", ""))))
    assert found[0] == "block.scale.affine" and found[2] == "block.conv"


def test_a_node_without_a_place_has_its_takers():
    nodes = (
        Node("node_conv2d", "Conv", "", ("x", "w"), ("a",), {}, Origin("stage.0", "conv2d")),
        Node("node_Split_8", "Split", "", ("a",), ("b", "c")),
        Node("node_conv2d_1", "Conv", "", ("b", "w"), ("d",), {}, Origin("stage.1.conv", "conv2d_1")),
        Node("node_cat", "Concat", "", ("c", "d"), ("e",), {}, Origin("stage.1", "cat")),
    )
    names = layer_names(Model("", {"x": (1,)}, ("e",), {}, nodes, 20))
    assert names == ("stage.0", "stage.1.split", "stage.1.conv", "stage.1.cat")


SCOPES = {
    "the tracing exporter": (
        """
        Conv /layer1/layer1.0/conv1/Conv
        Relu /layer1/layer1.0/relu/Relu
        Add /layer1/layer1.0/Add
        Relu /layer1/layer1.0/relu_1/Relu
        Conv /features/features.1/block/block.0/block.0.0/Conv
        Sigmoid /act/Sigmoid
        Mul /act/Mul
        Flatten /Flatten
        Concat /Concat_3
        """,
        "layer1.0.conv1 layer1.0.relu layer1.0.add layer1.0.relu_1 features.1.block.0.0 act.sigmoid act flatten concat",
    ),
    "Keras": (
        """
        Conv model/conv1/Conv2D
        Relu model/re_lu/Relu
        Conv model/block/depthwise/depthwise
        Conv model/conv2/BiasAdd__12
        BatchNormalization model/bn/FusedBatchNormV3
        Add model/add/add
        """,
        "conv1 re_lu model/block/depthwise/depthwise conv2 bn model/add/add",
    ),
    "Paddle": ("Conv Conv_0\nRelu Relu_1\nAdd p2o.Add.0", "Conv_0 Relu_1 p2o.Add.0"),
    "other converters from Caffe": ("Conv inception_3a/1x1\nRelu 3a/relu_1x1", "inception_3a/1x1 3a/relu_1x1"),
    "the same name twice": ("Conv a\nConv a\nConv a_2", "a a_3 a_2"),
}  # fmt: skip


@pytest.mark.parametrize("case", SCOPES)
def test_scopes(case):
    text, names = SCOPES[case]
    nodes = [(*line.split(), Origin()) for line in text.strip().splitlines()]
    assert layer_names(chain(*nodes)) == tuple(names.split())


def test_a_node_without_a_name_is_named_by_its_output():
    assert layer_names(chain(("Conv", "", Origin()), ("Relu", "", Origin()))) == ("v1", "v2")


def test_names_of_our_own_exporter_stay():
    nodes = [("Conv", "block/Conv", Origin()), ("Relu", "block/Relu", Origin())]
    assert layer_names(chain(*nodes, producer="dongfeng")) == ("block/Conv", "block/Relu")
    assert layer_names(chain(*nodes)) == ("block/conv", "block")


def test_arithmetic_on_shapes_takes_no_numbers():
    nodes = (
        Node("s", "Shape", "", ("x",), ("s",)),
        Node("a", "Add", "", ("s", "one"), ("t",), {}, Origin("", "add")),
        Node("b", "Add", "", ("x", "w"), ("y",), {}, Origin("", "add_1")),
    )
    assert layer_names(Model("", {"x": (1,)}, ("y",), {}, nodes, 20))[2] == "add"


@pytest.mark.parametrize(
    ("run", "name"),
    [
        ("relu__1", "relu"),
        ("conv2d", "conv2d"),
        ("max_pool2d_with_indices_3", "max_pool2d"),
        ("_native_batch_norm_legit_no_training_2", "batch_norm"),
        ("native_group_norm", "group_norm"),
    ],
)
def test_an_operation_that_is_not_a_whole_module(run, name):
    inner = Node("b", "Relu", "", ("y",), ("z",), {}, Origin("part.act", "relu"))
    node = Node("a", "Conv", "", ("x",), ("y",), {}, Origin("part", run))
    assert layer_names(Model("", {"x": (1,)}, ("z",), {}, (node, inner), 20)) == (f"part.{name}", "part.act")


def test_a_named_model_is_the_same_graph():
    place = Origin("part", "add")
    nodes = (
        Node("s", "Shape", "", ("x",), ("add",)),
        Node("node_add", "Add", "", ("x", "w"), ("v1",), {"a": 1}, place),
        Node("n0", "Split", "", ("v1", ""), ("v2", "", "v3"), {}, Origin("part", "split")),
        Node("n1", "Relu", "", ("v2",), ("y",), {}, Origin("act", "relu")),
    )
    model = Model("m", {"x": (1,)}, ("y", "add"), {"w": np.ones(1)}, nodes, 20, {"v2": (1,), "y": (1,)}, "pytorch")
    found = named(model)
    assert [(node.name, node.inputs, node.outputs) for node in found.nodes] == [
        ("s", ("x",), ("add",)),
        ("part.add", ("x", "w"), ("part.add",)),
        ("part", ("part.add", ""), ("part_0", "", "part_1")),
        ("act", ("part_0",), ("y",)),
    ]
    assert found.shapes == {"part_0": (1,), "y": (1,)} and found.nodes[1].attributes == {"a": 1}
    assert named(replace(model, producer="dongfeng")).nodes == nodes


FITTED = [
    (["conv1", "a/b"], "/", None, ["conv1", "a/b"]),
    (["a/b", "a.b"], ".", None, ["a.b", "a.b_2"]),
    (["a.b", "a/b"], ".", None, ["a.b", "a.b_2"]),
    (["features.denseblock1.denselayer1.norm1"], "/", 32, ["fea.den1.denselayer1.norm1"]),
    (["a" * 40, "a" * 41, "a" * 42], "/", 32, ["a" * 32, "a" * 30 + "_2", "a" * 30 + "_3"]),
    (["backbone.stage10.block12.conv.weight_norm_of_it"], "/", 24, ["b.s10.b12.c.weight_norm_"]),
]


@pytest.mark.parametrize(("names", "separator", "limit", "expected"), FITTED)
def test_fitted_names(names, separator, limit, expected):
    assert list(fitted_names(names, separator=separator, limit=limit).values()) == expected


@pytest.mark.parametrize("seed", range(20))
def test_fitted_names_are_different_short_and_recognisable(seed):
    draw = random.Random(seed)
    words = ["layer", "features", "denseblock", "conv", "bn", "x"]
    paths = [[f"{draw.choice(words)}{draw.randrange(30)}" for _ in range(draw.randrange(1, 7))] for _ in range(300)]
    names = list({draw.choice("./").join(path) for path in paths})
    for limit, separator in ((32, "_"), (20, "."), (None, "-"), (12, "/")):
        fitted = fitted_names(names, separator=separator, limit=limit)
        assert list(fitted) == names and len(set(fitted.values())) == len(names)
        for old, new in fitted.items():
            assert limit is None or len(new) <= limit
            assert separator == "/" or "/" not in new
            if limit is None or len(old) <= limit:
                assert re.sub(r"_\d+$", "", new).startswith(re.sub(r"_\d+$", "", old.replace("/", separator))[:8])


def test_more_names_than_a_limit_gives():
    with pytest.raises(ValueError, match="at most 2 characters"):
        fitted_names([f"{'a' * 40}{number}" for number in range(200)], limit=2)


def test_renaming_a_network():
    net = parse_text(
        'layer { name: "a/b" type: "ReLU" bottom: "x" top: "a/b" }'
        'layer { name: "c" type: "ReLU" bottom: "a/b" top: "c" }',
        NetParameter(),
    )
    found, weights = renamed(net, {"a/b": [], "c": []}, {"a/b": "a.b"})
    assert to_text(found) == to_text(net).replace("a/b", "a.b") and list(weights) == ["a.b", "c"]
    assert net.layer[0].name == "a/b"
