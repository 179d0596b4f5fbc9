"""The published package caffe2onnx as another way from Caffe to ONNX, in a Python environment of its own.

caffe2onnx 2.0.1 asks for onnx 1.6, which no current Python installs, so it never runs in this process. What it writes
is brought to our opset, its inputs and outputs get Caffe's names, and its numbers are held against ours.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from converters.onnx.graph import IR_VERSION, OPSET
from converters.weights import save_weights
from converters.weights.blobs import Array
from converters.weights.fitting import completed, fit_weights
from prototxt_gen.errors import CaffeError, FormatError, NetworkError, UnsupportedError
from prototxt_gen.flow import top_names
from prototxt_gen.layers import is_input
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import write_prototxt
from prototxt_gen.trace import LayerSummary, trace

HOW_TO_INSTALL = (
    "python3.7 -m venv c2o && c2o/bin/pip install caffe2onnx==2.0.1 'protobuf<3.21', or with Python 3.10: "
    "python3.10 -m venv c2o && c2o/bin/pip install --no-deps caffe2onnx==2.0.1 && "
    "c2o/bin/pip install 'onnx<1.14' 'protobuf<3.21' 'numpy<1.24'"
)
TOLERANCE = 1e-4


def convert(
    net: NetParameter,
    weights: Mapping[str, Sequence[ArrayLike]],
    ours: Any,
    python: str | os.PathLike[str] | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Any:
    """What caffe2onnx makes of a network's TEST phase, as an onnx.ModelProto whose numbers are ours.

    `ours` is our own ModelProto of the same network, with batch norm kept. `python` is the Python of the environment
    that has caffe2onnx; None: this one. CaffeError where there is none, UnsupportedError where it fails, or its file
    cannot be brought to our opset or run, NetworkError for the first layer that it gets wrong.
    """
    command = [_python(python), "-m", "caffe2onnx.convert"]
    rows = trace(select_phase(net, "TEST", level=net.state.level), input_shapes)
    plain = _with_inputs(net.name, rows)
    with tempfile.TemporaryDirectory() as folder:
        prototxt, caffemodel, made = (Path(folder) / name for name in ("net.prototxt", "net.caffemodel", "net.onnx"))
        write_prototxt(plain, prototxt)
        save_weights(completed(rows, fit_weights(rows, weights)[0]), caffemodel, plain)
        files = ["--prototxt", str(prototxt), "--caffemodel", str(caffemodel), "--onnx", str(made), "--frozen", "True"]
        try:
            done = subprocess.run([*command, *files], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
        except OSError as fault:
            raise CaffeError(f"caffe2onnx: {command[0]} cannot be run: {fault.strerror}") from fault
        if not made.is_file():
            raise UnsupportedError(f"network {net.name!r}: caffe2onnx fails: {_reason(done.stdout, done.stderr)}")
        model = _current(made, net.name)
    _rename(model, rows)
    _compare(model, ours, rows, net.name)
    return model


def _with_inputs(name: str, rows: Sequence[LayerSummary]) -> NetParameter:
    """The layers of a trace, each input as an Input layer of its own: caffe2onnx knows no data layers."""
    net = NetParameter(name=name)
    for row in rows:
        if not is_input(row.type):
            net.layer.add().CopyFrom(row.layer)
            continue
        for top, shape in zip(row.tops, row.top_shapes, strict=True):
            net.layer.add(name=top, type="Input", top=[top], input_param={"shape": [{"dim": shape}]})
    return net


def _python(python: str | os.PathLike[str] | None) -> str:
    if python is not None:
        return os.fspath(python)
    if importlib.util.find_spec("caffe2onnx") is not None:
        return sys.executable
    raise CaffeError(f"caffe2onnx: not in this environment; name the Python that has it, as made by: {HOW_TO_INSTALL}")


def _reason(stdout: str, stderr: str) -> str:
    """The last line that says something; refusals come on standard output, tracebacks on standard error."""
    lines = [line.strip() for text in (stdout, stderr) for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "without a word"


def _current(path: Path, name: str) -> Any:
    import onnx
    from onnx import version_converter

    try:
        model = onnx.load(path)
        # The opset is that of the environment's onnx, whatever the operators mean.
        if model.opset_import[0].version != OPSET:
            model = version_converter.convert_version(model, OPSET)
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
    except Exception as fault:  # onnx raises exceptions of its own and of protobuf's kinds
        raise UnsupportedError(
            f"network {name!r}: what caffe2onnx wrote is no sound ONNX: {_first_line(fault)}"
        ) from fault
    return model


def _rename(model: Any, rows: Sequence[LayerSummary]) -> None:
    """Caffe's names for inputs and outputs: caffe2onnx calls them `<top>_input` or `input`, and by their layers."""
    tops = [top for row in rows if is_input(row.type) for top in row.tops]
    given = {value.name for value in model.graph.input}
    new = {f"{top}_input": top for top in tops if f"{top}_input" in given}
    if len(tops) == 1:
        new.setdefault("input", tops[0])
    makers = {row.name: top_names(row)[0] for row in rows if row.tops}
    inner = {value for node in model.graph.node for value in node.output}
    ends = {value.name for value in model.graph.output}
    for name in ends:
        top = makers.get(name, name)
        if top != name and (top not in inner or top in ends):
            new[name] = top
    for node in model.graph.node:
        for values in (node.input, node.output):
            for place, value in enumerate(values):
                values[place] = new.get(value, value)
    for value in (*model.graph.input, *model.graph.output):
        value.name = new.get(value.name, value.name)


