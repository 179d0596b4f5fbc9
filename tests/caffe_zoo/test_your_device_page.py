"""docs/your-device.md: every command on the page, with stand-ins for the devices, the cables and the tools."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from caffe_zoo import card
from caffe_zoo.cli import main
from caffe_zoo.commands.profile import SUBCOMMANDS
from converters import export_onnx
from prototxt_gen import generate, parts
from search import LatencyTable, parse_space
from search.latency import Entry
from tests import standins
from tests.filling import fill_weights

PAGE = (Path(__file__).parents[2] / "docs" / "your-device.md").read_text("utf-8")
SECTIONS = re.split(r"\n## ", PAGE)[1:]
BLOCKS = {section.split("\n", 1)[0]: re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for section in SECTIONS}
#: The page's space, and one of the same images that takes seconds; so do fewer trainings.
SPACE = "s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32"
SMALL = "s8-16_b1-2_b1-1_b1-1_w8-16_c10_i3x32x32"
DEVICES = {"A Jetson": "jetson.json", "A phone": "phone.json", "A camera": "camera.json"}

# Devices are folders; the stand-ins for cables copy from and to them and run commands in them. The tools read the file
# that they are given and say a time that they compute from it, in the words of the real ones: a nanosecond for a byte.
READ = """
bytes=$(wc -c <"$file") || exit 1
us() { printf '%d.%03d' $((bytes / 1000)) $((bytes % 1000)); }
"""
CABLES = {
    "scp": """
for last; do :; done
[ "$1" = -r ] && shift
from=$1 to=$2
case $from in *:*) from=$DEVICES/${from%%:*}/${from#*:};; esac
case $to in *:*) to=$DEVICES/${to%%:*}/${to#*:};; esac
cp -r "$from" "$to"
""",
    "ssh": """
cd "$DEVICES/$1" || exit 1
case $1 in root@camera) PATH=$DEVICES/tools:$PATH;; esac
shift
eval "$(echo "$*" | sed "s|/usr/src/tensorrt/bin|$DEVICES/tools|g")"
""",
    "adb": """
case $1 in
push) mkdir -p "$DEVICES/phone$(dirname "$3")" && cp -r "$2" "$DEVICES/phone$3";;
pull) cp -r "$DEVICES/phone$2" "$3";;
shell) shift; eval "$(echo "$*" | sed -e "s|/data|$DEVICES/phone/data|g" -e "s|/system/bin|$PATH|")";;
esac
""",
}
# On the computer's own PATH, as it drives the board by a cable.
CABLES["npu_time"] = """
file=$1
bytes=$(wc -c <"$file") || exit 1
printf 'latency: %d.%06d ms\\n' $((1 + bytes / 1000000)) $((bytes % 1000000))
"""
CABLES["npu_energy"] = """
bytes=$(wc -c <"$1") || exit 1
printf 'energy: %d.%06d mJ\\n' $((3 + bytes / 1000000)) $((bytes % 1000000))
"""
TOOLS = {
    "trtexec": """
for word; do case $word in --onnx=*) file=${word#--onnx=};; --fp16) half=+FP16;; esac; done
"""
    + READ
    + """
echo "&&&& RUNNING TensorRT.trtexec [TensorRT v8401] # trtexec $*"
echo "[11/21/2026-20:46:06] [I] Precision: FP32$half"
echo "[11/21/2026-20:46:06] [I] Selected Device: Orin"
echo "[11/21/2026-20:46:07] [I] TensorRT version: 8.4.1"
echo "[11/21/2026-20:46:09] [I] === Performance summary ==="
echo "[11/21/2026-20:46:09] [I] Throughput: 2500 qps"
echo "[11/21/2026-20:46:09] [I] Latency: min = $(us) ms, max = $(us) ms, mean = $(us) ms, median = $(us) ms"
echo "[11/21/2026-20:46:09] [I] GPU Compute Time: min = $(us) ms, max = $(us) ms, mean = $(us) ms, median = $(us) ms"
echo "&&&& PASSED TensorRT.trtexec [TensorRT v8401] # trtexec $*"
""",
    "onnxruntime_perf_test": """
for file; do :; done
"""
    + READ
    + """
case " $* " in *" -I "*" -m times "*" -x 4 "*) ;; *) exit 2;; esac
echo "Setting intra_op_num_threads to 4"
echo "Session creation time cost: 0.0127918 s"
echo "First inference time cost: 1 ms"
echo "Total inference time cost: 0.5 s"
echo "Total inference requests: 100"
echo "Average inference time cost: $(us) ms"
printf 'P50 Latency: %d.%09d s\\n' 0 "$((bytes * 1000))"
""",
    "npu_bench": """
