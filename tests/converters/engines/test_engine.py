"""All engines give the same numbers for the same network, by one interface."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from converters import load_weights, make_engine, merge_batchnorm, to_torch, verify, weights_of
from prototxt_gen import CaffeError, NetParameter, NetworkError, generate, read_prototxt
from prototxt_gen.errors import NotInstalledError, UnsupportedError
from prototxt_gen.text import parse_text
from tests.caffe_files import FAMILIES, in_reference
from tests.converters.test_conformance import CASES
from tests.filling import fill_inputs, fill_weights
from tools.reference_facts import REFERENCE
from tools.truths import TRUTHS

PACKAGES = {"torch": "torch", "onnxruntime": "onnxruntime", "opencv": "cv2", "openvino": "openvino"}
EXTRAS = {"onnxruntime": "onnx", "opencv": "opencv", "openvino": "openvino"}
DF1 = "s8-16_b16x3_b32x3_b64_c10"
DF1SEG = "s8-16_b16_b32_b64x3-128_p32-128_d32-16-19_u8_c19"


def made(name, **options):
    """The engine of this name with one thread; skips where its package is not installed."""
    pytest.importorskip(PACKAGES[name])
    try:
        return make_engine(name, **{"threads": 1} | options)
    except NotInstalledError as fault:
        pytest.skip(str(fault))


@pytest.fixture(params=sorted(PACKAGES))
def engine(request):
    return made(request.param)


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
    with pytest.raises(
        CaffeError,
        match=r"engine: found 'mxnet', expected one of .*onnxruntime, opencv, openvino, openvino2023, rknn, to",
    ):
        make_engine("mxnet")


@pytest.mark.parametrize("name", EXTRAS)
def test_what_is_not_installed_names_its_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGES[name], None)
    with pytest.raises(NotInstalledError, match=rf"engine {name}: needs .*: pip install 'dongfeng\[{EXTRAS[name]}\]'"):
        make_engine(name)


@pytest.mark.parametrize("name", ["onnxruntime", "opencv"])
def test_what_an_engine_cannot_run_is_told(name, net_of):
    pytest.importorskip(PACKAGES[name])
    net = net_of('layer { name: "t" type: "BatchReindex" bottom: "x" bottom: "i" top: "y" }', x=(2, 3), i=(2,))
    with pytest.raises(UnsupportedError, match=r"cannot run|opencv4 has no exact form of layer 't' \(BatchReindex\)"):
        session = make_engine(name).load(net)
        session.run({"x": image(2, 3), "i": np.array([5, 7], np.float32)})


# What OpenCV's reader of Caffe files does not know, of the cases that real Caffe answered.
NOT_IN_OPENCV = {
    "accuracy", "argmax", "argmax_axis", "batch_reindex", "embed", "euclidean_loss", "sigmoid_ce", "softmax_loss",
    "softmax_loss_spatial_ignore", "spp", "threshold",
}  # fmt: skip


def truth_of(kind, case):
    """A network, weights and inputs, and what BVLC Caffe 1.0 computed for them."""
    folder = REFERENCE / "conformance" if kind == "conformance" else TRUTHS / "layers"
    path = folder / case
    net = read_prototxt(path.with_suffix(".prototxt"))
    with np.load(path.with_suffix(".npz")) as found:
        arrays = dict(found)
    if kind == "layers":
        return net, fill_weights(net), fill_inputs(net), arrays
    file = path.with_suffix(".caffemodel")
    weights = load_weights(file, net) if file.exists() else {}
    inputs, truth = ({key[len(part) :]: array for key, array in arrays.items() if key.startswith(part)} for part in
                     ("in__", "out__"))  # fmt: skip
    return net, weights, inputs, truth


def check_truth(engine, net, weights, inputs, truth):
    """The numbers by run, and by step, whose values stay in the engine's own form."""
    session = engine.load(net, weights, outputs=list(truth))
    stepped, ms = session.step(session.native(inputs))
    assert ms > 0 and list(stepped) == list(truth)
    for found in (session.run(inputs), {top: to_numpy(value) for top, value in stepped.items()}):
        for top, expected in truth.items():
            assert found[top].shape == expected.shape, top
            assert np.abs(found[top] - expected).max(initial=0) <= 1e-5 * np.abs(expected).max(initial=0), top


@pytest.mark.parametrize("name", sorted(set(PACKAGES) - {"opencv"}))
@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_gives_caffes_numbers(name, family):
    check_truth(made(name), *truth_of("layers", family))


# For torch and the graphs of onnxruntime, tests/converters has the same cases.
@pytest.mark.parametrize("name", ["opencv", "openvino"])
@pytest.mark.parametrize("case", in_reference(*CASES))
def test_conformance(name, case):
    engine = made(name)
    net, weights, inputs, truth = truth_of("conformance", case)
    if name == "opencv" and case in NOT_IN_OPENCV:
        with pytest.raises(UnsupportedError, match=r"opencv4 has no exact form of|outputs: found none for"):
            engine.load(net, weights, outputs=list(truth))
    else:
        check_truth(engine, net, weights, inputs, truth)


