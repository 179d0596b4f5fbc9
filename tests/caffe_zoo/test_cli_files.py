"""What a person with old or foreign files types, and what they get."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffe_zoo.cli import main
from converters import load_weights, save_weights, to_torch, weights_of
from converters.formats import read_weights
from converters.weights.dialects import read_network
from prototxt_gen import NetParameter, generate, read_prototxt, write_prototxt
from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.text import parse_text, to_text

V0 = """
name: "old" input: "data" input_dim: 1 input_dim: 1 input_dim: 6 input_dim: 6
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "padded" }
layers { layer { name: "conv" type: "conv" num_output: 2 kernelsize: 3 } bottom: "padded" top: "conv" }
layers { layer { name: "ip" type: "innerproduct" num_output: 3 } bottom: "conv" top: "ip" }
"""
V1 = """
name: "old" input: "data" input_dim: 1 input_dim: 1 input_dim: 6 input_dim: 6
layers { name: "conv" type: CONVOLUTION convolution_param { num_output: 2 kernel_size: 3 pad: 1 } bottom: "data"
         top: "conv" blobs_lr: 1 blobs_lr: 2 }
layers { name: "ip" type: INNER_PRODUCT inner_product_param { num_output: 3 } bottom: "conv" top: "ip" }
"""
SEGMENTATION = """
name: "seg"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "up" type: "Interp" bottom: "conv" top: "up" interp_param { zoom_factor: 2 } }
"""


def network(text: str) -> NetParameter:
    return parse_text(text, NetParameter())


def run(capsys, *arguments, status: int = 0) -> str:
    """What the command prints; with status 2 its one line of fault."""
    assert main([str(argument) for argument in arguments]) == status
    printed = capsys.readouterr()
    if status == 2:
        assert printed.err.count("\n") == 1
        return printed.err
    return printed.out + printed.err


def old_pair(folder, text):
    """The text and a .caffemodel in its own format: four sizes for every blob."""
    net = network(text)
    weights = weights_of(to_torch(net))
    (folder / "old.prototxt").write_text(text)
    for old in net.layers:
        inner = old.layer if old.HasField("layer") else old
        for blob in weights.get(inner.name, ()):
            sizes = (1,) * (4 - blob.ndim) + blob.shape
            inner.blobs.add(data=blob.ravel(), **dict(zip(("num", "channels", "height", "width"), sizes, strict=True)))
    (folder / "old.caffemodel").write_bytes(to_binary(net))
    return folder / "old.prototxt", folder / "old.caffemodel", weights


def segmentation_pair(folder):
    net = network(SEGMENTATION)
    write_prototxt(net, folder / "seg.prototxt")
    save_weights(weights_of(to_torch(net)), folder / "seg.caffemodel", net)
    return folder / "seg.prototxt", folder / "seg.caffemodel"


# ---------------------------------------------------------------------------------------------------------- upgrade


@pytest.mark.parametrize("text", [V0, V1])
def test_upgrade_both_files(capsys, tmp_path, text):
    prototxt, caffemodel, weights = old_pair(tmp_path, text)
    new = tmp_path / "new.prototxt", tmp_path / "new.caffemodel"
    printed = run(capsys, "upgrade", prototxt, caffemodel, "-o", *new)
    assert printed == f"{new[1]}: 2 layers with weights\n{new[0]}: 3 layers\n"
    assert read_prototxt(new[0]) == upgrade(network(text))
    structure = from_binary(new[1].read_bytes())
    assert not structure.layers and [layer.type for layer in structure.layer][1:] == ["Convolution", "InnerProduct"]
    for name, blobs in load_weights(new[1]).items():
        for before, after in zip(weights[name], blobs, strict=True):
            np.testing.assert_array_equal(before, after)  # in the shapes that layers have today
    assert "agrees" in run(capsys, "verify", *new, "--against", prototxt, caffemodel)


def test_upgrade_one_file(capsys, tmp_path):
    prototxt, caffemodel, weights = old_pair(tmp_path, V1)
    assert "3 layers" in run(capsys, "upgrade", prototxt, "-o", tmp_path / "a.prototxt")
    assert "2 layers" in run(capsys, "upgrade", caffemodel, "-o", tmp_path / "a.caffemodel")
    assert read_network(tmp_path / "a.caffemodel") == read_prototxt(tmp_path / "a.prototxt")
    assert load_weights(tmp_path / "a.caffemodel")["ip"][0].shape == weights["ip"][0].shape


def test_upgrade_in_place(capsys, tmp_path):
    prototxt, _, _ = old_pair(tmp_path, V1)
    run(capsys, "upgrade", prototxt, "-o", prototxt)
    once = prototxt.read_bytes()
    run(capsys, "upgrade", prototxt, "-o", prototxt)
    assert prototxt.read_bytes() == once


def test_upgrade_keeps_blobs_whose_shapes_nothing_tells(capsys, tmp_path):
    text = 'layers { name: "d" type: HDF5_DATA top: "data" } layers { name: "ip" type: INNER_PRODUCT bottom: "data" '
    net = network(text + 'top: "ip" inner_product_param { num_output: 3 } }')
    net.layers[1].blobs.add(num=1, channels=1, height=3, width=2, data=range(6))
    (tmp_path / "old.caffemodel").write_bytes(to_binary(net))
    run(capsys, "upgrade", tmp_path / "old.caffemodel", "-o", tmp_path / "new.caffemodel")
    assert load_weights(tmp_path / "new.caffemodel")["ip"][0].shape == (1, 1, 3, 2)


def test_upgrade_says_what_it_expects(capsys, tmp_path):
    prototxt, caffemodel, _ = old_pair(tmp_path, V1)
    out = tmp_path / "x.caffemodel"
    assert "2 files and 1 outputs" in run(capsys, "upgrade", prototxt, caffemodel, "-o", out, status=2)
    assert "expected the kind of file" in run(capsys, "upgrade", prototxt, "-o", out, status=2)
    assert "two files of one kind" in run(capsys, "upgrade", caffemodel, caffemodel, "-o", out, out, status=2)
    assert "cannot be read" in run(capsys, "upgrade", tmp_path / "no.prototxt", "-o", prototxt, status=2)
    assert not out.exists()


# ---------------------------------------------------------------------------------------------------------- convert


def test_convert_between_dialects_and_back(capsys, tmp_path):
    _, caffemodel = segmentation_pair(tmp_path)
    fork, stock = tmp_path / "fork.caffemodel", tmp_path / "stock.caffemodel"
    run(capsys, "convert", caffemodel, fork, "--dialect", "release")
    assert fork.read_bytes() == to_binary(from_binary(caffemodel.read_bytes()), "release")
    assert "2 blobs" in run(capsys, "convert", fork, stock, "--dialect", "bvlc")
    assert stock.read_bytes() == caffemodel.read_bytes()
    run(capsys, "convert", fork, stock)  # bvlc unless told otherwise
    assert stock.read_bytes() == caffemodel.read_bytes()


def test_convert_with_the_network_writes_either_dialect(capsys, tmp_path):
    prototxt, caffemodel = segmentation_pair(tmp_path)
    run(capsys, "convert", prototxt, caffemodel, tmp_path / "a.safetensors")
    for dialect in ("release", "bvlc"):
        out = tmp_path / f"{dialect}.caffemodel"
        run(capsys, "convert", prototxt, tmp_path / "a.safetensors", out, "--dialect", dialect)
        assert out.read_bytes() == to_binary(from_binary(caffemodel.read_bytes()), dialect)


def test_convert_the_releases_file(capsys, tmp_path, unpacked):
    fork = unpacked("nets/df1seg_mergebn.fork.caffemodel")
    run(capsys, "convert", fork, tmp_path / "stock.caffemodel", "--dialect", "bvlc")
    stock = NetParameter()
    stock.MergeFromString((tmp_path / "stock.caffemodel").read_bytes())
    assert stock.IsInitialized() and not any(layer.HasField("clip_param") for layer in stock.layer)
    run(capsys, "convert", tmp_path / "stock.caffemodel", tmp_path / "back.caffemodel", "--dialect", "release")
    assert (tmp_path / "back.caffemodel").read_bytes() == fork.read_bytes()


def test_convert_writes_a_pair_for_stock_caffe(capsys, tmp_path):
    net = generate("t8-16_u16x2_u32x2_u64_q8-32_e32-16-8_u2_c5", input_shape=(1, 3, 64, 96))
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    module = to_torch(net).eval()
    write_prototxt(net, prototxt)
    save_weights(weights_of(module), caffemodel, net)
    files = tmp_path / "stock.caffemodel", tmp_path / "stock.prototxt"
    said = run(capsys, "convert", prototxt, caffemodel, files[0], "--stock", files[1])
    assert [line.split(":")[0] for line in said.splitlines()] == [str(files[1]), str(files[0])]
    stock = read_prototxt(files[1])
    assert not {"Interp", "ShuffleChannel"} & {layer.type for layer in stock.layer}
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected, found = module(image), to_torch(stock, read_weights(files[0], stock)).eval()(image)
    assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))
    for arguments in ([caffemodel], [prototxt, caffemodel, "--dialect", "release"]):
        more = [*arguments[:2], tmp_path / "no.caffemodel", *arguments[2:], "--stock", tmp_path / "no.prototxt"]
        assert "--stock needs" in run(capsys, "convert", *more, status=2)
    assert not list(tmp_path.glob("no.*"))


def test_convert_writes_the_bilinear_weights_that_a_file_leaves_to_their_filler(capsys, tmp_path):
    net = generate("s4-8_b8_b16_b16_p8-16_d8-4x2_u8_c5", input_shape=(1, 3, 64, 96))
    weights = weights_of(to_torch(net))
    write_prototxt(net, tmp_path / "net.prototxt")
    fixed = {name for name in weights if name.endswith(("/up2", ".up8"))}
    assert fixed
    save_weights({name: weights[name] for name in weights.keys() - fixed}, tmp_path / "part.caffemodel")
    run(capsys, "convert", tmp_path / "net.prototxt", tmp_path / "part.caffemodel", tmp_path / "whole.caffemodel")
    whole = load_weights(tmp_path / "whole.caffemodel")
    assert whole.keys() == weights.keys()
    assert all(np.array_equal(whole[name][0], weights[name][0]) for name in fixed)


@pytest.mark.parametrize("suffix", [".caffemodel.h5", ".safetensors"])
def test_convert_without_the_network(capsys, tmp_path, suffix):
    prototxt, caffemodel = segmentation_pair(tmp_path)
    run(capsys, "convert", caffemodel, tmp_path / f"a{suffix}")
    run(capsys, "convert", tmp_path / f"a{suffix}", tmp_path / "b.caffemodel")
    again = read_weights(tmp_path / "b.caffemodel", read_prototxt(prototxt))
    for name, blobs in load_weights(caffemodel).items():
        for before, after in zip(blobs, again[name], strict=True):
            np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("suffix", [".caffemodel.h5", ".safetensors"])
def test_convert_gives_old_blobs_the_shapes_of_today(capsys, tmp_path, suffix):
    _, caffemodel, weights = old_pair(tmp_path, V1)
    assert load_weights(caffemodel)["ip"][1].shape == (1, 1, 1, 3)
    run(capsys, "convert", caffemodel, tmp_path / f"new{suffix}")
    for name, blobs in load_weights(tmp_path / f"new{suffix}").items():
        for before, after in zip(weights[name], blobs, strict=True):
            np.testing.assert_array_equal(before, after)


def test_convert_says_what_it_needs(capsys, tmp_path):
    prototxt, caffemodel = segmentation_pair(tmp_path)
    said = run(capsys, "convert", caffemodel, tmp_path / "a.pt", status=2)
    assert f"dongfeng convert NET.prototxt {caffemodel}" in said
    said = run(capsys, "convert", caffemodel, tmp_path / "a.h5", "--dialect", "release", status=2)
    assert "no dialects" in said
    write_prototxt(network('layer { name: "c" type: "Clip" clip_param { min: 0 max: 1 } }'), prototxt)
    (tmp_path / "clip.caffemodel").write_bytes(to_binary(read_prototxt(prototxt)))
    said = run(
        capsys, "convert", tmp_path / "clip.caffemodel", tmp_path / "a.caffemodel", "--dialect", "release", status=2
    )
    assert "layers ['c']" in said


# ----------------------------------------------------------------------------------------------------------- verify


def test_verify_prints_a_table_and_a_verdict(capsys, tmp_path):
    prototxt, caffemodel = segmentation_pair(tmp_path)
    printed = run(capsys, "verify", prototxt, caffemodel)
    assert "2 blobs with 4 numbers fit the network" in printed and "conv (Convolution)" in printed
    weights = load_weights(caffemodel)
    weights["conv"][0] *= 2
    save_weights(weights, tmp_path / "wrong.safetensors")
    printed = run(
        capsys, "verify", prototxt, caffemodel, "--against", prototxt, tmp_path / "wrong.safetensors", status=1
    )
    assert "DIFFERS" in printed and "first at top 'conv'" in printed
    arguments = ("--against", prototxt, tmp_path / "wrong.safetensors", "--tolerance", "9")
    assert "agrees" in run(capsys, "verify", prototxt, caffemodel, *arguments)


def test_verify_takes_an_input_shape(capsys, tmp_path):
    prototxt, caffemodel = segmentation_pair(tmp_path)
    printed = run(capsys, "verify", prototxt, caffemodel, "--input-shape", "2,1,3,5")
    assert "2x2x3x5" in printed and "2x2x5x9" in printed


def test_verify_names_what_does_not_fit(capsys, tmp_path):
    prototxt, caffemodel = segmentation_pair(tmp_path)
    write_prototxt(network(SEGMENTATION.replace("num_output: 2", "num_output: 3")), prototxt)
    said = run(capsys, "verify", prototxt, caffemodel, status=2)
    assert "layer 'conv' (Convolution): blob 0: found shape (2, 1, 1, 1), expected (3, 1, 1, 1)" in said
    said = run(capsys, "verify", prototxt, caffemodel, "--against", "a", "b", "c", status=2)
    assert "--against: found 3 names" in said


# ----------------------------------------------------------------------------------------------------------- strict


@pytest.mark.parametrize("command", ["show", "convert", "upgrade", "verify", "merge"])
def test_fields_of_forks_are_one_line(capsys, tmp_path, command):
    prototxt, caffemodel = segmentation_pair(tmp_path)
    prototxt.write_text(SEGMENTATION.replace("layer {", "layer { fork_param { a: [{ b: 1 }] }", 1))
    arguments = {
        "show": [prototxt],
        "convert": [prototxt, caffemodel, tmp_path / "out.caffemodel"],
        "upgrade": [prototxt, "-o", tmp_path / "out.prototxt"],
        "verify": [prototxt, caffemodel],
        "merge": [prototxt, caffemodel, tmp_path / "out.prototxt", tmp_path / "out.caffemodel"],
    }[command]
    assert main([command, *map(str, arguments)]) == 0
    said = f"{prototxt}: unknown fields: layer.fork_param (line 3)\n"
    assert capsys.readouterr().err == f"dongfeng {command}: warning: {said}"
    out = tmp_path / "out.caffemodel"
    out.unlink(missing_ok=True)
    assert run(capsys, command, *arguments, "--strict", status=2) == f"dongfeng {command}: {said}"
    assert not out.exists()


def test_options_of_v0_without_a_place_are_told_once(capsys, tmp_path):
    prototxt, caffemodel, _ = old_pair(tmp_path, V0)
    prototxt.write_text(V0.replace("kernelsize: 3", "kernelsize: 3 dropout_ratio: 0.5"))
    assert main(["verify", str(prototxt), str(caffemodel)]) == 0
    said = "dongfeng verify: warning: network 'old': left out dropout_ratio of layer 'conv', type 'conv'\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("command", ["show", "verify", "convert", "merge", "upgrade"])
def test_options_of_v0_without_a_place_are_errors_with_strict(capsys, tmp_path, command):
    prototxt, caffemodel, _ = old_pair(tmp_path, V0)
    prototxt.write_text(V0.replace("kernelsize: 3", "kernelsize: 3 dropout_ratio: 0.5"))
    more = {
        "show": [],
        "verify": [caffemodel],
        "convert": [caffemodel, tmp_path / "out.pt"],
        "merge": [caffemodel, tmp_path / "out.prototxt", tmp_path / "out.caffemodel"],
        "upgrade": [caffemodel, "-o", tmp_path / "out.prototxt", tmp_path / "out.caffemodel"],
    }[command]
    said = run(capsys, command, prototxt, *more, "--strict", status=2)
    place = "network 'old': options without a place: dropout_ratio of layer 'conv', type 'conv'"
    assert said == f"dongfeng {command}: {place}\n"
    assert not list(tmp_path.glob("out.*"))


def test_a_network_whose_inputs_state_no_shape(capsys, tmp_path):
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text("""
        layer { name: "d" type: "HDF5Data" top: "x" top: "t" hdf5_data_param { source: "s" batch_size: 4 } }
        layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3 } }
        layer { name: "l" type: "SoftmaxWithLoss" bottom: "y" bottom: "t" }""")
    save_weights({"ip": [np.ones((3, 5)), np.ones(3)]}, caffemodel)
    outputs = {
        "show": [],
        "verify": [caffemodel],
        "convert": [caffemodel, tmp_path / "out.pt"],
        "merge": [caffemodel, tmp_path / "out.prototxt", tmp_path / "out.pt"],
    }
    for command, more in outputs.items():
        assert "--input-shape" in run(capsys, command, prototxt, *more, status=2)
        run(capsys, command, prototxt, *more, "--input-shape", "2,5", "--input-shape", "t=2")
    run(capsys, "verify", prototxt, tmp_path / "out.pt", "--input-shape", "t=2", "--input-shape", "x=2,5")
    run(capsys, "show", prototxt, "--input-shape", "2,5", "--input-shape", "x=2,5", status=2)
    said = run(capsys, "convert", caffemodel, tmp_path / "out.h5", "--input-shape", "2,5", status=2)
    assert "needs the network" in said


def test_a_generated_network_has_no_unknown_fields(capsys, tmp_path):
    (tmp_path / "net.prototxt").write_text(to_text(generate("s4-8_b8_b8_b8-16_c5")))
    assert "warning" not in run(capsys, "show", tmp_path / "net.prototxt", "--strict")
