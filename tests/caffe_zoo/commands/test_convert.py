"""Weights in other formats, and pairs for stock Caffe."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import converters
from caffe_zoo.cli import main
from converters import check_target, load_weights, read_target, read_weights, save_weights, to_torch, verify, weights_of
from converters.targets.files import numbers_of
from prototxt_gen import NetParameter, generate, read_prototxt, write_prototxt
from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.text import parse_text
from tests.filling import fill_weights


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5", ".safetensors", ".pt"])
def test_convert_there_and_back(pair, tmp_path, suffix):

    prototxt, caffemodel = pair
    there, back = tmp_path / f"there{suffix}", tmp_path / "back.caffemodel"
    assert main(["convert", str(prototxt), str(caffemodel), str(there)]) == 0
    assert main(["convert", str(prototxt), str(there), str(back)]) == 0
    before, after = load_weights(caffemodel), load_weights(back)
    assert list(before) == list(after)
    for layer, blobs in before.items():
        for old, new in zip(blobs, after[layer], strict=True):
            np.testing.assert_array_equal(old, new)


def test_convert_between_dialects_and_back(run, segmentation_pair, tmp_path):
    _, caffemodel = segmentation_pair
    fork, stock = tmp_path / "fork.caffemodel", tmp_path / "stock.caffemodel"
    run("convert", caffemodel, fork, "--dialect", "release")
    assert fork.read_bytes() == to_binary(from_binary(caffemodel.read_bytes()), "release")
    assert "2 blobs" in run("convert", fork, stock, "--dialect", "bvlc")
    assert stock.read_bytes() == caffemodel.read_bytes()
    run("convert", fork, stock)  # bvlc unless told otherwise
    assert stock.read_bytes() == caffemodel.read_bytes()


def test_convert_with_the_network_writes_either_dialect(run, segmentation_pair, tmp_path):
    prototxt, caffemodel = segmentation_pair
    run("convert", prototxt, caffemodel, tmp_path / "a.safetensors")
    for dialect in ("release", "bvlc"):
        out = tmp_path / f"{dialect}.caffemodel"
        run("convert", prototxt, tmp_path / "a.safetensors", out, "--dialect", dialect)
        assert out.read_bytes() == to_binary(from_binary(caffemodel.read_bytes()), dialect)


def test_convert_a_file_in_the_bytes_of_the_fork(run, tmp_path, weights_file):
    fork = weights_file("df1seg_mergebn", "release")
    run("convert", fork, tmp_path / "stock.caffemodel", "--dialect", "bvlc")
    stock = NetParameter()
    stock.MergeFromString((tmp_path / "stock.caffemodel").read_bytes())
    assert stock.IsInitialized() and not any(layer.HasField("clip_param") for layer in stock.layer)
    run("convert", tmp_path / "stock.caffemodel", tmp_path / "back.caffemodel", "--dialect", "release")
    assert (tmp_path / "back.caffemodel").read_bytes() == fork.read_bytes()


def test_convert_writes_a_pair_for_stock_caffe(fault, run, tmp_path):
    net = generate("t8-16_u16x2_u32x2_u64_q8-32_e32-16-8_u2_c5", input_shape=(1, 3, 64, 96))
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    module = to_torch(net).eval()
    write_prototxt(net, prototxt)
    save_weights(weights_of(module), caffemodel, net)
    files = tmp_path / "stock.caffemodel", tmp_path / "stock.prototxt"
    said = run("convert", prototxt, caffemodel, files[0], "--stock", files[1])
    assert [line.split(":")[0] for line in said.splitlines()] == [str(files[1]), str(files[0])]
    stock = read_prototxt(files[1])
    assert not {"Interp", "ShuffleChannel"} & {layer.type for layer in stock.layer}
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected, found = module(image), to_torch(stock, read_weights(files[0], stock)).eval()(image)
    assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))
    for arguments in ([caffemodel], [prototxt, caffemodel, "--dialect", "release"]):
        more = [*arguments[:2], tmp_path / "no.caffemodel", *arguments[2:], "--stock", tmp_path / "no.prototxt"]
        assert "--stock needs" in fault("convert", *more)
    assert not list(tmp_path.glob("no.*"))


def test_convert_writes_the_bilinear_weights_that_a_file_leaves_to_their_filler(run, tmp_path):
    net = generate("s4-8_b8_b16_b16_p8-16_d8-4x2_u8_c5", input_shape=(1, 3, 64, 96))
    weights = weights_of(to_torch(net))
    write_prototxt(net, tmp_path / "net.prototxt")
    fixed = {name for name in weights if name.endswith(("/up2", ".up8"))}
    assert fixed
    save_weights({name: weights[name] for name in weights.keys() - fixed}, tmp_path / "part.caffemodel")
    run("convert", tmp_path / "net.prototxt", tmp_path / "part.caffemodel", tmp_path / "whole.caffemodel")
    whole = load_weights(tmp_path / "whole.caffemodel")
    assert whole.keys() == weights.keys()
    assert all(np.array_equal(whole[name][0], weights[name][0]) for name in fixed)


@pytest.mark.parametrize("suffix", [".caffemodel.h5", ".safetensors"])
def test_convert_without_the_network(run, segmentation_pair, tmp_path, suffix):
    prototxt, caffemodel = segmentation_pair
    run("convert", caffemodel, tmp_path / f"a{suffix}")
    run("convert", tmp_path / f"a{suffix}", tmp_path / "b.caffemodel")
    again = read_weights(tmp_path / "b.caffemodel", read_prototxt(prototxt))
    for name, blobs in load_weights(caffemodel).items():
        for before, after in zip(blobs, again[name], strict=True):
            np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("suffix", [".caffemodel.h5", ".safetensors"])
def test_convert_gives_old_blobs_the_shapes_of_today(run, old_pair, tmp_path, suffix):
    _, caffemodel, weights = old_pair("V1")
    assert load_weights(caffemodel)["ip"][1].shape == (1, 1, 1, 3)
    run("convert", caffemodel, tmp_path / f"new{suffix}")
    for name, blobs in load_weights(tmp_path / f"new{suffix}").items():
        for before, after in zip(weights[name], blobs, strict=True):
            np.testing.assert_array_equal(before, after)


def test_convert_says_what_it_needs(fault, segmentation_pair, tmp_path):
    prototxt, caffemodel = segmentation_pair
    said = fault("convert", caffemodel, tmp_path / "a.pt")
    assert f"dongfeng convert NET.prototxt {caffemodel}" in said
    said = fault("convert", caffemodel, tmp_path / "a.h5", "--dialect", "release")
    assert "no dialects" in said
    write_prototxt(
        parse_text('layer { name: "c" type: "Clip" clip_param { min: 0 max: 1 } }', NetParameter()), prototxt
    )
    (tmp_path / "clip.caffemodel").write_bytes(to_binary(read_prototxt(prototxt)))
    said = fault("convert", tmp_path / "clip.caffemodel", tmp_path / "a.caffemodel", "--dialect", "release")
    assert "layers ['c']" in said


def test_convert_writes_over_its_own_input_alone(run, fault, pair, tmp_path):
    prototxt, caffemodel = pair
    before, text = load_weights(caffemodel), prototxt.read_bytes()
    for arguments in ([prototxt, caffemodel], [caffemodel]):
        run("convert", *arguments, caffemodel)
        after = load_weights(caffemodel)
        assert all(np.array_equal(blob, after[name][i]) for name in before for i, blob in enumerate(before[name]))
    content = caffemodel.read_bytes()
    out = tmp_path / "out.caffemodel"
    assert "is an input that is only read" in fault("convert", prototxt, caffemodel, out, "--stock", prototxt)
    assert "is an input that is only read" in fault("convert", prototxt, caffemodel, out, "--stock", caffemodel)
    assert "found twice among the outputs" in fault("convert", prototxt, caffemodel, out, "--stock", out)
    assert (prototxt.read_bytes(), caffemodel.read_bytes()) == (text, content) and not out.exists()


def test_convert_for_the_fork_leaves_the_old_file_where_it_cannot_write(fault, tmp_path):
    prototxt, caffemodel, out = (tmp_path / name for name in ("n.prototxt", "n.caffemodel", "out.caffemodel"))
    text = """
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }
        layer { name: "c" type: "Clip" bottom: "data" top: "c" clip_param { min: 0 max: 1 } }"""
    prototxt.write_text(text)
    save_weights({}, caffemodel, parse_text(text, NetParameter()))
    out.write_bytes(b"old")
    said = fault("convert", prototxt, caffemodel, out, "--dialect", "release")
    assert said.startswith(f"dongfeng convert: {out}: layers ['c']: the release's fork has no Clip")
    assert out.read_bytes() == b"old"


def test_convert_for_stock_caffe_writes_both_or_none(fault, pair, tmp_path):
    out = tmp_path / "out.caffemodel"
    assert "cannot be written" in fault("convert", *pair, out, "--stock", tmp_path / "nowhere" / "stock.prototxt")
    assert "out.zip" in fault("convert", *pair, tmp_path / "out.zip", "--stock", tmp_path / "stock.prototxt")
    assert not out.exists() and not (tmp_path / "stock.prototxt").exists()


TRAIN_VAL = """
layer { name: "data" type: "Input" top: "data" include { phase: TRAIN }
        input_param { shape { dim: 2 dim: 1 dim: 4 dim: 4 } } }
