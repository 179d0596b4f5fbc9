"""A table, a verdict and an exit status."""

from __future__ import annotations

import pytest

from converters import load_weights, save_weights


def test_verify_prints_a_table_and_a_verdict(run, segmentation_pair, tmp_path):
    prototxt, caffemodel = segmentation_pair
    printed = run("verify", prototxt, caffemodel)
    assert "2 blobs with 4 numbers fit the network" in printed and "conv (Convolution)" in printed
    weights = load_weights(caffemodel)
    weights["conv"][0] *= 2
    save_weights(weights, tmp_path / "wrong.safetensors")
    printed = run("verify", prototxt, caffemodel, "--against", prototxt, tmp_path / "wrong.safetensors", status=1)
    assert "DIFFERS" in printed and "first at top 'conv'" in printed
    arguments = ("--against", prototxt, tmp_path / "wrong.safetensors", "--tolerance", "9")
    assert "agrees" in run("verify", prototxt, caffemodel, *arguments)


def test_verify_takes_an_input_shape(run, segmentation_pair):
    prototxt, caffemodel = segmentation_pair
    printed = run("verify", prototxt, caffemodel, "--input-shape", "2,1,3,5")
    assert "2x2x3x5" in printed and "2x2x5x9" in printed


def test_verify_names_what_does_not_fit(fault, segmentation_pair):
    prototxt, caffemodel = segmentation_pair
    prototxt.write_text(prototxt.read_text().replace("num_output: 2", "num_output: 3"))
    said = fault("verify", prototxt, caffemodel)
    assert "layer 'conv' (Convolution): blob 0: found shape (2, 1, 1, 1), expected (3, 1, 1, 1)" in said
    assert f"{caffemodel}: weights do not fit" in said
    said = fault("verify", prototxt, caffemodel, "--against", "a", "b", "c")
    assert "--against: found 3 names" in said


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch"])
def test_verify_runs_engines_with_their_options(run, fault, segmentation_pair, engine):
    pytest.importorskip(engine)
    printed = run("verify", *segmentation_pair, "--against", engine, "--threads", "1")
    assert "agrees with" in printed and "2 of 2 tops compared" in printed
    said = fault("verify", *segmentation_pair, "--against", engine, "--engine-device", "abacus")
    assert f"engine {engine}: device: found 'abacus'" in said
    said = fault("verify", *segmentation_pair, "--against", engine, "--precision", "float8")
    assert f"engine {engine}: precision: found 'float8'" in said


def test_verify_says_how_much_a_type_loses(run, segmentation_pair):
    arguments = ("--against", "torch", "--precision", "bfloat16")
    assert "DIFFERS" in run("verify", *segmentation_pair, *arguments, status=1)
    assert "agrees" in run("verify", *segmentation_pair, *arguments, "--tolerance", "0.01")


def test_options_of_an_engine_want_an_engine(fault, segmentation_pair):
    prototxt, caffemodel = segmentation_pair
    for more in ([], ["--against", prototxt, caffemodel]):
        said = fault("verify", prototxt, caffemodel, *more, "--threads", "2")
        assert "--threads, --engine-device and --precision are for an engine that --against names" in said
