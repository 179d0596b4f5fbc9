"""dongfeng check: faults of networks of all kinds, in words and as JSON, what helps, the exit status."""

import json
from pathlib import Path

import numpy as np
import pytest

from caffe_zoo.cli import main
from converters import list_targets, save_weights
from prototxt_gen import generate, read_prototxt, write_prototxt

TARGET = """\
title: A board
version: 1.10
date: 2026-02
sources:
  manual: {text: the manual, kind: document, version: 1.10, date: 2025-12-31}
others: manual
layers:
- {types: [Input, Convolution, Eltwise, ReLU6, Power, Reorg], runs: accelerated, source: manual}
- {types: [Softmax], runs: cpu, source: manual}
rules:
- {types: [Eltwise], needs: "coeff == []", otherwise: silent, field: eltwise_param.coeff, allowed: none,
   acts_as: {eltwise_param.coeff: null}, source: manual}
- {types: [Power], needs: shift == 0, otherwise: refused, field: power_param.shift, allowed: 0, source: manual}
"""
NETWORK = """\
name: "small"
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 2 dim: 4 dim: 4 } } }
layer { name: "c" type: "Convolution" bottom: "a" top: "c" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "r1" type: "Clip" bottom: "c" top: "r1" clip_param { min: 0 max: 6 } }
layer { name: "r2" type: "Clip" bottom: "a" top: "r2" clip_param { min: 0 max: 6 } }
layer { name: "d" type: "Eltwise" bottom: "r1" bottom: "r2" top: "d" eltwise_param { coeff: 1 coeff: -1 } }
layer { name: "s" type: "Softmax" bottom: "d" top: "s" }
"""
WEIGHTS = {"c": [np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1), np.zeros(2, np.float32)]}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """board.yaml; a network without faults, one with, each with its weights."""
    monkeypatch.chdir(tmp_path)
    Path("board.yaml").write_text(TARGET)
    Path("net.prototxt").write_text(NETWORK)
    save_weights(WEIGHTS, "net.caffemodel", read_prototxt("net.prototxt"))
    lines = [line for line in NETWORK.splitlines() if "Clip" not in line and "Eltwise" not in line]
    Path("fine.prototxt").write_text("\n".join(lines).replace('"d"', '"c"'))


