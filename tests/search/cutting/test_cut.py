"""Spaces cut to targets: what is left is what a check of every whole network leaves, the largest space of its kind."""

from dataclasses import replace
from itertools import combinations, product

import pytest

from converters.targets.checking import check_target
from converters.targets.rewriting import rewritten
from prototxt_gen.architectures import Unit, parse_architecture
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from search.cutting import cut_space
from search.cutting.cut import whole_faults
from search.spaces import BackboneSpace, DecoderSpace, PonasLayer, PonasSpace, TieredSpace, TieredStage, parse_space
from tests.search.own_targets import read_own

SHAPE = (1, 3, 32, 32)
BACKBONES = BackboneSpace(((1, 2), (1, 3)), (8, 16, 24), (), (4, 8), 10, SHAPE)
TRUNK = parse_architecture("s4-8_b8_b16_b24_c1000")
DECODERS = DecoderSpace(TRUNK, ((8, 16), (4, 8, 16), (4, 8)), 5, upsampling=8, input_shape=(1, 3, 64, 64))
BOTH = DecoderSpace(
    BackboneSpace(((1, 2), (1, 1)), (8, 16), (), (4, 8), 10, SHAPE), ((8, 16), (4, 8)), 5, upsampling=4,
    input_shape=(1, 3, 32, 32),
)  # fmt: skip
UNITS = (Unit(3, 1), Unit(5, 1), Unit(3, 2, 0, True), Unit(5, 2))
PONAS = PonasSpace(
    (PonasLayer(8, 1, (Unit(3, 1),)), PonasLayer(12, 2, UNITS), PonasLayer(12, 1, UNITS[:3]), PonasLayer(16, 2, UNITS)),
    (8,),
    10,
    SHAPE,
    head=20,
)
TIERED = TieredSpace(
    (
        TieredStage(8, (0, 1), 1, ("fused",), (3,)),
        TieredStage(12, (1, 2), 2, ("inverted", "fused"), (3, 5)),
    ),
    (8,),
    10,
    SHAPE,
    head=16,
    granularity=8,
    expansion=2,
)

CASES = [
    # Single choices: a width, a kernel, squeeze-and-excitation's kind of layer.
    (BACKBONES, ("Convolution", "num_output <= 16")),
    (PONAS, ("Convolution", "kernel_h <= 3")),
    (TIERED, ("Convolution", "num_output % 16 == 0 or num_output < 16")),
    (DECODERS, ("Convolution", "channels != 512 or num_output != 16")),
    # Pairs of choices: width after width, channel beside width, kernel with inner width, stride with kernel.
    (BACKBONES, ("Convolution", "channels != 8 or num_output != 24")),
    (BACKBONES, ("Convolution", "channels != 16 or num_output != 16")),
    (BACKBONES, ("Convolution", "stride_h == 1 or num_output != 24 or channels == 24")),
    (BOTH, ("Convolution", "channels != 16 or num_output != 8")),
    (BOTH, ("Convolution", "channels != 8 or num_output != 4")),
    (DECODERS, ("Convolution", "channels != 16 or num_output != 8")),
    (TIERED, ("Convolution", "kernel_h * kernel_w * channels <= 250 or group > 1")),
    (TIERED, ("Convolution", "stride_h == 1 or kernel_h == 3")),
]


def taken(space, target):
    """The networks of a space that a target takes whole; none of these targets has a rewrite that helps."""
    return {
        one
        for one in space
        if not check_target(generate(one, input_shape=space.input_shape, merged=True), target).faults
    }


@pytest.mark.parametrize(("space", "rule"), CASES, ids=lambda value: value[1] if isinstance(value, tuple) else "")
def test_what_is_left_is_what_whole_networks_tell(space, rule, tmp_path):
    target = read_own(tmp_path, [rule])
    cut = cut_space(space, target)
    every, left = taken(space, target), set(cut.space)
    assert 0 < len(left) < space.count() and type(cut.space) is type(space)
    assert left <= every and len(left) == cut.after == cut.space.count()
    assert (cut.before, cut.possible) == (space.count(), len(every))
    assert cut.refused and cut.removed and cut.is_largest and not cut.remarks and not cut.rewritten
    # A space like any other: by its code, and cut already.
    assert parse_space(str(cut.space)) == cut.space
    assert cut_space(cut.space, target).space == cut.space
    if isinstance(space, PonasSpace):
        # Candidates are free of each other.
        assert left == every


def backbones_within(space):
    """Every space of backbones within one: for each stage some of its widths, and a range of its depths."""
    lists = [subset for size in range(1, len(space.widths) + 1) for subset in combinations(space.widths, size)]
    ranges = [
        [(least, most) for least in range(first, last + 1) for most in range(least, last + 1)]
        for first, last in space.depths
    ]
    for widths in product(lists, repeat=len(space.depths)):
        for depths in product(*ranges):
            try:
                every = tuple(sorted(set().union(*widths)))
                yield replace(space, depths=depths, widths=every, stage_widths=widths)
            except ArchitectureError:
                pass  # widths that would decrease


@pytest.mark.slow
@pytest.mark.parametrize("rule", [rule for space, rule in CASES if space is BACKBONES], ids=lambda rule: rule[1])
def test_no_larger_space_of_backbones_is_left(rule, tmp_path):
    target = read_own(tmp_path, [rule])
    every, left = taken(BACKBONES, target), cut_space(BACKBONES, target).after
    larger = [space for space in backbones_within(BACKBONES) if space.count() > left]
    assert larger and not [space for space in larger if all(one in every for one in space)]


