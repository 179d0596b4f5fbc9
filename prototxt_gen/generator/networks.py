"""Architectures as whole networks: deploy, train_val and release forms, as messages and as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from prototxt_gen.architectures import Backbone, Decoder, sizes_of, strides_of
from prototxt_gen.generator.arguments import Form, checked_architecture, checked_form, checked_merged, checked_shape
from prototxt_gen.generator.decoders import Map
from prototxt_gen.generator.elements import Writing
from prototxt_gen.generator.forms import beginning, ending, scene_form
from prototxt_gen.generator.fragments import (
    Fragment,
    block_fragment,
    decoder_fragments,
    head_fragment,
    stem_fragment,
)
from prototxt_gen.proto import NetParameter


def generate(
    architecture: Backbone | Decoder | str,
    form: Form = "deploy",
    input_shape: Sequence[int] | None = None,
    merged: bool = False,
) -> NetParameter:
    """The network of an architecture, given as a spec or as its code.

    Forms: `deploy` begins with an Input layer and ends at the logits `fc`; `train_val` reads images listed in
    train.txt and val.txt (ImageData; edit the two names), has fillers, and ends at the loss and at top-1 and top-5
    accuracy; `release` is the DF release's file, field for field, for the networks it has. Layer names are the same
    in all, so are the preprocessing numbers (B, G, R minus 104, 117, 123, times 0.008) where a form states them.

    `input_shape` is (N, channels, H, W), N being the batch of every data layer; without it (1, 3, 224, 224), or
    (100, 3, 224, 224) for the forms that read images. The pooling window is the final map. ImageData crops square
    inputs out of larger images and stretches images to any other size; it gives 1 or 3 channels. `merged` leaves
    batch norm out and gives the convolutions a bias. ArchitectureError for anything else.

    Of a Decoder `deploy` ends at the scores of each class, (1, 3, 1024, 2048) is the shape without another, and
    B, G, R are less 72, 83, 73. `train_val` reads label maps beside the images, listed in train_label.txt and
    val_label.txt: grey images of the ids, 255 where there is none. They are read as they are, so the files must have
    the size of the scores, which `label_size` tells. Caffe reads the two lists apart, so they keep their order and
    images are neither cropped nor mirrored. `release` takes images as large as they come; without upsampling it is
    what the logs print, in the phase TRAIN.
    """
    pieces = _fragments(architecture, form, input_shape, merged)
    return NetParameter.FromString(b"".join([piece.binary for piece in pieces]))


def generate_text(
    architecture: Backbone | Decoder | str,
    form: Form = "deploy",
    input_shape: Sequence[int] | None = None,
    merged: bool = False,
) -> str:
    """`to_text(generate(...))` of the same arguments, joined from the texts of cached fragments."""
    return "".join([piece.text for piece in _fragments(architecture, form, input_shape, merged)])


def feature_tops(architecture: Backbone | Decoder | str, merged: bool = False) -> dict[int, str]:
    """The last top at each stride of an architecture's backbone, the stem's among them, by stride: {4: ..., 8: ...}.

    They are the same in every form and for every size of input.
    """
    spec = checked_architecture(architecture)
    backbone = spec.backbone if isinstance(spec, Decoder) else spec
    _, maps = _trunk(backbone, (1, 3, 224, 224), _writing(backbone, merged, "deploy"))
    return {found.stride: found.top for found in maps}


class Body(NamedTuple):
    """What all forms have in common: the fragments of stem, blocks, and head or decoder, in order.

    `coarse` is the top of a decoder's scores before they are enlarged, and of a backbone that of its logits.
    """

    fragments: list[Fragment]
    coarse: str


def body(spec: Backbone | Decoder, form: Form, shape: Sequence[int], merged: bool) -> Body:
    """The layers between `data`, of this shape, and the logits or scores, which the last fragment's top holds."""
    backbone = spec.backbone if isinstance(spec, Decoder) else spec
    writing = _writing(backbone, merged, form)
    fragments, maps = _trunk(backbone, shape, writing)
    if isinstance(spec, Backbone):
        fragments.append(head_fragment(spec, maps[-1], writing))
        return Body(fragments, fragments[-1].top)
    # Of the maps of one stride the last counts. A decoder takes those of stages, whether or not the stem has another.
    levels = list({found.stride: found for found in maps[1:]}.values())
    deepest = tuple(reversed(levels[-len(spec.channels) :]))
    resizings = scene_form(spec, form).resizings
    sections, coarse = decoder_fragments(spec, deepest, (shape[2], shape[3]), writing, resizings)
    return Body([*fragments, *sections], coarse)


def _fragments(
    architecture: Backbone | Decoder | str, form: Form, input_shape: Sequence[int] | None, merged: bool
) -> list[Fragment]:
    spec, form, merged = checked_architecture(architecture), checked_form(form), checked_merged(merged)
    shape = checked_shape(input_shape, spec, form)
    pieces, coarse = body(spec, form, shape, merged)
    return [*beginning(spec, form, shape, merged), *pieces, *ending(spec, form, pieces[-1].top, coarse)]


def _writing(backbone: Backbone, merged: bool, form: Form) -> Writing:
    return Writing(merged, form == "train_val", backbone.traits.eps, backbone.traits.clipped)


def _trunk(backbone: Backbone, shape: Sequence[int], writing: Writing) -> tuple[list[Fragment], list[Map]]:
    """The fragments of the stem and of every block, and the maps after the stem and after each stage."""
    fragments = [stem_fragment(backbone, shape[1], writing)]
    tops = [(fragments[0].top, backbone.stem[-1])] * (1 + len(backbone.stages))
    for block in backbone.blocks():
        fragments.append(block_fragment(block, block.name, fragments[-1].top, writing))
        tops[1 + block.stage] = fragments[-1].top, block.out_channels
    sizes = sizes_of(backbone, shape[2], shape[3])
    return fragments, [
        Map(stride, *top, *size) for stride, top, size in zip(strides_of(backbone), tops, sizes, strict=True)
    ]
