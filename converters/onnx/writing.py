"""A graph to the bytes of an ONNX file: weights straight from their arrays, beside a file that would be too large.

protobuf holds no message of 2 GB, and copies every number twice; so the structure alone passes through it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.onnx.graph import IR_VERSION, OPSET, Graph
from prototxt_gen import wire
from prototxt_gen.errors import NotInstalledError
from prototxt_gen.files import replacing
from prototxt_gen.version import __version__

PRODUCER = "dongfeng"
MOST_BYTES = 2**31 - 1
"""Of a protobuf message; weights of a larger model lie in a file of their own."""

# ONNX: onnx.proto; the numbers of fields in ModelProto, GraphProto and TensorProto.
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
# Smaller constants stay in the model: tools read shapes and axes from there. Offsets are multiples of a page.
_LEAST_OUTSIDE, _PAGE = 1024, 4096

Piece: TypeAlias = bytes | memoryview


def onnx_package(purpose: str) -> Any:
    """The package onnx. NotInstalledError where it is absent; `purpose` begins its sentence."""
    try:
        return import_module("onnx")
    except ImportError as fault:
        raise NotInstalledError("onnx", "onnx", purpose) from fault


def model_bytes(graph: Graph, name: str, metadata: Mapping[str, str]) -> bytes:
    """The model in memory, all weights inside."""
    return b"".join(_model(graph, name, metadata, [_inside(key, array) for key, array in graph.constants.items()]))


def write_model(graph: Graph, name: str, metadata: Mapping[str, str], path: str | os.PathLike[str]) -> None:
    """Writes the model, in one step. Where it has 2 GB or more its weights go into PATH.data, beside it."""
    pieces = _model(graph, name, metadata, [_inside(key, array) for key, array in graph.constants.items()])
    if sum(map(_length, pieces)) <= MOST_BYTES:
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.writelines(pieces)
        return
    beside = Path(f"{os.fspath(path)}.data")
    with ExitStack() as stack:
        # The model is whole on the disk before the weights get their name, so that only its renaming can still fail.
        temporary = stack.enter_context(replacing(path))
        weights = stack.enter_context(replacing(beside))
        tensors = []
        with weights.open("wb") as file:
            for key, array in graph.constants.items():
                if array.nbytes < _LEAST_OUTSIDE:
                    tensors.append(_inside(key, array))
                    continue
                file.write(bytes(-file.tell() % _PAGE))
                tensors.append(_outside(key, array, beside.name, file.tell()))
                file.write(_numbers(array))
        with temporary.open("wb") as file:
            file.writelines(_model(graph, name, metadata, tensors))


def _model(graph: Graph, name: str, metadata: Mapping[str, str], tensors: Sequence[Sequence[Piece]]) -> list[Piece]:
    """The bytes of a ModelProto whose graph has these initializers."""
    onnx = onnx_package("export to ONNX")
    helper = onnx.helper
    model = helper.ModelProto(
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        producer_version=__version__,
        opset_import=[helper.make_opsetid("", OPSET)],
        metadata_props=[onnx.StringStringEntryProto(key=key, value=value) for key, value in metadata.items()],
    )
    body = onnx.GraphProto(
        name=name or "network",
        node=[
            helper.make_node(node.operator, node.inputs, node.outputs, node.name, **node.attributes)
            for node in graph.nodes
        ],
        input=[
            helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, sizes) for key, sizes in graph.inputs.items()
        ],
        output=[
            helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, sizes) for key, sizes in graph.outputs.items()
        ],
    ).SerializeToString()
    inner = [wire.head(_INITIALIZER, sum(map(_length, tensor))) for tensor in tensors]
    parts: list[Piece] = [body]
    for head, tensor in zip(inner, tensors, strict=True):
        parts += [head, *tensor]
    return [model.SerializeToString(), wire.head(_GRAPH, sum(map(_length, parts))), *parts]


def _inside(name: str, array: NDArray[Any]) -> list[Piece]:
    """The bytes of a TensorProto with its numbers."""
    numbers = _numbers(array)
    return [_tensor(name, array).SerializeToString(), wire.head(_RAW_DATA, numbers.nbytes), numbers]


def _outside(name: str, array: NDArray[Any], file: str, offset: int) -> list[Piece]:
    """The bytes of a TensorProto whose numbers are in a file (ONNX: ExternalData.md)."""
    onnx = onnx_package("export to ONNX")
    tensor = _tensor(name, array)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", offset), ("length", array.nbytes)):
        tensor.external_data.add(key=key, value=str(value))
    return [tensor.SerializeToString()]


def _tensor(name: str, array: NDArray[Any]) -> Any:
    onnx = onnx_package("export to ONNX")
    return onnx.TensorProto(name=name, dims=array.shape, data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype))


def _numbers(array: NDArray[Any]) -> memoryview:
    """The array's bytes in C order, low byte first."""
    ordered = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return ordered.reshape(-1).view(np.uint8).data


def _length(piece: Piece) -> int:
    return memoryview(piece).nbytes
