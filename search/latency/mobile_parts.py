"""The keys by which Once-for-All's tables name layers, and the parts of ours that are the same networks.

A key is a name, shapes as height x width x channels, and of blocks what was chosen. Two kinds of tables share the form:

- Of ProxylessNAS: activations are ReLU6. `expand` is the ratio of a block's inner channels to its input's. `Conv` is
  the first convolution, 3x3 of stride 2, `Conv_1` the last one, 1x1, `Logits` all that follows.
- Of MobileNetV3: `expand` is the number of a block's inner channels, `se` whether it has squeeze-and-excitation, `hs`
  whether its activation is h-swish and not ReLU. `Conv`, `Conv_1` and `Conv_2` have h-swish.

Blocks with ReLU6 are those of our family PONAS, blocks with ReLU those of GPUNet; both without squeeze-and-excitation,
which ends in a hard sigmoid there and in a sigmoid here. `Conv_1` and `Logits` together are our head.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeGuard

from prototxt_gen.architectures import Backbone, Stage, Unit
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.parts import Part, parts

#: The families of ours with ReLU6 and with ReLU.
_FAMILIES = {True: "ponas", False: "gpunet"}

_NUMBER = r"([1-9]\d{0,5})"
_SHAPE = rf"{_NUMBER}x{_NUMBER}x{_NUMBER}"
_BLOCK = re.compile(
    rf"expanded_conv-input:{_SHAPE}-output:{_SHAPE}-expand:{_NUMBER}-kernel:{_NUMBER}-stride:([12])-idskip:([01])"
    r"(?:-se:([01])-hs:([01]))?"
)
_LAYER = re.compile(rf"(Conv|Conv_1|Conv_2|AvgPool2D)-input:{_SHAPE}-output:{_SHAPE}")
_LOGITS = re.compile(rf"Logits-input:{_SHAPE}-output:{_NUMBER}")


class Key(NamedTuple):
    """A key, taken apart. Shapes are (height, width, channels); of Logits the output is (classes,).

    `expand`, `kernel`, `stride` and `shortcut` are those of a block, `squeeze` and `swish` those of one of MobileNetV3,
    and None elsewhere.
    """

    layer: str
    taken: tuple[int, ...]
    given: tuple[int, ...]
    expand: int = 0
    kernel: int = 0
    stride: int = 0
    shortcut: bool = False
    squeeze: bool | None = None
    swish: bool | None = None

    @property
    def is_block(self) -> bool:
        """Whether it names a block."""
        return self.layer == "expanded_conv"

    @property
    def is_third(self) -> bool:
        """Whether it names a block as tables of MobileNetV3 do."""
        return self.squeeze is not None

    def __str__(self) -> str:
        shapes = ("x".join(map(str, shape)) for shape in (self.taken, self.given))
        text = "{}-input:{}-output:{}".format(self.layer, *shapes)
        if self.is_block:
            text += f"-expand:{self.expand}-kernel:{self.kernel}-stride:{self.stride}-idskip:{self.shortcut:d}"
        return f"{text}-se:{self.squeeze:d}-hs:{self.swish:d}" if self.is_third else text


def read_key(text: str) -> Key | None:
    """The key that a text spells, or None."""
    if found := _BLOCK.fullmatch(text):
        *shapes, expand, kernel, stride, shortcut = map(int, found.groups()[:10])
        choices = [None if choice is None else choice == "1" for choice in found.groups()[10:]]
        return Key(
            "expanded_conv", tuple(shapes[:3]), tuple(shapes[3:]), expand, kernel, stride, shortcut == 1, *choices
        )
    if found := _LAYER.fullmatch(text):
        numbers = tuple(map(int, found.groups()[1:]))
        return Key(found[1], numbers[:3], numbers[3:])
    if found := _LOGITS.fullmatch(text):
        numbers = tuple(map(int, found.groups()))
        return Key("Logits", numbers[:3], numbers[3:])
    return None


def block_part(key: Key) -> Part | str:
    """The block that a key names as a part of ours, or why none of ours is that block."""
    if key.squeeze:
        return "squeeze-and-excitation ends in a hard sigmoid there, in a sigmoid here"
    if key.swish:
        return "the activation is h-swish, which no block here has"
    height, width, channels = key.taken
    if key.given[:2] != ((height - 1) // key.stride + 1, (width - 1) // key.stride + 1):
        return f"the output is not as large as one of stride {key.stride}"
    if key.shortcut != (key.stride == 1 and channels == key.given[2]):
        return f"blocks of such a stride and such channels have {'no' if key.shortcut else 'a'} shortcut here"
    inner = key.expand if key.is_third else key.expand * channels
    return _block((height, width), channels, inner, key.given[2], key.kernel, key.stride, not key.is_third)


def stem_part(key: Key) -> Part | str:
    """The first convolution, with ReLU6, that a key `Conv` names, or why none of ours is that."""
    height, width, channels = key.taken
    if key.given[:2] != ((height + 1) // 2, (width + 1) // 2):
        return "the output is not as large as one of stride 2"
    return _stem((height, width), channels, key.given[2])


def head_part(mixing: Key, logits: Key) -> Part | str:
    """The head, with ReLU6, that the keys `Conv_1` and `Logits` name together, or why none of ours is that."""
    height, width, channels = mixing.taken
    if mixing.given[:2] != (height, width):
        return "the output is not as large as the input, as one of stride 1 is"
    return _head((height, width), channels, mixing.given[2], logits.given[0])


class Named(NamedTuple):
    """A part, and its key; a head's two."""

    part: Part
    keys: tuple[Key, ...]


