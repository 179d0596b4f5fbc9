"""Specs of backbones: the rules they obey, their blocks, their codes."""

from __future__ import annotations

import dataclasses
import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.architectures import BLOCK_KINDS, FAMILIES, MAX_CODE, Backbone, Stage, Unit, parse_architecture
from prototxt_gen.errors import ArchitectureError

DF_KINDS = ["basic", "bottleneck"]
# As few numbers as tell whether any is lost on the way: code files of 200 characters hold few blocks of this kind.
UNITS = {
    "convolution": st.builds(Unit, st.sampled_from([1, 3, 5]), st.just(0), st.just(0), st.just(False)),
    "inverted": st.one_of(
        st.builds(Unit, st.sampled_from([3, 5, 7]), st.integers(1, 6), st.just(0), st.booleans()),
        st.builds(Unit, st.sampled_from([3, 5, 7]), st.just(0), st.integers(1, 512), st.booleans()),
    ),
    "fused": st.one_of(
        st.builds(Unit, st.sampled_from([1, 3, 5]), st.integers(1, 6), st.just(0), st.just(False)),
        st.builds(Unit, st.sampled_from([1, 3, 5]), st.just(0), st.integers(1, 512), st.just(False)),
    ),
}


@st.composite
def any_backbones(draw: st.DrawFn) -> Backbone:
    """Of any family and kinds; not more blocks than a code can hold."""
    width, stages = draw(st.integers(1, 32)), []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(sorted(BLOCK_KINDS)))
        widths = []
        for _ in range(draw(st.integers(1, 3))):
            width += draw(st.sampled_from([0, 0, 8]))
            width += width % 2
            widths.append(width)
        units = tuple(draw(UNITS[kind]) for _ in widths) if kind in UNITS else ()
        stages.append(Stage(kind, tuple(widths), units, draw(st.sampled_from([1, 2]))))
    family = draw(st.sampled_from(sorted(FAMILIES)))
    stem = (8,) if family == "resnet" else (8, 16)
    head = draw(st.sampled_from([None, 1280]))
    return Backbone(tuple(stages), stem, draw(st.integers(1, 2000)), family, head)


@st.composite
def backbones(draw: st.DrawFn) -> Backbone:
    steps = st.sampled_from([0, 0, 0, 8, 64])
    width = itertools.accumulate(itertools.chain([draw(st.integers(1, 96))], iter(lambda: draw(steps), None)))
    stages = [
        Stage(draw(st.sampled_from(DF_KINDS)), tuple(itertools.islice(width, draw(st.integers(1, 5)))))
        for _ in range(draw(st.integers(1, 4)))
    ]
    stem = draw(st.lists(st.integers(1, 200), min_size=1, max_size=3))
    return Backbone(tuple(stages), tuple(stem), draw(st.integers(1, 2000)))


@settings(deadline=None)
@given(st.one_of(backbones(), any_backbones()))
def test_codes_round_trip_and_serve_as_file_names(backbone):
    code = str(backbone)
    assert parse_architecture(code) == backbone
    assert str(parse_architecture(code)) == code
    assert re.fullmatch("[A-Za-z0-9._-]+", code)
    assert len(code) <= MAX_CODE


def test_df2a_has_basic_blocks_then_bottlenecks_and_projects_where_the_width_changes():
    blocks = list(parse_architecture("s32-64_b64x2-128_n128x10-256_n256x4-512x2_c1000").blocks())
    assert [block.name for block in blocks if block.needs_projection] == [
        "res2.1", "res2.3", "res3.1", "res3.11", "res4.1", "res4.5",
    ]  # fmt: skip
    assert [block.name for block in blocks if block.stride == 2] == ["res2.1", "res3.1", "res4.1"]
    outputs = [block.out_channels for block in blocks]
    assert outputs == [64, 64, 128] + [512] * 10 + [1024] * 7
    assert [block.in_channels for block in blocks] == [64, *outputs[:-1]]


@settings(deadline=None)
@given(backbones())
def test_blocks_chain_and_their_widths_never_decrease(backbone):
    blocks = list(backbone.blocks())
    assert blocks[0].in_channels == backbone.stem[-1]
    for before, after in itertools.pairwise(blocks):
        assert after.in_channels == before.out_channels
        assert after.width >= before.width
        assert after.needs_projection == (after.stride == 2 or after.width != before.width)
    assert all((block.stride == 2) == (block.position == 0) for block in blocks)
    assert [len(stage.widths) for stage in backbone.stages] == [
        sum(block.stage == number for block in blocks) for number in range(len(backbone.stages))
    ]