[ "$1" = --version ] && { echo "npu_bench 3.1"; exit; }
[ "$1 $3 $5" = "--proto --weights --loops" ] && grep -q layer "$2" || exit 1
file=$4
"""
    + READ
    + 'echo "loops $6"; echo "avg time: $(us) ms"\n',
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder on a computer with cables to a Jetson, a phone and a camera."""
    pytest.importorskip("onnx")
    here = tmp_path / "computer"
    here.mkdir()
    monkeypatch.chdir(here)
    places = {"user@jetson": "", "phone": "data/local/tmp", "root@camera": ""}
    for device, place in places.items():
        (tmp_path / "devices" / device / place).mkdir(parents=True)
    for where, programs in (("bin", CABLES), ("devices/tools", TOOLS)):
        (tmp_path / where).mkdir()
        for name, text in programs.items():
            program = tmp_path / where / name
            program.write_text(f"#!/bin/sh\n{text}")
            program.chmod(0o755)
    (tmp_path / "devices" / "phone" / "data/local/tmp/onnxruntime_perf_test").symlink_to(
        tmp_path / "devices/tools/onnxruntime_perf_test"
    )
    monkeypatch.setenv("DEVICES", str(tmp_path / "devices"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return here


def run(line: str, capsys) -> str:
    """A line as a person types it; what it printed."""
    line = line.replace(SPACE, SMALL).replace("--trials 4", "--trials 1 --epochs 1")
    if line.startswith("dongfeng "):
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr()
        return capsys.readouterr().out
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.parametrize("section", DEVICES)
def test_a_device_from_the_export_to_the_table(section, folder, capsys):
    said = [run(line, capsys) for block in BLOCKS[section] for line in block.splitlines()]
    assert "5 whole networks" in said[0]
    table = LatencyTable.load(DEVICES[section])
    assert table.predictor(parse_space(SMALL))(next(parse_space(SMALL).vectors())).min() > 0
    assert table.origin["method"] == "imported" and len(table.origin["check"]) == 5
    heading = re.search(r"```\n(ms predicted.*)\n```", PAGE)[1]
    assert heading.split() == said[-1].splitlines()[0].split()
    target = table.target
    assert (target["engine"], target["threads"], target["precision"]) == {
        "A Jetson": ("trtexec", 0, "float16"),
        "A phone": ("onnxruntime_perf_test", 4, "float32"),
        "A camera": ("own", 0, "float32"),
    }[section]
    if section == "A camera":
        assert target["device"] == "Camera 7, NPU" and target["versions"]["own"] == "npu_bench 3.1"
        for block in BLOCKS["Searching with it"]:
            assert "predicted" in run(block.strip(), capsys)
        boundary = json.loads(Path("runs/camera/boundary.json").read_text())
        assert boundary["latency_target"] == target


def test_inner_widths_between_those_that_a_phone_timed(folder, capsys):
    """The stand-in takes a nanosecond for a byte, so what lies between is told almost exactly."""
    said = [run(line, capsys) for line in BLOCKS["Any inner width"][0].splitlines()]
    table = LatencyTable.load("all-widths.json")
    ((code, record),) = table.origin["interpolated"].items()
    space = parse_space(code)
    assert table.predictor(space)(next(space.vectors(0, 9))).min() > 0
    measured = [entry.samples > 0 for entry in table.entries.values()]
    assert f"{len(measured)} parts, {sum(measured)} of them measured" in said[-1]
    assert f"{record['parts']} parts of {code} are interpolated" in said[-1]
    assert record["parts"] == len(measured) - sum(measured) > 0 and record["largest"] < 0.01


def test_a_log_that_is_there(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    standins.install_caffe(tmp_path, monkeypatch)
    standins.install_trtexec(tmp_path, monkeypatch)
    net = generate(card("df1seg").architecture, input_shape=(1, 3, 128, 256))
    export_onnx(net, fill_weights(net), "df1seg.onnx", merged=False)
    profile, timed = ([run(line, capsys) for line in block.splitlines()] for block in BLOCKS["A log you already have"])
    table = LatencyTable.load("orin.json")
    rows = int(re.search(r": (\d+) rows, ", profile[-1])[1])
    assert table.predict(card("df1seg").architecture) == pytest.approx(0.125 * rows)
    assert table.target["device"] == "Jetson AGX Orin" and table.target["precision"] == "float16"
    assert re.search(r"df-lite_seg: \S+ ms, \S+ ms of them estimated", profile[-1])
    total = re.search(r"Average Forward pass: (\S+) ms", Path("df1_time.log").read_text())[1]
    found = LatencyTable.load("pi.json")
    assert found.predict(card("df1").architecture) == pytest.approx(float(total), rel=1e-4)
    assert found.target["device"] == "Raspberry Pi 4" and "df1_time.log: " in timed[-1]


def test_a_device_that_times_only_whole_networks(folder, capsys):
    blocks = [block.replace("--count 30", "--count 6") for block in BLOCKS["Only whole networks"]]
    said = [run(line, capsys) for line in blocks[0].splitlines()]
    assert len(list(Path("npu").iterdir())) == 18
    assert Path("npu-timed.csv").read_text().count(",1.0") == 6
    assert "networks left out in turn: mean error" in said[-1]
    table = LatencyTable.load("npu.json")
    assert table.target == {"device": "NPU 9"} and table.origin["networks"] == 6
    found = table.predictor(parse_space(SMALL))(next(parse_space(SMALL).vectors()))
    assert 1.0 < found.min() < found.max() < 1.1
    run(blocks[1].strip().replace("--count 20", "--count 3"), capsys)
    assert len(Path("more.csv").read_text().splitlines()) == 4
    said = [run(line, capsys) for line in BLOCKS["Energy"][0].splitlines()]
    assert Path("npu-energy.csv").read_text().count(",3.0") == 6
    assert "from 6 measurements of 6 networks" in said[1] and "left out in turn: mean error" in said[1]
    count = parse_space(SMALL).count()
    assert f"energy at most 5 mJ: {count} of {count} architectures; the space has 3.0" in said[2]
    (network,) = json.loads(Path("runs/npu/boundary.json").read_text())["networks"]
    table = LatencyTable.load("npu.json")
    assert network["energy_mj"] == pytest.approx(table.predict_energy(network["code"], (1, 3, 32, 32)))
    assert 3.0 < network["energy_mj"] < 3.1 and f" {network['energy_mj']:.4g} " in said[2]
    assert "at most 5 mJ" in Path("runs/npu/report.html").read_text()
    titles, row = (line.split(",") for line in Path("runs/npu/candidates.csv").read_text().splitlines())
    assert float(row[titles.index("energy_mj")]) == network["energy_mj"]


def test_tables_side_by_side_and_in_another_form(folder, capsys):
    pytest.importorskip("matplotlib")
    for device, factor in (("jetson", 1.0), ("phone", 4.0)):
        entries = {
            part.key: Entry(factor * index, (factor * index, factor * index), 9, part.label)
            for index, part in enumerate(parts("s8_b8x2_c10", (1, 3, 32, 32)), 1)
        }
        LatencyTable({"engine": device}, entries).save(f"{device}.json")
    block = "expanded_conv-input:8x8x8-output:8x8x8-expand:6-kernel:3-stride:1-idskip:1"
    Path("pixel1.yaml").write_text(f"{block}:\n  count: 9\n  mean: 1.5\n")
    said = [run(line, capsys) for lines in BLOCKS["Beside another table"] for line in lines.splitlines()]
    assert "median ratio 4.000" in said[0] and Path("compare.png").exists()
    assert LatencyTable.load("pixel1.json").target["device"] == "Pixel 1"
    assert Path("again.yaml").read_bytes() == Path("pixel1.yaml").read_bytes()


def test_sub_commands_that_the_page_names():
    named = set(re.findall(r"dongfeng profile (\w+)", PAGE))
    assert {"export", "import", "measure", "next", "fit", "energy"} <= named <= set(SUBCOMMANDS)


def test_links_lead_somewhere():
    headings = {re.sub(r"[^a-z0-9 ]", "", name.lower()).replace(" ", "-") for name in BLOCKS}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in headings
        elif not target.startswith("https://"):
            assert (Path(__file__).parents[2] / "docs" / target).exists(), target