def _compare(model: Any, ours: Any, rows: Sequence[LayerSummary], name: str) -> None:
    """NetworkError for the first layer whose numbers differ from ours on random inputs."""
    draw = np.random.default_rng(0)
    inputs = {
        top: draw.standard_normal(shape).astype(np.float32)
        for row in rows
        if is_input(row.type)
        for top, shape in zip(row.tops, row.top_shapes, strict=True)
    }
    try:
        theirs = _by_layer(model, inputs)
    except Exception as fault:  # onnxruntime's errors have no base class of their own
        raise UnsupportedError(f"network {name!r}: what caffe2onnx wrote does not run: {_first_line(fault)}") from fault
    expected = _by_layer(ours, inputs)
    compared = 0
    for row in rows:
        if row.name not in theirs or row.name not in expected:
            continue
        compared += 1
        found, wanted = theirs[row.name], expected[row.name]
        where = f"network {name!r}: caffe2onnx gets layer {row.name!r} ({row.type}) wrong"
        if found.size != wanted.size:
            raise NetworkError(f"{where}: found shape {found.shape}, expected {wanted.shape}")
        largest = float(np.abs(wanted).max(initial=0.0))
        differs = float(np.abs(found.reshape(wanted.shape) - wanted).max(initial=0.0))
        if not differs <= TOLERANCE * max(largest, np.finfo(np.float32).tiny):
            raise NetworkError(
                f"{where}: found numbers that differ by {differs:.3g}, expected {TOLERANCE} of {largest:.3g}"
            )
    if not compared:
        raise FormatError(
            f"network {name!r}: caffe2onnx named no node after a layer, so that nothing could be compared"
        )


def _by_layer(model: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """What each node makes, by the node's name, which is its layer's."""
    import onnx
    import onnxruntime

    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    ends = {value.name for value in whole.graph.output}
    nodes = {node.name: node.output[0] for node in whole.graph.node if node.output}
    whole.graph.output.extend(onnx.ValueInfoProto(name=value) for value in nodes.values() if value not in ends)
    session = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {value.name: inputs[value.name] for value in session.get_inputs()}
    return dict(zip(nodes, session.run(list(nodes.values()), feed), strict=True))


def _first_line(fault: Exception) -> str:
    return str(fault).splitlines()[0][:300] if str(fault) else type(fault).__name__
