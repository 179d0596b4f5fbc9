"""onnxruntime_perf_test: what releases from 1.2 to 1.22 print, as their users and documentation quote it."""

from __future__ import annotations

import pytest

from converters.engines.engine import Options
from converters.programs import PROGRAMS
from prototxt_gen.errors import FormatError, UnsupportedError

PROGRAM = PROGRAMS["onnxruntime_perf_test"]
#: microsoft/onnxruntime, pull request 2798 (release 1.2): no percentiles.
OLD = """Setting intra_op_num_threads to 0
Session creation time cost:1.84149 s
Total inference time cost:0.734606 s
Total inference requests:1
Average inference time cost:734.606 ms
Total inference run time:0.734761 s
"""
#: microsoft/onnxruntime, onnxruntime/test/perftest/performance_runner.cc, releases 1.6 to 1.19.
MIDDLE = """Setting intra_op_num_threads to 2
Session creation time cost: 2.74716 s
First inference time cost: 85 ms
Total inference time cost: 6.22935 s
Total inference requests: 100
Average inference time cost: 62.2935 ms
Total inference run time: 6.23146 s
Number of inferences per second: 16.0476
Avg CPU usage: 382 %
Peak working set size: 114634752 bytes
Min Latency: 0.0529422 s
Max Latency: 0.0912857 s
P50 Latency: 0.0603562 s
P90 Latency: 0.0741593 s
"""
#: The same since 1.20.
NEW = MIDDLE.replace("time cost: 62.2935 ms", "time cost total: 62.293500 ms")


@pytest.mark.parametrize(
    ("text", "ms", "details"),
    [
        (OLD, 734.606, {"whole": "mean"}),
        (MIDDLE, 60.3562, {"whole": "median", "threads": 2}),
        (NEW, 60.3562, {"whole": "median", "threads": 2}),
        (MIDDLE.replace("P50 Latency: 0.0603562 s", "P50 Latency is 0.0603562 sec"), 60.3562, None),
        (MIDDLE.replace("0.0603562", "5.5e-05"), 0.055, None),
    ],
)
def test_outputs_of_releases(text, ms, details):
    times = PROGRAM.read(text, "log")
    assert times.ms == [pytest.approx(ms)]
    assert details is None or times.details == details


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MIDDLE[:60], "log: found no 'Average inference time cost', expected it; the output ends with: Session"),
        ("failed to load model\n", "the output ends with: failed to load model"),
        (MIDDLE.replace("0.0603562", "nan"), "found a latency of 'nan', expected a number above 0"),
        (OLD.replace("734.606 ms", "0 ms"), "found a latency of '0'"),
        (OLD.replace("734.606 ms", "-- ms"), "found a latency of '--'"),
    ],
)
def test_an_output_without_a_time(text, message):
    with pytest.raises(FormatError, match=message):
        PROGRAM.read(text, "log")


def test_the_command():
    words = PROGRAM.command({"onnx": "net.onnx"}, 30, Options(threads=4, device="nnapi"))
    assert " ".join(words) == "onnxruntime_perf_test -e nnapi -I -S 1 -s -m times -r 30 -x 4 net.onnx"
    assert "-x" not in PROGRAM.command({"onnx": "net.onnx"}, 30)
    for options in (Options(precision="float16"), Options(device="the cpu")):
        with pytest.raises(UnsupportedError):
            PROGRAM.command({"onnx": "net.onnx"}, 30, options)
