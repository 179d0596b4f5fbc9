"""What trtexec prints and writes, and TensorRT 3's profiles."""

import re

import pytest

from converters.engines.engine import Options
from converters.programs import PROGRAMS, Layers, LayerTime, read_times
from prototxt_gen.errors import FormatError, NetworkError, UnsupportedError

TRTEXEC = PROGRAMS["trtexec"]

# --exportProfile of TensorRT 8.5 and later; before there was no median.
PROFILE = """\
[
  { "count" : 625 }
, { "name" : "Reformatting CopyNode for Input Tensor 0 to conv1 + relu1", "timeMs" : 0, "averageMs" : 0, "medianMs" : 0, "percentage" : 0 }
, { "name" : "conv1 + relu1", "timeMs" : 41.4232, "averageMs" : 0.0662771, "medianMs" : 0.0661, "percentage" : 60.5 }
, { "name" : "fc", "timeMs" : 27.2649, "averageMs" : 0.0436238, "medianMs" : 0.0435, "percentage" : 39.5 }
]
"""  # noqa: E501
ROWS = [
    LayerTime("Reformatting CopyNode for Input Tensor 0 to conv1 + relu1", 0),
    LayerTime("conv1 + relu1", 0.0662771),
    LayerTime("fc", 0.0436238),
]
# --exportTimes of TensorRT 10; 8.0 has an end-to-end time, too.
TIMES = """\
[
  { "startEnqMs" : 0.1, "endEnqMs" : 0.2, "startH2dMs" : 0.2, "endH2dMs" : 0.2, "startComputeMs" : 0.3, "endComputeMs" : 2.3, "startD2hMs" : 2.3, "endD2hMs" : 2.3, "h2dMs" : 0, "computeMs" : 2, "d2hMs" : 0, "latencyMs" : 2 }
, { "startEnqMs" : 2.1, "endEnqMs" : 2.2, "startH2dMs" : 2.2, "endH2dMs" : 2.2, "startComputeMs" : 2.3, "endComputeMs" : 4.8, "startD2hMs" : 4.8, "endD2hMs" : 4.8, "h2dMs" : 0, "computeMs" : 2.5, "d2hMs" : 0, "latencyMs" : 2.5 }
]
"""  # noqa: E501
# TensorRT 8.4 on a Jetson, shortened.
PRINTED = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v8401] # trtexec --onnx=net.onnx --fp16 --dumpProfile
[04/14/2026-01:43:06] [I] === Build Options ===
[04/14/2026-01:43:06] [I] Precision: FP32+FP16
[04/14/2026-01:43:06] [I] === Device Information ===
[04/14/2026-01:43:06] [I] Selected Device: NVIDIA Tegra X1
[04/14/2026-01:43:06] [I] TensorRT version: 8.4.1
[04/14/2026-01:43:16] [I] === Performance summary ===
[04/14/2026-01:43:16] [I] Throughput: 24.5583 qps
[04/14/2026-01:43:16] [I] Latency: min = 40.5005 ms, max = 40.8591 ms, mean = 40.6326 ms, median = 40.6337 ms
[04/14/2026-01:43:16] [I] GPU Compute Time: min = 39.8569 ms, max = 40.1931 ms, mean = 40.0027 ms, median = 39.9982 ms, percentile(99%) = 40.1931 ms
[04/14/2026-01:43:16] [I]
[04/14/2026-01:43:16] [I] === Profile (100 iterations ) ===
[04/14/2026-01:43:16] [I]          Layer   Time (ms)   Avg. Time (ms)   Median Time (ms)   Time %
[04/14/2026-01:43:16] [I]  conv1 + relu1     3000.00          30.0000            30.0000     75.0
[04/14/2026-01:43:16] [I]             fc     1000.12          10.0012            10.0000     25.0
[04/14/2026-01:43:16] [I]          Total     4000.12          40.0012            40.0000    100.0
[04/14/2026-01:43:16] [I]
&&&& PASSED TensorRT.trtexec [TensorRT v8401] # trtexec --onnx=net.onnx --fp16 --dumpProfile
"""  # noqa: E501
# TensorRT 7 on a desktop.
OLDER = """\
[I] === Performance summary ===
[I] Host Latency
[I] min: 8.32 ms (end to end 8.4 ms)
[I] max: 9.1 ms (end to end 9.2 ms)
[I] mean: 8.4 ms (end to end 8.5 ms)
[I] median: 8.35 ms (end to end 8.45 ms)
[I] percentile: 9 ms at 99% (end to end 9.1 ms at 99%)
[I] throughput: 118 qps
[I] GPU Compute
[I] min: 8.1 ms
[I] max: 8.9 ms
[I] mean: 8.2 ms
[I] median: 8.15 ms
[I] percentile: 8.8 ms at 99%
&&&& PASSED TensorRT.trtexec # trtexec --onnx=net.onnx
"""
# TensorRT 3: names are cut after 40 characters.
OLD = """\
Building and running a GPU inference engine for net.prototxt
Bindings after deserializing:
Binding 0 (data): Input.
conv1 + conv1/relu                       0.173ms
res2.1.skipConv + res2.1.sum + res2.1.re 0.073ms
Time over all layers: 0.247ms
Done.
"""


def test_a_profile_in_json():
    times = TRTEXEC.read(PROFILE, "log")
    assert times.layers == ROWS and times.ms == pytest.approx([0.1099009])
    assert times.details == {"whole": "sum of the layers", "iterations": 625}
    assert TRTEXEC.read(re.sub(r'"medianMs" : \S+, ', "", PROFILE), "log") == times, "as releases before 8.5 write it"


def test_times_of_runs_are_those_of_the_gpu():
    times = TRTEXEC.read(TIMES, "log")
    assert times.ms == [2, 2.5] and not times.layers and times.details == {"whole": "runs"}
    assert TRTEXEC.read(TIMES.replace(" }", ', "endToEndMs" : 9 }'), "log") == times


def test_what_is_printed():
    times = TRTEXEC.read(PRINTED, "log")
    assert times.ms == [39.9982] and times.versions == {"tensorrt": "8.4.1"}
    assert times.layers == [LayerTime("conv1 + relu1", 30), LayerTime("fc", 10.0012)]
    assert times.details == {"whole": "median", "device": "NVIDIA Tegra X1", "precision": "float16"}
    assert TRTEXEC.read(OLDER, "log").ms == [8.15]
    profile = PRINTED[: PRINTED.index("[04/14/2026-01:43:16] [I] === Perf")] + PRINTED[PRINTED.index(" [I]\n") + 5 :]
    alone = TRTEXEC.read(profile, "log")
    assert alone.layers == times.layers and alone.ms == pytest.approx([40.0012])
    without_median = re.sub(r" (?:Median Time \(ms\)|(?<=00 )\s{9,}\S+(?=\s+\d+\.\d$))", "", PRINTED, flags=re.M)
    assert TRTEXEC.read(without_median, "log").layers == times.layers


@pytest.mark.parametrize(
    ("printed", "version"), [("8.4.1", "8.4.1"), ("8001", "8.0.1"), ("100300", "10.3.0"), ("101301", "10.13.1")]
)
def test_versions_in_both_spellings(printed, version):
    stated = PRINTED.replace(" [TensorRT v8401]", "").replace("8.4.1", printed)
    assert TRTEXEC.read(stated, "log").versions == {"tensorrt": version}
    head = re.sub(r".*TensorRT version.*\n", "", PRINTED.replace("v8401", f"v{printed}"))
    assert not printed.isdecimal() or TRTEXEC.read(head, "log").versions == {"tensorrt": version}


def test_tensorrt_3():
    times = TRTEXEC.read(OLD, "log")
    assert times.layers == [
        LayerTime("conv1 + conv1/relu", 0.173),
        LayerTime("res2.1.skipConv + res2.1.sum + res2.1.re", 0.073),
    ]
    assert times.ms == [0.247] and times.details == {"whole": "sum of the layers", "precision": "float32"}
    half = TRTEXEC.read("Half2 support requested on hardware without native FP16 support\n" + OLD, "log")
    assert half.details["precision"] == "float16"


@pytest.mark.parametrize("text", [PROFILE, TIMES, PRINTED, OLDER, OLD])
def test_each_is_known_as_trtexecs(text, tmp_path):
    path = tmp_path / "log"
    path.write_text(text)
    assert read_times(path)[0] is TRTEXEC


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (PROFILE[:-2], "ends before its closing ']': it is cut off"),
        (PROFILE.replace('"count" : 625', '"count" : 0'), "count: found 0, expected a whole number, at least 1"),
        (PROFILE.replace("0.0662771", "nan"), "found conv1 + relu1: nan"),
        (PROFILE.replace("0.0662771", "-nan"), "found conv1 + relu1: -nan"),
        (PROFILE.replace("0.0662771", "-1"), "found conv1 + relu1: -1"),
        (PROFILE.replace("0.0662771", "0,0662"), "not the JSON that trtexec writes"),
        (re.sub(r'"averageMs" : \S+,', '"averageMs" : 0,', PROFILE), "found 0.0, expected more than 0 ms"),
        (PROFILE.replace('"averageMs" : 0.0436238, ', ""), "averageMs: missing in fc"),
        (PROFILE.replace('"name" : "fc"', '"name" : 3'), "name: found none in rows 3"),
        ('[\n { "count" : 3 },\n 4 ]', "found other values, expected objects"),
        ("[\n]", "found no rows"),
        (TIMES.replace('"computeMs" : 2.5', '"computeMs" : inf'), "found run 2: inf"),
        (TIMES.replace('"computeMs" : 2.5', '"computeMs" : 0'), "expected more than 0 ms"),
        (PRINTED[: PRINTED.index("&&&& PASSED")], "ends before '&&&& PASSED TensorRT.trtexec': it is cut off"),
        (PRINTED.replace("&&&& PASSED", "[E] no such file\n&&&& FAILED"), "trtexec failed: [E] no such file"),
        (PRINTED.replace("[04/14/2026-01:43:16] [I]          Total", "x"), "profile: ends before its row 'Total'"),
        (PRINTED.replace("GPU Compute Time", "x").replace("Profile", "x"), "GPU Compute Time: found 0, expected one"),
        (OLD[: OLD.index("Time over")], "ends before 'Time over all layers', expected a whole profile"),
        (OLD.replace("0.247", "0.500"), "the rows sum to 0.246 ms, 'Time over all layers' says 0.5 ms"),
        (OLD + OLD, "found 2 times 'Time over all layers'"),
        (OLD.replace("0.073", "nan"), "found res2.1.skipConv + res2.1.sum + res2.1.re: nan"),
    ],
)
def test_what_is_cut_off_or_no_time_is_refused_by_name(wrong, said):
    with pytest.raises(FormatError, match="^log: .*" + re.escape(said)):
        TRTEXEC.read(wrong, "log")


@pytest.mark.parametrize(
    ("text", "end"), [(PROFILE, "]\n"), (TIMES, "]\n"), (PRINTED, "&&&& PASSED"), (OLD, "0.247ms")]
)
def test_wherever_an_output_is_cut_off_it_is_refused(text, end):
    for place in range(1, text.rindex(end), 3):
        with pytest.raises(FormatError, match=r"^log: "):
            TRTEXEC.read(text[:place], "log")


@pytest.fixture(scope="module")
def layers():
    from prototxt_gen import NetParameter
    from prototxt_gen.text import parse_text

    return Layers(
        parse_text(
            """
            layer { name: "data" type: "Input" top: "data" }
            layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" }
            layer { name: "conv1/relu" type: "ReLU" bottom: "conv1" top: "conv1" }
            layer { name: "conv1.a" type: "Convolution" bottom: "conv1" top: "a" }
            layer { name: "up" type: "Interp" bottom: "a" top: "up" }
            layer { name: "sum" type: "Eltwise" bottom: "up" bottom: "a" top: "both" }
            layer { name: "up2" type: "Interp" bottom: "both" top: "up2" }
            """,
            NetParameter(),
        )
    )


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("conv1 + conv1/relu", ["conv1", "conv1/relu"]),
        ("conv1 || conv1.a + sum", ["conv1", "conv1.a", "sum"]),
        ("Reformatting CopyNode for Input Tensor 0 to conv1.a + sum", ["conv1.a", "sum"]),
        ("Reformatting CopyNode for Output Tensor 0 to sum", ["sum"]),
        ("Reformatting CopyNode for Network Input data", ["data"]),
        ("conv1 + conv1/relu input reformatter 0", ["conv1", "conv1/relu"]),
        ("up copy", ["up"]),
        ("both copy", ["sum"]),
        ("PWN(conv1/relu)", ["conv1/relu"]),
        ("PWN(PWN(conv1/relu, sum), up)", ["conv1/relu", "sum", "up"]),
        ("conv1 + PWN(conv1/relu)", ["conv1", "conv1/relu"]),
        ("conv1/weight + (Unnamed Layer* 3) [Shuffle] + sum", ["conv1", "sum"]),
        ("squeeze_after_sum + up2", ["sum", "up2"]),
        ("reshape_before_conv1.a", ["conv1.a"]),
        ("conv1.a_myl0_3", ["conv1.a"]),
        ("conv1+conv1/relu_myl0_1", ["conv1", "conv1/relu"]),
        ("{ForeignNode[conv1.a...sum]}", ["conv1.a", "up", "sum"]),
        ("Reformatting CopyNode for Input Tensor 0 to {ForeignNode[conv1.a...sum]}", ["conv1.a", "up", "sum"]),
        ("{ForeignNode[sum]}", ["sum"]),
        ("BiInterpolationPSP1_1", ["up"]),
        ("BiInterpolationPSP1_2", ["up2"]),
        ("(Unnamed Layer* 3) [Shuffle]", []),
        ("[HostToDeviceCopy 0]", []),
        ("__myl_MovConcRes_myl3_13", []),
        ("conv2 + conv1/relu", [None, "conv1/relu"]),
        ("BiInterpolationPSP1_3", [None]),
        ("{ForeignNode[conv1.a...fc]}", ["conv1.a", None]),
    ],
)
def test_rows_name_layers(row, named, layers):
    assert TRTEXEC.layers_of(row, layers) == [set() if name is None else {name} for name in named]


def test_a_name_that_is_cut_off_may_be_several(layers):
    row = "conv1/relu + conv1.a + sum + up2 + conv1"
    cut = "conv1/relu + conv1.a + sum + up2 + c + u"
    assert len(row) == len(cut) == 40
    assert TRTEXEC.layers_of(row, layers)[-1] == {"conv1"}, "a whole name"
    assert TRTEXEC.layers_of(cut, layers)[-2:] == [set(), {"up", "up2"}], "the last name alone is cut off"
    assert TRTEXEC.layers_of(cut[:-1], layers)[-1] == set(), "shorter rows are not"
    assert TRTEXEC.layers_of("conv1/relu + conv1.a + sum + up2 + sum co", layers)[-1] == {"sum"}, "a copy"


def test_brackets_without_end_are_no_trouble(layers):
    assert TRTEXEC.layers_of("PWN(" * 2000 + "conv1" + ")" * 2000, layers) == [set()]


def test_the_command():
    files = {"onnx": "a.onnx"}
    cuda = Options(device="cuda", precision="float16")
    timed = ["--iterations=5", "--duration=0", "--noDataTransfers", "--useSpinWait", "--fp16", "--device=0"]
    assert TRTEXEC.command(files, 5, cuda) == ["trtexec", "--onnx=a.onnx", *timed]
    more = {"engine": "a.engine", "times": "t.json", "profile": "p.json"}
    written = ["--exportTimes=t.json", "--separateProfileRun", "--exportProfile=p.json"]
    assert TRTEXEC.command(more, 5, cuda) == ["trtexec", "--loadEngine=a.engine", *timed, *written]
    with pytest.raises(NetworkError, match="trtexec: files: found prototxt, expected onnx"):
        TRTEXEC.command({"prototxt": "a"}, 5, cuda)
    with pytest.raises(UnsupportedError, match="device: found 'cpu', expected cuda or cuda:N or dla:N"):
        TRTEXEC.command(files, 5)


@pytest.mark.parametrize("network", ["df1seg", "df-lite_seg"])
@pytest.mark.parametrize("end", ["score_1024x1024", "score_1024x2048", "scoreup8_1024x1024", "scoreup8_1024x2048"])
def test_the_releases_profiles(reference, network, end):
    program, times = read_times(reference / "release" / "logs" / f"log_{network}_profile_{end}_1080ti.txt")
    assert program is TRTEXEC
    assert len(times.layers) == (55 if network == "df1seg" else 47) + end.startswith("scoreup8")
    assert sum(row.ms for row in times.layers) == pytest.approx(times.ms[0], abs=0.02)
