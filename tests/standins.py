"""Programs that stand in for those of a device: put on the PATH, they read the files that the real ones read, write
the lines that the real ones write, and keep their command lines in calls.txt.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

_HEAD = """#!{python}
import json, os, sys
sys.path.insert(0, {root!r})
with open({calls!r}, "a") as calls:
    calls.write(json.dumps([sys.argv[1:], os.environ.get("OMP_NUM_THREADS")]) + "\\n")
options = dict(option.lstrip("-").partition("=")[::2] for option in sys.argv[1:] if option.startswith("-"))
"""

# BVLC Caffe 1.0: tools/caffe.cpp, net.cpp, layer_factory.hpp. Each layer takes a microsecond for each number that it
# makes; what it computes is that of the few layers that tests run.
_CAFFE = '''
from pathlib import Path
import numpy as np

def log(level, place, line):
    print(f"{level}1121 21:15:06.156000 13520 {place}] {line}", file=sys.stderr, flush=True)

if "version" in options:
    print("caffe version 1.0.0")
    sys.exit(0)

from prototxt_gen import insert_splits, read_prototxt, to_text
from prototxt_gen.trace import trace

def stop(place, line):
    log("F", place, line)
    print("*** Check failure stack trace: ***", file=sys.stderr)
    sys.exit(134)

def read():
    """The layers, their tops' shapes: those of HDF5Data are in its file."""
    net = read_prototxt(options["model"])
    log("I", "net.cpp:53", "Initializing net from parameters: ")
    print(to_text(net), file=sys.stderr)
    for layer in net.layer:
        log("I", "layer_factory.hpp:77", f"Creating layer {layer.name}")
        if layer.type in ("Interp", "ReLU6", "ShuffleChannel", "Upsample"):
            stop("layer_factory.hpp:81", "Check failed: registry.count(type) == 1 (0 vs. 1) "
                 f"Unknown layer type: {layer.type} (known types: AbsVal, Accuracy)")
    return net

if "gpu" in options:
    log("I", "caffe.cpp:339", f"Use GPU with device ID {options['gpu']}")
    stop("common.cpp:66", "Cannot use GPU in CPU-only Caffe: check mode.")
log("I", "caffe.cpp:343", "Use CPU.")
if sys.argv[1] == "time":
    rows = trace(insert_splits(read()))
    count = int(options["iterations"])
    log("I", "caffe.cpp:365", "*** Benchmark begins ***")
    log("I", "caffe.cpp:366", f"Testing for {count} iterations.")
    log("I", "caffe.cpp:397", "Average time per layer: ")
    total = 0.0
    for row in rows:
        ms = sum(float(np.prod(shape)) for shape in row.top_shapes) / 1000
        total += ms
        log("I", "caffe.cpp:400", f"{row.name:>10}\\tforward: {ms:g} ms.")
        log("I", "caffe.cpp:403", f"{row.name:>10}\\tbackward: 0.0005 ms.")
    log("I", "caffe.cpp:408", f"Average Forward pass: {total:g} ms.")
    log("I", "caffe.cpp:410", "Average Backward pass: 0.002 ms.")
    log("I", "caffe.cpp:412", "Average Forward-Backward: 0 ms.")
    log("I", "caffe.cpp:414", "Total Time: 0 ms.")
    log("I", "caffe.cpp:415", "*** Benchmark ends ***")
elif sys.argv[1] == "test":
    import h5py
    assert Path(options["weights"]).exists()
    blobs = {}
    for layer in read().layer:
        taken = [blobs[name] for name in layer.bottom]
        if layer.type == "HDF5Data":
            listed = Path(layer.hdf5_data_param.source).read_text().split()
            with h5py.File(listed[0], "r") as file:
                found = file[layer.top[0]][:]
            assert len(found) == layer.hdf5_data_param.batch_size
        elif layer.type == "Reshape":
            found = taken[0].reshape(list(layer.reshape_param.shape.dim))
        elif layer.type == "Power":
            found = taken[0] * layer.power_param.scale + layer.power_param.shift
        elif layer.type == "Eltwise":
            found = sum(taken)
        elif layer.type == "HDF5Output":
            with h5py.File(layer.hdf5_output_param.file_name, "w") as file:
                file["data"], file["label"] = taken
        elif layer.type != "Silence":
            raise NotImplementedError(layer.type)
        if layer.top:
            blobs[layer.top[0]] = found.astype(np.float32)
