"""Which layers a phase, a level and stages keep (Caffe: net.cpp, FilterNet; test_net.cpp covers the same rules)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prototxt_gen.errors import NetworkError
from prototxt_gen.passes.phase import left_out, phase_of, select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.summary import summarize
from prototxt_gen.text import parse_text, read_prototxt
from tests.released import released


def network(text: str) -> NetParameter:
    return parse_text(text, NetParameter())


# (rules, phase, level, stages, kept)
RULES = [
    ("", "TRAIN", 0, (), True),
    ("include { phase: TEST }", "TEST", 0, (), True),
    ("include { phase: TEST }", "TRAIN", 0, (), False),
    ("exclude { phase: TEST }", "TEST", 0, (), False),
    ("exclude { phase: TEST }", "TRAIN", 0, (), True),
    ("include { phase: TRAIN } include { phase: TEST }", "TEST", 0, (), True),
    ("exclude { phase: TRAIN } exclude { stage: 'a' }", "TEST", 0, ("a",), False),
    ("include { min_level: 2 }", "TEST", 1, (), False),
    ("include { min_level: 2 }", "TEST", 2, (), True),
    ("include { max_level: 2 }", "TEST", 2, (), True),
    ("include { max_level: 2 }", "TEST", 3, (), False),
    ("include { min_level: -1 max_level: 1 }", "TEST", 0, (), True),
    ("exclude { min_level: 1 }", "TEST", 0, (), True),
    ("include { stage: 'a' }", "TEST", 0, (), False),
    ("include { stage: 'a' }", "TEST", 0, ("a", "b"), True),
    ("include { stage: 'a' stage: 'b' }", "TEST", 0, ("a",), False),
    ("include { stage: 'a' } include { stage: 'b' }", "TEST", 0, ("b",), True),
    ("include { not_stage: 'a' }", "TEST", 0, (), True),
    ("include { not_stage: 'a' }", "TEST", 0, ("a",), False),
    ("include { stage: 'a' not_stage: 'b' }", "TEST", 0, ("a", "b"), False),
    ("include { phase: TEST stage: 'a' }", "TRAIN", 0, ("a",), False),
    ("exclude { phase: TEST stage: 'a' }", "TEST", 0, (), True),
    ("include { }", "TEST", 0, (), True),
    ("exclude { }", "TEST", 0, (), False),
]


@pytest.mark.parametrize(("rules", "phase", "level", "stages", "kept"), RULES)
def test_rules(rules: str, phase: str, level: int, stages: tuple[str, ...], kept: bool) -> None:
    net = network(f'layer {{ name: "a" {rules} }} layer {{ name: "b" }}')
    found = select_phase(net, phase, level, stages)  # type: ignore[arg-type]
    assert [layer.name for layer in found.layer] == (["a", "b"] if kept else ["b"])
    assert found == select_phase(found, phase, level, stages)  # type: ignore[arg-type]
    assert len(net.layer) == 2


def test_the_state_says_what_was_selected_and_keeps_its_own_stages() -> None:
    net = network('state { level: 4 stage: "own" } layer { name: "a" include { stage: "own" stage: "new" } }')
    found = select_phase(net, "TRAIN", 2, ["new", "own"])
    assert [layer.name for layer in found.layer] == ["a"]
    assert found.state == network('state { phase: TRAIN level: 2 stage: "own" stage: "new" }').state


def test_summaries_use_the_networks_own_level_and_stages() -> None:
    net = network("""
        state { level: 4 stage: "s" }
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } include { min_level: 3 stage: "s" } }
        layer { name: "y" type: "Input" top: "y" input_param { shape { dim: 2 } } include { max_level: 3 } }""")
    assert summarize(net).inputs == {"x": (1,)}


def test_both_kinds_of_rules_in_a_layer_are_an_error() -> None:
    both = "include { phase: TEST } exclude { phase: TRAIN }"
    with pytest.raises(NetworkError, match=r"\['a', 'b'\]"):
        select_phase(network(f'layer {{ name: "a" {both} }} layer {{ name: "b" {both} }}'), "TEST")


def test_another_phase_is_an_error() -> None:
    with pytest.raises(NetworkError, match="'VAL'"):
        select_phase(network(""), "VAL")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["df1seg", "df2seg2_mergebn"])
def test_each_interp_of_a_segmentation_network_is_there_once(name: str) -> None:
    net = released(name)
    names = [layer.name for layer in net.layer if layer.type == "Interp"]
    assert len(names) == 2 * len(set(names))
    for phase in ("TRAIN", "TEST"):
        assert sorted(layer.name for layer in select_phase(net, phase).layer if layer.type == "Interp") == sorted(
            set(names)
        )


def test_the_rules_of_a_conformance_network(reference: Path) -> None:
    net = read_prototxt(reference / "conformance" / "phase_rule.prototxt")
    with np.load(reference / "conformance" / "phase_rule.npz") as truth:
        made = {key.removeprefix("out__") for key in truth.files if key.startswith("out__")}
    assert made <= {top for layer in select_phase(net, "TEST").layer for top in layer.top}


def test_two_layers_of_one_top_are_of_one_phase_each() -> None:
    """What BVLC Caffe takes in both phases: it filters before it looks at names."""
    net = network("""
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }
        layer { name: "a" type: "ReLU" bottom: "x" top: "y" include { phase: TRAIN } }
        layer { name: "b" type: "Sigmoid" bottom: "x" top: "y" include { phase: TEST } }""")
    assert [[layer.name for layer in select_phase(net, phase).layer] for phase in ("TRAIN", "TEST")] == [
        ["x", "a"],
        ["x", "b"],
    ]
    assert summarize(net).outputs == {"y": (2,)}


BOTH = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } }
layer { name: "y" type: "Input" top: "y" input_param { shape { dim: 2 } } include { phase: TRAIN } }
layer { name: "z" type: "Input" top: "z" input_param { shape { dim: 3 } } include { phase: TEST } }
"""


def test_a_summary_is_of_the_phase_that_was_selected() -> None:
    assert summarize(network(BOTH)).inputs == {"x": (1,), "z": (3,)}
    train = select_phase(network(BOTH), "TRAIN")
    assert phase_of(train) == "TRAIN"
    assert summarize(train).inputs == {"x": (1,), "y": (2,)}
    assert summarize(network(BOTH), "TRAIN").inputs == {"x": (1,), "y": (2,)}


def test_a_network_reduced_to_one_phase_is_not_reduced_to_the_other() -> None:
    train = select_phase(network(BOTH), "TRAIN")
    with pytest.raises(NetworkError, match=r"phase TRAIN alone, expected the whole network: TEST would lose \['y'\]"):
        select_phase(train, "TEST")
    # Caffe puts the phase that is asked for in the place of a stated one.
    assert summarize(network("state { phase: TRAIN }" + BOTH), "TEST").inputs == {"x": (1,), "z": (3,)}


def test_the_level_stays_the_networks_own_unless_given() -> None:
    net = network('state { level: 4 } layer { name: "a" include { min_level: 3 } }')
    assert [layer.name for layer in select_phase(select_phase(net, "TEST"), "TEST").layer] == ["a"]
    assert not select_phase(net, "TEST", level=0).layer


def test_layers_left_out_are_named() -> None:
    assert left_out(network(BOTH), "TEST") == ["y"]
    assert left_out(network(BOTH), "TRAIN") == ["z"]
