"""benchmark_app: what OpenVINO 2023.3 and 2026.4 printed of a block and of a head, of 1 thread in float32."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.engines.engine import Options
from converters.programs import PROGRAMS
from prototxt_gen.errors import FormatError, NetworkError, UnsupportedError

OUTPUTS = Path(__file__).parent / "outputs"
PROGRAM = PROGRAMS["benchmark_app"]


@pytest.mark.parametrize(
    ("release", "network", "ms", "whole"),
    [
        # Two digits of a millisecond, so that of short runs only the mean is exact: 122.65 ms by 200, 2.99 ms by 200.
        ("2023.3", "block", 0.61325, "mean"),
        ("2023.3", "head", 0.01495, "mean"),
        # Microseconds where the time is short: the median is exact.
        ("2026.4", "block", 0.52027, "median"),
        ("2026.4", "head", 0.00911, "median"),
    ],
)
def test_outputs_of_real_releases(release, network, ms, whole):
    times = PROGRAM.read((OUTPUTS / f"benchmark_app-{release}-{network}.txt").read_text(), "log")
    assert times.ms == [pytest.approx(ms)]
    assert times.versions["openvino"].startswith(release)
    assert times.details == {"device": "cpu", "threads": 1, "precision": "float32", "whole": whole}


def test_a_long_median_is_exact_enough():
    text = (
        (OUTPUTS / "benchmark_app-2023.3-block.txt").read_text().replace("Median:        0.59 ms", "Median: 22.04 ms")
    )
    times = PROGRAM.read(text, "log")
    assert (times.ms, times.details["whole"]) == ([22.04], "median")


def test_a_mean_that_other_work_has_spoilt_is_not_taken():
    """Of 200 runs on a busy machine: 0.59 ms in the median, 2.4 ms in the mean."""
    text = (OUTPUTS / "benchmark_app-2023.3-block.txt").read_text().replace("122.65 ms", "475.6 ms")
    times = PROGRAM.read(text, "log")
    assert (times.ms, times.details["whole"]) == ([0.59], "median")
    with pytest.raises(FormatError, match=r"found a median of 0\.00 ms"):
        PROGRAM.read(text.replace("0.59 ms", "0.00 ms"), "log")


def test_the_cpp_tool_prints_the_same_lines():
    """From OpenVINO's documentation of benchmark_app in C++."""
    text = """[ INFO ]   INFERENCE_NUM_THREADS: 4
[ INFO ]   INFERENCE_PRECISION_HINT: f32
[Step 11/11] Dumping statistics report
[ INFO ] Execution Devices: [ CPU ]
[ INFO ] Count:               17436 iterations
[ INFO ] Duration:            60008.41 ms
[ INFO ] Latency:
[ INFO ]    Median:           4.99 ms
[ INFO ]    Average:          5.03 ms
[ INFO ] Throughput:          290.56 FPS
"""
    times = PROGRAM.read(text, "log")
    assert times.ms == [4.99]
    assert times.details == {"device": "cpu", "threads": 4, "precision": "float32", "whole": "median"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: text.index("[Step 11/11]")], "log: found no Median and Throughput.*First inference took"),
        (lambda text: text[: text.index("[ INFO ] Throughput")], "log: found no Median and Throughput"),
        (lambda text: "", "the output ends with: nothing"),
        (lambda text: text.replace("200 iterations", "0 iterations"), "found 0 iterations"),
        (lambda text: text.replace("106.75 ms", "0.00 ms"), "in 0.0 ms, expected both above 0"),
        (lambda text: text.replace("520.27 us", "nan ms"), "log: found no Median"),
    ],
)
def test_an_output_that_is_cut_off_or_says_no_time(change, message):
    text = (OUTPUTS / "benchmark_app-2026.4-block.txt").read_text()
    with pytest.raises(FormatError, match=message):
        PROGRAM.read(change(text), "log")


def test_the_command():
    words = PROGRAM.command({"onnx": "net.onnx"}, 20, Options(threads=2))
    assert " ".join(words) == (
        "benchmark_app -m net.onnx -d CPU -hint none -api sync -niter 20 -nstreams 1 -infer_precision f32 -nthreads 2"
    )
    assert "-nthreads" not in PROGRAM.command({"onnx": "net.onnx"}, 20)
    npu = PROGRAM.command({"onnx": "net.onnx"}, 20, Options(device="npu", precision="float16"))
    assert "NPU" in npu and "-infer_precision" not in npu
    for options in (Options(device="cuda"), Options(precision="int8"), Options(device="npu")):
        with pytest.raises(UnsupportedError, match=r"OpenVINO benchmark_app: (device|precision)"):
            PROGRAM.command({"onnx": "net.onnx"}, 20, options)
    with pytest.raises(NetworkError, match="missing: onnx"):
        PROGRAM.command({"prototxt": "net.prototxt"}, 20)
