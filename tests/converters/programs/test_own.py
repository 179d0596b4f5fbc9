"""The user's own tool: a command with places, a pattern for the time."""

from __future__ import annotations

import pytest

from converters.programs import OwnCommand
from prototxt_gen.errors import CaffeError, FormatError, NetworkError

PATTERN = "avg: ([0-9.e+-]+) ms"


@pytest.mark.parametrize(
    ("command", "files", "words", "environment"),
    [
        ("mytool {onnx}", ("onnx",), ["mytool", "a b/net.onnx"], {}),
        ("t --m={prototxt} -w {caffemodel}", ("prototxt", "caffemodel"), ["t", "--m=net.prototxt", "-w", "net.w"], {}),
        ("run '{name}.rknn' {iterations}", (), ["run", "net.rknn", "7"], {}),
        ("CORES=4 LD_LIBRARY_PATH='a b' ./t {onnx}", ("onnx",), ["./t", "a b/net.onnx"], None),
        ("sh -c 'cat {onnx} | t'", ("onnx",), ["sh", "-c", "cat a b/net.onnx | t"], {}),
    ],
)
def test_the_places_of_a_command(command, files, words, environment):
    program = OwnCommand(command, PATTERN)
    assert program.files == files
    paths = {"onnx": "a b/net.onnx", "prototxt": "net.prototxt", "caffemodel": "net.w", "name": "net"}
    assert program.command(paths, 7) == words
    assert program.environment() == ({"CORES": "4", "LD_LIBRARY_PATH": "a b"} if environment is None else environment)


@pytest.mark.parametrize(
    ("text", "unit", "ms"),
    [
        ("avg: 12.5 ms", "ms", [12.5]),
        ("avg: 12.5 ms", "us", [0.0125]),
        ("avg: 12.5 ms", "s", [12500.0]),
        ("avg: 2e6 ms", "ns", [2.0]),
        ("run 1 avg: 3 ms\nrun 2 avg: 4 ms\n", "ms", [3.0, 4.0]),
    ],
)
def test_times_in_any_unit(text, unit, ms):
    times = OwnCommand("t {onnx}", PATTERN, unit).read(text, "log")
    assert times.ms == pytest.approx(ms)
    assert times.details["whole"] == ("runs" if len(ms) > 1 else "mean")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loading\nout of memory\n", r"log: found nothing like 'avg: .*; the output ends with: out of memory"),
        ("", "the output ends with: nothing"),
        ("avg: 0 ms", "log: found a time of '0' ms, expected a number above 0"),
        ("avg: 1e999 ms", "found a time of '1e999' ms"),
        ("avg: 1.2.3 ms", "found a time of '1.2.3' ms"),
        ("avg: 2 ms avg: -3 ms", "found a time of '-3' ms"),
    ],
)
def test_an_output_without_a_time(text, message):
    with pytest.raises(FormatError, match=message):
        OwnCommand("t {onnx}", PATTERN).read(text, "log")


def test_nan_is_no_time():
    with pytest.raises(FormatError, match="found a time of 'nan' ms"):
        OwnCommand("t {onnx}", r"avg: (\w+) ms").read("avg: nan ms", "log")


@pytest.mark.parametrize(
    ("command", "pattern", "unit", "message"),
    [
        ("t", PATTERN, "ms", "found no network, expected {onnx}, {prototxt} or {name}"),
        ("", PATTERN, "ms", "found nothing, expected a program"),
        ("A=1", PATTERN, "ms", "found nothing, expected a program"),
        ("t '{onnx}", PATTERN, "ms", "cannot be split into words"),
        ("t {onnx} {weights}", PATTERN, "ms", "found {weights}, expected some of {prototxt}, {caffemodel}, {onnx}"),
        ("t {onnx}", "avg: ([0-9", "ms", "not a regular expression"),
        ("t {onnx}", "avg: [0-9]+", "ms", "found 0 groups, expected one"),
        ("t {onnx}", "([0-9]+)(ms|us)", "ms", "found 2 groups, expected one"),
        ("t {onnx}", PATTERN, "minutes", "unit: found 'minutes', expected one of s, ms, us, ns"),
    ],
)
def test_a_command_that_cannot_be_used_says_why(command, pattern, unit, message):
    with pytest.raises(CaffeError) as fault:
        OwnCommand(command, pattern, unit)
    assert message in str(fault.value)


def test_files_that_are_not_there():
    with pytest.raises(NetworkError, match=r"own command: files: .*missing: onnx"):
        OwnCommand("t {onnx}", PATTERN).command({"prototxt": "x"}, 1)
