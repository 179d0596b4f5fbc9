"""All engines give the same numbers for the same network, by one interface."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from converters import make_engine, merge_batchnorm, to_torch, verify, weights_of
from converters.engines import ENGINES
from prototxt_gen import CaffeError, NetworkError, generate
from prototxt_gen.errors import NotInstalledError, UnsupportedError

PACKAGES = {"torch": "torch", "onnxruntime": "onnxruntime", "opencv": "cv2"}
EXTRAS = {"onnxruntime": "onnx", "opencv": "opencv"}
DF1 = "s32-64_b64x3_b128x3_b256x3-512_c10"
DF1SEG = "s32-64_b64x3_b128x3_b256x3-512_p128-512_d128-32-19_u8_c19"


@pytest.fixture(params=sorted(ENGINES))
def engine(request):
    pytest.importorskip(PACKAGES[request.param])
    try:
        return make_engine(request.param, threads=1)
    except NotInstalledError as fault:
        pytest.skip(str(fault))


def filled(code, size, batch=1):
    """A network of the zoo's kind at a small size, and weights with which no ReLU is dead."""
    torch.manual_seed(0)
    net = generate(code, input_shape=(batch, 3, *size))
    weights = weights_of(to_torch(net))
    for name, blobs in weights.items():
        if name.endswith("bn_scale"):
            blobs[1] += 0.5
    return net, weights


def image(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize(("code", "size"), [(DF1, (64, 64)), (DF1SEG, (64, 96))])
@pytest.mark.parametrize("merged", [False, True])
def test_scores_are_those_of_the_module(engine, code, size, merged):
    net, weights = filled(code, size)
    blob = image(1, 3, *size)
    with torch.no_grad():
        expected = to_torch(net, weights)(torch.from_numpy(blob)).numpy()
    session = engine.load(*(merge_batchnorm(net, weights) if merged else (net, weights)))
    assert session.inputs == {"data": (1, 3, *size)}
    (output,) = session.outputs
    (scores,) = session.run({"data": blob, "label": blob}).values()
    assert session.run({"data": blob}).keys() == {output}
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-5 * np.abs(expected).max())


def test_tops_within_are_given_by_name(engine):
    net, weights = filled(DF1, (64, 64))
    tops = ["conv2", "res3.2.sum", "fc"]
    blob = image(1, 3, 64, 64)
    with torch.no_grad():
        expected = to_torch(net, weights, outputs=tops)(torch.from_numpy(blob))
    session = engine.load(net, weights, outputs=tops)
    assert session.outputs == tuple(tops)
    for top, array in session.run({"data": blob}).items():
        np.testing.assert_allclose(array, expected[top].numpy(), atol=1e-5 * float(expected[top].abs().max()))


def test_batches_of_other_sizes(engine):
    net, weights = filled(DF1, (64, 64))
    session = engine.load(net, weights)
    blob = image(3, 3, 64, 64)
    (together,) = session.run({"data": blob}).values()
    alone = [session.run({"data": part[None]})["fc"] for part in blob]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5 * np.abs(together).max())


def test_times_are_milliseconds_of_a_run(engine):
    net, weights = filled(DF1, (64, 64))
    session = engine.load(net, weights)
    assert 0 < min(session.time() for _ in range(3)) < 10_000
    assert session.time({"data": image(1, 3, 64, 64)}) > 0
    assert engine.load(net).time() > 0  # whatever the weights


def test_inputs_that_are_missing_are_named(engine):
    session = engine.load(*filled(DF1, (64, 64)))
    with pytest.raises(NetworkError, match=r"inputs: found image, expected data \(missing: data\)"):
        session.run({"image": image(1, 3, 64, 64)})


def test_the_target_is_plain_and_says_what_times_depend_on(engine):
    target = json.loads(json.dumps(engine.target))
    assert target == engine.target
    assert target["engine"] == engine.name
    assert target["device"] and target["threads"] == 1 and target["precision"] == "float32"
    assert all(isinstance(version, str) for version in target["versions"].values())


@pytest.mark.parametrize("code", [DF1, DF1SEG])
def test_verify_compares_every_engine(engine, code):
    found = verify(*filled(code, (64, 64)), against=engine.name)
    assert found.passed and found.against == engine.title
    compared = [top for top in found.tops if top.relative is not None]
    assert len(compared) == len(found.tops)


def test_engines_that_are_not_there():
    with pytest.raises(CaffeError, match="engine: found 'caffe', expected one of onnxruntime, opencv, torch"):
        make_engine("caffe")


@pytest.mark.parametrize("name", EXTRAS)
def test_what_is_not_installed_names_its_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGES[name], None)
    with pytest.raises(NotInstalledError, match=rf"engine {name}: needs .*: pip install 'dongfeng\[{EXTRAS[name]}\]'"):
        make_engine(name)


@pytest.mark.parametrize("name", ["onnxruntime", "opencv"])
def test_what_an_engine_cannot_run_is_told(name, net_of):
    pytest.importorskip(PACKAGES[name])
    net = net_of('layer { name: "t" type: "BatchReindex" bottom: "x" bottom: "i" top: "y" }', x=(2, 3), i=(2,))
    with pytest.raises(UnsupportedError, match=r"cannot run|OpenCV"):
        session = make_engine(name).load(net)
        session.run({"x": image(2, 3), "i": np.array([5, 7], np.float32)})
