"""What a calibration is, what a target says of it, and who takes one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from converters import make_engine
from converters.engines import ENGINES
from converters.engines.calibration import Calibration
from prototxt_gen.errors import CaffeError, NetworkError, NotInstalledError


class Counted(Sequence):
    """A sequence that makes its inputs when it is asked for one, and counts."""

    def __init__(self, count):
        self.count, self.asked = count, 0

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        self.asked += 1
        return {"data": np.full((1, 2), index, np.float32)}


def test_its_digest_is_that_of_names_shapes_and_numbers():
    inputs = [{"data": np.array([[1, 2]], np.float32)}, {"data": np.array([[3, 4]], np.float32)}]
    calibration = Calibration.of(inputs)
    assert calibration.target("m") == {"images": 2, "sha256": calibration.digest[:16], "method": "m"}
    assert Calibration.of([{"data": [[1, 2]]}, {"data": [[3.0, 4.0]]}]).digest == calibration.digest
    for other in (
        inputs[::-1],
        inputs[:1],
        [{"image": one["data"]} for one in inputs],
        [{"data": one["data"].T} for one in inputs],
    ):
        assert Calibration.of(other).digest != calibration.digest


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "found no inputs"),
        ({"data": np.zeros(2)}, "found dict, expected a sequence"),
        (np.zeros((2, 1, 2)), "found ndarray, expected a sequence"),
        ([np.zeros(2)], r"calibration\[0\]: found ndarray, expected arrays by the input's name"),
        ([{"data": [1]}, {"data": [np.inf]}], r"calibration\[1\]: data: found numbers that are not finite"),
        ([{"data": "image.png"}], r"calibration\[0\]: data: not numbers"),
    ],
)
def test_what_is_none(given, message):
    with pytest.raises(CaffeError, match=message):
        Calibration.of(given)


def test_a_network_gets_its_own_inputs_in_its_shapes_at_any_batch():
    given = [{"b": np.zeros((3, 4)), "a": np.ones((1, 2)), "c": [0]}]
    (found,) = Calibration.of(given).for_network({"a": (1, 2), "b": (1, 4)})
    assert [(name, array.shape) for name, array in found.items()] == [("a", (1, 2)), ("b", (3, 4))]
    with pytest.raises(NetworkError, match=r"calibration\[0\]: b: found \(3, 4\), expected \(1, 5\)"):
        list(Calibration.of(given).for_network({"b": (1, 5)}))
    with pytest.raises(NetworkError, match=r"calibration\[0\]: d: found none, expected \(1,\)"):
        list(Calibration.of(given).for_network({"d": (1,)}))


def test_one_set_of_inputs_is_made_at_a_time():
    inputs = Counted(3)
    calibration = Calibration.of(inputs)
    assert inputs.asked == 3
    next(calibration.for_network({"data": (1, 2)}))
    assert inputs.asked == 4


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_int8_is_refused_by_name_or_asks_for_its_calibration(name):
    device = "cuda" if name == "trtexec" else "cpu"
    try:
        make_engine(name, device=device, precision="int8")
    except NotInstalledError as fault:
        pytest.skip(str(fault))
    except CaffeError as fault:
        assert re.match(f"engine {name}: precision:? (found '?)?int8", str(fault))
    else:
        pytest.fail(f"{name} takes int8 without a calibration")


def test_a_calibration_is_for_int8_alone():
    with pytest.raises(CaffeError, match="engine torch: calibration: found with precision float32"):
        make_engine("torch", calibration=[{"data": np.zeros((1, 2))}])
