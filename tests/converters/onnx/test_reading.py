"""ONNX files to networks: names, inputs and outputs, constants, and one error for all nodes that cannot be done."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402

from converters import read_onnx  # noqa: E402
from converters.onnx.models.model import model_of  # noqa: E402
from converters.onnx.network import MOST_LAYERS, Options  # noqa: E402
from converters.onnx.reading import to_network  # noqa: E402
from prototxt_gen.errors import FileError, FormatError, NetworkError, UnsupportedError  # noqa: E402
from prototxt_gen.trace import trace  # noqa: E402
from tests.converters.onnx.operators.checking import check, close, expected, model, node, normal, run  # noqa: E402

X = {"x": normal(1, 3, 8, 8)}
W = {"w": normal(4, 3, 3, 3), "b": normal(4)}
CONV = node("Conv", "x w b", "c", pads=[1, 1, 1, 1])


def read(proto, shapes=None, **options):
    return to_network(model_of(proto), Options(), shapes, **options)


def layers(net):
    return [f"{layer.name}: {' '.join(layer.bottom)} -> {' '.join(layer.top)}" for layer in net.layer]


def test_what_no_output_needs_is_left_out():
    dead = [node("NonZero", "c", "dead"), node("Cast", "dead", "dead2", to=1), node("Relu", "c", "unused")]
    net = check([CONV, *dead, node("Relu", "c", "y")], X, W, outputs="y")
    assert [layer.type for layer in net.layer] == ["Input", "Convolution", "ReLU"]


def test_outputs_have_their_names_and_blobs_of_their_own():
    nodes = [CONV, node("Relu", "c", "r"), node("Identity", "r", "s"), node("Identity", "x", "t")]
    nodes += [node("Constant", "", "k", value_floats=[1.0, 2.0])]
    net = check(nodes, X, W, outputs="c r s t k")
    taken = {bottom for layer in net.layer for bottom in layer.bottom}
    assert not taken & set("crstk")
    assert [top for layer in net.layer if layer.type == "Split" for top in layer.top] == ["c", "r", "s", "t"]


def test_an_output_may_be_an_input():
    check([node("Relu", "x", "y")], X, outputs="y")
    proto = model([node("Relu", "x", "y")], X, outputs="y")
    proto.graph.output.append(proto.graph.input[0])
    net, weights = read(proto)
    assert layers(net) == ["x:  -> x", "Relu_y: x -> y", "x/output: x -> x/output"] and not weights


def test_names_are_those_of_the_file_where_it_says_nothing_better():
    relu = helper.make_node("Relu", ["c"], ["y"])
    net, _ = read(model([CONV, relu], X, W))
    assert layers(net) == ["x:  -> x", "Conv_c: x -> Conv_c", "y: Conv_c -> y"]


def test_names_of_choice(tmp_path):
    nodes = [CONV, node("Relu", "c", "r"), node("Relu", "r", "y")]
    for one, name in zip(nodes, ("block/one/conv/Conv", "block/one/act/Relu", "block/two/act/Relu"), strict=True):
        one.name = name
    onnx.save(model(nodes, X, W), tmp_path / "my net.onnx")
    net, weights = read_onnx(tmp_path / "my net.onnx")
    named = [layer.name for layer in net.layer]
    assert any("/" in name for name in named) and set(weights) <= set(named)
    net, weights = read_onnx(tmp_path / "my net.onnx", separator="_", longest=9)
    short = [layer.name for layer in net.layer]
    assert not any("/" in name or len(name) > 9 for layer in net.layer for name in (layer.name, *layer.top))
    assert len(set(short)) == len(short) and set(weights) <= set(short)
    assert net.name == "checked"


def test_the_network_is_named_after_the_file_where_the_graph_has_no_name(tmp_path):
    proto = model([node("Relu", "x")], X)
    proto.graph.name = "main_graph"
    onnx.save(proto, tmp_path / "my net.onnx")
    assert read_onnx(tmp_path / "my net.onnx")[0].name == "my net"
    with pytest.raises(FileError, match="none"):
        read_onnx(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(FormatError, match=r"^\S*bad.onnx: found"):
        read_onnx(tmp_path / "bad.onnx")


# ------------------------------------------------------------------------------------------------------------- inputs


def opened(*sizes):
    proto = model([node("Relu", "x")], X)
    shape = None if sizes == ("none",) else sizes
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, shape))
    return proto


@pytest.mark.parametrize(
    "sizes, given, shape",
    [
        (("N", 3, 4, 5), None, (1, 3, 4, 5)),
        ((None, 3), None, (1, 3)),
        (("N", 3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5)),
        (("N", 3, "H", "W"), (1, 3, 6, 7), (1, 3, 6, 7)),
        (("none",), (1, 3, 6, 7), (1, 3, 6, 7)),
        ((2, 3), None, (2, 3)),
    ],
)
def test_open_sizes(sizes, given, shape):
    net, _ = read(opened(*sizes), given and {"x": given})
    assert trace(net)[-1].top_shapes == (shape,)


@pytest.mark.parametrize(
    "sizes, given, message",
    [
        ((None, 3, "H", "W"), None, r"input 'x': found open sizes in \(\?, 3, \?, \?\).*input_shapes\['x'\]"),
        (("none",), None, r"input 'x': found no shape in the file"),
        ((1, 3), {"x": (1, 3, 1)}, r"input_shapes\['x'\]: found \(1, 3, 1\), expected 2 sizes: \(1, 3\)"),
        ((1, 3), {"z": (1, 3)}, r"input_shapes: found z, expected of the inputs x"),
        ((1, 3), {"x": (2**20, 2**20)}, r"input_shapes\['x'\]: found shape .* expected at most"),
        ((2**20, 2**20), None, r"input 'x': found shape .* expected at most"),
        ((1, 3), {"x": (1, -3)}, r"no negative size"),
    ],
)
def test_sizes_that_are_missing_or_do_not_fit(sizes, given, message):
    with pytest.raises(NetworkError, match=message):
        read(opened(*sizes), given)


def test_an_input_that_only_gives_its_shape_stays():
    net = check([node("Shape", "z", "s"), node("Cast", "s", to=1)], {"z": normal(2, 3)})
    assert layers(net)[0] == "z:  -> z"


# ----------------------------------------------------------------------------------------------------------- constants


@pytest.mark.parametrize("kind", ["FLOAT16", "BFLOAT16", "DOUBLE"])
def test_weights_of_other_widths_become_float32(kind):
    proto = model([CONV], X, W)
    for tensor in proto.graph.initializer:
        array = numpy_helper.to_array(tensor)
        made = helper.make_tensor(tensor.name, getattr(onnx.TensorProto, kind), array.shape, array.flatten().tolist())
        tensor.CopyFrom(made)
    _, weights = read(proto)
    [blobs] = weights.values()
    for blob, name in zip(blobs, "wb", strict=True):
        assert blob.dtype == np.float32 and blob.flags.writeable
        np.testing.assert_allclose(blob, W[name], rtol={"FLOAT16": 1e-3, "BFLOAT16": 1e-2, "DOUBLE": 0}[kind])


def test_doubles_beyond_float32_are_refused():
    with pytest.raises(UnsupportedError, match="numbers beyond float32"):
        read(model([CONV], X, {"w": W["w"].astype(np.float64) * 1e40, "b": W["b"]}))


def test_constants_are_computed_on_the_way():
    nodes = [
        node("Mul", "w two", "w2"),
        node("DequantizeLinear", "q scale zero", "b2"),
        node("Conv", "x w2 b2", "c"),
        node("Shape", "c", "s"),
        node("Gather", "s zero64", "n"),
        node("Concat", "n minus", "shape", axis=0),
        node("Reshape", "c shape", "y"),
    ]
    constants = {
        "w": W["w"], "two": np.float32(2), "q": np.array([1, 2, 3, 4], np.int8), "scale": np.float32(0.5),
        "zero": np.int8(1), "zero64": np.array([0]), "minus": np.array([-1]),
    }  # fmt: skip
    net = check(nodes, X, constants)
    assert [layer.type for layer in net.layer][:2] == ["Input", "Convolution"]


def test_a_layer_may_take_a_constant():
    check([node("Relu", "w", "r"), node("MaxPool", "r", "p", kernel_shape=[2, 2]), node("Identity", "x", "y")], X,
          {"w": normal(1, 2, 4, 4)}, outputs="p y")  # fmt: skip


def test_shapes_that_leave_int64_are_refused_by_name():
    nodes = [node("Shape", "x", "s"), node("Mul", "s huge", "t"), node("Reshape", "x t", "y")]
    with pytest.raises(UnsupportedError, match=r"node 'Mul_t' \(Mul\): its whole numbers leave the range of int64"):
        read(model(nodes, X, {"huge": np.array([2**62] * 4)}))


@pytest.mark.parametrize("shape", [[2**31, 2**31], [-1, -1], [0, 0, 0, 0, 0], [7, 7], [2**62]])
def test_shapes_that_no_blob_can_have_are_refused_by_name(shape):
    with pytest.raises(UnsupportedError, match=r"node 'Reshape_y'"):
        read(model([node("Reshape", "x s", "y")], X, {"s": np.array(shape)}))


# ----------------------------------------------------------------------------------------------------------- refusals


def branches():
    graph = helper.make_graph([node("Relu", "c", "z")], "branch", [], [helper.make_empty_tensor_value_info("z")])
    return {"then_branch": graph, "else_branch": graph}


def test_all_nodes_that_cannot_be_done_are_in_one_error():
    nodes = [
        CONV,
        node("If", "condition", "i", **branches()),
        node("Bernoulli", "c", "d"),
        node("Relu", "d", "e"),
        helper.make_node("FusedConv", ["e"], ["f"], "fused", domain="com.microsoft"),
        node("Relu", "f", "g"),
        helper.make_node("Nothing", ["g"], ["h"], "nothing"),
        node("Conv", "x w text", "j"),
        node("Sin", "x", "k"),
        node("RandomNormal", "", "l", shape=[1]),
    ]
    proto = model(nodes, {**X, "condition": np.array(True)}, W, outputs="i h j k l")
    proto.graph.initializer.append(helper.make_tensor("text", onnx.TensorProto.STRING, [1], [b"a"]))
    proto.graph.node[8].metadata_props.add(key="pkg.torch.onnx.name_scopes", value="['', 'head.act', 'sin']")
    proto.graph.node[8].metadata_props.add(
        key="pkg.torch.onnx.stack_trace", value='File "/home/me/net.py", line 17, in forward\n  y = x.sin()\n'
    )
    with pytest.raises(UnsupportedError) as caught:
        read(proto)
    lines = str(caught.value).replace(";\n", "\n").split("\n")
    assert lines[0] == "Caffe cannot do 7 nodes exactly:"
    wanted = [
        ("node 'If_i' (If): ", "a graph within the node"),
        ("node 'Bernoulli_d' (Bernoulli): ", ""),
        ("node 'fused' (com.microsoft.FusedConv): ", "the domain 'com.microsoft' is not ONNX's own"),
        ("node 'nothing' (Nothing): ", "ONNX has no operator of this name in opset 17"),
        ("node 'Conv_j' (Conv): ", "takes 'text': type STRING"),
        ("node 'Sin_k' (Sin): ", "[head.act, /home/me/net.py:17]"),
        ("node 'RandomNormal_l' (RandomNormal): ", ""),
    ]
    assert len(lines) == 1 + len(wanted)
    for line, (start, within) in zip(lines[1:], wanted, strict=True):
        assert line.startswith(start) and within in line and len(line) > len(start)


IMPOSSIBLE = [
    ("MatMul", "tokens across", "product of two tensors", {}),
    ("TopK", "r k", "not both", {}),
    ("NonMaxSuppression", "boxes scores", "tops of Caffe's layers have fixed shapes", {}),
    ("NonZero", "r", "tops of Caffe's layers have fixed shapes", {}),
    ("Gelu", "r", "Caffe has no erf; the tanh form differs by up to 5e-4", {}),
    ("Erf", "r", "Caffe has no erf", {}),
    ("Custom", "r", "the domain 'my.own' is not ONNX's own", {"domain": "my.own"}),
    ("RoiAlign", "r rois items", "places that the network computes", {}),
    ("QuantizeLinear", "r scale zero", "rounded to 8 bits", {}),
    ("QLinearConv", "y8 scale zero w8 scale zero scale zero", "rounded to 8 bits", {}),
    ("GRU", "r w r3", "there is no GRU", {}),
    ("Round", "r", "no layer that rounds", {}),
]


def test_everything_that_is_impossible_is_said_at_once():
    """Each with its name, its operator, why, and where it came from."""
    nodes = [
        node("Relu", "x", "r"),
        node("Reshape", "r flat", "tokens"),
        node("Transpose", "tokens", "across", perm=[0, 2, 1]),
    ]
    for place, (operator, inputs, _, attributes) in enumerate(IMPOSSIBLE):
        made = node(operator, inputs, f"y{place}", **attributes)
        made.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=f"['', 'stage{place}.block', 'f']")
        made.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=f'File "/me/net.py", line {place + 20}, in g')
        nodes.append(made)
    constants = {
        "flat": np.int64([1, 3, 64]), "k": np.int64([2]), "scale": np.float32(0.1), "zero": np.uint8(3),
        "w8": np.ones((4, 3, 3, 3), np.uint8), "w": normal(1, 6, 8), "r3": normal(1, 6, 2),
    }  # fmt: skip
    inputs = {"x": normal(1, 3, 8, 8), "boxes": normal(1, 5, 4), "scores": normal(1, 2, 5), "rois": normal(2, 4)}
    inputs["items"] = np.zeros(2, np.int64)
    proto = model(nodes, inputs, constants, " ".join(f"y{place}" for place in range(len(IMPOSSIBLE))), opset=20)
    proto.opset_import.add(domain="my.own", version=1)
    with pytest.raises(UnsupportedError) as caught:
        to_network(model_of(proto), Options())
    first, *lines = str(caught.value).splitlines()
    assert first == f"Caffe cannot do {len(IMPOSSIBLE)} nodes exactly:" and len(lines) == len(IMPOSSIBLE)
    for place, (line, (operator, _, why, attributes)) in enumerate(zip(lines, IMPOSSIBLE, strict=True)):
        domain = "my.own." if attributes else ""
        assert line.startswith(f"node '{operator}_y{place}' ({domain}{operator}): ") and why in line, line
        assert line.rstrip(";").endswith(f"[stage{place}.block, /me/net.py:{place + 20}]")


def test_nodes_behind_a_refused_one_are_judged_by_its_shape():
    nodes = [
        node("Sin", "x", "a"),
        node("Shape", "a", "s"),
        node("Reshape", "x s", "r"),  # fine: the shape is known
        node("Conv", "a w", "c"),  # fine
        node("Conv", "c w", "e"),  # three channels wanted, four found
        node("Conv", "a w", "d", pads=[1, 1, 1, 1], strides=[1, 1]),
        node("Concat", "r d", "y", axis=1),
    ]
    with pytest.raises(UnsupportedError, match=r"(?s)2 nodes.*Sin_a.*Conv_e") as caught:
        read(model(nodes, X, W, outputs="e y"))
    assert not [name for name in ("Reshape", "Conv_c", "Concat") if name in str(caught.value)]


@pytest.mark.parametrize("stated", [(1, 3, 8, 8), ("N", 3, 8, 8), (1, 3, "H", 8), None])
def test_the_shape_of_an_unknown_operator_is_what_the_file_states(stated):
    proto = model(
        [helper.make_node("Own", ["x"], ["a"], domain="own"), node("Conv", "a w2", "y")], X, {"w2": W["w"][:, :2]}
    )
    if stated:
        proto.graph.value_info.append(helper.make_tensor_value_info("a", 1, stated))
    number = 2 if stated and "H" not in stated else 1
    with pytest.raises(UnsupportedError, match=f"cannot do {number} node"):
        read(proto)


@pytest.mark.parametrize("broken", [
    node("Conv", "x", "y"), node("Conv", "x w b b", "y"), node("Relu", "x", "y z"), node("Relu", "x", alpha=1.0),
    node("LeakyRelu", "x", alpha=1), node("LeakyRelu", "x", alpha="x"), node("Conv", "x w", pads=1),
    node("Concat", "x x"), node("Conv", "x x"), node("Conv", "x b"), node("Conv", "x w", strides=[0, 0]),
    node("Conv", "x w", strides=[1]), node("Conv", "x w", dilations=[-1, 1]), node("Conv", "x w", group=7),
    node("MaxPool", "x", kernel_shape=[2**40, 1]), node("Reshape", "x b"), node("Transpose", "x", perm=[0, 0, 1, 2]),
    node("Concat", "x x", axis=17), node("Gemm", "x w b"), node("Upsample", "x b"), node("Split", "x", "y z"),
])  # fmt: skip
def test_a_node_that_is_not_as_onnx_defines_it_is_refused_by_name(broken):
    with pytest.raises(UnsupportedError, match=f"cannot do 1 node exactly:\nnode '{broken.name}' .{broken.op_type}.: "):
        read(model([broken], X, W, outputs="y"))


def test_an_axis_of_thousands_does_not_become_thousands_of_layers():
    proto = model([node("ReduceProd", "x", axes=[1])], {"x": np.ones((1, MOST_LAYERS + 1, 2, 2), np.float32)})
    with pytest.raises(UnsupportedError, match="ReduceProd_y"):
        read(proto)


# ------------------------------------------------------------------------------------------------------ batch norm


def test_batch_norm_is_folded_or_kept():
    constants = {**W, "scale": normal(4), "shift": normal(4, seed=1), "mean": normal(4, seed=2), "var": normal(4) ** 2}
    nodes = [CONV, node("BatchNormalization", "c scale shift mean var", "n"), node("Relu", "n", "y")]
    proto = model(nodes, X, constants)
    wanted = expected(proto, X)
    for merged, kinds in (
        (True, ["Input", "Convolution", "ReLU"]),
        (False, ["Input", "Convolution", "BatchNorm", "Scale", "ReLU"]),
    ):
        net, weights = read(proto, merged=merged)
        assert [layer.type for layer in net.layer] == kinds
        close(run(net, weights, X, ["y"]), wanted)


def test_functions_of_the_file_are_read_as_their_nodes():
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    block = helper.make_function(
        "own", "Block", ["a", "w", "b"], ["y"], [node("Conv", "a w b", "c"), node("Relu", "c")], opsets
    )
    call = helper.make_node("Block", ["x", "w", "b"], ["y"], "block", domain="own")
    proto = model([call], X, W)
    proto.functions.append(block)
    proto.opset_import.append(opsets[1])
    net, weights = read(proto)
    assert [layer.type for layer in net.layer] == ["Input", "Convolution", "ReLU"]
    close(run(net, weights, X, ["y"]), expected(proto, X))
