"""A network as a graph of int8 by onnxruntime's static quantisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from converters.engines.calibration import Calibration
from converters.engines.graphs import package
from converters.onnx.exporting import Exported
from converters.weights.blobs import Array

#: How a target calls it.
METHOD = "min-max; uint8 activations, int8 weights by channel"

#: What is computed in int8. Not among them is Softmax: 256 probabilities would make equals of classes that are not.
#: Sums, products and means along axes, powers and the like stay in floating point as on most devices.
OPERATORS = (
    *("Conv", "ConvTranspose", "Gemm", "MatMul"),
    *("Relu", "LeakyRelu", "Clip", "Sigmoid", "Add", "Mul"),
    *("MaxPool", "AveragePool", "GlobalAveragePool", "Resize"),
    *("Concat", "Split", "Slice", "Pad", "Gather", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"),
)

# onnxruntime.quantization.preprocess: what says that a graph needs no preparation. Ours has its batch norm merged, and
# shapes are inferred below.
_PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}


def quantised(exported: Exported, calibration: Calibration, purpose: str) -> tuple[bytes, tuple[str, ...]]:
    """The graph with its numbers rounded to 8 bits, and the names of the nodes that stay in floating point.

    Weights of convolutions and inner products are int8 by output channel, symmetric; all values between layers are
    uint8 with one scale and one zero point, from the least to the largest number that any of the calibration's inputs
    brings (onnxruntime.quantization.quantize_static, QuantFormat.QDQ, CalibrationMethod.MinMax). Inputs run one after
    another and leave two numbers a value, so that memory does not grow with them. The graph's batch norm should be
    merged. NetworkError for inputs that are not the network's; exceptions of onnxruntime pass.
    """
    onnx = package("onnx", "onnx", purpose)
    quantization = package("onnxruntime.quantization", "onnx", purpose)
    model = onnx.load_from_string(exported.to_bytes())
    onnx.helper.set_model_props(model, {**exported.metadata, **_PREPARED})
    with TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        quantization.quantize_static(
            model,
            path,
            _Reader(calibration.for_network(exported.input_shapes), exported.inputs),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATORS),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        made = onnx.load(path)
    return made.SerializeToString(), _in_float(made.graph)


class _Reader:
    """Inputs as onnxruntime's calibration asks for them, under the names of the graph."""

    def __init__(self, inputs: Iterator[dict[str, Array]], names: Mapping[str, str]) -> None:
        self._inputs = inputs
        self._names = names

    def get_next(self) -> dict[str, Array] | None:
        """The next inputs; None behind the last."""
        given = next(self._inputs, None)
        return None if given is None else {self._names[name]: array for name, array in given.items()}


def _in_float(graph: Any) -> tuple[str, ...]:
    """The nodes that take or make a number which is not rounded to 8 bits and is no constant."""
    rounded = {value for node in graph.node if node.op_type == "DequantizeLinear" for value in node.output}
    rounded |= {value for node in graph.node if node.op_type == "QuantizeLinear" for value in node.input}
    rounded |= {constant.name for constant in graph.initializer} | {""}
    inner = ("QuantizeLinear", "DequantizeLinear")
    return tuple(
        node.name
        for node in graph.node
        if node.op_type not in inner and not rounded.issuperset([*node.input, *node.output])
    )