def test_the_stem_is_free_of_the_rule_of_widths():
    assert [block.width for block in parse_architecture("s8-16_b8_c10").blocks()] == [8]
    assert parse_architecture("s64-32_b8_c10").stem == (64, 32)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Stage("basic", ()), "widths has none"),
        (lambda: Stage("swirl", (8,)), "block is 'swirl', expected one of basic, bottleneck"),
        (lambda: Stage("shuffle", (8, 9)), "widths has 9, expected even widths"),
        (lambda: Stage("basic", (8,), stride=3), "stride has 3, expected a whole number in 1..2"),
        (lambda: Stage("basic", (8,), (Unit(),)), "1 units for 1 blocks, expected none for basic"),
        (lambda: Stage("basic", (8,), Unit), "expected none for basic"),
        (lambda: Stage("inverted", (8, 8), (Unit(expansion=2),)), "1 units for 2 blocks, expected one Unit a block"),
        (lambda: Stage("inverted", (8,), (6,)), "units has 6, expected one Unit a block"),
        (lambda: Stage("inverted", (8,)), "inverted with expansion 0 and inner 0, expected one of the two above 0"),
        (lambda: Stage("inverted", (8,), (Unit(3, 6, 48),)), "expansion 6 and inner 48"),
        (lambda: Stage("fused", (8,)), "fused with expansion 0 and inner 0, expected one of the two above 0"),
        (lambda: Stage("fused", (8,), (Unit(3, 6, 48),)), "fused with expansion 6 and inner 48"),
        (lambda: Stage("fused", (8,), (Unit(3, 6, 0, True),)), "fused with squeeze, expected "),
        (lambda: Stage("inverted", (8,), (Unit(4, 6),)), "kernel has 4, expected an odd number"),
        (lambda: Stage("inverted", (8,), (Unit(3, 6, 0, 1),)), "squeeze is 1, expected True or False"),
        (lambda: Stage("convolution", (8,), (Unit(3, 6),)), "convolution with expansion, expected kernel alone"),
        (lambda: Backbone((Stage("basic", (8,)),), family="vgg"), "family is 'vgg', expected one of df, pl1a"),
        (lambda: Backbone((Stage("basic", (8,)),), head=0), "head has 0"),
        (lambda: Backbone((Stage("basic", (8,)),), family="resnet"), "stem has 2 widths, expected one for resnet"),
        (lambda: Backbone((Stage("inverted", (8,), (Unit(3, 8000),)),)), "res2.1 has 512000 inner channels"),
        (lambda: Stage(["basic"], (8,)), "block is ['basic']"),
        (lambda: Stage("basic", 8), "widths is 8, expected a tuple of whole numbers"),
        (lambda: Stage("basic", (8.0,)), "widths has 8.0"),
        (lambda: Stage("basic", (True,)), "widths has True"),
        (lambda: Stage("basic", ("8",)), "widths has '8'"),
        (lambda: Stage("basic", (10**9999,)), "widths has a huge int"),
        (lambda: Stage("basic", itertools.repeat(8)), "widths has more than 1000"),
        (lambda: Backbone(()), "stages has empty"),
        (lambda: Backbone(None), "stages is None"),
        (lambda: Backbone((Stage("basic", (8,)), "b8")), "stages has 'b8'"),
        (lambda: Backbone((Stage("basic", (8,)),), stem=()), "stem has none"),
        (lambda: Backbone((Stage("basic", (8,)),), classes=-1), "classes has -1"),
        (lambda: Backbone((Stage("basic", (8,) * 600),) * 2), "has 1200 blocks, expected at most 1000"),
        (lambda: parse_architecture(None), "found None, expected a code"),
    ],
)
def test_wrong_fields_are_named(make, said):
    with pytest.raises(ArchitectureError, match=re.escape(said)):
        make()


def test_specs_are_frozen_values():
    backbone = Backbone([Stage("basic", [8, 8])], stem=[4], classes=2)
    assert backbone == parse_architecture("s4_b8x2_c2")
    assert len({backbone, parse_architecture("s4_b8x2_c2")}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        backbone.classes = 3
