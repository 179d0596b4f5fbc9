"""The kinds of blocks and the families of networks, as tables: what codes and specs must know of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple


class Unit(NamedTuple):
    """What can be chosen for a block besides its width, where its kind has the choice.

    `kernel` is that of its spatial convolution. The inner width of an inverted or fused block is either `expansion`
    times its input channels or `inner` channels; the other one is 0. `squeeze` adds squeeze-and-excitation.
    """

    kernel: int = 3
    expansion: int = 0
    inner: int = 0
    squeeze: bool = False

    def __str__(self) -> str:
        kernel = f"k{self.kernel}" if self.kernel != 3 else ""
        between = f"e{self.expansion}" if self.expansion else f"h{self.inner}" if self.inner else ""
        return f"{kernel}{between}{'q' * self.squeeze}"


class BlockKind(NamedTuple):
    """What a code and a spec must know of a kind of block; how it is built stands in generator/blocks.py.

    `chooses` are the fields of Unit that its blocks have. A block has layers on its second branch too
    (`needs_projection`) where its stride is 2 or where `project_when` names something that changes: the block's width,
    or its channels. Blocks that `add_at_most` have no second branch there: they end in a sum where they need no
    projection and in a convolution where they do, while the others all end alike.
    """

    letter: str
    out_channels: Callable[[int], int]
    chooses: frozenset[str] = frozenset()
    project_when: Literal["width changes", "channels change"] = "channels change"
    add_at_most: bool = False


BLOCK_KINDS = {
    # Of the DF networks.
    "basic": BlockKind("b", lambda width: width, project_when="width changes"),
    "bottleneck": BlockKind("n", lambda width: min(4 * width, 1024), project_when="width changes"),
    # Of ResNet: the bottleneck's channels have no cap, and its first 1x1 has the stride.
    "resnet_basic": BlockKind("v", lambda width: width),
    "resnet_bottleneck": BlockKind("w", lambda width: 4 * width),
    # Of ShuffleNetV2.
    "shuffle": BlockKind("u", lambda width: width),
    # Of MobileNetV2 and what came after it.
    "inverted": BlockKind("i", lambda width: width, frozenset(Unit._fields), add_at_most=True),
    # Of EfficientNetV2 and GPUNet: one kxk convolution in place of an inverted block's first 1x1 and its depthwise one.
    "fused": BlockKind("f", lambda width: width, frozenset({"kernel", "expansion", "inner"}), add_at_most=True),
    # One convolution with its ReLU.
    "convolution": BlockKind("k", lambda width: width, frozenset({"kernel"})),
}


class Family(NamedTuple):
    """What the networks of one family have in common: how they begin, and what is the same in all their layers.

    `letter` begins the code. `stem` is how a stem's convolutions look: `plain` 3x3 of stride 2; `separable`, a
    depthwise 3x3 of stride 2 and then a 1x1 (the first) or a 3x3 (the others); `pooled`, one 7x7 of stride 2 and a
    3x3 max pooling of stride 2. `clipped` networks have min(max(x, 0), 6) in place of ReLU. `eps` belongs to batch
    norm, `dropout` is the ratio before the classifier. `mean` (B, G, R) is subtracted from images, `scene_mean` where
    there is a decoder. The last pooling is named by the number of stages plus `pool_after`, the classifier `classifier`
    with the classes.
    """

    letter: str
    stem: Literal["plain", "separable", "pooled"] = "plain"
    eps: float = 1e-4
    clipped: bool = False
    dropout: float = 0.0
    mean: tuple[float, float, float] = (104.0, 117.0, 123.0)
    scene_mean: tuple[float, float, float] = (72.0, 83.0, 73.0)
    pool_after: int = 2
    classifier: str = "fc"


#: What images are multiplied by once the mean is subtracted; the same in every family.
IMAGE_SCALE = 0.008

_PL1A_MEAN = (103.94, 116.78, 123.68)

FAMILIES = {
    "df": Family("s"),
    # eps is unknown: the trained weights have batch norm merged.
    "pl1a": Family("t", stem="separable", mean=_PL1A_MEAN, scene_mean=_PL1A_MEAN),
    "resnet": Family("r", stem="pooled", eps=1e-5, pool_after=1, classifier="fc{classes}"),
    # eps is PyTorch's default, the authors name none.
    "ponas": Family("m", eps=1e-5, clipped=True, dropout=0.2),
    "gpunet": Family("g", eps=1e-3),
}
