"""Tables of networks that others trained, as benchmarks/strategies.py reads them."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import network_tables

    yield network_tables
    sys.modules.pop("network_tables", None)


def written(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    return path


@pytest.mark.parametrize(
    ("text", "heights"),
    [
        ("code,acc,flops\n00,50,1\n02,60,2\n11,70,3\n", [[0, 1], [0, 0.5, 1]]),
        ("widths,top1,latency_ms\n64:16,50,1\n64:32,60,2\n128:64,70,3\n", [[0, 1], [0, 0.5, 1]]),
        ('arch,accuracy,ms\n"[8, 0]",.5,1\n"[8, 2]",.6,2\n"[16, 4]",.7,3\n', [[0, 1], [0, 0.5, 1]]),
        ("w1,w2,fixed,acc_1,acc_2,ms\n64,16,3,50,51,1\n64,32,3,60,61,2\n128,64,3,70,,3\n", [[0, 1], [0, 0.5, 1]]),
        (
            "architecture,top1_percent,ms\ns8_b8_b8x2_c10,50,1\ns8_b8_b8-16_c10,60,2\ns8_b8_b16x2_c10,70,3\n",
            [[0, 1], [0, 1]],
        ),
    ],
    ids=["digits", "numbers", "list", "columns", "our codes"],
)
@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_every_form_of_choices(tables: Any, tmp_path: Path, text: str, heights: list, name: str) -> None:
    table = tables.read_table(written(tmp_path, text, name))
    assert table.name == "table"
    for found, expected in zip(table.candidates.heights, heights, strict=True):
        np.testing.assert_allclose(found, expected)
    assert sorted(table.costs) == [1, 2, 3]
    np.testing.assert_allclose(sorted(table.truth)[-1], 0.7)


def test_codes_of_ours_say_blocks_kernels_and_expansions(tables: Any, tmp_path: Path) -> None:
    text = "architecture,top1,ms\nm32_i16e1_i24k5e4x2q_c10,50,1\nm32_i16e1_i24e6x3_c10,60,2\n".replace("x2q", "qx2")
    notes = tables.read_table(written(tmp_path, text)).notes
    assert notes[0] == "choices from architecture: stage 2 blocks, stage 2 kernel, stage 2 expansion, stage 2 squeeze"


def test_rows_of_one_network_are_its_runs(tables: Any, tmp_path: Path) -> None:
    text = "code,acc_1,acc_2,ms\n00,50,52,1\n01,60,,2\n00,54,,3\n11,,,4\n10,70,70,\n"
    table = tables.read_table(written(tmp_path, text))
    np.testing.assert_allclose(table.truth, [0.52, 0.6])
    np.testing.assert_allclose(table.costs, [2, 2])
    assert "2 rows of 5 left out" in table.notes[3] and "1 rows repeat" in table.notes[4]


def test_a_rate_becomes_a_cost(tables: Any, tmp_path: Path) -> None:
    path = written(tmp_path, "code,acc,images_per_s\n0,.5,100\n1,.6,50\n")
    np.testing.assert_allclose(tables.read_table(path, cost="1/images_per_s").costs, [0.01, 0.02])


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("code,acc,ms\n0,.5,1\n1,.6,2\n", {"cost": "flops"}, "no column flops; there are: code, acc, ms"),
        ("code,acc,ms\n0,.5,1\n", {}, "found 1 rows below the column names"),
        ("code,acc,ms\n0,.5,1\n1,.6\n", {}, "1 rows have not 3 fields: lines 3"),
        ("code,val_acc,test_acc,ms\n0,.5,.5,1\n1,.6,.6,2\n", {}, "name them (--accuracy)"),
        ("code,acc,size\n0,.5,1\n1,.6,2\n", {}, "no column looks like a cost"),
        ("code,acc,ms\n0,.5,x\n1,.6,2\n", {"cost": "ms"}, "'x' in line 2"),
        ("code,acc,ms\n0,120,1\n1,60,2\n", {}, "expected 0 to 1 or 0 to 100 percent"),
        ("code,acc,ms\n0a,.5,1\n1bb,.6,2\n", {}, "found '0a', '1bb'"),
        ("code,acc,ms\n00,.5,1\n00,.6,2\n", {}, "found none with more than one value"),
        ("arch,acc,ms\ns8_b8_c10,.5,1\ns8_x8_c10,.6,2\n", {}, "1 codes are none of ours: line 3"),
    ],
)
def test_faults_are_named(tables: Any, tmp_path: Path, text: str, options: dict, message: str) -> None:
    with pytest.raises(tables.TableError) as fault:
        tables.read_table(written(tmp_path, text), **options)
    assert message in str(fault.value)


@pytest.mark.parametrize(
    ("name", "networks", "coordinates"), [("nas_bench_macro", 6561, 8), ("mnasnet_devices", 5123, 28)]
)
def test_published_tables(tables: Any, reference: Path, name: str, networks: int, coordinates: int) -> None:
    table = tables.read_table(reference / "tables" / f"{name}.csv.gz")
    assert table.vectors.shape == (networks, coordinates)
