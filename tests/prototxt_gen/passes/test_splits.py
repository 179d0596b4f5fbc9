"""Splits, against what Caffe made of the DF release's networks."""

from prototxt_gen.passes.splits import insert_splits
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text, to_text
from tests.released import FACTS, released
from tools.reference_facts import digest


def network(text: str) -> NetParameter:
    return parse_text(text, NetParameter())


def test_splits_are_named_as_in_the_release_log() -> None:
    for name, log in FACTS["validated"].items():
        assert digest([layer.name for layer in insert_splits(released(name)).layer]) == log["layers"], name


def test_a_loss_weight_counts_as_a_use() -> None:
    net = insert_splits(
        network("""
        layer { name: "x" type: "Input" top: "x" }
        layer { name: "l" type: "Reduction" bottom: "x" top: "l" loss_weight: 2 }
        layer { name: "p" type: "Power" bottom: "l" top: "p" }""")
    )
    assert [layer.name for layer in net.layer] == ["x", "l", "l_l_0_split", "p"]
    _, loss, split, power = net.layer
    assert not loss.loss_weight
    assert list(split.top) == ["l_l_0_split_0", "l_l_0_split_1"]
    assert list(split.loss_weight) == [2, 0]
    assert list(power.bottom) == ["l_l_0_split_1"]


CHAIN = """
layer { name: "x" type: "Input" top: "x" }
layer { name: "n" type: "BatchNorm" bottom: "x" top: "n" }
layer { name: "r" type: "ReLU" bottom: "n" top: "n" }
layer { name: "p" type: "Power" bottom: "n" top: "p" }
"""


def test_a_network_without_shared_tops_gets_no_split() -> None:
    net = network(CHAIN)
    assert to_text(insert_splits(net)) == to_text(net)