def name_part(label: str, fingerprint: str) -> Named | str:
    """The part with this fingerprint and its keys, or why the form has none.

    The label says which networks it may be, and the fingerprint, which is the part's own key, which of them it is.
    """
    if found := re.fullmatch(r"inverted (\d+)-(\d+)(?:k(\d+))?-(\d+)(q?) s([12])(?: projected)? (\d+)x(\d+)", label):
        return _name_block(found, fingerprint)
    if found := re.fullmatch(r"stem (\d+)-(\d+) (\d+)x(\d+)", label):
        channels, out, height, width = map(int, found.groups())
        key = Key("Conv", (height, width, channels), ((height + 1) // 2, (width + 1) // 2, out))
        part = stem_part(key)
        return Named(part, (key,)) if _is(part, fingerprint) else "a first convolution there is 3x3 with ReLU6"
    if found := re.fullmatch(r"head (\d+)-(\d+)-(\d+) (\d+)x(\d+)", label):
        channels, out, classes, height, width = map(int, found.groups())
        mixing = Key("Conv_1", (height, width, channels), (height, width, out))
        logits = Key("Logits", (height, width, out), (classes,))
        part = head_part(mixing, logits)
        return Named(part, (mixing, logits)) if _is(part, fingerprint) else "a last convolution there has ReLU6"
    return "the form has inverted blocks alone, and the first and last layers of their networks"


def _name_block(found: re.Match[str], fingerprint: str) -> Named | str:
    if found[5]:
        return "squeeze-and-excitation ends in a sigmoid here, in a hard sigmoid there"
    channels, inner, kernel, out, stride, height, width = (int(found[group] or 3) for group in (1, 2, 3, 4, 6, 7, 8))
    shapes = (height, width, channels), ((height - 1) // stride + 1, (width - 1) // stride + 1, out)
    skips = stride == 1 and channels == out
    for clipped in (True, False):
        part = _block((height, width), channels, inner, out, kernel, stride, clipped)
        if not _is(part, fingerprint):
            continue
        if not clipped:
            return Named(part, (Key("expanded_conv", *shapes, inner, kernel, stride, skips, False, False),))
        if inner % channels:
            return "the inner channels are no whole multiple of the input's, as they are there"
        return Named(part, (Key("expanded_conv", *shapes, inner // channels, kernel, stride, skips),))
    return "the label does not say which network it is, or its activation is neither ReLU6 nor ReLU"


def _is(part: Part | str, fingerprint: str) -> TypeGuard[Part]:
    return isinstance(part, Part) and part.key == fingerprint


def _block(
    size: tuple[int, int], channels: int, inner: int, out: int, kernel: int, stride: int, clipped: bool
) -> Part | str:
    try:
        stage = Stage("inverted", (out,), (Unit(kernel, inner=inner),), stride)
        return parts(Backbone((stage,), (channels,), 1, _FAMILIES[clipped]), (1, 3, 2 * size[0], 2 * size[1]))[1]
    except ArchitectureError as fault:
        return str(fault)


def _stem(size: tuple[int, int], channels: int, out: int) -> Part | str:
    try:
        stage = Stage("convolution", (out,), stride=1)
        return parts(Backbone((stage,), (out,), 1, _FAMILIES[True]), (1, channels, *size))[0]
    except ArchitectureError as fault:
        return str(fault)


def _head(size: tuple[int, int], channels: int, out: int, classes: int) -> Part | str:
    try:
        stage = Stage("convolution", (channels,), stride=1)
        spec = Backbone((stage,), (channels,), classes, _FAMILIES[True], head=out)
        return parts(spec, (1, 3, 2 * size[0], 2 * size[1]))[-1]
    except ArchitectureError as fault:
        return str(fault)
