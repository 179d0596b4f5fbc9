"""What `caffe time` prints."""

import re

import pytest

from converters.engines.engine import Options
from converters.programs import PROGRAMS, Layers, LayerTime, read_times
from converters.programs.caffe import without_gradients
from prototxt_gen import generate
from prototxt_gen.errors import FormatError, NetworkError, UnsupportedError

CAFFE = PROGRAMS["caffe"]

# Of BVLC Caffe 1.0, with the middle left out.
LOG = """\
I1121 21:15:06.154541 13520 caffe.cpp:343] Use CPU.
I1121 21:15:06.155917 13520 net.cpp:53] Initializing net from parameters:{END}
name: "two"
state {
  phase: TEST
  level: 0
  stage: ""
}
layer {
  name: "in"
  type: "Input"
  top: "data"
  input_param {
    shape {
      dim: 1
      dim: 2
      dim: 4
      dim: 4
    }
  }
}
layer {
  name: "double"
  type: "Power"
  bottom: "data"
  top: "double"
  power_param {
    scale: 2
  }
}
I1121 21:15:06.156016 13520 layer_factory.hpp:77] Creating layer data
I1121 21:15:06.156749 13520 caffe.cpp:357] Performing Backward
I1121 21:15:06.156752 13520 caffe.cpp:365] *** Benchmark begins ***
I1121 21:15:06.156754 13520 caffe.cpp:366] Testing for 2 iterations.
I1121 21:15:06.156761 13520 caffe.cpp:394] Iteration: 1 forward-backward time: 0 ms.
I1121 21:15:06.156769 13520 caffe.cpp:397] Average time per layer:{END}
I1121 21:15:06.156769 13520 caffe.cpp:400]         in\tforward: 0 ms.
I1121 21:15:06.156773 13520 caffe.cpp:403]         in\tbackward: 0 ms.
I1121 21:15:06.156775 13520 caffe.cpp:400] data_in_0_split\tforward: 0.0005 ms.
I1121 21:15:06.156777 13520 caffe.cpp:403] data_in_0_split\tbackward: nan ms.
I1121 21:15:06.156780 13520 caffe.cpp:400]     double\tforward: 1.25 ms.
I1121 21:15:06.156781 13520 caffe.cpp:403]     double\tbackward: 0.0005 ms.
I1121 21:15:06.156800 13520 caffe.cpp:408] Average Forward pass: 1.253 ms.
I1121 21:15:06.156801 13520 caffe.cpp:410] Average Backward pass: 0.0005 ms.
I1121 21:15:06.156807 13520 caffe.cpp:415] *** Benchmark ends ***
""".replace("{END}", " ")  # as glog writes it
ROWS = [LayerTime("in", 0), LayerTime("data_in_0_split", 0.0005), LayerTime("double", 1.25)]
FORMS = {
    "today": LOG,
    "glog with the year": re.sub(r"^([IWEF])1121", r"\g<1>20261121", LOG, flags=re.MULTILINE),
    "without glog's prefix": re.sub(r"^I\d+ [\d:.]+ \d+ \S+\] ?", "", LOG, flags=re.MULTILINE),
    "rows alone": "\n".join(line for line in LOG.splitlines() if "forward: " in line or "Average F" in line),
    "commas": re.sub(r"(\d)\.(\d+ ms)", r"\1,\2", LOG),
}


@pytest.mark.parametrize("form", FORMS)
def test_layers_and_the_whole_in_every_form(form, tmp_path):
    path = tmp_path / "log.txt"
    path.write_text(FORMS[form])
    program, times = read_times(path)
    assert program is CAFFE
    assert times.layers == ROWS and times.ms == [1.253] and times.details["whole"] == "mean"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_files_as_windows_writes_them(encoding, tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(LOG.replace("two", "zwölf").replace("\n", "\r\n").encode(encoding))
    assert read_times(path)[1].layers == ROWS


def test_the_network_that_the_log_prints():
    details = CAFFE.read(LOG, "log").details
    assert details["device"] == "CPU" and details["iterations"] == 2 and details["inputs"] == ["in"]
    assert details["network"] == {"in": ["Input", [[1, 2, 4, 4]], 0], "double": ["Power", [[1, 2, 4, 4]], 0]}
    assert "network" not in CAFFE.read(FORMS["rows alone"], "log").details
    unknown = LOG.replace('type: "Power"', 'type: "Own"').replace("power_param", "own_param")
    assert CAFFE.read(unknown, "log").layers == ROWS, "a fork's own layers are no fault"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (LOG[: LOG.index("I1121 21:15:06.156800")], "ends before 'Average Forward pass', expected a whole output"),
        (LOG[: LOG.index("I1121 21:15:06.156749")], "ends before 'Average Forward pass'"),
        (LOG + LOG, "found 2 outputs of caffe time, expected one"),
        (LOG.replace("1.25 ms", "nan ms"), "times: expected milliseconds, at least 0; found double: nan"),
        (LOG.replace("1.25 ms", "-1.25 ms"), "found double: -1.25"),
        (LOG.replace("1.253 ms", "inf ms"), "found Average Forward pass: inf"),
        (LOG.replace("1.253 ms", "0 ms"), "Average Forward pass: found 0, expected more than 0 ms"),
        (LOG.replace("        in\tf", "    double\tf"), "found double more than once"),
        (re.sub(r".*\tforward.*\n", "", LOG), "layers' forward times: found none"),
        (
            "Average time per layer\nF1121 21:15:06.05 13512 layer_factory.hpp:81] Check failed: no layer\n",
            "a whole output of caffe time: F1121 21:15:06.05 13512 layer_factory.hpp:81] Check failed: no layer",
        ),
    ],
)
def test_what_is_cut_off_or_no_time_is_refused_by_name(wrong, said):
    assert CAFFE.wrote(wrong)
    with pytest.raises(FormatError, match="^log: .*" + re.escape(said)):
        CAFFE.read(wrong, "log")


