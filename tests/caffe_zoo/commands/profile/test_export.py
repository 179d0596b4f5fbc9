"""The command that exports: what it says before it writes, and what it refuses."""

from __future__ import annotations

import subprocess

import pytest

from search.latency.far import read_export

SPACE = "s4-4_b1-1_w8-16_c3_i3x32x32"


def test_it_says_how_much_it_will_write_and_what_to_do_next(tmp_path, run):
    printed = run(
        "profile",
        "export",
        "--space",
        SPACE,
        "--tool",
        "caffe",
        "--check",
        2,
        "--files",
        "caffe",
        "--out",
        tmp_path / "b",
    )
    first, second, *rest = printed.splitlines()
    assert first == f"{tmp_path / 'b'}: 16 files of about 51 kB: 5 parts, 2 whole networks, one that does nothing"
    assert second == f"{tmp_path / 'b'}: 48 kB written; on the device, where caffe is:"
    assert rest[0] == "  sh b/measure.sh"
    assert subprocess.run(["sh", "-n", tmp_path / "b" / "measure.sh"], check=False).returncode == 0
    assert len(read_export(tmp_path / "b").networks) == 8


def test_networks_of_the_zoo_at_any_size(tmp_path, run):
    pytest.importorskip("onnx")
    options = ("--input-size", "64x64", "--files", "onnx", "--check", 1, "--precision", "float16", "--rounds", 1)
    run("profile", "export", "--network", "df1", SPACE.replace("1-1_w8-16", "8").rpartition("_")[0], *options, "--tool",
        "trtexec", "--iterations", 7, "--out", tmp_path)  # fmt: skip
    export = read_export(tmp_path)
    whole = [network for network in export.networks if network.kind == "network"]
    assert [(network.code, network.shape) for network in whole] == [
        ("s32-64_b64x3_b128x3_b256x3-512_c1000", (1, 3, 64, 64))
    ]
    assert (export.rounds, min(network.iterations for network in export.networks)) == (1, 7)
    script = (tmp_path / "measure.sh").read_text()
    assert 'trtexec --onnx="$onnx" --iterations="$iterations"' in script and "--fp16 --device=0" in script


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--space", SPACE, "--tool", "own"], "--tool own: needs --command and --pattern"),
        (["--space", SPACE, "--tool", "caffe", "--unit", "s"], "--unit: for --tool own alone, found --tool caffe"),
        (["--space", SPACE, "--tool", "caffe", "--input-size", "8x8"], "--input-size is for --network alone"),
        (["--space", SPACE, "--tool", "caffe", "--precision", "float16"], "caffe: precision: found 'float16'"),
        (["--space", SPACE, "--tool", "trtexec", "--files", "caffe"], "trtexec: needs onnx, found files 'caffe'"),
        (["--space", "s4", "--tool", "caffe"], "space 's4': ends before a stage"),
        (["--network", "df9", "--tool", "caffe"], "'df9' is neither a network of the zoo"),
        (["--space", SPACE, "--tool", "own", "--command", "t {x}", "--pattern", "(.)"], "found {x}, expected some of"),
        (
            ["--space", SPACE, "--tool", "own", "--command", "t {onnx}", "--pattern", "."],
            "found 0 groups, expected one",
        ),
    ],
)
def test_what_does_not_go_together(words, said, tmp_path, fault):
    assert said in fault("profile", "export", *words, "--out", tmp_path / "b")
    assert not (tmp_path / "b" / "index.json").exists()