'''

# TensorRT 10's trtexec: samples/common/sampleReporting.cpp and sampleDevice.cpp. It computes by onnxruntime.
_TRTEXEC = """
import shutil
import numpy as np
import onnx, onnxruntime

def log(line, level="I"):
    print(f"[11/21/2026-21:15:06] [{level}] {line}", flush=True)

head = f"TensorRT.trtexec [TensorRT v100300] # {' '.join(sys.argv)}"
print(f"&&&& RUNNING {head}")
log("=== Device Information ===")
log('  Device 0: "NVIDIA Stand-in" UUID: GPU-2580ec36-5574-ddc7-4615-63d57b5969e2')
log("Selected Device: NVIDIA Stand-in")
log("Selected Device ID: 0")
log("TensorRT version: 10.3.0")
model = options.get("loadEngine") or options["onnx"]
graph = onnx.load(model).graph
refused = [node.op_type for node in graph.node if node.op_type == "Softmax"]
if refused:
    log(f"No importer registered for op: {refused[0]}", "E")
    print(f"&&&& FAILED {head}")
    sys.exit(1)
if "saveEngine" in options:
    shutil.copy(model, options["saveEngine"])
count = max(int(options.get("iterations", 10)), 1)
log("=== Performance summary ===")
log("Throughput: 500 qps")
log("Latency: min = 2.9 ms, max = 3.2 ms, mean = 3 ms, median = 3 ms, percentile(90%) = 3.1 ms")
log("GPU Compute Time: min = 1.9 ms, max = 2.2 ms, mean = 2.01 ms, median = 2 ms, percentile(90%) = 2.1 ms")
if "exportTimes" in options:
    with open(options["exportTimes"], "w") as file:
        file.write("[\\n")
        for place in range(count + 1):
            file.write(f'{", " if place else "  "}{{ "startEnqMs" : {place}, "endEnqMs" : {place}.1, "h2dMs" : 0, '
                       f'"computeMs" : {2 + place / 1000}, "d2hMs" : 0, "latencyMs" : {3 + place / 1000} }}\\n')
        file.write("]\\n")
if "exportProfile" in options:
    taken = {name for node in graph.node for name in node.input}
    rows, joined = [], set()
    nodes = list(graph.node)
    for place, node in enumerate(nodes):  # convolutions run with the sums and ReLUs behind them
        if node.name in joined:
            continue
        group = [node]
        while node.op_type == "Conv":
            after = [one for one in nodes[place + 1 :] if group[-1].output[0] in one.input]
            if len(after) != 1 or after[0].op_type not in ("Add", "Relu") or after[0].name in joined:
                break
            group.append(after[0])
        joined.update(one.name for one in group)
        rows.append(" + ".join(one.name for one in group))
    with open(options["exportProfile"], "w") as file:
        file.write(f'[\\n  {{ "count" : {count} }}\\n')
        for row in rows:
            file.write(f', {{ "name" : "{row}", "timeMs" : {count / 8}, "averageMs" : 0.125, "medianMs" : 0.125, '
                       f'"percentage" : {100 / len(rows):g} }}\\n')
        file.write("]\\n")
if "exportOutput" in options:
    session = onnxruntime.InferenceSession(model)
    shapes = {value.name: value.shape for value in session.get_inputs()}
    feed = {}
    for spec in options.get("loadInputs", "").split(","):
        name, _, path = spec.rpartition(":")
        feed[name.strip("'")] = np.fromfile(path, np.float32).reshape(shapes[name.strip("'")])
    with open(options["exportOutput"], "w") as file:
        file.write("[\\n")
        for place, (value, array) in enumerate(zip(session.get_outputs(), session.run(None, feed))):
            sizes = "x".join(map(str, array.shape))
            numbers = ", ".join(f"{number:.6g}" for number in array.ravel())
            file.write(f'{", " if place else "  "}{{ "name" : "{value.name}"\\n  , "dimensions" : "{sizes}"\\n'
                       f'  , "values" : [ {numbers} ]\\n  }}\\n')
        file.write("]\\n")
print(f"&&&& PASSED {head}")
"""


def install(name: str, code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a Python program of this name first on the PATH; gives the file that its command lines will be in."""
    calls = folder / "calls.txt"
    path = folder / name
    path.write_text(_HEAD.format(python=sys.executable, root=str(ROOT), calls=str(calls)) + code)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return calls


def install_caffe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`caffe`, as BVLC's 1.0 is: `time`, `test` and --version."""
    return install("caffe", _CAFFE, folder, monkeypatch)


def install_trtexec(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`trtexec`, as TensorRT 10's is."""
    return install("trtexec", _TRTEXEC, folder, monkeypatch)
