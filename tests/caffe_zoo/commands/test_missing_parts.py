"""Parts that a table lacks: every command says how many, which, and what adds them."""

from __future__ import annotations

import pytest

from converters import make_engine
from converters.engines.engine import Options
from search import LatencyTable, parse_space
from search.latency import Entry, space_parts

SPACE = "s8-16_b1-2_b1-1_w16-32_c10_i3x32x32"
CODE = "s8-16_b16_b32_c10"
TARGET = {"engine": "torch", "device": "made up", "threads": 2, "precision": "float32", "batch": 1}


@pytest.fixture
def table(tmp_path):
    """Writes a table of the space without its stem; gives the path and the stem's label."""

    def write(target=TARGET, **origin):
        known = space_parts(parse_space(SPACE))
        entries = {key: Entry(1.0, (1.0, 1.0), 1, part.label) for key, part in known.items()}
        (stem,) = (key for key, part in known.items() if part.label.startswith("stem"))
        label = entries.pop(stem).label
        LatencyTable(target, entries, origin=origin).save(tmp_path / "latency.json")
        return tmp_path / "latency.json", label, len(known)

    return write


@pytest.mark.parametrize(
    "words",
    [
        ["profile", "space", "--space", SPACE, "--table", "TABLE"],
        ["profile", "check", "TABLE", "--space", SPACE],
        ["search", "--space", SPACE, "--table", "TABLE", "--out", "OUT"],
        ["profile", "predict", "TABLE", CODE, "--input-size", "32x32"],
        ["profile", "predict", "TABLE", CODE],
    ],
)
def test_every_command_says_which_parts_and_what_adds_them(words, fault, table, tmp_path):
    path, label, number = table(input_shapes=[[1, 3, 32, 32]], failed={})
    message = fault(*({"TABLE": path, "OUT": tmp_path / "out"}.get(word, word) for word in words))
    assert ("made for inputs of" in message) == (words[-1] == CODE)
    if words[-1] == CODE:
        assert "not in the table, which was made for inputs of 32x32; " in message
        assert f"{path}: 4 of the 4 parts of {CODE} at 224x224, the network's usual size (--input-size" in message
    elif "predict" in words:
        assert f"{path}: 1 of the 4 parts of {CODE} at 32x32 are not in the table" in message
        assert f"`dongfeng profile measure --network {CODE} --input-size 32x32 --engine torch --threads 2" in message
    else:
        assert f"{path}: 1 of the {number} parts of the space are not in the table" in message
        assert f"`dongfeng profile measure --space {SPACE} --engine torch --threads 2 -o {path}` adds them" in message
        assert f"; {label}\n" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("target", "asked", "words"),
    [
        (TARGET | {"engine": "openvino", "precision": "bfloat16"}, None, "openvino --threads 2 --precision bfloat16"),
        (TARGET | {"batch": 4}, Options(2, batch=4), "torch --threads 2 --batch 4"),
        (TARGET, Options(0), "torch --threads 2"),
        # What the target calls the device and the numbers is not what the options call them.
        (
            TARGET | {"device": "NVIDIA H200", "threads": 1, "precision": "float16"},
            Options(0, "cuda:1", "float16"),
            "torch --engine-device cuda:1 --precision float16",
        ),
        (
            TARGET | {"engine": "onnxruntime", "precision": "float32 graph"},
            Options(3, "dml"),
            "onnxruntime --threads 3 --engine-device dml",
        ),
    ],
)
def test_the_command_makes_the_tables_target_again(target, asked, words, fault, table):
    path, _, _ = table(target, **({} if asked is None else {"options": asked.plain()}))
    message = fault("profile", "space", "--space", SPACE, "--table", path)
    assert f"`dongfeng profile measure --space {SPACE} --engine {words} -o {path}`" in message


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("log", "`dongfeng profile log LOG --network NETWORK -o"),
        ("imported", f"`dongfeng profile export --space {SPACE} --tool TOOL --out FOLDER`"),
        ("fitted", f"`dongfeng profile fit TIMES.csv --space {SPACE} --device-name 'made up' -o"),
        ("once-for-all", "made in another way (once-for-all)"),
    ],
)
def test_a_table_made_otherwise_is_added_to_otherwise(method, words, fault, table):
    path, _, _ = table(method=method)
    assert words in fault("profile", "space", "--space", SPACE, "--table", path)


def test_a_part_that_failed_says_why(fault, table):
    _, label, _ = table()
    path, _, _ = table(failed={label: "no room"})
    assert f"; {label} (failed: no room)\n" in fault("profile", "space", "--space", SPACE, "--table", path)


def test_a_measured_table_has_the_options_it_was_made_with(tmp_path):
    pytest.importorskip("torch")
    engine = make_engine("torch", 1)
    found = LatencyTable.measure(parse_space(SPACE), engine, tmp_path / "latency.json", spread=0.9, budget=0.2)
    assert LatencyTable.load(tmp_path / "latency.json").origin["options"] == engine.options.plain()
    assert found.origin["options"] == {"threads": 1, "device": "cpu", "precision": "float32", "batch": 1}
