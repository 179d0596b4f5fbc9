"""One card per released network: architecture, preprocessing, weights, published results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from caffe_zoo.manifest import read_manifest
from prototxt_gen.architectures import Backbone, Decoder, parse_architecture
from prototxt_gen.errors import CaffeError

PAPER = "Li, Zhou, Pan, Feng: Partial Order Pruning, CVPR 2019, arXiv 1903.03777"

#: What the authors advise whoever trains on.
ADVICE = (
    "fine-tune with weight_decay 0.0001, otherwise accuracy suffers",
    "for dense prediction use df2 rather than df2a: its receptive field is larger",
)


@dataclass(frozen=True)
class Preprocessing:
    """From an image to the `data` blob: resize, crop, order of channels, (pixel - mean) * scale."""

    channels: str = "BGR"
    #: Per channel, in the order of `channels`, in pixel values of 0 to 255.
    mean: tuple[float, ...] = (104.0, 117.0, 123.0)
    scale: float = 0.008
    #: The shorter side is resized to this many pixels, then the centre is cropped. None: the whole image is resized.
    resize_shorter: int | None = 256
    #: What the network takes: (height, width).
    crop: tuple[int, int] = (224, 224)
    #: How pixels are resized: bilinear, bicubic or nearest. The release does not say how its images were: our choice.
    interpolation: str = "bilinear"


#: Street scenes as the release's segmentation networks take them: whole, less the mean of Cityscapes.
WHOLE_FRAME = Preprocessing(mean=(72.0, 83.0, 73.0), resize_shorter=None, crop=(1024, 2048))


@dataclass(frozen=True)
class WeightsFile:
    """A released file of weights. The release publishes no digests, so `sha256` is None."""

    name: str
    google_drive_id: str
    network: str
    merged: bool
    sha256: str | None = None


@dataclass(frozen=True)
class Card:
    """What is known of one network of the zoo."""

    name: str
    architecture: Backbone | Decoder
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    #: Published figures: top1 and top5 on the ImageNet validation set, latency in milliseconds, memory in MB.
    results: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    paper: str = PAPER
    advice: tuple[str, ...] = ADVICE
    #: What the network gives: scores of an image (classification) or of every pixel (segmentation).
    kind: Literal["classification", "segmentation"] = "classification"
    #: Of the weights, as far as known; this project's own is for its code.
    licence: str = "none stated by the authors"

    @property
    def weights(self) -> tuple[WeightsFile, ...]:
        """The released files for this network, from weights_manifest.json; empty where none was released."""
        return tuple(
            WeightsFile(name, entry["google_drive_id"], self.name, entry["merged"], entry["sha256"])
            for name, entry in read_manifest()["weights"].items()
            if entry["network"] == self.name
        )


def _card(name: str, code: str, **results: float) -> Card:
    architecture = parse_architecture(code)
    return Card(name, architecture, results=MappingProxyType(results))


# latency_ms_tx2: batch 1 at 224x224, TensorRT 3.0.4 on a Jetson TX2. The DF networks' top1 and top5 are the last lines
# of the release's validation logs.
CARDS: Mapping[str, Card] = MappingProxyType(
    {
        card.name: card
        for card in (
            _card("df-lite", "s32-64_b64x2_b128x2_b256-512_c1000"),
            _card("df1", "s32-64_b64x3_b128x3_b256x3-512_c1000", top1=0.697761, top5=0.887801, latency_ms_tx2=2.5),
            _card(
                "df2",
                "s32-64_b64x2-128_b128x10-256_b256x4-512x2_c1000",
                top1=0.73924,
                top5=0.912641,
                latency_ms_tx2=5.0,
            ),
            _card(
                "df2a",
                "s32-64_b64x2-128_n128x10-256_n256x4-512x2_c1000",
                top1=0.76002,
                top5=0.922221,
                latency_ms_tx2=6.5,
            ),
        )
    }
)


def card(name: str) -> Card:
    """The card of a network by its name in the release. CaffeError lists the names there are."""
    try:
        return CARDS[name]
    except KeyError:
        raise CaffeError(f"no network {name!r} in the zoo; there are: {', '.join(CARDS)}") from None
