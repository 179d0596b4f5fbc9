"""The zoo's times as text, Markdown and JSON."""

import json

import pytest

from caffe_zoo import card
from caffe_zoo.speed_tables import document, faults, page, read_times, tables
from caffe_zoo.speeds import Case, Memory, Timed
from prototxt_gen import FormatError
from search.latency import Entry

TARGET = {"engine": "torch", "device": "a CPU", "threads": 1, "versions": {"torch": "2.5"}}
TIMED = [
    Timed(Case(card("df1"), (224, 224)), 746_730_000, Entry(20.0, (19.0, 21.0), 9)),
    Timed(Case(card("resnet18"), (224, 224)), 1_810_000_000, Entry(50.0, (49.0, 52.0), 9)),
    Timed(Case(card("resnet101"), (224, 224)), 7_570_000_000, None, "no room"),
    Timed(Case(card("ponas_a"), (224, 224)), 328_900_000, Entry(1234.5, (1.0, 1.0), 9)),
    Timed(Case(card("df1seg"), (384, 640)), 4_890_000_000, Entry(100.0, (1.0, 1.0), 9)),
    Timed(Case(card("pl1a_seg"), (384, 640)), 265_800_000, Entry(25.0, (1.0, 1.0), 9)),
]
MEMORY = [
    Memory(card("df1"), (50, 224, 224), 1349.2, 114.8, 1863),
    Memory(card("resnet18"), (50, 224, 224), 2150.0, 191.4, 2784),
    Memory(card("ponas_a"), (50, 224, 224), 500.0, 100.0, None),
]


def test_tables_beside_what_is_published():
    latency, frames, memory = (table.text().splitlines() for table in tables(TARGET, TIMED, MEMORY))
    assert latency == [
        "milliseconds at 224x224, batch 1 (in parentheses: relative to resnet18)",
        "  network    multiply-adds  published         torch  Jetson TX2, TensorRT",
        "  df1              746.7 M    746.0 M  20.00 (0.40)            2.5 (0.57)",
        "  resnet18          1.81 G     1.80 G  50.00 (1.00)            4.4 (1.00)",
        "  resnet101         7.57 G     7.60 G             -                     -",
        "  ponas_a          328.9 M          -  1234 (24.69)                     -",
    ]
    assert frames == [
        "frames per second at 384x640, batch 1 (in parentheses: relative to df1seg)",
        "  network   multiply-adds         torch  Jetson TX2, TensorRT  Snapdragon 845, ncnn",
        "  df1seg           4.89 G  10.00 (1.00)           71.4 (1.00)                     -",
        "  pl1a_seg        265.8 M  40.00 (4.00)                     -                    52",
    ]
    assert memory == [
        "memory in MiB at 224x224, batch 50 (in parentheses: relative to resnet18)",
        "  network   activations, peak  Caffe, at least  published, GPU with Caffe, MB",
        "  df1            114.8 (0.60)      1349 (0.63)                    1863 (0.67)",
        "  resnet18       191.4 (1.00)      2150 (1.00)                    2784 (1.00)",
        "  ponas_a        100.0 (0.52)     500.0 (0.23)                              -",
    ]


@pytest.mark.parametrize(("relative_to", "told"), [("df1", "(in parentheses: relative to df1)"), ("df2", "batch 1")])
def test_another_network_to_compare_with(relative_to, told):
    latency = tables(TARGET, TIMED[:2], [], relative_to)[0]
    assert latency.title.endswith(told)
    assert ("(2.50)" in latency.text()) == (relative_to == "df1")


def test_markdown_says_what_was_measured_on_what():
    text = page(TARGET, "2026-01-02", tables(TARGET, TIMED, MEMORY), faults(TIMED))
    assert text.startswith("Measured on torch, a CPU, 1 thread (torch 2.5), 2026-01-02.\n\n**milliseconds")
    assert "| network | multiply-adds | published | torch | Jetson TX2, TensorRT |\n| --- | ---: |" in text
    assert "| pl1a_seg | 265.8 M | 40.00 (4.00) | - | 52 |\n" in text
    assert text.endswith("Without a time:\n\n- resnet101 at 224x224: no room\n")


def test_json_has_everything():
    found = json.loads(json.dumps(document(TARGET, "2026-01-02", TIMED, MEMORY)))
    assert found["target"] == TARGET and found["date"] == "2026-01-02"
    assert found["times"][0] == {
        "network": "df1",
        "architecture": "s32-64_b64x3_b128x3_b256x3-512_c1000",
        "input": [1, 3, 224, 224],
        "multiply_adds": 746_730_000,
        "ms": 20.0,
        "quartiles": [19.0, 21.0],
        "samples": 9,
        "published": [{"on": "Jetson TX2, TensorRT", "ms": 2.5}],
    }
    assert found["times"][2]["fault"] == "no room" and "ms" not in found["times"][2]
    assert found["times"][4]["published"] == [{"on": "Jetson TX2, TensorRT", "fps": 71.4}]
    assert found["memory"][0] == {
        "network": "df1",
        "input": [50, 3, 224, 224],
        "caffe_mib": 1349.2,
        "peak_mib": 114.8,
        "published_mb": 1863,
    }


def test_json_is_read_again_on_the_same_target(tmp_path):
    path = tmp_path / "zoo.json"
    path.write_text(json.dumps(document(TARGET, "2026-01-02", TIMED, MEMORY)))
    assert read_times(path, TARGET) == [one for one in TIMED if one.entry is not None]
    with pytest.raises(FormatError, match=r"zoo\.json: target: .*threads: found 1, this run has 2"):
        read_times(path, TARGET | {"threads": 2})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: [], "format: found 'list', expected 'dongfeng zoo 1'"),
        (lambda found: found | {"format": "dongfeng latency table 3"}, "format: found 'dongfeng latency table 3'"),
        (lambda found: found | {"times": [{"ms": 1.0}]}, "not whole times of the zoo: KeyError"),
        (lambda found: found | {"times": [found["times"][0] | {"ms": float("nan")}]}, "a time of Entry"),
        (lambda found: found | {"times": 3}, "not whole times of the zoo"),
        (lambda found: {"format": found["format"]}, "not whole times of the zoo: KeyError: 'target'"),
    ],
)
def test_json_that_is_something_else(tmp_path, change, message):
    path = tmp_path / "zoo.json"
    path.write_text(json.dumps(change(document(TARGET, "2026-01-02", TIMED, MEMORY))))
    with pytest.raises(FormatError, match=rf"zoo\.json: .*{message}"):
        read_times(path, TARGET)