layer { name: "image" type: "Input" top: "data" include { phase: TEST }
        input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "up" type: "Interp" bottom: "conv" top: "up" interp_param { zoom_factor: 2 } }
layer { name: "aux" type: "Convolution" bottom: "conv" top: "aux" include { phase: TRAIN }
        convolution_param { num_output: 1 kernel_size: 1 } }
"""


def test_convert_says_which_phase_it_writes_for_stock_caffe(run, fault, tmp_path):
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(TRAIN_VAL)
    save_weights({"conv": [np.ones((2, 1, 1, 1)), np.ones(2)], "aux": [np.ones((1, 2, 1, 1)), np.ones(1)]}, caffemodel)
    stock, weights = tmp_path / "stock.prototxt", tmp_path / "stock.caffemodel"
    said = run("convert", prototxt, caffemodel, weights, "--stock", stock)
    assert said.startswith(f"{stock}: 3 layers, those of the phase TEST; left out: data, aux\n")
    assert [layer.name for layer in read_prototxt(stock).layer] == ["image", "conv", "up"]
    assert list(load_weights(weights)) == ["conv", "up"]
    said = run("convert", prototxt, caffemodel, weights, "--stock", stock, "--phase", "TRAIN")
    assert said.startswith(f"{stock}: 4 layers, those of the phase TRAIN; left out: image\n")
    assert [layer.name for layer in read_prototxt(stock).layer] == ["data", "conv", "up", "aux"]
    assert list(load_weights(weights)) == ["conv", "up", "aux"]
    said = fault("convert", prototxt, caffemodel, tmp_path / "a.h5", "--phase", "TRAIN")
    assert "--phase is for --stock" in said


def test_convert_needs_torch_for_state_dicts_alone(pair, tmp_path):
    prototxt, caffemodel = map(str, pair)
    for arguments in ([prototxt, caffemodel], [caffemodel]):
        for suffix in (".caffemodel", ".caffemodel.h5"):
            words = ["convert", *arguments, f"out{suffix}"]
            code = f"import sys; from caffe_zoo.cli import main; assert main({words}) == 0"
            code += "; assert 'torch' not in sys.modules"
            subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=tmp_path)


@pytest.fixture
def small(tmp_path):
    """Writes a network of text, or of an architecture, with weights, and gives both paths."""

    def write(net: NetParameter | str):
        if isinstance(net, str):
            net = parse_text(net, NetParameter())
        files = tmp_path / "small.prototxt", tmp_path / "small.caffemodel"
        write_prototxt(net, files[0])
        save_weights(fill_weights(net), files[1], net)
        return files

    return write


def test_convert_for_a_target_writes_what_it_takes_and_says_what_changed(run, small, tmp_path):
    prototxt, caffemodel = small(generate("m8_i8e1_i16e3-e3q_c5", input_shape=(1, 3, 32, 32)))
    out = tmp_path / "out.caffemodel", tmp_path / "out.prototxt"
    said = run("convert", prototxt, caffemodel, out[0], "--target", "rknn2", "--prototxt", out[1])
    assert "Clip to 0..6 as ReLU6" in said and "no fault" in said
    assert re.search(
        r"computes the same: outputs (are equal|differ by at most \d.\de-0[6-9] of the largest value)", said
    )
    net = read_prototxt(out[1])
    assert check_target(net, read_target("rknn2")).passed
    assert "Clip" not in {layer.type for layer in net.layer}
    assert {layer.type for layer in from_binary(out[0].read_bytes()).layer} == {layer.type for layer in net.layer}
    assert verify(net, out[0], (prototxt, caffemodel), tolerance=1e-5).passed


def test_convert_for_a_target_deploys_a_network_made_for_training(run, small, tmp_path):
    prototxt, caffemodel = small(generate("s8_b8_b16_c5", form="train_val", input_shape=(1, 3, 32, 32)))
    out = tmp_path / "out.caffemodel", tmp_path / "out.prototxt"
    said = run("convert", prototxt, caffemodel, out[0], "--target", "nnie", "--prototxt", out[1])
    assert "fc is an output now" in said and "has absorbed the batch norm behind it" in said
    types = [layer.type for layer in read_prototxt(out[1]).layer]
    assert types[0] == "Input" and not {"ImageData", "SoftmaxWithLoss", "Accuracy", "BatchNorm"} & set(types)


def test_convert_for_a_target_leaves_the_last_enlargement_out_where_asked_to(run, fault, tmp_path):
    code = "s4-8_b8_b16_b16_p8-16_d8-4x2_u8_c5"
    net = generate(code, input_shape=(1, 3, 64, 128))
    weights = {name: blobs for name, blobs in fill_weights(net).items() if "/up2" not in name and ".up8" not in name}
    write_prototxt(net, tmp_path / "net.prototxt")
    save_weights(weights, tmp_path / "net.caffemodel", net)
    files = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    out = tmp_path / "out.caffemodel", tmp_path / "out.prototxt"
    words = ["convert", *files, out[0], "--target", "release", "--prototxt", out[1], "--without-upsampling"]
    assert "Decoder_score.up8: left out" in run(*words)
    small = generate(code.replace("_u8", ""), input_shape=(1, 3, 64, 128))
    assert list(read_prototxt(out[1]).layer) == list(small.layer)
    assert verify(out[1], out[0], (small, weights), tolerance=1e-6).passed
    save_weights(fill_weights(net), files[1], net)
    assert "weights of its own, expected bilinear ones" in fault(*words)
    assert "--without-upsampling is for --target alone" in fault(*words[:4], "--without-upsampling")


UNHEARD = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 dim: 8 dim: 8 } } }
layer { name: "bnll" type: "BNLL" bottom: "data" top: "bnll" }
layer { name: "reindex" type: "MVN" bottom: "bnll" top: "mvn" }
"""


