"""Decoders: segmentation networks as frozen specs on top of a backbone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from prototxt_gen.architectures.backbones import Backbone, check_length, spell
from prototxt_gen.architectures.limits import MAX_CLASSES, MAX_WIDTH, flag, short, whole_number, whole_numbers
from prototxt_gen.architectures.maps import last_stages
from prototxt_gen.errors import ArchitectureError

# The most parts that a map is pooled in, and the most that a score map is enlarged.
MAX_BINS = 1024
MAX_UPSAMPLING = 32


@dataclass(frozen=True)
class Pyramid:
    """Pyramid pooling on the deepest map: averages over windows, 1x1 convolutions, all resized, joined and convolved.

    `width` is that of each 1x1 convolution, `out_channels` that of the last convolution. For every number in `bins`
    the map is pooled by windows of its size divided by that number. Each side is divided by itself, or, where `square`
    (as in the DF networks), the shorter side gives both sides of the window.
    """

    width: int = 128
    out_channels: int = 512
    bins: tuple[int, ...] = (1, 2, 4, 8)
    square: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", whole_number("pyramid: width", self.width, MAX_WIDTH))
        object.__setattr__(self, "out_channels", whole_number("pyramid: out_channels", self.out_channels, MAX_WIDTH))
        object.__setattr__(self, "bins", whole_numbers("pyramid: bins", self.bins, MAX_BINS))
        flag("pyramid: square", self.square)

    def __str__(self) -> str:
        bins = "" if self.bins == (1, 2, 4, 8) else f".{'-'.join(map(str, self.bins))}"
        return f"{'p' if self.square else 'q'}{self.width}-{self.out_channels}{bins}"

    def windows(self, height: int, width: int) -> list[tuple[int, int]]:
        """Kernel and stride (height, width) of each pooling of a map of this size.

        The size divided by the bins, rounded to the nearest whole number (halves to the even one), and at least 1: 32,
        16, 8, 4 of the 32x64 map of the DF networks at 1024x2048, 2x2 as the last of PL1A's 12x20 map.
        """
        if self.square:
            height = width = min(height, width)
        return [(max(1, round(height / parts)), max(1, round(width / parts))) for parts in self.bins]


@dataclass(frozen=True)
class Decoder:
    """A segmentation network: a backbone without its classifier, pyramid pooling, fusion nodes, a score for each class.

    `channels` belong to the deepest maps, the deepest first: (c5, c4, c3) for the maps at strides 32, 16 and 8. Every
    map goes through a 1x1 convolution to its channels; from the deepest to the shallowest, the result so far is
    brought to the next map's channels and size, and both are joined and convolved. `separable` replaces the 3x3
    convolutions there by a depthwise 3x3 and a 1x1. The score map is enlarged `upsampling` times, a power of two; 1
    leaves it as it is.

    Only the stages of the backbone are used, not its head and its classes. `str(decoder)` is its code: the backbone's
    without its end, then `p` and the pyramid (`q` where it is not square), `d` and the channels (`e` where separable),
    `u` and the upsampling unless it is 1, `c` and the classes: DF1-Seg is
    `s32-64_b64x3_b128x3_b256x3-512_p128-512_d128-32-19_u8_c19`.

    ArchitectureError when the backbone has fewer maps than there are channels, or a number is out of its range.
    """

    backbone: Backbone
    channels: tuple[int, ...] = (128, 32, 19)
    classes: int = 19
    pyramid: Pyramid = field(default_factory=Pyramid)
    separable: bool = False
    upsampling: int = 8

    def __post_init__(self) -> None:
        if not isinstance(self.backbone, Backbone):
            raise ArchitectureError(f"decoder: backbone is {short(self.backbone)}, expected a Backbone")
        if not isinstance(self.pyramid, Pyramid):
            raise ArchitectureError(f"decoder: pyramid is {short(self.pyramid)}, expected a Pyramid")
        object.__setattr__(self, "backbone", dataclasses.replace(self.backbone, classes=1000, head=None))
        object.__setattr__(self, "channels", whole_numbers("decoder: channels", self.channels, MAX_WIDTH))
        object.__setattr__(self, "classes", whole_number("decoder: classes", self.classes, min(MAX_CLASSES, MAX_WIDTH)))
        object.__setattr__(self, "upsampling", whole_number("decoder: upsampling", self.upsampling, MAX_UPSAMPLING))
        flag("decoder: separable", self.separable)
        if self.upsampling & (self.upsampling - 1):
            raise ArchitectureError(f"decoder: upsampling has {self.upsampling}, expected a power of two")
        strides = list(last_stages(self.backbone))
        if len(self.channels) > len(strides):
            raise ArchitectureError(
                f"decoder: {len(self.channels)} channels, expected at most {len(strides)}: "
                f"the backbone {self.backbone} has maps at strides {', '.join(map(str, strides))}"
            )
        if self.upsampling > (stride := strides[-len(self.channels)]):
            raise ArchitectureError(
                f"decoder: upsampling has {self.upsampling}, expected at most {stride}, the stride of the score map"
            )
        check_length(str(self))

    def __str__(self) -> str:
        parts = [self.backbone.trunk, str(self.pyramid), f"{'e' if self.separable else 'd'}{spell(self.channels)}"]
        parts += [f"u{self.upsampling}"] * (self.upsampling > 1)
        return "_".join([*parts, f"c{self.classes}"])
