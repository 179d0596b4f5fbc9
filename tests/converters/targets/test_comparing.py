"""What two networks' outputs differ by is measured on the same inputs, and said as shares of the largest value."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from converters.targets.comparing import compare_outputs, drawn_inputs
from prototxt_gen import NetParameter
from prototxt_gen.errors import NetworkError
from prototxt_gen.text import parse_text
from prototxt_gen.trace import trace


def net(shift: float, channels: int = 3, top: str = "y", kind: str = "Power"):
    return parse_text(
        f"""
        layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: {channels} dim: 8 dim: 8 }} }} }}
        layer {{ name: "y" type: "{kind}" bottom: "x" top: "{top}" power_param {{ shift: {shift} }} }}
        """,
        NetParameter(),
    )


def test_equal_networks_differ_by_nothing():
    (found,) = compare_outputs((net(1), {}), (net(1), {}))
    assert (found.output, found.largest, found.mean, found.same_labels) == ("y", 0, 0, 1)


def test_the_difference_is_a_share_of_the_old_networks_largest_number():
    x = np.zeros((1, 3, 8, 8), np.float32)
    x[0, 1] = 4
    (found,) = compare_outputs((net(0), {}), (net(0.5), {}), inputs=[{"x": x}])
    assert found.largest == pytest.approx(0.125)
    assert found.mean == pytest.approx(0.125)
    assert found.same_labels == 1


def test_labels_are_the_greatest_channel_at_each_place():
    x = np.zeros((1, 3, 8, 8), np.float32)
    x[0, 1] = 1
    turned = net(0)
    turned.layer[1].power_param.scale = -1
    (found,) = compare_outputs((net(0), {}), (turned, {}), inputs=[{"x": x}])
    assert found.same_labels == 0


def test_an_output_of_one_channel_has_no_labels():
    (found,) = compare_outputs((net(0, channels=1), {}), (net(1, channels=1), {}))
    assert found.same_labels is None
    assert "labels" not in str(found)


def test_renamed_outputs_are_compared_under_the_old_name():
    (found,) = compare_outputs((net(0), {}), (net(0, top="scores"), {}), renamed={"y": "scores"})
    assert found.output == "y"


def test_networks_without_a_common_output_are_refused():
    with pytest.raises(NetworkError, match="found none of y"):
        compare_outputs((net(0), {}), (net(0, top="z"), {}))


def test_outputs_of_another_size_are_refused():
    smaller = net(0, kind="Pooling")
    smaller.layer[1].pooling_param.kernel_size = 2
    with pytest.raises(NetworkError, match=r"output 'y': found shape \(1, 3, 7, 7\), expected \(1, 3, 8, 8\)"):
        compare_outputs((net(0), {}), (smaller, {}))


def test_drawn_pictures_are_the_same_for_a_seed_and_smooth():
    rows = trace(net(0))
    first, again = (drawn_inputs(rows, np.random.default_rng(3))["x"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first).max() == 128
    steps = np.abs(np.diff(first, axis=3)).mean()
    assert steps < np.abs(first - first.mean()).mean()