def test_convert_for_a_target_lists_all_that_it_cannot_do_and_writes_nothing(fault, small, tmp_path):
    prototxt, caffemodel = small(UNHEARD)
    out = tmp_path / "out.caffemodel", tmp_path / "out.prototxt"
    said = fault("convert", prototxt, caffemodel, out[0], "--target", "nnie", "--prototxt", out[1])
    assert "no exact form of layer 'bnll'" in said and "layer 'reindex'" in said
    assert not out[0].exists() and not out[1].exists()


TWO_NUMBERS = """
extends: bvlc
title: A board
version: "1"
date: 2026-11-22
sources:
  own: { text: seen here, kind: run, version: "1", date: 2026-11-22 }
layers:
  - types: [Upsample, ShuffleChannel]
    runs: accelerated
    source: own
fields:
  numbers: { upsample_param: 160, shuffle_channel_param: 159 }
  source: own
"""


def test_convert_for_a_target_writes_its_numbers(run, small, tmp_path):
    board = tmp_path / "board.yaml"
    board.write_text(TWO_NUMBERS)
    text = UNHEARD.split('layer { name: "bnll"')[0] + (
        'layer { name: "up" type: "Upsample" bottom: "data" top: "up" upsample_param { scale: 2 } }'
        'layer { name: "mix" type: "ShuffleChannel" bottom: "up" top: "mix" shuffle_channel_param { group: 2 } }'
    )
    prototxt, caffemodel = small(text)
    out = tmp_path / "out.caffemodel", tmp_path / "out.prototxt"
    run("convert", prototxt, caffemodel, out[0], "--target", board, "--prototxt", out[1])
    data = out[0].read_bytes()
    numbers = {"upsample_param": 160, "shuffle_channel_param": 159}
    assert list(from_binary(data, numbers=numbers).layer) == list(read_prototxt(prototxt).layer)
    assert not any(layer.HasField("upsample_param") for layer in from_binary(data).layer)


