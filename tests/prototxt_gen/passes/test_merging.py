"""The structure of a batch-norm merge, against what the DF release made."""

import pytest

from prototxt_gen.passes.merging import Merge, merge_batchnorm
from prototxt_gen.passes.phase import PHASES
from prototxt_gen.proto import NetParameter
from prototxt_gen.summary import summarize
from prototxt_gen.text import parse_text
from tests.released import released

NORMALISED = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 dim: 5 dim: 5 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "n" type: "BatchNorm" bottom: "c" top: "n" }
layer { name: "s" type: "Scale" bottom: "n" top: "s" }
layer { name: "r" type: "ReLU" bottom: "s" top: "s" }
layer { name: "p" type: "Power" bottom: "s" top: "p" }
"""


def network(text: str) -> NetParameter:
    return parse_text(text, NetParameter())


@pytest.mark.parametrize("name", ["df1", "df2", "df2a", "df1seg", "df2seg1", "df2seg2"])
def test_merged_structure_is_the_released_one(name: str) -> None:
    net = released(name)
    before = net.SerializeToString()
    merged, merges = merge_batchnorm(net)
    theirs = released(f"{name}_mergebn")
    for layer in (*merged.layer, *theirs.layer):
        layer.image_data_param.ClearField("shuffle")  # df1seg_mergebn alone states this default
    assert merged == theirs
    assert merges[0] == Merge("conv1", "conv1/bn", "conv1/bn_scale")
    assert len(merges) == sum(layer.type == "BatchNorm" for layer in net.layer)
    assert net.SerializeToString() == before


def test_consumers_and_in_place_layers_follow() -> None:
    merged, merges = merge_batchnorm(network(NORMALISED))
    assert [(layer.name, *layer.bottom, *layer.top) for layer in merged.layer][1:] == [
        ("c", "x", "c"),
        ("r", "c", "c"),
        ("p", "c", "p"),
    ]
    assert merges == [Merge("c", "n", "s")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ('layer { name: "q" type: "Power" bottom: "c" top: "q" }', []),
        ('layer { name: "q" type: "Power" bottom: "n" top: "q" }', [Merge("c", "n", None)]),
        ('state { phase: TRAIN }', []),
    ],
)  # fmt: skip
def test_nothing_is_merged_that_another_layer_needs(change: str, expected: list[Merge]) -> None:
    assert merge_batchnorm(network(NORMALISED + change))[1] == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('bottom: "c" top: "n"', 'bottom: "c" top: "n" batch_norm_param { use_global_stats: false }', []),
        ('bottom: "c" top: "n"', 'bottom: "c" top: "n" include { phase: TEST }', []),
        ("num_output: 6", "num_output: 6 axis: 2", []),
        ('bottom: "n" top: "s"', 'bottom: "n" bottom: "x" top: "s"', [Merge("c", "n", None)]),
        ('bottom: "n" top: "s"', 'bottom: "n" top: "s" scale_param { axis: 0 }', [Merge("c", "n", None)]),
        ('bottom: "n" top: "s"', 'bottom: "n" top: "s" scale_param { num_axes: -1 }', [Merge("c", "n", None)]),
        ('type: "Convolution"', 'type: "Convolution" loss_weight: 1', []),
    ],
)
def test_what_cannot_be_folded_stays(old: str, new: str, expected: list[Merge]) -> None:
    assert merge_batchnorm(network(NORMALISED.replace(old, new)))[1] == expected


def test_shared_weights_are_not_folded() -> None:
    twins = NORMALISED.replace('top: "c"', 'top: "c" param { name: "w" }')
    twins += """
        layer { name: "d" type: "Convolution" bottom: "x" top: "d" param { name: "w" }
                convolution_param { num_output: 6 kernel_size: 3 } }"""
    assert merge_batchnorm(network(twins))[1] == []


LAST = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 dim: 5 dim: 5 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "n" type: "BatchNorm" bottom: "c" top: "n" }
"""


@pytest.mark.parametrize(
    ("behind", "layers"),
    [
        ("", [("c", "x", "n")]),
        ('layer { name: "s" type: "Scale" bottom: "n" top: "n" }', [("c", "x", "n")]),
        ('layer { name: "s" type: "Scale" bottom: "n" top: "s" }', [("c", "x", "s")]),
        (
            'layer { name: "s" type: "Scale" bottom: "n" top: "s" }'
            'layer { name: "r" type: "ReLU" bottom: "s" top: "s" }',
            [("c", "x", "s"), ("r", "s", "s")],
        ),
        # Taken in one phase, an output in the other.
        (
            'layer { name: "p" type: "Power" bottom: "n" top: "p" include { phase: TRAIN } }',
            [("c", "x", "n"), ("p", "n", "p")],
        ),
        # Taken in each phase by a layer of that phase: no output.
        (
            'layer { name: "p" type: "Power" bottom: "n" top: "p" include { phase: TRAIN } }'
            'layer { name: "p" type: "ReLU" bottom: "n" top: "p" exclude { phase: TRAIN } }',
            [("c", "x", "c"), ("p", "c", "p"), ("p", "c", "p")],
        ),
    ],
)
def test_outputs_keep_their_names(behind: str, layers: list[tuple[str, ...]]) -> None:
    net = network(LAST + behind)
    merged, merges = merge_batchnorm(net)
    assert merges
    assert [(layer.name, *layer.bottom, *layer.top) for layer in merged.layer][1:] == layers
    for phase in PHASES:
        assert summarize(merged, phase).outputs == summarize(net, phase).outputs


def test_the_score_of_a_segmentation_network_keeps_its_name() -> None:
    net = released("df1seg")
    while net.layer[-1].name != "Decoder_score/bn_scale":
        del net.layer[-1]
    merged, _ = merge_batchnorm(net)
    assert (merged.layer[-1].name, *merged.layer[-1].top) == ("Decoder_score", "Decoder_score/bn")


def test_a_top_that_each_phase_makes_for_itself_keeps_its_name() -> None:
    branches = "".join(
        f'layer {{ name: "c{phase}" type: "Convolution" bottom: "x" top: "c" include {{ phase: {phase} }}'
        " convolution_param { num_output: 6 kernel_size: 3 } }"
        f'layer {{ name: "n{phase}" type: "BatchNorm" bottom: "c" top: "n" include {{ phase: {phase} }} {stored} }}'
        for phase, stored in (("TEST", ""), ("TRAIN", "batch_norm_param { use_global_stats: false }"))
    )
    net = network(
        LAST.partition('layer { name: "c"')[0] + branches + 'layer { name: "p" type: "Power" bottom: "n" top: "p" }'
    )
    merged, merges = merge_batchnorm(net)
    assert merges == [Merge("cTEST", "nTEST", None)]
    for phase in PHASES:
        assert summarize(merged, phase).outputs == summarize(net, phase).outputs == {"p": (1, 6, 3, 3)}


@pytest.mark.parametrize("name", ["n", "s"])
def test_a_batch_norm_that_is_a_loss_stays(name: str) -> None:
    merged, _ = merge_batchnorm(network(NORMALISED.replace(f'top: "{name}" }}', f'top: "{name}" loss_weight: 1 }}', 1)))
    assert name in [layer.name for layer in merged.layer]


@pytest.mark.parametrize("name", ["c", "n", "s"])
def test_layers_whose_name_another_has_are_not_folded(name: str) -> None:
    twin = f'layer {{ name: "{name}" type: "PReLU" bottom: "p" top: "q" }}'
    assert merge_batchnorm(network(NORMALISED + twin))[1] == []
