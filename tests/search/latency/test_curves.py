"""Curves from sums to times: straight between their points, in proportion beyond them, and back again."""

import json

import numpy as np
import pytest

from prototxt_gen.errors import FormatError
from search.latency import LatencyTable
from search.latency.curves import Curve

CURVE = Curve((1.0, 2.0, 4.0), (2.0, 3.0, 8.0))


def test_along_and_back():
    sums = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0])
    times = np.array([1.0, 2.0, 2.5, 3.0, 5.5, 8.0, 16.0])
    assert CURVE.times_of(sums).tolist() == times.tolist()
    assert CURVE.sums_of(times) == pytest.approx(sums)


@pytest.mark.parametrize(
    "curve",
    [
        [],
        {"sums": [1.0, 2.0]},
        {"sums": [1.0], "times": [1.0]},
        {"sums": [1.0, 2.0], "times": [1.0, 2.0, 3.0]},
        {"sums": [1.0, 1.0], "times": [1.0, 2.0]},
        {"sums": [1.0, 2.0], "times": [2.0, 1.0]},
        {"sums": [0.0, 2.0], "times": [1.0, 2.0]},
        {"sums": [1.0, float("inf")], "times": [1.0, 2.0]},
        {"sums": [1.0, float("nan")], "times": [1.0, 2.0]},
        {"sums": [1.0, "2"], "times": [1.0, 2.0]},
        {"sums": 1.0, "times": 1.0},
    ],
)
def test_what_is_no_curve_is_refused(tmp_path, curve):
    path = tmp_path / "latency.json"
    LatencyTable({"engine": "one"}, curve=CURVE).save(path)
    assert LatencyTable.load(path).curve == CURVE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"curve": curve}))
    with pytest.raises(FormatError, match=r"latency\.json: curve: found .*, expected sums and times"):
        LatencyTable.load(path)