#: Layers with fields that only forks have, and one whose field some tools number otherwise than BVLC Caffe.
PRIVATE = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 dim: 6 dim: 6 } } }
layer { name: "mix" type: "ShuffleChannel" bottom: "data" top: "mix" shuffle_channel_param { group: 2 } }
layer { name: "up" type: "Interp" bottom: "mix" top: "up" interp_param { zoom_factor: 2 } }
layer { name: "k" type: "Clip" bottom: "up" top: "k" clip_param { min: -1 max: 6 } }
"""


@pytest.mark.parametrize("target", ["ascend", "nncase1", "opencv4", "release", "tensorrt8", "tpu-mlir"])
def test_what_convert_writes_for_a_target_check_reads_whole_from_the_weights_alone(run, small, tmp_path, target):
    """Whatever numbers the target's private fields have."""
    out = tmp_path / "out.caffemodel", tmp_path / "out.prototxt"
    run("convert", *small(PRIVATE), out[0], "--target", target, "--prototxt", out[1])
    run("check", out[0], "--target", target)
    found = converters.read_network(out[0], numbers_of(read_target(target)))
    assert list(found.layer) == list(read_prototxt(out[1]).layer)


def test_weights_in_a_targets_words_never_take_the_place_of_those_that_they_are_made_of(fault, small, tmp_path):
    prototxt, caffemodel = small(PRIVATE)
    before = caffemodel.read_bytes()
    for out in ((caffemodel, tmp_path / "out.prototxt"), (tmp_path / "out.caffemodel", prototxt)):
        said = fault("convert", prototxt, caffemodel, out[0], "--target", "rknn2", "--prototxt", out[1])
        assert "is an input that is only read" in said
    assert caffemodel.read_bytes() == before


