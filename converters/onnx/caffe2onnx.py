"""The published package caffe2onnx as another way from Caffe to ONNX, in a Python environment of its own.

caffe2onnx 2.0.1 asks for onnx 1.6, which no current Python installs, so it never runs in this process. It gets the
network under names that it cannot mix up and with no layer in place; what it writes is brought to our opset, gets
Caffe's names, and its numbers are held against ours, value by value.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from converters.onnx.emission import Emission, Traced, emit, named, norms
from converters.onnx.graph import IR_VERSION, OPSET
from converters.onnx.writing import model_bytes, onnx_package
from converters.weights import save_weights
from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, NetworkError, NotInstalledError, UnsupportedError
from prototxt_gen.files import read_bytes
from prototxt_gen.flow import Value, passes_on
from prototxt_gen.layers import is_input
from prototxt_gen.layers.layer_types import Shape
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.text import write_prototxt
from prototxt_gen.trace import LayerSummary

HOW_TO_INSTALL = "python3.7 -m venv c2o && c2o/bin/pip install caffe2onnx==2.0.1 'protobuf<3.21'"
TOLERANCE = 1e-4
"""Of the largest number of a value; batch norm alone is up to 6e-5 off, since 1e-5 is added to its factor."""

# Of all values that are compared at once.
_MOST_BYTES = 2**28
# A layer's name and, where it has several tops, the top's place, as caffe2onnx sees them.
_TOKEN = re.compile(r"\bL(\d{5,})(?:t(\d+))?(?![0-9A-Za-z])")


def convert(
    traced: Traced,
    names: Sequence[str],
    blobs: Callable[[int], tuple[Array, ...]],
    python: str | os.PathLike[str] | None = None,
) -> Any:
    """What caffe2onnx makes of a network, as an onnx.ModelProto whose numbers are ours.

    `names` are those of the network's outputs, `blobs` gives the weights of a row. `python` is the Python of the
    environment that has caffe2onnx; None: this one. CaffeError where there is none, UnsupportedError where caffe2onnx
    fails, or its file cannot be read, brought to our opset or run, NetworkError for the first layer that it gets wrong.
    """
    label = f"network {traced.net.name!r}: caffe2onnx"
    given = _given(traced, blobs)
    if not given.tops:
        raise UnsupportedError(f"{label} takes no network whose outputs are its inputs")
    with tempfile.TemporaryDirectory() as folder:
        made = _run(_command(python), given, Path(folder), label)
        model = _read(made, given, label)
    _reshape(model, given, label)
    _compare(model, given, label)
    _rename(model, traced, names, given)
    try:
        onnx_package("export to ONNX").checker.check_model(model, full_check=True)
    except Exception as fault:  # onnx raises exceptions of its own and of protobuf's kinds
        raise UnsupportedError(f"{label} writes no sound ONNX: {_line(str(fault), given)}") from fault
    return model


# ------------------------------------------------------------------------------------------- what caffe2onnx is given


@dataclass(frozen=True)
class _Given:
    """A network in the form that caffe2onnx gets, with the weights of its layers.

    `rows` are those of the network that its layers came from; tokens say which. `inputs` and `tops` have the shape of
    every input and of every top by its name here, in running order.
    """

    net: NetParameter
    weights: Mapping[str, Sequence[Array]]
    rows: Sequence[LayerSummary]
    inputs: Mapping[str, Shape]
    tops: Mapping[str, Shape]

    def ours(self) -> Any:
        """Our own model of it, whose outputs are all of its tops."""
        whole = NetParameter()
        whole.CopyFrom(self.net)
        whole.layer.add(type="Silence", bottom=list(self.tops))
        traced = Traced.of(whole, {})
        made = emit(
            traced, list(self.tops), frozenset(), lambda index: tuple(self.weights.get(traced.rows[index].name, ()))
        )
        made.graph.inputs = dict(self.inputs)
        made.graph.outputs = dict(self.tops)
        return onnx_package("export to ONNX").load_from_string(model_bytes(made.graph, "ours", {}))

    def said(self, text: str) -> str:
        """The text with the names of layers in place of their tokens."""
        return _TOKEN.sub(lambda found: self.rows[int(found[1])].name, text)

    def layer(self, top: str) -> str:
        """How a message calls the layer that makes a top."""
        found = _TOKEN.match(top)
        row = self.rows[int(found[1])] if found else self.rows[0]
        return f"layer {row.name!r} ({row.type})"


def _given(traced: Traced, blobs: Callable[[int], tuple[Array, ...]]) -> _Given:
    """The network with no layer in place but a Scale behind its BatchNorm, of which caffe2onnx makes one node.

    Names are letters and digits, and the same for a layer and its one top: caffe2onnx takes either.
    """
    rows, flow = traced.rows, traced.flow
    scales = {norm: scale for scale, norm in norms(traced).items()}
    net = NetParameter(name="network")
    weights: dict[str, Sequence[Array]] = {}
    inputs: dict[str, Shape] = {}
    tops: dict[str, Shape] = {}
    called: dict[Value, str] = {}
    needed = {read.value for reads in flow.reads for read in reads}

    def add(index: int, name: str, bottoms: Sequence[str], made: Sequence[str]) -> None:
        layer = LayerParameter()
        layer.CopyFrom(rows[index].layer)
        for field in ("name", "bottom", "top", "include", "exclude", "loss_weight", "param", "blobs", "phase"):
            layer.ClearField(field)
        layer.name = name
        layer.bottom.extend(bottoms)
        layer.top.extend(made)
        net.layer.append(layer)
        weights[name] = blobs(index)

    for index, row in enumerate(rows[:-1]):
        values = [Value(index, place) for place in range(len(row.tops))]
        if is_input(row.type):
            for value, shape in zip(values, row.top_shapes, strict=True):
                if value in needed:
                    called[value] = _token(value, len(values))
                    inputs[called[value]] = shape
                    net.layer.add(
                        name=called[value], type="Input", top=[called[value]], input_param={"shape": [{"dim": shape}]}
                    )
            continue
        if passes_on(row) or index in scales.values():
            continue
        for read in flow.reads[index]:
            if read.like is not None:
                raise UnsupportedError(
                    f"network {traced.net.name!r}: layer {row.name!r} ({row.type}): reads memory that was written in "
                    "another shape, which caffe2onnx cannot say"
                )
        made = [_token(value, len(values)) for value in values]
        called.update(zip(values, made, strict=True))
        add(index, _token(Value(index, 0), 1), [called[read.value] for read in flow.reads[index]], made)
        tops.update(zip(made, row.top_shapes, strict=True))
        if index in scales:
            scale = scales[index]
            add(scale, _token(Value(scale, 0), 1), made, made)
            called[Value(scale, 0)] = made[0]
    return _Given(net, {name: arrays for name, arrays in weights.items() if arrays}, rows, inputs, tops)


def _token(value: Value, tops: int) -> str:
    return f"L{value.row:05}" if tops == 1 else f"L{value.row:05}t{value.top}"


# ---------------------------------------------------------------------------------------------------------- its run


def _command(python: str | os.PathLike[str] | None) -> list[str]:
    """The command that runs caffe2onnx, without the settings of this process's Python in another one."""
    if python is None:
        if importlib.util.find_spec("caffe2onnx") is None:
            raise CaffeError(
                f"caffe2onnx: not in this environment; name the Python that has it, as made by: {HOW_TO_INSTALL}"
            )
        return [sys.executable, "-m", "caffe2onnx.convert"]
    text = os.fspath(python)
    # A path stays relative to where we are, not to where the command runs; a link to a Python is the Python of its
    # own environment, so it is not followed.
    path = shutil.which(text) if Path(text).name == text else str(Path(text).absolute())
    if path is None or not Path(path).is_file() or not os.access(path, os.X_OK):
        raise CaffeError(
            f"caffe2onnx: found no program {text}, expected the Python of an environment, as made by: {HOW_TO_INSTALL}"
        )
    return [path, "-E", "-m", "caffe2onnx.convert"]


