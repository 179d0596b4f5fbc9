"""Any bytes as ONNX end in a network or a CaffeError, in bounded time and memory."""

from __future__ import annotations

import importlib.util
import tracemalloc
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

from converters import read_onnx  # noqa: E402
from converters.onnx import reading  # noqa: E402
from converters.onnx.models.model import model_of  # noqa: E402
from converters.onnx.models.standins import StandIn, inferred_stand_ins  # noqa: E402
from converters.onnx.operators import OPERATORS  # noqa: E402
from prototxt_gen import to_text  # noqa: E402
from prototxt_gen.errors import CaffeError, FormatError  # noqa: E402
from prototxt_gen.trace import trace  # noqa: E402
from tests.converters.onnx.operators.checking import model, node, normal  # noqa: E402
from tests.work import at_most  # noqa: E402

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LARGEST = 512 << 20


def survives(path, data, dialect="bvlc"):
    """The network, or None after a CaffeError; any other exception, much work or much memory fails the test."""
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with warnings.catch_warnings(), at_most(1_000_000):
            warnings.simplefilter("ignore")
            net, weights = read_onnx(path, dialect)
        assert {row.name for row in trace(net) if row.blob_shapes} == {name for name in weights if weights[name]}
        assert to_text(net)
        return net
    except CaffeError as fault:
        assert str(fault).startswith(str(path))
        return None
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < LARGEST


@cache
def seeds() -> tuple[bytes, ...]:
    spec = importlib.util.spec_from_file_location("seeds", Path(__file__).parents[3] / "fuzz" / "seeds.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(dict.fromkeys(module.models()))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A seed with pieces cut out, doubled, or overwritten."""
    data = bytearray(draw(st.sampled_from(seeds())))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 20))] = draw(st.binary(max_size=20))
    return bytes(data)