def test_wherever_a_log_is_cut_off_it_is_refused():
    for end in range(0, LOG.index("1.253 ms.") + 5, 3):
        with pytest.raises(FormatError, match=r"^log: (ends before|times: )"):
            CAFFE.read(LOG[:end], "log")


def test_texts_of_no_program_are_refused(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("once upon a time")
    with pytest.raises(FormatError, match=r"log\.txt: expected an output of .*caffe time.*, found 'once upon a time'"):
        read_times(path)


def test_splits_belong_to_the_layer_whose_top_they_copy(net_of):
    layers = Layers(
        net_of('layer { name: "a_0" type: "Power" bottom: "data" top: "x_y" }', data=(1, 2)), {"in": "data"}
    )
    rows = ("a_0", "in", "x_y_a_0_0_split", "data_in_0_split", "a", "x_y")
    named = {row: CAFFE.layers_of(row, layers) for row in rows}
    assert named == {
        "a_0": [{"a_0"}], "in": [{"data"}], "x_y_a_0_0_split": [{"a_0"}], "data_in_0_split": [{"data"}],
        "a": [set()], "x_y": [set()],
    }  # fmt: skip


def test_the_command():
    files = {"prototxt": "a.prototxt", "onnx": "a.onnx"}
    timed = ["caffe", "time", "-model=a.prototxt", "-iterations=5", "-phase=TEST"]
    assert CAFFE.command(files, 5) == timed
    assert CAFFE.command(files, 5, Options(device="cuda:1")) == [*timed, "-gpu=1"]
    assert CAFFE.environment(Options(threads=2))["OMP_NUM_THREADS"] == "2" and CAFFE.environment() == {}
    with pytest.raises(NetworkError, match="caffe time: files: found onnx, expected prototxt"):
        CAFFE.command({"onnx": "a.onnx"}, 5)
    with pytest.raises(UnsupportedError, match="engine caffe: precision: found 'float16', expected float32"):
        CAFFE.command(files, 5, Options(precision="float16"))


def test_a_network_with_nothing_to_learn():
    net = generate("s4-8_b8_c10", "deploy", (1, 3, 32, 32))
    made = without_gradients(net)
    assert {param.lr_mult for layer in made.layer for param in layer.param} == {0}
    counts = {layer.type: len(layer.param) for layer in made.layer}
    assert counts["InnerProduct"] == 2 and counts["Convolution"] == 1 and counts["BatchNorm"] == 3
    assert counts["ReLU"] == 0
    for layer in made.layer:
        layer.ClearField("param")
    for layer in net.layer:
        layer.ClearField("param")
    assert made == net


@pytest.mark.parametrize(
    ("name", "total", "layers"),
    [
        ("df1seg_mergebn", 32.5541, 109),
        ("df1seg_d8_mergebn", 24.8644, 108),
        ("df-lite_seg_mergebn", 29.6027, 85),
        ("df-lite_seg_d8_mergebn", 21.8971, 84),
        ("df2seg1_mergebn", 48.8527, 171),
        ("df2seg2_mergebn", 56.3411, 171),
    ],
)
def test_the_releases_logs(reference, name, total, layers):
    program, times = read_times(reference / "release" / "logs" / f"log_{name}_caffetime_titanx.txt")
    assert program is CAFFE and times.ms == [total] and len(times.layers) == layers
    assert times.details["device"] == "GPU 1" and times.details["iterations"] == 100
    assert times.details["network"]["input"] == ["Input", [[1, 3, 1024, 2048]], 0]
