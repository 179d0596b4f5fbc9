"""A table, a verdict and an exit status."""

from __future__ import annotations

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