def test_a_clip_for_tensorrt_has_the_number_that_its_parser_reads(run, small, tmp_path):
    out = tmp_path / "out.caffemodel", tmp_path / "out.prototxt"
    run("convert", *small(PRIVATE), out[0], "--target", "tensorrt8", "--prototxt", out[1])
    assert not any(layer.HasField("clip_param") for layer in from_binary(out[0].read_bytes()).layer)
    layers = from_binary(out[0].read_bytes(), numbers={"clip_param": 8787}).layer
    assert [layer.clip_param.max for layer in layers if layer.type == "Clip"] == [6]


def test_check_reads_caffes_own_numbers_for_a_target_with_others(run, small, tmp_path):
    """A file that the target did not write: here fields have our numbers."""
    prototxt, _ = small(PRIVATE)
    whole = tmp_path / "whole.caffemodel"
    whole.write_bytes(to_binary(read_prototxt(prototxt)))
    for target in ("ascend", "tensorrt8"):
        assert converters.read_network(whole, numbers_of(read_target(target))) == read_prototxt(prototxt)


def test_convert_for_a_target_writes_the_network_beside_the_weights_unless_told_otherwise(run, pair, tmp_path):
    out = tmp_path / "board.caffemodel"
    assert f"{out.with_suffix('.prototxt')}: " in run("convert", *pair, out, "--target", "rknn2")
    run("check", out.with_suffix(".prototxt"), out, "--target", "rknn2")


def test_convert_for_a_target_says_what_it_needs(fault, pair, tmp_path):
    prototxt, caffemodel = pair
    out = tmp_path / "out.caffemodel"
    for more, said in (
        (["--prototxt", tmp_path / "o.prototxt"], "--prototxt is for --target alone"),
        (["--accelerated"], "--accelerated is for --target alone"),
        (["--target", "nobody", "--prototxt", tmp_path / "o.prototxt"], "expected one of"),
        (["--target", "bvlc", "--prototxt", out], "found twice among the outputs"),
        (["--target", "bvlc", "--prototxt", tmp_path / "o.prototxt", "--dialect", "bvlc"], "do not go with --target"),
    ):
        assert said in fault("convert", prototxt, caffemodel, out, *more)
    assert not out.exists()


SMALL_BOARD = """
title: A board
version: "1"
date: 2026-11-22
sources:
  own: { text: seen here, kind: run, version: "1", date: 2026-11-22 }
others: own
layers:
  - types: [Input, Deconvolution, Scale]
    runs: accelerated
    source: own
"""


def test_convert_for_a_target_says_what_an_approximation_costs(run, fault, small, tmp_path):
    board = tmp_path / "board.yaml"
    board.write_text(SMALL_BOARD)
    text = UNHEARD.split('layer { name: "bnll"')[0] + (
        'layer { name: "up" type: "Interp" bottom: "data" top: "up" interp_param { height: 16 width: 16 } }'
    )
    prototxt, caffemodel = small(text)
    out = tmp_path / "out.caffemodel", tmp_path / "out.prototxt"
    arguments = ["convert", prototxt, caffemodel, out[0], "--target", board, "--prototxt", out[1]]
    said = fault(*arguments)
    assert "no exact form of layer 'up' (Interp)" in said and "--approximate would change 1 layer" in said
    cost = r"up: differs by \d\.\de-0[12] of the largest value, .* of the labels are the same"
    assert re.search(cost, said)
    assert not out[0].exists() and not out[1].exists()
    said = run(*arguments, "--approximate")
    assert "approximate" in said and re.search(f"computes nearly the same: {cost}", said)
    assert said.index("computes nearly") < said.index(str(out[1]))
    assert read_prototxt(out[1]).layer[-1].top == ["up"]
