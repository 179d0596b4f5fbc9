"""caffe2onnx as a backend: its files get our names and opset, what it gets wrong is named, and nothing else is written.

A program that behaves as caffe2onnx does stands in for it; DONGFENG_CAFFE2ONNX=c2o/bin/python runs the real one, too.
"""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from converters import export_onnx, save_weights
from converters.onnx import caffe2onnx
from converters.onnx.exporting import by_caffe2onnx, to_graph
from prototxt_gen import write_prototxt
from prototxt_gen.errors import CaffeError, NetworkError, UnsupportedError
from tests.converters.onnx.checking import check_valid, close, net_of, onnx, run_torch, runtime
from tests.filling import fill_weights

PROGRAM = Path(__file__).with_name("caffe2onnx_program.py")
REAL = os.environ.get("DONGFENG_CAFFE2ONNX")

CONV = 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 pad: 1 }'
NORM = 'layer { name: "bn" type: "BatchNorm" bottom: "c" top: "n" }'
SCALE = 'layer { name: "scale" type: "Scale" bottom: "n" top: "s" scale_param { bias_term: true } }'
# In place over in place, names that mean nothing to a program, a Scale in another top, a layer called as a blob is.
LAYERS = f"""
layer {{ name: "conv /1" bottom: "data" top: "c" {CONV} }} {NORM} {SCALE}
layer {{ name: "c" type: "ReLU" bottom: "s" top: "s" }}
layer {{ name: "L00001" type: "TanH" bottom: "s" top: "s" }}
layer {{ name: "cut" type: "Slice" bottom: "s" top: "a" top: "b" slice_param {{ slice_point: 1 }} }}
layer {{ name: "é" type: "Dropout" bottom: "b" top: "b" }}
layer {{ name: "fc" type: "InnerProduct" bottom: "b" top: "scores" inner_product_param {{ num_output: 5 }} }}
"""
NET = net_of(LAYERS, data=(2, 3, 6, 5))


@pytest.fixture
def python(tmp_path):
    """Gives the path of a program that stands for a Python with caffe2onnx; `how` says what goes wrong."""

    def make(how: str = "well") -> Path:
        path = tmp_path / "env" / "python"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(PROGRAM), how])} "$@"\n', "utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


def compare(model, net, weights, outputs=None, limit=1e-5):
    """Valid, with the numbers of to_torch and the names of our own file."""
    check_valid(model)
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(1)
    inputs = {value.name: draw.normal(size=value.shape).astype(np.float32) for value in session.get_inputs()}
    called = to_graph(net, weights, outputs=outputs).outputs
    assert [value.name for value in session.get_outputs()] == list(called.values())
    expected = run_torch(net, weights, inputs, outputs)
    for name, found in zip(called, session.run(None, inputs), strict=True):
        close(found, expected[name], limit, name)


@pytest.mark.parametrize("merged", [True, False])
def test_names_and_numbers_are_ours(python, merged):
    weights = fill_weights(NET)
    model = by_caffe2onnx(NET, weights, python(), merged=merged, metadata={"licence": "none"})
    compare(model, NET, weights)
    assert [value.name for value in model.graph.input] == ["data"]
    assert [value.name for value in model.graph.output] == ["a", "scores"]
    kinds = {node.name: node.op_type for node in model.graph.node}
    assert len(kinds) == len(model.graph.node)
    expected = {"conv /1": "Conv", "c": "Relu", "L00001": "Tanh", "é": "Dropout", "fc": "Gemm", "fc_Reshape": "Reshape"}
    assert expected.items() <= kinds.items()
    assert ("BatchNormalization" in kinds.values()) != merged
    assert {entry.key: entry.value for entry in model.metadata_props} == {"licence": "none"}
    inner = {value for node in model.graph.node for value in node.output}
    assert {"a", "b", "s", "s/c"} <= inner  # as our own exporter calls them


def test_outputs_by_choice_and_under_two_names(python):
    net = net_of(
        'layer { name: "split" type: "Split" bottom: "x" top: "p" top: "q" }'
        'layer { name: "sum" type: "Eltwise" bottom: "p" bottom: "y" top: "sum" }',
        x=(1, 2, 3), y=(1, 2, 3),
    )  # fmt: skip
    for outputs in (None, ["q", "sum", "x"]):
        compare(by_caffe2onnx(net, {}, python(), outputs=outputs), net, {}, outputs)


