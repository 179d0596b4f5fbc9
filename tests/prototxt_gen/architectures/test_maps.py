"""Strides and sizes of a backbone's maps: those that its generated layers have."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_zoo.cards import CARDS
from prototxt_gen import ArchitectureError, Decoder, generate, parse_architecture
from prototxt_gen.architectures import last_stages, sizes_of, strides_of
from prototxt_gen.trace import trace

ZOO = {
    name: card.architecture.backbone if isinstance(card.architecture, Decoder) else card.architecture
    for name, card in CARDS.items()
}
SMALL = [
    "s4-8_b8x2_n8-16_c10", "s8_b8_c2", "s8-16-32_n8_b16_n16x2_b32_c5", "r8_v1.8x2_v16_c5", "r8_w1.8_w16x2_c10",
    "m8_i1.8e1_i8e3q-k5e2_h32_c10", "g8_k1.8k5_k8_i12h20-k7h9_h16_c7", "g8_f1.8h12_f12k5h20-h9_c7",
    "t8-16_u16x2_u32_c10", "t8_b1.16_n1.16_c2",
]  # fmt: skip
SIZES = [(224, 224), (97, 131), (33, 57), (3, 5), (361, 640)]


def maps_by_trace(backbone, height, width):
    """Size of the map after the stem and after each stage, read off the layers."""
    net = generate(backbone, input_shape=(1, 3, height, width))
    sizes = {top: shape[2:] for row in trace(net) for top, shape in zip(row.tops, row.top_shapes, strict=True)}
    blocks = list(backbone.blocks())
    last = {block.stage: block.name for block in blocks}
    # In order: what the layers before the first block make, then what those of each stage's last block do.
    tops = [layer.top[0] for layer in net.layer]
    names = [layer.name for layer in net.layer]

    def belongs(name, block):
        place = block.removeprefix("res")
        return name.startswith((f"{block}.", f"{block}skip", f"{block}_", f"bn{place}_", f"scale{place}_")) or (
            name == block
        )

    first = next(index for index, name in enumerate(names) if belongs(name, blocks[0].name))
    ends = [first - 1]
    ends += [max(index for index, name in enumerate(names) if belongs(name, last[stage])) for stage in sorted(last)]
    return tuple(sizes[tops[end]] for end in ends)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ZOO)
def test_sizes_are_those_of_the_generated_layers(name, size):
    assert sizes_of(ZOO[name], *size) == maps_by_trace(ZOO[name], *size)


@settings(deadline=None)
@given(st.sampled_from(SMALL), st.integers(3, 300), st.integers(3, 300))
def test_sizes_hold_for_any_backbone_and_image(code, height, width):
    backbone = parse_architecture(code)
    assert sizes_of(backbone, height, width) == maps_by_trace(backbone, height, width)


@pytest.mark.parametrize("backbone", [*ZOO.values(), *map(parse_architecture, SMALL)], ids=str)
def test_a_map_is_smaller_by_its_stride(backbone):
    assert sizes_of(backbone, 1024, 512) == tuple((1024 // stride, 512 // stride) for stride in strides_of(backbone))


def test_the_last_stage_at_each_stride():
    assert strides_of(ZOO["df1"]) == (4, 8, 16, 32)
    assert last_stages(ZOO["df1"]) == {8: 0, 16: 1, 32: 2}
    assert strides_of(ZOO["resnet18"]) == (4, 4, 8, 16, 32)
    assert last_stages(ZOO["ponas_a"]) == {2: 0, 4: 1, 8: 2, 16: 4, 32: 6}


def test_images_that_are_too_small_for_the_max_pooling():
    with pytest.raises(ArchitectureError, match="images of 2x9, expected at least 3x3 for r8_v8_c2"):
        sizes_of(parse_architecture("r8_v8_c2"), 2, 9)
