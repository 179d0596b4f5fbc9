"""Slices of one blob in one layer, and Silence for what nothing takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from converters.onnx.moving.slicing import join_slices
from prototxt_gen import NetParameter


def cut(name: str, tops: str, points: str, axis: int = 1) -> str:
    given = " ".join(f'top: "{top}"' for top in tops.split())
    stated = " ".join(f"slice_point: {point}" for point in points.split())
    return f'layer {{ name: "{name}" type: "Slice" bottom: "x" {given} slice_param {{ axis: {axis} {stated} }} }}\n'


def relu(bottom: str) -> str:
    return f'layer {{ name: "{bottom}_r" type: "ReLU" bottom: "{bottom}" top: "{bottom}_r" }}\n'


@pytest.mark.parametrize(
    "layers, outputs, wanted",
    [
        pytest.param(cut("s", "a b", "3") + relu("a") + relu("b"), "", ["s x a,b 3", "a_r", "b_r"], id="all taken"),
        pytest.param(cut("s", "a b", "3") + relu("a"), "", ["s x a,- 3", "silence", "a_r"], id="one taken"),
        pytest.param(cut("s", "a b c", "3 5") + relu("a"), "", ["s x a,- 3", "silence", "a_r"], id="the rest is one"),
        pytest.param(
            cut("s", "a b c", "3 5") + relu("b"),
            "",
            ["s x -,b,- 3 5", "silence", "b_r"],
            id="the rest is on both sides",
        ),
        pytest.param(
            cut("s", "a b", "3") + cut("t", "c d", "3") + relu("a") + relu("d"),
            "",
            ["s x a,d 3", "a_r", "d_r"],
            id="two",
        ),
        pytest.param(
            cut("s", "a b", "2") + cut("t", "c d", "5") + relu("a") + relu("d"),
            "",
            ["s x a,-,d 2 5", "silence", "a_r", "d_r"],
            id="two with a gap",
        ),
        pytest.param(
            cut("s", "a b", "5") + cut("t", "c d", "3") + relu("a") + relu("c"),
            "",
            ["s x a,- 5", "silence", "t x c,- 3", "silence", "a_r", "c_r"],
            id="two that overlap",
        ),
        pytest.param(
            cut("s", "a b", "3") + cut("t", "c d", "3", axis=2) + relu("a") + relu("b") + relu("c") + relu("d"),
            "",
            ["s x a,b 3", "t x c,d 3", "a_r", "b_r", "c_r", "d_r"],
            id="two axes",
        ),
        pytest.param(
            cut("s", "a b", "3") + cut("t", "c d", "3") + relu("a") + relu("c") + relu("d"),
            "",
            ["s x a,d 3", "a_r", "c_r", "d_r"],
            id="a part twice",
        ),
        pytest.param(
            cut("s", "a b", "3") + relu("a") + cut("t", "c d", "3"),
            "c",
            ["s x c,- 3", "silence", "a_r"],
            id="an output",
        ),
        pytest.param(cut("s", "a b", ""), "a b", ["s x a,b "], id="without points"),
    ],
)
def test_slices(net_of: Callable[..., NetParameter], layers: str, outputs: str, wanted: list[str]):
    net = net_of(layers, x=(1, 8, 6, 6))
    join_slices(net, outputs.split())
    found = []
    for layer in net.layer[1:]:
        if layer.type == "Slice":
            tops = ",".join("-" if "unread" in top else top for top in layer.top)
            points = " ".join(map(str, layer.slice_param.slice_point))
            found.append(f"{layer.name} {layer.bottom[0]} {tops} {points}")
        else:
            found.append("silence" if layer.type == "Silence" else layer.name)
    assert found == wanted
    makers = [top for layer in net.layer for top in layer.top]
    assert len(set(makers)) == len(makers) and {bottom for layer in net.layer for bottom in layer.bottom} <= set(makers)