def test_a_network_without_layers(python):
    with pytest.raises(UnsupportedError, match="whose outputs are its inputs"):
        by_caffe2onnx(net_of("", x=(1, 2)), {}, python(), outputs=["x"])


def test_layers_that_no_output_needs_are_left_out(python):
    net = net_of(
        'layer { name: "r" type: "ReLU" bottom: "x" top: "y" } layer { name: "e" type: "Exp" bottom: "z" top: "e" }'
        'layer { name: "s" type: "Silence" bottom: "e" }', x=(2, 3), z=(4, 4),
    )  # fmt: skip
    model = by_caffe2onnx(net, {}, python())
    assert [value.name for value in model.graph.input] == ["x"]
    compare(model, net, {})


def test_memory_that_another_layer_writes(python):
    text = 'layer { name: "split" type: "Split" bottom: "x" top: "p" top: "q" }'
    text += (
        'layer { name: "r" type: "ReLU" bottom: "p" top: "p" } layer { name: "t" type: "TanH" bottom: "q" top: "y" }'
    )
    net = net_of(text, x=(2, 3))  # the TanH sees what the ReLU wrote
    compare(by_caffe2onnx(net, {}, python()), net, {})
    net = net_of(
        'layer { name: "view" type: "Flatten" bottom: "x" top: "f" }'
        'layer { name: "t" type: "TanH" bottom: "f" top: "f" } layer { name: "r" type: "ReLU" bottom: "x" top: "y" }',
        x=(2, 3, 2),
    )
    with pytest.raises(UnsupportedError, match=r"layer 'r' \(ReLU\): reads memory"):
        by_caffe2onnx(net, {}, python())


def test_numbers_that_are_not_finite_agree(python):
    net = net_of('layer { name: "log" type: "Log" bottom: "x" top: "y" }', x=(3, 7))
    assert by_caffe2onnx(net, {}, python()).graph.node[0].op_type == "Log"


@pytest.mark.parametrize("how", ["well", "new opset"])
def test_values_are_compared_in_portions(python, monkeypatch, how):
    monkeypatch.setattr(caffe2onnx, "_MOST_BYTES", 100)
    weights = fill_weights(NET)
    if how == "well":
        compare(by_caffe2onnx(NET, weights, python()), NET, weights)
    else:  # no older opset has the same form of Dropout: found when it is run
        with pytest.raises(UnsupportedError, match="does not run"):
            by_caffe2onnx(NET, weights, python(how))


FAULTS = {
    "wrong=3": (NetworkError, r"caffe2onnx gets layer 'bn' \(BatchNorm\) wrong: found numbers that differ by"),
    "wrong=8": (NetworkError, r"caffe2onnx gets layer 'fc' \(InnerProduct\) wrong"),
    "leaves out": (NetworkError, r"caffe2onnx leaves out layer 'fc' \(InnerProduct\)"),
    "prints=Failed type not support: X": (UnsupportedError, r"caffe2onnx fails at layer 'fc' \(InnerProduct\): Failed"),
    "prints=no bottom of L00001": (UnsupportedError, r": no bottom of conv /1$"),
    "raises": (UnsupportedError, r"fails at layer 'fc' \(InnerProduct\): ZeroDivisionError: no fc_W$"),
    "silent": (UnsupportedError, "caffe2onnx fails: exit status 3, without a word"),
    "writes nothing": (UnsupportedError, "caffe2onnx fails: onnx model was not saved"),
    "writes and fails": (UnsupportedError, "caffe2onnx fails: exit status 1, without a word"),
    "garbage": (UnsupportedError, "no sound ONNX"),
    "half": (UnsupportedError, "no sound ONNX"),
    "weights elsewhere": (UnsupportedError, "no sound ONNX: weights in another file"),
    "other domain": (UnsupportedError, "no sound ONNX: operators that are not ONNX's own"),
    "other operator": (UnsupportedError, r"no sound ONNX: layer 'fc' \(InnerProduct\) as PriorBox, which opset 11"),
    "no inputs": (UnsupportedError, r"writes inputs \[\], expected \['data_input'\]"),
    "does not run": (UnsupportedError, r"what does not run.*conv /1"),
}


@pytest.mark.parametrize("how", FAULTS)
def test_faults_name_the_layer_and_write_nothing(python, tmp_path, how):
    kind, text = FAULTS[how]
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")
    with pytest.raises(kind, match=text) as fault:
        export_onnx(NET, fill_weights(NET), path, merged=False, backend="caffe2onnx", python=python(how))
    assert str(fault.value).startswith("network '': caffe2onnx ")
    assert path.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "env", path]


