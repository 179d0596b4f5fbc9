"""Top shapes, memory, parameters and multiply-adds against Caffe's own logs and counts."""

import re
from pathlib import Path

import numpy as np
import pytest

from prototxt_gen.proto import NetParameter
from prototxt_gen.summary import summarize
from prototxt_gen.text import parse_text, read_prototxt

TOP = re.compile(r"Top shape: ([\d ]*)\(\d+\)")
MEMORY = re.compile(r"Memory required for data: (\d+)")
VALIDATED = ["df1", "df2", "df2a", "df1_mergebn", "df2_mergebn", "df2a_mergebn"]
TIMED = [
    "df-lite_seg_d8_mergebn",
    "df-lite_seg_mergebn",
    "df1seg_d8_mergebn",
    "df1seg_mergebn",
    "df2seg1_mergebn",
    "df2seg2_mergebn",
]


def listed(log: str) -> tuple[list[tuple[int, ...]], int]:
    shapes = [tuple(map(int, found.group(1).split())) for found in TOP.finditer(log)]
    return shapes, int(MEMORY.findall(log)[-1])


@pytest.mark.parametrize("name", VALIDATED)
def test_every_top_shape_and_the_memory_of_a_validation_log(reference: Path, name: str) -> None:
    summary = summarize(read_prototxt(reference / "release" / "prototxt" / f"{name}.prototxt"))
    shapes, memory = listed((reference / "release" / "logs" / f"log_{name}_val.txt").read_text())
    assert list(summary.top_shapes) == shapes
    assert summary.memory == memory


@pytest.mark.parametrize("name", TIMED)
def test_every_top_shape_and_the_memory_of_a_timing_log(reference: Path, name: str) -> None:
    log = (reference / "release" / "logs" / f"log_{name}_caffetime_titanx.txt").read_text()
    text = re.search(r"Initializing net from parameters: \n(.*?)\n[IWE]\d{4} ", log, re.DOTALL)
    assert text is not None
    summary = summarize(parse_text(text.group(1), NetParameter()), phase="TRAIN")
    shapes, memory = listed(log)
    assert list(summary.top_shapes) == shapes
    assert summary.memory == memory


@pytest.mark.parametrize(
    "name", ["df1", "df1_mergebn", "df2a", "df1seg", "df1seg_mergebn", "df2seg1_mergebn", "df-lite_seg_mergebn"]
)
def test_parameters_as_caffe_counts_them(reference: Path, name: str) -> None:
    net = read_prototxt(reference / "release" / "prototxt" / f"{name}.prototxt")
    given = {"data": (1, 3, 1024, 2048)} if "seg" in name else None
    with np.load(reference / "nets" / f"{name}.npz") as truth:
        assert summarize(net, input_shapes=given).parameters == truth["params"]


@pytest.mark.parametrize(("name", "millions"), [("df1", 746.73), ("df2", 1774.33), ("df2a", 1916.14)])
def test_multiply_adds_of_one_image(reference: Path, name: str, millions: float) -> None:
    net = read_prototxt(reference / "release" / "prototxt" / f"{name}.prototxt")
    summary = summarize(net, input_shapes={"data": (1, 3, 224, 224)})
    assert round(summary.multiply_adds / 1e6, 2) == millions