def to_numpy(value):
    """The numbers of a value of any engine's own."""
    if isinstance(value, np.ndarray):
        return value
    return np.array(value.numpy() if hasattr(value, "numpy") else value.data)


@pytest.mark.parametrize("code", [DF1, DF1SEG])
def test_steps_run_a_network_part_by_part(engine, code):
    """What one session gives in its own form, another takes, and it is as good as copied until that session runs."""
    net, weights = filled(code, (64, 64))
    blob = image(1, 3, 64, 64)
    tops = ["res2.1.sum", "res4.4.sum"] if code == DF1SEG else ["res2.3.sum", "res3.3.sum"]
    whole = engine.load(net, weights, outputs=tops)
    values, _ = whole.step(whole.native({"data": blob}))
    kept = {top: to_numpy(value).copy() for top, value in values.items()}
    expected = {top: array.copy() for top, array in whole.run({"data": blob}).items()}
    again, _ = whole.step(whole.native({"data": blob}))
    halves = parse_text(
        "".join(
            f'layer {{ name: "{top}" type: "Input" top: "{top}" input_param {{ shape {{ '
            + " ".join(f"dim: {size}" for size in array.shape)
            + f' }} }} }} layer {{ name: "{top}/half" type: "Power" bottom: "{top}" top: "{top}/half" '
            f"power_param {{ scale: 0.5 }} }}"
            for top, array in expected.items()
        ),
        NetParameter(),
    )
    half, _ = engine.load(halves, {}).step(again)
    for top, array in expected.items():
        np.testing.assert_allclose(kept[top], array, rtol=1e-5, atol=1e-5 * np.abs(array).max())
        np.testing.assert_allclose(to_numpy(half[f"{top}/half"]), array / 2, atol=1e-5 * np.abs(array).max())


def test_what_a_run_gave_is_not_touched_by_the_next(engine):
    net, weights = filled(DF1, (64, 64))
    session = engine.load(net, weights)
    first = session.run({"data": image(1, 3, 64, 64)})["fc"]
    copy, part = first.copy(), first[0, 2:5]
    del first
    second = session.run({"data": -image(1, 3, 64, 64)})["fc"]
    session.time()
    assert np.array_equal(part, copy[0, 2:5]) and not np.array_equal(second, copy)


def test_a_batch_of_an_engine_is_that_of_its_networks():
    net, weights = filled(DF1, (64, 64))
    for name in PACKAGES:
        engine = made(name, batch=3)
        session = engine.load(net, weights)
        assert session.inputs == {"data": (3, 3, 64, 64)} and engine.target["batch"] == 3
        assert session.own_inputs()["data"].shape == (3, 3, 64, 64) and session.time() > 0


REFUSED = [
    ("torch", {"device": "cuda"}, r"engine torch: device: found 'cuda' \(found no CUDA devices; .*\), expected cpu"),
    ("torch", {"device": "cuda:x"}, r"engine torch: device: found 'cuda:x', expected cpu"),
    ("torch", {"device": "tpu"}, r"engine torch: device: found 'tpu', expected cpu"),
    ("torch", {"precision": "float16"}, r"precision: found 'float16' \(on cpu\), expected float32 or bfloat16"),
    ("torch", {"precision": "int8"}, r"precision: found 'int8' \(on cpu\), expected float32 or bfloat16"),
    ("onnxruntime", {"device": "npu"}, r"device: found 'npu' \(this onnxruntime .* has cpu.*\), expected cpu"),
    ("onnxruntime", {"device": "azure"}, r"device: found 'azure'"),
    ("onnxruntime", {"precision": "bfloat16"}, r"precision: found 'bfloat16' \(on cpu\), expected float32 or int8$"),
    ("opencv", {"device": "cuda"}, r"engine opencv: device: found 'cuda', expected cpu$"),
    ("opencv", {"precision": "bfloat16"}, r"engine opencv: precision: found 'bfloat16'.*, expected float32"),
    ("openvino", {"device": "tpu"}, r"engine openvino: device: found 'tpu' \(OpenVINO finds .*CPU.*\), expected cpu"),
    ("openvino", {"device": "auto:tpu"}, r"engine openvino: device: found 'auto:tpu'"),
    ("openvino", {"precision": "float64"}, r"precision: found 'float64' \(on CPU\), expected float32"),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_options_that_an_engine_does_not_have_are_refused_by_name(name, options, message):
    made(name)
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UnsupportedError, match=message):
        make_engine(name, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": -1}, r"engine torch: threads: found -1, expected a whole number of at least 0"),
        ({"threads": 1.5}, r"engine torch: threads: found 1.5, expected a whole number"),
        ({"batch": 0}, r"engine torch: batch: found 0, expected a whole number of at least 1"),
    ],
)
def test_numbers_that_are_none_are_refused(options, message):
    with pytest.raises(CaffeError, match=message):
        make_engine("torch", **options)