WHOLE = st.sampled_from([0, 1, 2, 3, 4, 6, -1, -2, 36, 4096, 2**31 - 1, 2**31, 2**40, 2**63 - 1, -(2**63)])
REAL = st.sampled_from([0.0, 1.0, -1.0, 0.5, 3.0, 1e9, float("nan"), float("inf"), 1e-30])
SIZES = st.lists(st.sampled_from([1, 2, 2, 3, 4, 6, 9, 100, 4096, 0, "N"]), max_size=6)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A seed, or two in a row, with other attributes, inputs, shapes, types and opsets."""
    proto = onnx.ModelProto.FromString(draw(st.sampled_from(seeds())))
    graph = proto.graph
    if draw(st.booleans()):
        more = onnx.ModelProto.FromString(draw(st.sampled_from(seeds()))).graph.node[0]
        more.output[0] = "between"
        if graph.node[0].input:
            graph.node[0].input[draw(st.integers(0, len(graph.node[0].input) - 1))] = "between"
        graph.node.insert(0, more)
    first = graph.node[0]
    for attribute in first.attribute:
        if draw(st.booleans()):
            if attribute.type == attribute.INT:
                attribute.i = draw(WHOLE)
            elif attribute.type == attribute.INTS:
                attribute.ints[:] = draw(st.lists(WHOLE, max_size=5))
            elif attribute.type == attribute.FLOAT:
                attribute.f = draw(REAL)
            elif attribute.type == attribute.STRING:
                attribute.s = draw(
                    st.sampled_from([b"SAME_UPPER", b"nearest", b"cubic", b"edge", b"half_pixel", b"\xff"])
                )
    if draw(st.booleans()):
        kind = draw(st.sampled_from([1, 1, 7, 9, 10, 11]))
        graph.input[0].CopyFrom(helper.make_tensor_value_info("x", kind, draw(SIZES)))
    if draw(st.booleans()):
        numbers = draw(st.lists(WHOLE, max_size=6))
        graph.initializer[2].CopyFrom(helper.make_tensor("k", TensorProto.INT64, [len(numbers)], numbers))
    if draw(st.booleans()):
        first.op_type = draw(st.sampled_from(sorted(OPERATORS)))
        proto.opset_import[0].version = draw(st.integers(7, 24))
    if draw(st.booleans()):
        first.input[:] = draw(st.lists(st.sampled_from(["x", "w", "b", "k", "h", "", "y"]), max_size=5))
    return proto.SerializeToString()


@quick
@given(data=st.one_of(st.binary(max_size=200), damaged()))
def test_bytes(tmp_path, data):
    survives(tmp_path / "net.onnx", data)


@settings(quick, max_examples=120)
@given(data=mutated(), dialect=st.sampled_from(["bvlc", "fork"]))
def test_models(tmp_path, monkeypatch, data, dialect):
    # It has a process of its own, which takes a third of a second to start.
    monkeypatch.setattr(reading, "inferred_stand_ins", lambda model, inputs: {})
    survives(tmp_path / "net.onnx", data, dialect)


def test_a_file_that_crashes_shape_inference_is_refused_as_any_other(tmp_path):
    for number in (2, 1):
        nodes = [node("Sin", "x", "a"), node("Relu", "a", "b"), node("Split", "b", "c d", num_outputs=number)]
        proto = model(nodes, {"x": normal(2, 2)}, outputs="c d", opset=18)
        shapes = {"a": (2, 2), "b": (2, 2), "c": (1, 2), "d": (1, 2)} if number == 2 else {}
        found = inferred_stand_ins(model_of(proto), {"x": (2, 2)})
        assert found == {name: StandIn(shape) for name, shape in shapes.items()}
        assert survives(tmp_path / "net.onnx", proto.SerializeToString()) is None


def claiming(numbers: int) -> dict[str, onnx.ModelProto]:
    """Models of a few hundred bytes that speak of `numbers` numbers, one for each way to do so."""
    small = {"x": normal(1, 2, 3, 4)}
    size = np.array([numbers])
    made = {
        "filled": model(node("ConstantOfShape", "n"), small, {"n": size}),
        "expanded": model(node("Expand", "x n"), small, {"n": np.array([numbers, 1, 1, 1])}),
        "tiled": model(node("Tile", "x n"), small, {"n": np.array([1, 1, 1, numbers])}),
        "ranged": model(node("Range", "a n b"), small, {"a": np.array(0), "n": np.array(numbers), "b": np.array(1)}),
        "padded": model(node("Pad", "x n"), small, {"n": np.array([0, 0, 0, 0, 0, 0, 0, numbers])}),
        "resized": model(node("Resize", "x - - n"), small, {"n": np.array([1, 2, 3, numbers])}),
        "one hot": model(node("OneHot", "x n b"), small, {"n": size, "b": np.array([0.0, 1.0])}),
        "pooled": model(node("MaxPool", "x", kernel_shape=[1, numbers]), small),
        "dilated": model(node("Conv", "x w", dilations=[numbers, numbers]), small, {"w": normal(2, 2, 2, 2)}),
        "strided": model(node("ConvTranspose", "x w", strides=[1, numbers]), small, {"w": normal(2, 2, 2, 2)}),
        "output padding": model(
            node("ConvTranspose", "x w", output_padding=[0, numbers]), small, {"w": normal(2, 2, 2, 2)}
        ),
        "local": model(node("LRN", "x", size=numbers), small),
    }
    for name, operators in {
        "large": ["Relu"],
        "large, turned": ["Transpose"],
        "large, flattened": ["Flatten"],
        "large, summed": ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceProd", "ReduceL2", "Softmax", "ArgMax"],
        "large, shuffled": ["SpaceToDepth", "DepthToSpace"],
    }.items():
        for operator in operators:
            options = {"blocksize": 2} if operator.endswith(("Depth", "Space")) else {}
            proto = model(node(operator, "x", **options), small)
            proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, [1, 4, 4, numbers]))
            made[f"{name} by {operator}"] = proto
    weights = model(node("Conv", "x w"), small, {"w": normal(2, 2, 1, 1)})
    weights.graph.initializer[0].dims[0] = numbers
    return made | {"weights": weights}


@pytest.mark.parametrize("numbers", [2**14, 2**31 - 2, 2**62])
@pytest.mark.parametrize("name", claiming(1))
def test_a_small_file_asks_for_no_large_memory(tmp_path, name, numbers):
    for dialect in ("bvlc", "fork"):
        survives(tmp_path / "net.onnx", claiming(numbers)[name].SerializeToString(), dialect)


@pytest.mark.parametrize("length", [2**31, 2**40, 2**62])
def test_external_data_that_claim_much_allocate_nothing(tmp_path, length):
    proto = model(node("Conv", "x w"), {"x": normal(1, 2, 3, 4)}, {"w": normal(2, 2, 1, 1)})
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.dims[0] = length // 8
    for key, value in {"location": "data.bin", "length": length}.items():
        tensor.external_data.add(key=key, value=str(value))
    (tmp_path / "data.bin").write_bytes(b"1234")
    assert survives(tmp_path / "net.onnx", proto.SerializeToString()) is None


def test_text_that_is_none_is_refused(tmp_path):
    proto = model(node("Relu", "x"), {"x": normal(1, 2)})
    data = proto.SerializeToString().replace(b"Relu_y", b"Rel\xff_y")
    (tmp_path / "net.onnx").write_bytes(data)
    with pytest.raises(FormatError, match=r"net\.onnx: found b'Rel\\xff_y', expected text in UTF-8"):
        read_onnx(tmp_path / "net.onnx")


def test_a_long_chain_is_little_work(tmp_path):
    nodes = [node("Relu", f"v{index}", f"v{index + 1}") for index in range(500)]
    proto = model(nodes, {"v0": normal(1, 2)})
    net = survives(tmp_path / "net.onnx", proto.SerializeToString())
    assert net is not None and len(net.layer) == 501
    proto.graph.node.sort(key=lambda one: -int(one.output[0][1:]))
    assert to_text(survives(tmp_path / "net.onnx", proto.SerializeToString())) == to_text(net)


@pytest.mark.parametrize("operator", ["Sqrt", "Reciprocal", "Div", "Pow", "Mul", "Add", "Where", "Max", "Conv"])
def test_operators_without_their_inputs_are_refused(tmp_path, operator):
    proto = model([node("Relu", "x", "r"), node(operator, "", "s")], {"x": normal(1, 2)}, outputs="r s")
    assert survives(tmp_path / "net.onnx", proto.SerializeToString()) is None