@pytest.mark.slow
@pytest.mark.parametrize("rule", [rule for space, rule in CASES if space is TIERED], ids=lambda rule: rule[1])
def test_no_larger_stage_of_tiered_pruning_is_left(rule, tmp_path):
    target = read_own(tmp_path, [rule])
    every = taken(TIERED, target)
    first, second = TIERED.stages
    widths = [layer.widths for layer in TIERED.layers]

    def lists(of):
        return [subset for size in range(1, len(of) + 1) for subset in combinations(of, size)]

    left = cut_space(TIERED, target).after
    for depth, kinds, kernels in product([(1, 1), (1, 2)], lists(second.kinds), lists(second.kernels)):
        for before, *inner in product(*(lists(of) for of in widths[: 1 + depth[1]])):
            stage = second._replace(depths=depth, kinds=kinds, kernels=kernels, inner=tuple(inner))
            made = replace(TIERED, stages=(first._replace(inner=(before,)), stage))
            assert made.count() <= left or not all(one in every for one in made)


def test_nothing_is_cut_of_what_is_taken(tmp_path):
    cut = cut_space(BACKBONES, read_own(tmp_path))
    assert cut.space is BACKBONES and cut.before == cut.after == cut.possible
    assert (cut.refused, cut.removed, cut.rewritten) == ((), (), {})
    assert str(cut) == (
        f"target board (BVLC Caffe 1.0, {cut.target.date}): {cut.before} of {cut.before} networks are left"
    )


def test_blocks_are_taken_where_a_rewrite_helps(tmp_path):
    # PONAS clips to 0..6, which RKNN-Toolkit2 knows as ReLU6 alone.
    cut = cut_space(PONAS, "rknn2")
    assert cut.after == cut.before and cut.rewritten
    assert any("ReLU6" in what for what in cut.rewritten) and "ReLU6" in str(cut)
    net = generate(PONAS.at(0), input_shape=SHAPE, merged=True)
    assert check_target(net, cut.target).faults and not rewritten(net, None, cut.target).report.faults
    assert whole_faults(PONAS.at(0), SHAPE, cut.target) == ()


def test_the_cut_is_told_in_numbers(tmp_path):
    cut = cut_space(PONAS, read_own(tmp_path, [("Convolution", "kernel_h <= 3")]))
    lines = str(cut).splitlines()
    assert lines[0].endswith("): 8 of 48 networks are left; 5 of 14 blocks are not taken")
    assert "5 blocks: Convolution kernel_h: found kernel_h 5; allowed kernel_h <= 3 (the manual), such as" in lines[1]
    assert lines[2:] == [
        "  left out: layers 2, 4: candidates k5e1, k5e2",
        "  left out: layer 3: candidate k5e1",
    ]
    told = cut.as_json()
    assert (told["networks"], told["left"], told["blocks"], len(told["refused"])) == (48, 8, 14, 5)
    assert told["target"]["name"] == "board" and told["cut"] == str(cut.space)


@pytest.mark.parametrize(
    ("space", "rule", "said"),
    [
        # What all have: the stem, the classifier.
        (
            BACKBONES,
            ("Convolution", "num_output != 4"),
            "all have stem 3-4-8 .*: layer 'convolution1': Convolution num",
        ),
        (PONAS, ("Convolution", "num_output != 20"), "all have head .* found num_output 20, allowed num_output != 20"),
        (DECODERS, ("Convolution", "num_output != 24"), "all have basic 16-24-24 .*: Convolution num_output"),
        # No block of a layer is left.
        (PONAS, ("Convolution", "num_output != 16"), "no network is left; .* blocks are not taken: .*t 16"),
        (TIERED, ("Convolution", "num_output != 12"), "no network is left"),
        (BACKBONES, ("Convolution", "num_output <= 4 or channels <= 4"), "no network is left"),
    ],
)
def test_where_nothing_is_left_it_is_told_why(space, rule, said, tmp_path):
    with pytest.raises(ArchitectureError, match=said):
        cut_space(space, read_own(tmp_path, [rule]))


def test_one_network_that_is_left_is_no_space(tmp_path):
    target = read_own(tmp_path, [("Convolution", "kernel_h <= 3"), ("Convolution", "num_output != 24")])
    space = replace(PONAS, layers=(*PONAS.layers[:2], PonasLayer(12, 1, UNITS[:2]), PonasLayer(12, 1, UNITS[1::2])))
    with pytest.raises(ArchitectureError, match="no network is left"):
        cut_space(space, target)
    space = replace(space, layers=(*space.layers[:3], PonasLayer(12, 1, UNITS[:2])))
    found = "one network is left, and nothing to choose: m8_i1.8e1_i12"
    with pytest.raises(ArchitectureError, match=found):
        cut_space(replace(space, layers=(space.layers[0], PonasLayer(12, 2, UNITS[:2]), *space.layers[2:])), target)


def test_rules_of_whole_networks_are_checked_on_some(tmp_path):
    # No part tells how many layers a network has.
    target = read_own(tmp_path, [("network", "layers < 3")])
    with pytest.raises(ArchitectureError, match="its parts are taken, its networks are not, of 5 that were checked"):
        cut_space(BACKBONES, target)
