"""The engine caffe: by a stand-in for the program, and by the real one where it is on the PATH."""

import json
import re
import shutil
import subprocess
import tempfile

import numpy as np
import pytest

from converters import load_weights, make_engine, verify
from prototxt_gen import NetParameter, read_prototxt
from prototxt_gen.errors import CaffeError, NetworkError, NotInstalledError, UnsupportedError
from prototxt_gen.text import parse_text
from tests.standins import install, install_caffe

TWO = """
layer { name: "double" type: "Power" bottom: "data" top: "a/b" power_param { scale: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "a/b" bottom: "more" top: "sum" }
layer { name: "unused" type: "Power" bottom: "sum" top: "unused" }
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    return install_caffe(tmp_path, monkeypatch)


def arguments(calls):
    return [json.loads(line) for line in calls.read_text().splitlines()]


def test_without_the_program_its_name_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalledError, match="engine caffe: needs the program caffe, which is not on the PATH"):
        make_engine("caffe")


def test_outputs_come_by_hdf5(calls, net_of):
    net = net_of(TWO, data=(2, 3, 4), more=(2, 3, 4))
    session = make_engine("caffe").load(net, {}, outputs=["a/b", "sum"])
    data, more = np.random.default_rng(0).random((2, 2, 3, 4), np.float32)
    found = session.run({"data": data, "more": more, "else": data})
    assert list(found) == ["a/b", "sum"]
    assert np.array_equal(found["a/b"], 2 * data) and np.array_equal(found["sum"], 2 * data + more)
    assert found["sum"].dtype == np.float32
    assert session.inputs == {"data": (2, 3, 4), "more": (2, 3, 4)}
    three = np.ones((3, 3, 4), np.float32)
    assert session.run({"data": three, "more": three})["sum"].shape == (3, 3, 4), "another batch"
    with pytest.raises(NetworkError, match="missing: more"):
        session.run({"data": data})


def test_times_are_those_of_caffe_time(calls, net_of):
    engine = make_engine("caffe", threads=3)
    session = engine.load(net_of(TWO, data=(2, 3, 4), more=(2, 3, 4)), {})
    assert engine.target["engine"] == "caffe" and engine.target["threads"] == 3
    assert engine.target["versions"] == {"caffe": "1.0.0"}
    # A microsecond for each of 24 numbers of five tops: the stand-in's.
    assert session.samples(7) == [pytest.approx(0.12)] and session.time() == pytest.approx(0.12)
    (version, _), (time, threads), _ = arguments(calls)
    assert version == ["--version"] and threads == "3"
    assert time[0] == "time" and time[2:] == ["-iterations=7", "-phase=TEST"]


def test_layers_of_forks_are_rewritten(calls, net_of):
    layers = 'layer { name: "up" type: "Interp" bottom: "data" top: "up" interp_param { height: 7 width: 7 } }'
    session = make_engine("caffe").load(net_of(layers, data=(1, 2, 4, 4)), {})
    assert session.samples(1)[0] > 0


def test_what_caffe_refuses_is_told_in_its_words(calls, net_of):
    with pytest.raises(UnsupportedError, match=r"caffe failed with status 134: F.*CPU-only Caffe: check mode\.$"):
        make_engine("caffe", device="cuda:1")
    for wrong in ({"precision": "float16"}, {"device": "npu"}, {"device": "cuda:x"}):
        with pytest.raises(UnsupportedError, match=f"engine caffe: {next(iter(wrong))}: found"):
            make_engine("caffe", **wrong)


def test_random_numbers_that_differ_in_each_run_are_refused(calls, net_of):
    layers = """layer { name: "noise" type: "DummyData" top: "noise"
                dummy_data_param { shape { dim: 2 } data_filler { type: "uniform" } } }"""
    with pytest.raises(UnsupportedError, match="random numbers differ in each run: noise"):
        make_engine("caffe").load(net_of(layers), {})


def test_a_program_that_takes_too_long_is_stopped_and_leaves_nothing(tmp_path, monkeypatch, net_of):
    code = 'import time\nif "version" not in options:\n    print("begun", flush=True)\n    time.sleep(60)\n'
    install("caffe", code, tmp_path, monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine = make_engine("caffe")
    engine.limit_s = 1.5
    session = engine.load(net_of(TWO, data=(1, 2), more=(1, 2)), {})
    with pytest.raises(CaffeError, match=r"network '': caffe took more than 1\.5 s and was stopped"):
        session.samples(1)
    assert list(tmp_path.glob("dongfeng-caffe-*"))
    del session
    assert not list(tmp_path.glob("dongfeng-caffe-*"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("caffe") is None, reason="no program caffe on the PATH")
def test_conformance_by_the_real_caffe(reference):
    """Outside truth: the outputs that BVLC Caffe 1.0 gave for these networks, by its program."""
    said = subprocess.run([shutil.which("caffe"), "--version"], capture_output=True, text=True, check=True).stdout
    assert re.search("caffe version", said)
    engine = make_engine("caffe")
    for path in sorted((reference / "conformance").glob("*.prototxt")):
        net, stored = read_prototxt(path), np.load(path.with_suffix(".npz"))
        file = path.with_suffix(".caffemodel")
        weights = load_weights(file, net) if file.exists() else {}
        outputs = {name[5:]: stored[name] for name in stored.files if name.startswith("out__")}
        session = engine.load(net, weights, outputs=list(outputs))
        found = session.run({name[4:]: stored[name] for name in stored.files if name.startswith("in__")})
        for name, expected in outputs.items():
            assert found[name].shape == expected.shape
            # Interps are rewritten; the rest is the program's own.
            tolerance = 1e-5 if path.stem.startswith("interp") else 1e-6
            np.testing.assert_allclose(found[name], expected, rtol=tolerance, atol=tolerance, err_msg=path.stem)
        if path.stem.startswith(("argmax", "threshold")):
            with pytest.raises(UnsupportedError, match=r"Not Implemented Yet \(caffe time runs every layer backward"):
                session.samples(1)
        else:
            assert session.samples(200)[0] > 0


@pytest.mark.skipif(shutil.which("caffe") is None, reason="no program caffe on the PATH")
def test_verify_against_the_real_caffe():
    net = parse_text(
        """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
                convolution_param { num_output: 2 kernel_size: 3 } }
        layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
        layer { name: "prob" type: "Softmax" bottom: "conv" top: "prob" }""",
        NetParameter(),
    )
    rng = np.random.default_rng(0)
    weights = {"conv": [rng.random((2, 3, 3, 3), np.float32), rng.random(2, np.float32)]}
    found = verify(net, weights, "caffe")
    assert found.passed and [top.relative is not None for top in found.tops] == [True, True]
