"""One ONNX operator, or a few, against onnxruntime: what is read into Caffe's layers must give the same numbers.

`check(node("Conv", "x w", pads=[0, 0, 1, 1]), {"x": normal(1, 2, 5, 5)}, {"w": normal(3, 2, 3, 3)})`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from converters import to_torch  # noqa: E402
from converters.onnx.models.model import model_of  # noqa: E402
from converters.onnx.network import Options  # noqa: E402
from converters.onnx.reading import to_network  # noqa: E402
from prototxt_gen import NetParameter, UnsupportedError  # noqa: E402

Arrays = Mapping[str, np.ndarray]
Engine = Literal["onnxruntime", "reference"]
OPSET = 17
# onnxruntime refuses models of a newer IR than it knows.
IR_VERSION = 8
NEWEST = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10}


def seeds(quick: int, slow: int = 40) -> list[Any]:
    """Seeds of random cases: the first few always run, all of them with `make test-slow`."""
    return [*range(quick), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(quick, slow))]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def node(operator: str, inputs: str, outputs: str = "y", **attributes: Any) -> Any:
    """A node of inputs and outputs in one string each; "-" stands for an input that is left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return onnx.helper.make_node(
        operator, names, outputs.split(), name=f"{operator}_{outputs.split()[0]}", **attributes
    )


def model(
    nodes: Any,
    inputs: Arrays,
    constants: Mapping[str, Any] | None = None,
    outputs: str | None = None,
    opset: int = OPSET,
) -> Any:
    """A ModelProto of one node or several; without `outputs` its outputs are those of the last node."""
    nodes = [nodes] if isinstance(nodes, onnx.NodeProto) else list(nodes)
    kind = onnx.helper.np_dtype_to_tensor_dtype
    tops = outputs.split() if outputs else [name for name in nodes[-1].output if name]
    graph = onnx.helper.make_graph(
        nodes,
        "checked",
        [onnx.helper.make_tensor_value_info(name, kind(array.dtype), array.shape) for name, array in inputs.items()],
        [onnx.helper.make_empty_tensor_value_info(name) for name in tops],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    made.ir_version = NEWEST.get(opset, IR_VERSION)
    return made


def expected(proto: Any, inputs: Arrays, by: Engine = "onnxruntime") -> list[np.ndarray]:
    """The model's outputs, computed by onnxruntime or by onnx.reference."""
    if by == "reference":
        from onnx.reference import ReferenceEvaluator

        return [np.asarray(top) for top in ReferenceEvaluator(proto).run(None, dict(inputs))]
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    # Its optimizer takes a border of zeros for padding of a MaxPool.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(top) for top in session.run(None, dict(inputs))]


def close(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray], limit: float = 1e-5, what: object = "") -> None:
    """Equal shapes, and numbers to `limit` of the largest; numbers that are not finite are the same."""
    assert [top.shape for top in found] == [top.shape for top in wanted], what
    for ours, theirs in zip(found, wanted, strict=True):
        theirs = theirs.astype(np.float64)
        finite = np.isfinite(theirs)
        np.testing.assert_array_equal(ours[~finite], theirs[~finite], err_msg=str(what))
        largest = max(1e-6, float(np.abs(theirs[finite]).max(initial=0)))
        worst = float(np.abs(ours[finite] - theirs[finite]).max(initial=0))
        assert worst <= limit * largest, f"{what}: differs by {worst} where the largest is {largest}"


def run(net: NetParameter, weights: Any, inputs: Arrays, names: Sequence[str]) -> list[np.ndarray]:
    """The outputs of the network by its PyTorch module, which computes what Caffe computes, in the order of `names`."""
    import torch

    module = to_torch(net, weights).eval()
    with torch.no_grad():
        made = module(*(torch.from_numpy(np.array(array, np.float32, order="C")) for array in inputs.values()))
    tops = {"": made} if isinstance(made, torch.Tensor) else made
    assert len(tops) == len(names), f"found outputs {list(tops)}, expected {list(names)}"
    by_name = all(name in tops for name in names)
    return [np.asarray(tops[name]) for name in names] if by_name else [np.asarray(top) for top in tops.values()]


def check(
    nodes: Any,
    inputs: Arrays,
    constants: Mapping[str, Any] | None = None,
    *,
    outputs: str | None = None,
    opset: int = OPSET,
    by: Engine | Sequence[np.ndarray] = "onnxruntime",
    limit: float = 1e-5,
    **options: Any,
) -> NetParameter:
    """Reads the nodes into a network, asserts that it computes the same, and gives the network.

    `by` computes what is expected, or is that. `options` are those of reading: dialect, round_mode, ...
    """
    proto = model(nodes, inputs, constants, outputs, opset)
    net, weights = to_network(model_of(proto), Options(**options))
    wanted = expected(proto, inputs, by) if isinstance(by, str) else list(by)
    names = [top.name for top in proto.graph.output]
    close(run(net, weights, inputs, names), wanted, limit, [str(one) for one in proto.graph.node])
    return net


def refused(
    nodes: Any,
    inputs: Arrays,
    constants: Mapping[str, Any] | None = None,
    *,
    match: str,
    opset: int = OPSET,
    outputs: str | None = None,
    **options: Any,
) -> None:
    """Asserts that reading the nodes is an UnsupportedError whose text matches."""
    with pytest.raises(UnsupportedError, match=match):
        to_network(model_of(model(nodes, inputs, constants, outputs, opset)), Options(**options))


def types(net: NetParameter) -> list[str]:
    """The types of the network's layers, in order, without its inputs."""
    return [layer.type for layer in net.layer if layer.type != "Input"]
