"""The engine trtexec, by a stand-in that computes by onnxruntime."""

import json

import numpy as np
import pytest

from converters import make_engine
from prototxt_gen.errors import FormatError, NotInstalledError, UnsupportedError
from tests.standins import install, install_trtexec

pytest.importorskip("onnxruntime")

TWO = """
layer { name: "double" type: "Power" bottom: "data" top: "a/b" power_param { scale: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "a/b" bottom: "more" top: "sum" }
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    return install_trtexec(tmp_path, monkeypatch)


def arguments(calls):
    return [json.loads(line)[0] for line in calls.read_text().splitlines()]


def test_without_the_program_its_name_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalledError, match="engine trtexec: needs the program trtexec, which is not on the PATH"):
        make_engine("trtexec")


def test_an_engine_is_built_once_timed_and_run(calls, net_of):
    engine = make_engine("trtexec", precision="float16")
    assert engine.target == {
        "engine": "trtexec", "device": "NVIDIA Stand-in", "threads": 0, "precision": "float16", "batch": 1,
        "versions": {"tensorrt": "10.3.0"},
    }  # fmt: skip
    session = engine.load(net_of(TWO, data=(2, 3, 4), more=(2, 3, 4)), {}, outputs=["a/b", "sum"])
    # Runs of 2.001, 2.002 ... ms, one more than was asked for: the stand-in's.
    assert session.samples(3) == [2.001, 2.002, 2.003] and session.time() == pytest.approx(2.0055)
    data, more = np.random.default_rng(0).random((2, 2, 3, 4), np.float32)
    found = session.run({"data": data, "more": more})
    assert list(found) == ["a/b", "sum"]
    np.testing.assert_allclose(found["a/b"], 2 * data, rtol=1e-5)
    np.testing.assert_allclose(found["sum"], 2 * data + more, rtol=1e-5)
    _, first, again, run = arguments(calls)
    timed = ["--duration=0", "--noDataTransfers", "--useSpinWait", "--fp16", "--device=0", "--exportTimes=times.json"]
    assert sorted(first) == sorted(["--onnx=net.onnx", "--saveEngine=net.engine", "--iterations=3", *timed])
    assert sorted(again) == sorted(["--loadEngine=net.engine", "--iterations=10", *timed])
    assert "--noDataTransfers" not in run and "--loadInputs='data':in0.bin,'more':in1.bin" in run


@pytest.mark.parametrize(
    ("chosen", "flags"),
    [
        ({}, ["--noTF32", "--device=0"]),
        ({"device": "cuda:2", "precision": "tf32"}, ["--device=2"]),
        ({"device": "dla:1", "precision": "bfloat16"}, ["--bf16", "--useDLACore=1", "--allowGPUFallback"]),
    ],
)
def test_device_and_precision_are_options_of_the_program(calls, chosen, flags):
    make_engine("trtexec", **chosen)
    assert arguments(calls)[0][-1 - len(flags) : -1] == flags


@pytest.mark.parametrize("wrong", [{"precision": "int8"}, {"device": "npu"}, {"device": "cuda:x"}])
def test_what_it_does_not_have_is_refused(calls, wrong):
    with pytest.raises(UnsupportedError, match=f"engine trtexec: {next(iter(wrong))}: found"):
        make_engine("trtexec", **wrong)


def test_what_trtexec_refuses_is_told_in_its_words(calls, net_of):
    layers = 'layer { name: "prob" type: "Softmax" bottom: "data" top: "prob" }'
    session = make_engine("trtexec").load(net_of(layers, data=(1, 2, 4, 4)), {})
    with pytest.raises(UnsupportedError, match=r"failed with status 1: .*\[E\] No importer registered for op: Softmax"):
        session.samples(1)


def test_an_output_that_is_not_trtexecs_is_refused(tmp_path, monkeypatch):
    install("trtexec", 'print("hello")\n', tmp_path, monkeypatch)
    with pytest.raises(FormatError, match="engine trtexec: output of trtexec: ends before 'Time over all layers'"):
        make_engine("trtexec")
