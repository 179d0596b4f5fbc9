"""Files of ONNX as plain data: what is kept, what is put right, and what ends in one error that names it."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from converters.onnx.models.model import Unread, model_of, parse_model, read_model  # noqa: E402
from prototxt_gen.errors import FileError, FormatError, UnsupportedError  # noqa: E402

WEIGHT = np.arange(4, dtype=np.float32)


def info(name, shape=(1, 4), kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def proto(nodes, inputs=("x",), outputs=("y",), constants=None, opset=17, **more):
    graph = helper.make_graph(
        list(nodes),
        "g",
        [info(one) if isinstance(one, str) else one for one in inputs],
        [info(one, None) if isinstance(one, str) else one for one in outputs],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], **more)


def relu(x="x", y="y", name="relu"):
    return helper.make_node("Relu", [x], [y], name)


def test_nodes_constants_and_sizes_are_plain():
    add = helper.make_node("Add", ["x", "w"], ["y"], "add")
    made = model_of(proto([add], [info("x", ("N", 4, None, 0))], [info("y", (2, 4))], {"w": WEIGHT}))
    assert made.inputs == {"x": (None, 4, None, None)}
    assert made.outputs == ("y",) and made.shapes == {"y": (2, 4)} and made.opset == 17
    np.testing.assert_array_equal(made.constants["w"], WEIGHT)
    assert [str(node) for node in made.nodes] == ["node 'add' (Add)"]


def test_attributes_are_plain():
    node = helper.make_node(
        "Odd", ["x"], ["y"], "odd", i=3, f=0.5, s="text", ints=[1, 2], floats=[0.5], strings=["a", "b"],
        t=numpy_helper.from_array(WEIGHT), g=helper.make_graph([], "g", [], []),
    )  # fmt: skip
    found = dict(model_of(proto([node])).nodes[0].attributes)
    np.testing.assert_array_equal(found.pop("t"), WEIGHT)
    assert found.pop("g") == Unread("a graph within the node")
    assert found == {"i": 3, "f": 0.5, "s": "text", "ints": [1, 2], "floats": [0.5], "strings": ["a", "b"]}


def test_constants_of_old_files_are_no_inputs():
    made = model_of(proto([relu()], ["x", "w"], constants={"w": WEIGHT}))
    assert list(made.inputs) == ["x"]


def test_an_input_may_state_no_shape_and_any_type():
    inputs = [info("x", None), info("i", (2,), TensorProto.INT64), info("b", (2,), TensorProto.BOOL)]
    made = model_of(proto([relu()], [*inputs, info("h", (2,), TensorProto.FLOAT16)]))
    assert made.inputs == {"x": None, "i": (2,), "b": (2,), "h": (2,)} and made.whole == {"i", "b"}


def test_nodes_out_of_order_are_sorted_and_stay_otherwise():
    nodes = [relu("c", "d", "4"), relu("x", "a", "1"), relu("b", "c", "3"), relu("x", "e", "5"), relu("a", "b", "2")]
    assert [node.name for node in model_of(proto(nodes, outputs="de")).nodes] == ["1", "5", "2", "3", "4"]


@pytest.mark.parametrize(
    "nodes, inputs, outputs, message",
    [
        ([relu("y", "y")], "x", "y", "each other's outputs in a cycle: node 'relu'"),
        ([relu("a", "b"), relu("b", "a")], "x", "b", "cycle: node 'relu'"),
        ([relu("z")], "x", "y", "node 'relu' .Relu.: takes 'z', which no node, input or constant is"),
        ([relu(name="")], "x", "z", "output 'z': found no node"),
        ([relu(), relu()], "x", "y", "makes 'y', which another node"),
        ([relu(y="x")], "x", "x", "makes 'x', which another node"),
        ([relu()], "xx", "y", "input 'x': found twice"),
        ([relu()], "x", "yy", "outputs: found"),
        ([relu()], "x", "", "outputs: found"),
        ([], "x", "", "found no graph"),
        ([relu("", "y")], ["x", info("")], "y", "input '': found twice or without a name"),
    ],
)
def test_what_hangs_together_wrongly_is_named(nodes, inputs, outputs, message):
    with pytest.raises(FormatError, match=f"^model: .*{message}"):
        model_of(proto(nodes, inputs, outputs))


@pytest.mark.parametrize("opset, error", [(6, UnsupportedError), (10_000, UnsupportedError), (7, None)])
def test_opsets(opset, error):
    if error is None:
        assert model_of(proto([relu()], opset=opset)).opset == opset
        return
    with pytest.raises(error, match=f"^net: found opset {opset}, expected 7 to "):
        model_of(proto([relu()], opset=opset), "net")


def test_an_opset_that_is_not_stated_or_twice_is_an_error():
    for count in (0, 2):
        model = proto([relu()])
        del model.opset_import[:]
        model.opset_import.extend([helper.make_opsetid("", 17)] * count)
        with pytest.raises(FormatError, match=f"found {count} entries"):
            model_of(model)


@pytest.mark.parametrize("data", [b"", b"\xff", b"layer { }", proto([relu()]).SerializeToString()[:-3], b"\x08\x08"])
def test_other_bytes_are_no_model(data, tmp_path):
    (tmp_path / "net.onnx").write_bytes(data)
    with pytest.raises(FormatError, match=r"net\.onnx: found"):
        read_model(tmp_path / "net.onnx")
    with pytest.raises(FileError, match=r"none\.onnx: cannot be read"):
        read_model(tmp_path / "none.onnx")


def test_a_whole_file(tmp_path):
    (tmp_path / "net.onnx").write_bytes(proto([relu()]).SerializeToString())
    assert read_model(tmp_path / "net.onnx").outputs == ("y",)
    assert parse_model(proto([relu()]).SerializeToString(), "memory").name == "g"


@pytest.mark.parametrize("kind", ["sequence", "optional", "string"])
def test_values_that_are_no_tensors_of_numbers_are_kept_for_the_refusal(kind):
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
    types = {
        "sequence": helper.make_sequence_type_proto(tensor),
        "optional": helper.make_optional_type_proto(tensor),
        "string": helper.make_tensor_type_proto(TensorProto.STRING, [1]),
    }
    made = model_of(proto([relu()], [helper.make_value_info("x", types[kind])]))
    assert kind in made.refused["x"].lower() and not made.inputs


def test_sparse_and_textual_constants_are_kept_for_the_refusal():
    model = proto([relu("a"), relu("b", "z")], outputs="yz")
    model.graph.initializer.append(helper.make_tensor("a", TensorProto.STRING, [1], [b"text"]))
    values = helper.make_tensor("b", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3]))
    assert model_of(model).refused == {
        "a": "type STRING, which no blob of Caffe can hold",
        "b": "a sparse tensor",
    }


def test_origins_are_those_that_pytorch_leaves():
    node = relu()
    for key, value in {
        "name_scopes": "['', 'layer1', 'layer1.0', 'conv2d_3']",
        "class_hierarchy": "['net.Net', 'torch.nn.modules.container.Sequential', \"net.Block\", 'aten.conv2d.default']",
        "stack_trace": (
            'File "/home/me/net.py", line 7, in forward\n    x = self.layer1(x)\n'
            'File "/env/site-packages/torch/nn/modules/container.py", line 253, in forward\n    module(input)\n'
            'File "/home/me/net.py", line 17, in forward\n    x = self.conv(x)\n'
            'File "/env/site-packages/torch/nn/modules/conv.py", line 553, in forward\n    return F.conv2d(x)\n'
        ),
    }.items():
        node.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=value)
    origin = model_of(proto([node])).nodes[0].origin
    assert (origin.module, origin.operation, origin.kind) == ("layer1.0", "conv2d_3", "net.Block")
    assert origin.source == "/home/me/net.py:17"


@pytest.mark.parametrize("text", ["", "[", "['", "[" * 100_000, "['a'" * 50_000, "\\" * 100_000, "'\\'" * 9])
def test_origins_of_any_text_are_read_quickly(text):
    node = relu()
    for key in ("name_scopes", "class_hierarchy", "stack_trace"):
        node.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=text)
    assert model_of(proto([node])).nodes[0].origin.source == ""