def checked(capsys, *words: str) -> tuple[int, list[dict]]:
    status = main(["check", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_a_network_without_faults(capsys):
    assert main(["check", "fine.prototxt", "--target", "board.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "small on board (A board 1.10, 2026-02): no fault in 3 layers, 1 on the CPU",
        "",
        "On the CPU beside the accelerator:",
        "  Softmax 's' [manual]",
        "",
        "Sources:",
        "  [manual] the manual (document; version 1.10, 2025-12-31)",
    ]


def test_faults_in_words_with_what_helps_and_what_to_do_next(capsys):
    assert main(["check", "net.prototxt", "net.caffemodel", "--target", "board.yaml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "small on board (A board 1.10, 2026-02): 3 faults in 3 of 6 layers, 1 on the CPU",
        "",
        "refused: Clip, 2 layers: r1, r2",
        "  it does not take this type [manual]",
        "  rewrite: Clip to 0..6 as ReLU6 (exact)",
        "",
    ]
    assert lines[6:8] == [
        "other numbers: Eltwise 'd'",
        "  eltwise_param.coeff: found coeff 1, -1, allowed: none [manual]",
    ]
    assert lines[8].startswith("  outputs off by ") and lines[8].endswith(" % of their largest value")
    assert lines[-1].startswith(
        "board.yaml: rewrites take all faults away: dongfeng convert net.prototxt net.caffemodel"
    )


def test_faults_without_a_rewrite_are_counted(capsys):
    Path("more.prototxt").write_text(NETWORK.replace('"Softmax"', '"Mystery"'))
    assert main(["check", "more.prototxt", "--target", "board.yaml"]) == 1
    told = "board.yaml: rewrites take 3 of 4 faults away; 1 must be mended by hand"
    assert capsys.readouterr().out.splitlines()[-1] == told
    Path("odd.prototxt").write_text('layer { name: "m" type: "Mystery" top: "m" }')
    assert main(["check", "odd.prototxt", "--target", "board.yaml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("odd on board ") and lines[-1] == "board.yaml: no rewrite is known for these faults"


def test_an_input_without_a_shape_is_asked_for(capsys):
    """As of data layers that take each image as it is."""
    data = 'layer { name: "images" type: "ImageData" top: "data" top: "label" image_data_param { source: "l.txt" } }'
    Path("images.prototxt").write_text(data + 'layer { name: "c" type: "Clip" bottom: "data" top: "c" }')
    assert main(["check", "images.prototxt", "--target", "rknn2"]) == 1
    told = capsys.readouterr().out.splitlines()[-1]
    assert told == "rknn2: rewrites of layers need shapes: ask again with --input-shape for images"


@pytest.mark.parametrize(
    ("network", "weights", "words", "said"),
    [
        ("clips.prototxt", "NET.caffemodel", "", "clips.prototxt NET.caffemodel"),
        ("clips.prototxt", "net.caffemodel", "--accelerated", "clips.prototxt net.caffemodel"),
        ("clips.prototxt", "", "--input-shape a=1,2,6,6", "clips.prototxt NET.caffemodel"),
        ("ponas_a", "", "", "ponas_a NET.caffemodel"),
    ],
)
def test_the_command_that_rewrites_the_network(capsys, network, weights, words, said):
    lines = [line for line in NETWORK.splitlines() if "Eltwise" not in line and "Softmax" not in line]
    Path("clips.prototxt").write_text("\n".join(lines))
    given = [weights] if weights == "net.caffemodel" else []
    target = "rknn2" if network == "ponas_a" else "board.yaml"
    assert main(["check", network, *given, "--target", target, *words.split()]) == 1
    told = f"dongfeng convert {said} OUT.caffemodel --target {target} --prototxt OUT.prototxt {words}".strip()
    assert capsys.readouterr().out.splitlines()[-1] == f"{target}: rewrites take all faults away: {told}"


def test_faults_as_json(capsys):
    status, (report,) = checked(capsys, "net.prototxt", "net.caffemodel", "--target", "board.yaml")
    assert status == 1
    assert report.keys() == {
        "network", "target", "layers", "passed", "faults", "on_cpu", "unchecked", "off_by", "notes",
    }  # fmt: skip
    assert [(fault["layer"], fault["field"], fault["outcome"]) for fault in report["faults"]] == [
        ("r1", "type", "refused"),
        ("r2", "type", "refused"),
        ("d", "eltwise_param.coeff", "silent"),
    ]
    assert report["faults"][0]["rewrite"] == {"what": "Clip to 0..6 as ReLU6", "exact": True}
    assert report["faults"][2]["rule"] == "Eltwise.coeff" and report["faults"][2]["off_by"] > 0
    assert report["off_by"] == report["faults"][2]["off_by"] and not report["notes"]
    assert [fault["layer"] for fault in report["on_cpu"]] == ["s"]


def test_a_caffemodel_alone_has_network_and_weights(capsys):
    pair = checked(capsys, "net.prototxt", "net.caffemodel", "--target", "board.yaml")
    assert checked(capsys, "net.caffemodel", "--target", "board.yaml") == pair


def test_without_weights_numbers_are_those_of_fillers_and_it_is_said(capsys):
    _, (report,) = checked(capsys, "net.prototxt", "--target", "board.yaml")
    assert report["faults"][2]["off_by"] > 0
    assert report["notes"] == ["Numbers are of weights drawn by the network's fillers: none were given."]


def test_layers_on_the_cpu_are_faults_where_the_accelerator_is_asked_for(capsys):
    status, (report,) = checked(capsys, "fine.prototxt", "--target", "board.yaml", "--accelerated")
    assert status == 1 and [fault["outcome"] for fault in report["faults"]] == ["cpu"]


def test_several_targets_have_a_table_first(capsys):
    assert main(["check", "net.prototxt", "--target", "bvlc", "--target", "board.yaml", "--target", "bvlc"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "target",
        "version",
        "faults",
        "refused",
        "other",
        "numbers",
        "rewritten",
        "on",
        "the",
        "CPU",
    ]
    assert [line.split()[:3] for line in lines[1:3]] == [["bvlc", "1.0", "none"], ["board", "1.10", "3"]]
    assert lines[3] == "" and lines[4].startswith("small on bvlc (BVLC Caffe 1.0")


def test_all_targets_of_the_package(capsys):
    _, reports = checked(capsys, "fine.prototxt", "--target", "all")
    assert [report["target"]["name"] for report in reports] == list(list_targets())


@pytest.mark.parametrize("network", ["df1", "s8_b8_c10"])
def test_networks_of_the_zoo_and_codes(capsys, network):
    status, (report,) = checked(capsys, network, "--target", "bvlc")
    assert (status, report["network"], report["passed"]) == (0, network, True)


def test_a_last_enlargement_that_is_at_fault_may_be_left_out(capsys):
    Path("no_deconvolution.yaml").write_text(
        TARGET.replace("Convolution,", "Convolution, BatchNorm, Scale, ReLU, Pooling, Interp, Concat,")
    )
    words = ["check", "s4-8_b8_b16_b16_p8-16_d16_u2_c5", "--target", "no_deconvolution.yaml"]
    assert main(words) == 1
    assert "--without-upsampling leaves out 'Decoder_score.up2'; the outputs are smaller" in capsys.readouterr().out
    main([*words, "--without-upsampling"])
    assert "up2" not in capsys.readouterr().out


def test_shapes_of_inputs_decide(capsys):
    Path("small.yaml").write_text(TARGET + "- {types: [Convolution], needs: height <= 8, otherwise: refused, "
                                  "field: bottom, allowed: at most 8 rows, source: manual}\n")  # fmt: skip
    assert checked(capsys, "fine.prototxt", "--target", "small.yaml")[0] == 0
    _, (report,) = checked(capsys, "fine.prototxt", "--target", "small.yaml", "--input-shape", "1,2,9,9")
    assert [fault["found"] for fault in report["faults"]] == ["height 9"]


def test_fields_that_caffe_proto_does_not_know_are_not_passed_over(capsys):
    text = NETWORK.replace("num_output: 2", "num_output: 2 fused: true").replace(
        'type: "Softmax" bottom: "d" top: "s"', 'type: "Reorg" bottom: "a" top: "s" reorg_param { stride: 2 }'
    )
    Path("fork.prototxt").write_text(text)
    status, (report,) = checked(capsys, "fork.prototxt", "--target", "board.yaml")
    assert status == 1
    assert ("c", "convolution_param.fused") in [(fault["layer"], fault["field"]) for fault in report["faults"]]
    (unchecked,) = report["unchecked"]
    assert unchecked["layer"] == "s" and "its field reorg_param is not known here" in unchecked["reason"]


def test_networks_of_the_old_formats(capsys):
    Path("old.prototxt").write_text(
        'input: "a" input_dim: 1 input_dim: 2 input_dim: 4 input_dim: 4\n'
        'layers { name: "p" type: POWER bottom: "a" top: "p" power_param { shift: 2 } }\n'
    )
    _, (report,) = checked(capsys, "old.prototxt", "--target", "board.yaml")
    assert [(fault["layer"], fault["found"]) for fault in report["faults"]] == [("p", "shift 2")]


def test_the_list_of_targets(capsys):
    assert main(["check", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(list_targets())
    assert next(line for line in lines if line.startswith("rknn2")).split()[1] == "2.3.2"
    assert main(["check", "--list", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(list_targets())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["net.prototxt"], "expected a network and --target NAME; --list lists the targets"),
        (["--target", "rknn2"], "expected a network and --target NAME"),
        (["net.prototxt", "--target", "rknn9"], "target: found 'rknn9', expected one of "),
        (["net.prototxt", "--target", "none.yaml"], "none.yaml: cannot be read"),
        (["none.prototxt", "--target", "rknn2"], "none.prototxt: cannot be read"),
        (["net.onnx", "--target", "rknn2"], "net.onnx: convert it first: dongfeng convert net.onnx NET.prototxt"),
        (["df99", "--target", "rknn2"], "'df99' is neither a network of the zoo"),
        (["net.prototxt", "other.caffemodel", "--target", "rknn2"], "'c'"),
        (["net.caffemodel", "net.caffemodel", "--target", "rknn2"], "expected no other weights beside it"),
        (["net.prototxt", "--target", "rknn2", "--input-shape", "b=1,2,3,4"], "input_shapes: found b"),
        (["fork.prototxt", "--target", "rknn2", "--strict"], "unknown fields"),
    ],
)
def test_faults_of_the_command_line(capsys, words, said):
    wrong = {"c": [np.zeros((3, 2, 1, 1), np.float32), np.zeros(3, np.float32)]}
    write_prototxt(generate("s8_b8_c10"), "big.prototxt")
    save_weights(wrong, "other.caffemodel")
    Path("fork.prototxt").write_text(NETWORK.replace("num_output: 2", "num_output: 2 fused: true"))
    assert main(["check", *words]) == 2
    assert said in capsys.readouterr().err