def _run(command: Sequence[str], given: _Given, folder: Path, label: str) -> bytes:
    """The file that caffe2onnx writes."""
    prototxt, caffemodel, made = (folder / name for name in ("net.prototxt", "net.caffemodel", "net.onnx"))
    write_prototxt(given.net, prototxt)
    save_weights(given.weights, caffemodel, given.net)
    files = ["--prototxt", str(prototxt), "--caffemodel", str(caffemodel), "--onnx", str(made), "--frozen", "True"]
    code, stdout, stderr = _finished([*command, *files], folder)
    if re.search(r"No module named '?caffe2onnx\b", stderr):
        raise CaffeError(f"caffe2onnx: {command[0]} does not have it; an environment that has: {HOW_TO_INSTALL}")
    if code != 0 or not made.is_file():
        at = re.findall(r"^convert layer: (.*)$", stdout, re.MULTILINE)
        where = f" at {given.layer(at[-1])}" if at and _TOKEN.fullmatch(at[-1]) else ""
        raise UnsupportedError(f"{label} fails{where}: {given.said(_reason(stdout, stderr, code))}")
    return read_bytes(made)


def _finished(command: Sequence[str], folder: Path) -> tuple[int, str, str]:
    """The exit status of a command and what it printed. An interruption ends it and all that it has started."""
    try:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as fault:
        raise CaffeError(f"caffe2onnx: {command[0]} cannot be run: {fault.strerror}") from fault
    with process:
        try:
            stdout, stderr = process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, stdout, stderr