def test_the_python_is_found_from_where_we_are(python, tmp_path, monkeypatch):
    python()
    monkeypatch.chdir(tmp_path)
    export_onnx(NET, fill_weights(NET), "net.onnx", backend="caffe2onnx", python=Path("env/python"))
    compare(onnx.load("net.onnx"), NET, fill_weights(NET))
    monkeypatch.setenv("PATH", f"{tmp_path / 'env'}{os.pathsep}{os.environ['PATH']}")
    assert by_caffe2onnx(NET, fill_weights(NET), "python").graph.node


@pytest.mark.parametrize("given", ["absent/python", "no-such-program", ".", "./file", sys.executable, None])
def test_a_python_without_it_is_told_the_one_command(tmp_path, monkeypatch, given):
    (tmp_path / "file").write_text("no program", "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CaffeError, match=r"pip install caffe2onnx==2\.0\.1") as fault:
        by_caffe2onnx(NET, fill_weights(NET), given)
    assert given is None or str(given) in str(fault.value)


def test_a_program_that_cannot_be_run(tmp_path):
    path = tmp_path / "python"
    path.write_text("#!/no/such/program\n", "utf-8")
    path.chmod(0o755)
    with pytest.raises(CaffeError, match="cannot be run"):
        by_caffe2onnx(NET, fill_weights(NET), path)


def test_wrong_arguments(python, tmp_path):
    for options in ({"dynamic": "batch", "backend": "caffe2onnx"}, {"backend": "other"}):
        with pytest.raises(NetworkError, match=r"dynamic|backend"):
            export_onnx(NET, fill_weights(NET), tmp_path / "net.onnx", python=python(), **options)


def test_an_interruption_ends_it(python, tmp_path):
    started, made = tmp_path / "started", tmp_path / "net.onnx"
    write_prototxt(NET, tmp_path / "net.prototxt")
    save_weights(fill_weights(NET), tmp_path / "net.caffemodel", NET)
    program = (
        # A shell that runs the tests in the background has them ignore interrupts, and they hand that on.
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from converters import export_onnx; from prototxt_gen import read_prototxt;"
        "export_onnx(read_prototxt(sys.argv[1]), sys.argv[2], sys.argv[3], backend='caffe2onnx', python=sys.argv[4])"
    )
    files = [
        str(tmp_path / "net.prototxt"),
        str(tmp_path / "net.caffemodel"),
        str(made),
        str(python(f"hangs={started}")),
    ]
    command = [sys.executable, "-c", program, *files]
    folder = tmp_path / "temporary"
    folder.mkdir()
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(
        command, cwd=PROGRAM.parents[3], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        limit = time.monotonic() + 60
        while not started.exists() and time.monotonic() < limit:
            time.sleep(0.05)
        assert started.exists()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in said
    assert not made.exists()
    assert not list(folder.iterdir())
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(started) not in found


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="DONGFENG_CAFFE2ONNX names no Python with caffe2onnx")
@pytest.mark.parametrize("merged", [True, False])
def test_the_real_one(merged):
    text = f"""
    layer {{ name: "conv /1" bottom: "data" top: "c" {CONV} }} {NORM} {SCALE}
    layer {{ name: "c" type: "ReLU" bottom: "s" top: "s" }}
    layer {{ name: "pool" type: "Pooling" bottom: "s" top: "p" pooling_param {{ kernel_size: 3 stride: 2 }} }}
    layer {{ name: "cut" type: "Slice" bottom: "p" top: "a" top: "b" slice_param {{ slice_point: 1 }} }}
    layer {{ name: "fc" type: "InnerProduct" bottom: "b" top: "scores" inner_product_param {{ num_output: 5 }} }}
    """
    net = net_of(text, data=(2, 3, 6, 5))
    weights = fill_weights(net)
    compare(by_caffe2onnx(net, weights, REAL, merged=merged), net, weights, limit=1e-4)
    alone = net_of('layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }', x=(1, 2, 3, 4))
    compare(by_caffe2onnx(alone, {}, REAL), alone, {})
    for layer, kind in (
        ('type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL alpha: 1 }', NetworkError),
        ('type: "AbsVal"', UnsupportedError),
    ):
        wrong = net_of(f'layer {{ name: "it" bottom: "x" top: "y" {layer} }}', x=(1, 4, 6, 6))
        with pytest.raises(kind, match="layer 'it'"):
            by_caffe2onnx(wrong, {}, REAL)
