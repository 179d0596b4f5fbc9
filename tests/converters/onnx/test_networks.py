"""Whole networks in ONNX give Caffe's numbers: in onnxruntime, merged and not, at the batch and the sizes asked for."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_zoo.cards import CARDS
from converters import save_weights, to_torch, weights_of
from prototxt_gen import generate, read_prototxt
from prototxt_gen.generator.networks import feature_tops
from tests.caffe_files import FAMILIES, SPELLINGS, WHOLE, family, in_reference, thinned, whole, write_spelling
from tests.converters.onnx.checking import check_valid, close, onnx, run_runtime, run_torch, to_graph
from tests.converters.test_conformance import CASES, LEGACY
from tests.filling import fill_inputs, fill_weights
from tests.released import released
from tools.reference_facts import REFERENCE
from tools.truths import SPELLED, TRUTHS, WHOLE_NUMBERS

#: Cases of the reference that ONNX cannot say, with the reason.
NOT_IN_ONNX: dict[str, str] = {}


def runs(net, weights, inputs, outputs, **options):
    """The outputs of a valid model, in onnxruntime."""
    exported = to_graph(net, weights, outputs=outputs, **options)
    check_valid(onnx.load_from_string(exported.to_bytes()))
    return run_runtime(exported, inputs)


def compare(found, path, limit=1e-5):
    with np.load(path) as truth:
        for name in truth.files:
            close(found[name], truth[name], limit, name)


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_type_gives_caffes_numbers(name, merged):
    net, path = family(name), TRUTHS / "layers" / f"{name}.npz"
    with np.load(path) as truth:
        outputs = truth.files
    compare(runs(net, fill_weights(net), fill_inputs(net), outputs, merged=merged), path)


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_old_spelling_gives_caffes_numbers(name, tmp_path):
    path = write_spelling(name, tmp_path)
    net = read_prototxt(path.with_suffix(".prototxt"))
    with np.load(SPELLED) as truth:
        outputs = truth.files
    compare(runs(net, path, fill_inputs(net), outputs), SPELLED)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_networks_give_caffes_numbers(name):
    net = whole(name)
    (found,) = runs(net, fill_weights(net), fill_inputs(net), None, dynamic="batch").values()
    with np.load(WHOLE_NUMBERS) as numbers:
        close(thinned(found), numbers[name], 1e-5)


# Each block, squeeze-and-excitation, a pyramid, a decoder; small.
CODES = (
    "s8-16_b16x2_n16-32_c10",
    "m16_i1.16e1_i24k5e3q-e6_h64_c10",
    "g16_f1.16h32_f24k5h40-h72_h64_c10",
    "t8-24_u48x2_u96x2_u192x2_q48-192_e192-96-48_u2_c19",
)


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("code", CODES)
def test_generated_networks_take_any_batch(code, merged):
    any_batch(code, merged)


@pytest.mark.slow
@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("name", CARDS)
def test_networks_of_the_zoo_take_any_batch(name, merged):
    any_batch(CARDS[name].architecture, merged)


def any_batch(architecture, merged):
    net = generate(architecture, input_shape=(1, 3, 64, 96))
    weights = weights_of(to_torch(net))
    exported = to_graph(net, weights, merged=merged, dynamic="batch")
    check_valid(onnx.load_from_string(exported.to_bytes()))
    for batch in (1, 3):
        inputs = {"data": np.random.default_rng(0).normal(size=(batch, 3, 64, 96)).astype(np.float32)}
        found = run_runtime(exported, inputs)
        for top, expected in run_torch(net, weights, inputs).items():
            close(found[top], expected, 1e-5, top)


@pytest.mark.parametrize("code", CODES)
def test_backbones_take_any_size(code):
    net = generate(code, input_shape=(1, 3, 64, 96))
    tops = list(feature_tops(code).values())
    weights = weights_of(to_torch(net))
    exported = to_graph(net, weights, outputs=tops, dynamic="sizes")
    for shape in ((1, 3, 64, 96), (2, 3, 63, 33), (1, 3, 97, 128)):
        inputs = {"data": np.random.default_rng(0).normal(size=shape).astype(np.float32)}
        found = run_runtime(exported, inputs)
        for top, expected in run_torch(net, weights, inputs, tops).items():
            close(found[top], expected, 1e-5, top)


def reference_case(path, weights, merged):
    arrays = dict(np.load(path.with_suffix(".npz")))
    outputs = {key[5:]: value for key, value in arrays.items() if key.startswith("out__")}
    inputs = {key[4:]: value for key, value in arrays.items() if key.startswith("in__")}
    net = read_prototxt(path.with_suffix(".prototxt"))
    found = runs(net, weights, inputs, list(outputs), merged=merged)
    for name, expected in outputs.items():
        close(found[name], expected, 1e-5, name)


@pytest.mark.parametrize("name", in_reference(*(case for case in CASES if case not in NOT_IN_ONNX)))
def test_conformance(name):
    path = REFERENCE / "conformance" / name
    files = [file for file in (path.with_suffix(".caffemodel"), path.with_suffix(".caffemodel.h5")) if file.exists()]
    for weights in files or [{}]:
        for merged in (True, False):
            reference_case(path, weights, merged)


@pytest.mark.parametrize("name", in_reference(*LEGACY))
def test_legacy(name):
    path = REFERENCE / "legacy" / name
    reference_case(path, path.with_suffix(".caffemodel"), True)


@pytest.mark.parametrize("name", in_reference("df1", "df1_mergebn", "df2a"))
def test_classifiers_of_the_release_give_caffes_numbers(name, reference, fill, fill_weights):
    assert max(differences(name, reference, fill, fill_weights, (224, 224)).values()) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", in_reference("df-lite_seg_mergebn", "df1seg", "df1seg_mergebn", "df2seg1_mergebn"))
def test_segmentation_of_the_release_gives_caffes_numbers(name, reference, fill, fill_weights):
    found = differences(name, reference, fill, fill_weights, (1024, 2048))
    assert max(found.pop(key) for key in list(found) if key.startswith("pred")) <= 1e-6
    assert max(found.values()) <= 1e-4, found


def differences(name, reference, fill, fill_weights, size):
    """By key of a reference file, largest difference over largest value, or the share of labels that differ."""
    net = released(name)
    shapes = {"data": (1, 3, *size), "label": (1,)}
    expected = dict(np.load(reference / "nets" / f"{name}.npz"))
    expected.pop("params")
    tops = {key: key.split("|")[-1].split("[")[0] for key in expected}
    weights = fill_weights(net, shapes)
    exported = to_graph(net, weights, outputs=sorted(set(tops.values())), input_shapes=shapes)
    results = run_runtime(exported, {"data": fill.image(*size)})
    found = {}
    for key, value in expected.items():
        top = results[tops[key]]
        if key.startswith("mean|"):
            top = top.mean((0, 2, 3))
        if "::8" in key:
            top = top[:, :, ::8, ::8]
        if key.startswith("pred"):
            found[key] = float((top != value).mean())
        else:
            found[key] = float(np.abs(top.astype(float) - value).max() / np.abs(value).max())
    return found


def test_a_file_of_weights_and_a_file_of_text(tmp_path):
    from converters import export_onnx

    net = whole("df1")
    save_weights(fill_weights(net), tmp_path / "df1.caffemodel", net)
    export_onnx(net, tmp_path / "df1.caffemodel", tmp_path / "df1.onnx")
    onnx.checker.check_model(str(tmp_path / "df1.onnx"), full_check=True)