def _reason(stdout: str, stderr: str, code: int) -> str:
    """Why it failed: refusals are the last line on standard output, faults the exception on standard error."""
    faults = re.findall(r"^[\w.]*(?:Error|Exception|Interrupt)\b.*$", stderr, re.MULTILINE)
    lines = [line.strip() for text in (stderr, stdout) for line in text.splitlines() if line.strip()]
    if faults and "Traceback" in stderr:
        return str(faults[-1])[:300]
    return lines[-1][:300] if lines else f"exit status {code}, without a word"


# -------------------------------------------------------------------------------------------------------- its file


def _read(data: bytes, given: _Given, label: str) -> Any:
    """The model in our opset; what its values are called and which shapes it states is not looked at."""
    onnx = onnx_package("export to ONNX")
    from onnx import version_converter

    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
        if any(tensor.data_location for tensor in model.graph.initializer):
            raise UnsupportedError("weights in another file")
        del model.graph.value_info[:]
        opsets = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
        if len(opsets) != 1 or len(model.opset_import) != 1:
            raise UnsupportedError("operators that are not ONNX's own")
        model.ir_version = IR_VERSION
        _check_operators(model, opsets[0].version, given)
        if opsets[0].version < OPSET:
            onnx.checker.check_model(model)
            model = version_converter.convert_version(model, OPSET)
        else:
            # It states the newest opset of the onnx package that it found; its operators are those of opset 11.
            opsets[0].version = OPSET
    except Exception as fault:  # onnx raises exceptions of its own and of protobuf's kinds
        raise UnsupportedError(f"{label} writes no sound ONNX: {_line(str(fault), given)}") from fault
    return model


def _check_operators(model: Any, opset: int, given: _Given) -> None:
    """UnsupportedError for the first node whose operator the opset does not have; the checker would not say where."""
    onnx = onnx_package("export to ONNX")
    for node in model.graph.node:
        known = onnx.defs.has(node.op_type) and onnx.defs.get_schema(node.op_type, opset)
        if not known or known.deprecated:
            raise UnsupportedError(f"{given.layer(node.name)} as {node.op_type}, which opset {opset} does not have")


def _reshape(model: Any, given: _Given, label: str) -> None:
    """Inputs and outputs as Caffe has them: its inputs are called `<top>_input`, its outputs are what nobody takes."""
    onnx = onnx_package("export to ONNX")
    found = {value.name for value in model.graph.input}
    expected = {f"{top}_input" for top in given.inputs}
    if found != expected:
        raise UnsupportedError(
            f"{label} writes inputs {given.said(str(sorted(found)))}, expected {given.said(str(sorted(expected)))}"
        )
    made = {value for node in model.graph.node for value in node.output}
    missing = [top for top in given.tops if top not in made]
    if missing:
        raise NetworkError(f"{label} leaves out {given.layer(missing[0])}")
    for node in model.graph.node:
        for place, value in enumerate(node.input):
            if value in expected:
                node.input[place] = value.removesuffix("_input")
    del model.graph.input[:], model.graph.output[:]
    model.graph.input.extend(_value_info(onnx, top, shape) for top, shape in given.inputs.items())


