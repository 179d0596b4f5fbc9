"""A program that behaves as `python -m caffe2onnx.convert` does, for tests: run as PROGRAM HOW -E -m NAME OPTIONS.

It converts a few types in the ways of caffe2onnx 2.0.1: inputs are called `<top>_input`, an in-place layer's and an
InnerProduct's value as the layer, a Scale right behind a BatchNorm goes into its node, values that nobody takes are
the outputs, the opset is 11. `HOW` says what goes wrong: "well", "wrong=PLACE" (numbers of this layer), and others.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))


def main() -> None:
    """Converts, or does what `HOW` says."""
    how, *rest = sys.argv[1:]
    assert rest[:3] == ["-E", "-m", "caffe2onnx.convert"]
    parser = argparse.ArgumentParser()
    for name in ("prototxt", "caffemodel", "onnx", "frozen"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args(rest[3:])
    assert Path.cwd() == Path(options.onnx).parent
    if how.startswith("hangs="):
        Path(how.partition("=")[2]).write_text("started", "utf-8")
        time.sleep(60)
    last = re.findall(r'^  name: "(\w+)"$', Path(options.prototxt).read_text("utf-8"), re.MULTILINE)[-1]
    if how.startswith("prints="):
        print(f"convert layer: {last}\n{how.partition('=')[2]}")
        sys.exit(255)
    if how == "raises":
        print(f"convert layer: {last}")
        raise ZeroDivisionError(f"no {last}_W")
    if how == "silent":
        sys.exit(3)
    if how == "writes nothing":
        print("onnx model was not saved successfully")
        return
    if how == "garbage":
        Path(options.onnx).write_bytes(bytes(range(256)) * 9)
        return
    model = convert(options.prototxt, options.caffemodel, how)
    data = model.SerializeToString()
    Path(options.onnx).write_bytes(data[: len(data) // 2] if how == "half" else data)
    if how == "writes and fails":
        sys.exit(1)


def convert(prototxt: str, caffemodel: str, how: str) -> Any:
    """The network in ONNX."""
    # Faults that come before need none of these, which take most of a second.
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    from prototxt_gen import read_prototxt
    from prototxt_gen.binary import from_binary

    net, model = read_prototxt(prototxt), from_binary(Path(caffemodel).read_bytes())
    assert model.layer, "caffe2onnx cannot read a file of weights without a layer"
    blobs = {
        layer.name: [np.array(blob.data, np.float32).reshape(tuple(blob.shape.dim)) for blob in layer.blobs]
        for layer in model.layer
    }
    if how.startswith("wrong="):
        name = net.layer[int(how.partition("=")[2])].name
        blobs[name] = [blob * np.float32(1.001) for blob in blobs[name]]
    inputs, nodes, tensors = [], [], {}
    called: dict[str, str] = {}

    def constants(name: str, **arrays: np.ndarray) -> list[str]:
        tensors.update({f"{name}_{key}": array for key, array in arrays.items()})
        return [f"{name}_{key}" for key in arrays]

    layers = list(net.layer)
    for place, layer in enumerate(layers):
        name, given = layer.name, [called[bottom] for bottom in layer.bottom]
        if layer.type == "Input":
            called[layer.top[0]] = f"{layer.top[0]}_input"
            sizes = list(layer.input_param.shape[0].dim)
            inputs.append(helper.make_tensor_value_info(f"{layer.top[0]}_input", onnx.TensorProto.FLOAT, sizes))
            continue
        if layer.type == "Scale" and layers[place - 1].type == "BatchNorm":
            assert list(layer.bottom) == list(layer.top) == list(layers[place - 1].top)
            continue
        made = [name] if list(layer.top) == list(layer.bottom) or layer.type == "InnerProduct" else list(layer.top)
        if layer.type == "Convolution":
            weights = constants(name, **dict(zip("Wb", blobs[name], strict=False)))
            pads = [*layer.convolution_param.pad] * 4
            nodes.append(helper.make_node("Conv", given + weights, made, name, pads=pads))
        elif layer.type == "BatchNorm":
            scale, shift = blobs[layers[place + 1].name]
            mean, variance, factor = blobs[name]
            taken = constants(name, s=scale, b=shift, mean=mean / factor, var=variance / factor)
            nodes.append(
                helper.make_node("BatchNormalization", given + taken, made, name, epsilon=layer.batch_norm_param.eps)
            )
        elif layer.type == "Slice":
            start = 0
            for top, end in zip(made, [*layer.slice_param.slice_point, 2**31 - 1], strict=True):
                ends = constants(top, starts=np.array([start]), ends=np.array([end]), axes=np.array([1]))
                nodes.append(helper.make_node("Slice", given + ends, [top], top))
                start = end
        elif layer.type == "InnerProduct":
            shape = constants(name, shape=np.array([0, -1]))
            nodes.append(helper.make_node("Reshape", given + shape, [f"{name}_Reshape"], f"{name}_Reshape"))
            weights = constants(name, **dict(zip("Wb", blobs[name], strict=False)))
            nodes.append(helper.make_node("Gemm", [f"{name}_Reshape", *weights], made, name, transB=1))
        else:
            operators = {"ReLU": "Relu", "TanH": "Tanh", "Eltwise": "Add", "Dropout": "Dropout", "Log": "Log"}
            attributes = {"ratio": 0.5} if layer.type == "Dropout" else {}
            nodes.append(helper.make_node(operators[layer.type], given, made, name, **attributes))
        called.update(zip(layer.top, made, strict=True))
    taken = {value for node in nodes for value in node.input}
    ends = [value for node in nodes for value in node.output if value not in taken]
    if how == "leaves out":
        nodes[-1].output[0] = ends[-1] = "other"
    if how == "no inputs":
        tensors |= {value.name: np.zeros([axis.dim_value for axis in value.type.tensor_type.shape.dim], np.float32)
                    for value in inputs}  # fmt: skip
        inputs = []
    if how == "does not run":
        name = next(name for name, array in tensors.items() if array.ndim == 4)
        tensors[name] = np.concatenate([tensors[name]] * 2, 1)
    if how == "other operator":
        nodes[-1].op_type = "PriorBox"
    made_outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 2, 3]) for name in ends]
    initializers = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in tensors.items()]
    if how == "weights elsewhere":
        initializers[0].ClearField("raw_data")
        initializers[0].data_location = onnx.TensorProto.EXTERNAL
        initializers[0].external_data.add(key="location", value="/etc/hostname")
    graph = helper.make_graph(nodes, "net.onnx", inputs, made_outputs, initializers)
    opset = 99 if how == "new opset" else 11
    domains = [helper.make_opsetid("", opset)]
    if how == "other domain":
        domains.append(helper.make_opsetid("com.microsoft", 1))
    return helper.make_model(graph, producer_name="caffe", opset_imports=domains, ir_version=6)


if __name__ == "__main__":
    main()
