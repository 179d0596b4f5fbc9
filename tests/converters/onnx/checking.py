"""Networks exported to ONNX, held against to_torch: valid, of the trace's shapes, with the same numbers.

`check` takes a whole network, `check_layer` one layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from converters.onnx.exporting import Exported, to_graph
from converters.pytorch.module import to_torch, weights_of
from prototxt_gen import NetParameter, select_phase
from prototxt_gen.flow import top_names
from prototxt_gen.text import parse_text
from prototxt_gen.trace import trace

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def net_of(layers: str, **inputs: Sequence[int]) -> NetParameter:
    """A network from its inputs' shapes by top name and the text of its layers."""
    text = ""
    for top, shape in inputs.items():
        dims = " ".join(f"dim: {size}" for size in shape)
        text += f'layer {{ name: "{top}" type: "Input" top: "{top}" input_param {{ shape {{ {dims} }} }} }}\n'
    return parse_text(text + layers, NetParameter())


def check_valid(model: Any) -> dict[str, list[int | str | None]]:
    """The sizes of every value that strict shape inference finds; it and the full checker must accept the model.

    An axis is a number, the name of an open size, or None.
    """
    onnx.checker.check_model(model, full_check=True)
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for output in bare.graph.output:  # found, not copied
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True)
    found = {}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        if value.type.tensor_type.HasField("shape"):
            found[value.name] = [_size(axis) for axis in value.type.tensor_type.shape.dim]
    return found


def _size(axis: Any) -> int | str | None:
    if axis.HasField("dim_value"):
        return int(axis.dim_value)
    return str(axis.dim_param) or None


def run_runtime(exported: Exported, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs by top name, from onnxruntime."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(exported.to_bytes(), options, providers=["CPUExecutionProvider"])
    feed = {value: np.array(inputs[top], np.float32) for top, value in exported.inputs.items()}
    return dict(zip(exported.outputs, session.run(list(exported.outputs.values()), feed), strict=True))


def run_reference(exported: Exported, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs by top name, from onnx.reference; for what onnxruntime lacks."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load_from_string(exported.to_bytes()))
    feed = {value: np.array(inputs[top], np.float32) for top, value in exported.inputs.items()}
    return dict(zip(exported.outputs, evaluator.run(list(exported.outputs.values()), feed), strict=True))


def run_torch(
    net: NetParameter, weights: Any, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """The outputs by top name, from to_torch."""
    module = to_torch(net, weights, outputs=outputs)
    meta: dict[str, Any] = module.meta["caffe"]
    with torch.no_grad():
        given = (inputs.get(top, np.zeros(shape)) for top, shape in meta["inputs"].items())
        result = module(*(torch.from_numpy(np.array(array, np.float32)) for array in given))
    tops = result if isinstance(result, Mapping) else {meta["outputs"][0]: result}
    return {name: top.detach().numpy() for name, top in tops.items()}


def close(found: np.ndarray, expected: np.ndarray, limit: float, what: str = "") -> None:
    """Same shape, same places that are not finite, and differences relative to the largest number."""
    assert found.shape == expected.shape, what
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite], what)
    if finite.any():
        largest = np.abs(expected[finite]).max()
        difference = np.abs(found[finite] - expected[finite]).max()
        assert difference <= limit * max(largest, 1e-30), f"{what}: {difference} of {largest}"


def check(
    net: NetParameter,
    weights: Any = None,
    inputs: Mapping[str, np.ndarray] | None = None,
    *,
    outputs: Sequence[str] | None = None,
    limit: float = 1e-5,
    others: Sequence[Mapping[str, np.ndarray]] = (),
    run: Any = run_runtime,
    **options: Any,
) -> Exported:
    """Exports a network and compares every output with to_torch's, and every shape with the trace's.

    Without weights its fillers give them, without inputs they are random. `others` are inputs of other sizes, for
    `dynamic`; further options are those of `export_onnx`.
    """
    rows = trace(select_phase(net, "TEST"))
    shapes = {name: shape for row in rows for name, shape in zip(top_names(row), row.top_shapes, strict=True)}
    if weights is None:
        weights = weights_of(to_torch(net))
    exported = to_graph(net, weights, outputs=outputs, **options)
    found = check_valid(onnx.load_from_string(exported.to_bytes()))
    for top, value in (exported.inputs | exported.outputs).items():
        if options.get("dynamic") is None:
            assert found[value] == list(shapes[top]), f"top {top!r}: found {found[value]}, expected {shapes[top]}"
            assert list((exported.graph.inputs | exported.graph.outputs)[value]) == list(shapes[top])
        else:
            assert len(found[value]) == len(shapes[top])
    if options.get("dynamic") is None:
        for top, shape in shapes.items():  # all blobs within the network, too
            assert found.get(top, list(shape)) == list(shape), f"top {top!r}: found {found[top]}, expected {shape}"
    if inputs is None:
        numbers = np.random.default_rng(0)
        inputs = {top: numbers.normal(size=shapes[top]).astype(np.float32) for top in exported.inputs}
    for given in (inputs, *others):
        expected = run_torch(net, weights, given, outputs)
        results = run(exported, given)
        assert list(results) == list(expected) or set(results) == set(expected)
        for name, numbers in expected.items():
            close(results[name], numbers, limit, f"top {name!r}")
    return exported


def check_layer(
    text: str, weights: Sequence[np.ndarray] | None = None, limit: float = 1e-5, *, run: Any = run_runtime,
    options: Mapping[str, Any] | None = None, **inputs: np.ndarray,
) -> Exported:  # fmt: skip
    """One layer, `l`, as text without name and bottoms; its bottoms are arrays by name, its top `y` if it names none.

    `weights` are its blobs; without them its fillers give them. `options` are those of `export_onnx`.
    """
    bottoms = " ".join(f'bottom: "{name}"' for name in inputs)
    if "top:" not in text:
        text = f'top: "y" {text}'
    net = net_of(f'layer {{ name: "l" {bottoms} {text} }}', **{name: array.shape for name, array in inputs.items()})
    tops = list(dict.fromkeys(net.layer[-1].top))
    given = None if weights is None else {"l": list(weights)}
    return check(net, given, inputs, outputs=tops, limit=limit, run=run, **dict(options or {}))


def operators(exported: Exported) -> list[str]:
    """The operators of the graph's nodes, in order."""
    return [node.operator for node in exported.graph.nodes]