def _compare(model: Any, given: _Given, label: str) -> None:
    """NetworkError for the first layer whose numbers differ from ours on random inputs."""
    draw = np.random.default_rng(0)
    inputs = {top: draw.standard_normal(shape).astype(np.float32) for top, shape in given.inputs.items()}
    ours = given.ours()
    for tops in _portions(given.tops):
        expected = _values(ours, tops, inputs)
        try:
            found = _values(model, tops, inputs)
        except Exception as fault:  # onnxruntime's errors have no base class of their own
            raise UnsupportedError(f"{label} writes what does not run: {_line(str(fault), given)}") from fault
        for top in tops:
            wrong = _difference(found[top], expected[top])
            if wrong:
                raise NetworkError(f"{label} gets {given.layer(top)} wrong: {wrong}")


def _portions(tops: Mapping[str, Shape]) -> Iterator[list[str]]:
    """Tops in running order, in portions that fit into memory."""
    portion: list[str] = []
    size = 0
    for top, shape in tops.items():
        size += 4 * prod(shape)
        if portion and size > _MOST_BYTES:
            yield portion
            portion, size = [], 4 * prod(shape)
        portion.append(top)
    yield portion


def _difference(found: Array, expected: Array) -> str:
    """What is wrong with a value, "" for nothing: shape, places of what is not finite, numbers."""
    if found.shape != expected.shape:
        return f"found shape {found.shape}, expected {expected.shape}"
    finite = np.isfinite(expected)
    if not np.array_equal(found[~finite], expected[~finite], equal_nan=True):
        return "found other numbers where ours are not finite"
    largest = float(np.abs(expected[finite]).max(initial=0.0))
    differs = float(np.abs(found[finite] - expected[finite]).max(initial=0.0))
    if differs <= TOLERANCE * max(largest, np.finfo(np.float32).tiny):
        return ""
    return f"found numbers that differ by {differs:.3g}, expected at most {TOLERANCE} of {largest:.3g}"


def _values(model: Any, tops: Sequence[str], inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The values of these names, run by onnxruntime."""
    onnx = onnx_package("export to ONNX")
    try:
        runtime = import_module("onnxruntime")
    except ImportError as fault:
        raise NotInstalledError("onnxruntime", "onnx", "comparing caffe2onnx's numbers") from fault
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=top) for top in tops)
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # faults come as exceptions
    session = runtime.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(tops, session.run(list(tops), dict(inputs)), strict=True))


def _rename(model: Any, traced: Traced, names: Sequence[str], given: _Given) -> None:
    """Names of our own exporter for values and nodes, and the network's outputs, in order."""
    onnx = onnx_package("export to ONNX")
    done = Emission()
    values, late = named(traced, names, done)
    graph, proto = done.graph, model.graph
    new: dict[str, str] = {}
    scales = {norm: scale for scale, norm in norms(traced).items()}
    for value, name in values.items():
        token = _token(value, len(traced.rows[value.row].tops))
        if token in given.inputs or token in given.tops:
            made_last = Value(scales.get(value.row, value.row), value.top)
            new[token] = values.get(made_last, name)
    others = [tensor.name for tensor in proto.initializer]
    others += [value for node in proto.node for value in node.output]
    for name in others:
        if name and name not in new:
            new[name] = graph.value(given.said(name))
    for tensor in proto.initializer:
        tensor.name = new[tensor.name]
    used: dict[str, int] = {}
    for node in proto.node:
        for places in (node.input, node.output):
            for place, name in enumerate(places):
                places[place] = new.get(name, name)
        node.name = given.said(node.name)
        used[node.name] = used.get(node.name, 0) + 1
        if used[node.name] > 1:
            node.name = f"{node.name}_{used[node.name]}"
        node.doc_string = ""
    for value in proto.input:
        value.name = new[value.name]
    ends = dict(zip(names, traced.output_shapes(), strict=True))
    for name, read, value_name in late:
        proto.node.append(onnx.helper.make_node("Identity", [values[read.value]], [value_name], name))
    proto.output.extend(_value_info(onnx, done.outputs[name], shape) for name, shape in ends.items())
    proto.name = traced.net.name or "network"


def _value_info(onnx: Any, name: str, shape: Shape) -> Any:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _line(text: str, given: _Given) -> str:
    """The first line of a fault, with the names of layers."""
    return given.said(text.splitlines()[0][:300] if text else "without a word")
