"""A small search on the digits, finished and reported."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import pytest

from converters import make_engine
from search import Dataset, Schedule, digits, parse_space, publish, run_search, write_report
from search.latency import LatencyTable
from search.report.boundary import Found
from search.strategies.strategy import Strategy
from tests.search.study import quick


class Finished(NamedTuple):
    folder: Path
    search: Strategy
    data: Dataset
    found: list[Found]


@pytest.fixture(scope="package")
def finished(tmp_path_factory) -> Finished:
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("finished") / "runs" / "digits"
    data, engine, schedule = digits((16, 16)), make_engine(threads=1), Schedule(epochs=2)
    space = parse_space("s4-8_b1-2_b1-1_w8-16_c10_i3x16x16")
    # A limit that all meet.
    limits = {"parameters": (0, math.inf)}
    # Latencies that are the same on every machine; the engine times the networks of the boundary.
    table = LatencyTable({"engine": "torch"}, quick.table(space).entries, call_ms=1e-6)
    search = run_search(space, data, folder, engine, trials=4, limits=limits, schedule=schedule, table=table)
    found = write_report(search, folder, engine, data, schedule)
    publish(folder)
    return Finished(folder, search, data, found)
