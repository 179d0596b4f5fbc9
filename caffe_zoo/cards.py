"""One card per released network: architecture, preprocessing, weights, published results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from caffe_zoo.manifest import read_manifest
from prototxt_gen.architectures import Backbone, Decoder, parse_architecture
from prototxt_gen.architectures.kinds import FAMILIES, IMAGE_SCALE
from prototxt_gen.errors import CaffeError

PAPER = "Li, Zhou, Pan, Feng: Partial Order Pruning, CVPR 2019, arXiv 1903.03777"

PONAS_PAPER = "PONAS: Progressive One-shot Neural Architecture Search, IJCNN 2021, arXiv 2003.05112"
TIERED_PAPER = (
    "Tiered Pruning for Efficient Differentiable Inference-Aware Neural Architecture Search, arXiv 2209.11785"
)
RESNET_PAPER = "He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385"

#: The authors' advice for further training.
ADVICE = (
    "fine-tune with weight_decay 0.0001, otherwise accuracy suffers",
    "for dense prediction use df2 rather than df2a: its receptive field is larger",
)


@dataclass(frozen=True)
class Preprocessing:
    """From an image to the `data` blob: resize, crop, order of channels, (pixel - mean) * scale."""

    channels: str = "BGR"
    #: Per channel, in the order of `channels`, in pixel values of 0 to 255.
    mean: tuple[float, ...] = FAMILIES["df"].mean
    scale: float = IMAGE_SCALE
    #: The shorter side is resized to this many pixels, then the centre is cropped. None: the whole image is resized.
    resize_shorter: int | None = 256
    #: What the network takes: (height, width).
    crop: tuple[int, int] = (224, 224)
    #: How pixels are resized: bilinear, bicubic or nearest. The release does not say: bilinear is our choice.
    interpolation: str = "bilinear"


#: Street scenes for the release's segmentation networks: whole, minus the mean of Cityscapes.
WHOLE_FRAME = Preprocessing(mean=FAMILIES["df"].scene_mean, resize_shorter=None, crop=(1024, 2048))


#: As in the authors' demo on a phone.
PHONE_FRAME = Preprocessing(mean=FAMILIES["pl1a"].scene_mean, resize_shorter=None, crop=(384, 640))


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
    #: Published figures: top1 and top5 on the ImageNet validation set, miou_val and miou_test on Cityscapes, fps_* and
    #: latency_ms_* (batch 1) by device and, where it is not the card's own, by height and width; memory_mb_caffe_*, the
    #: whole memory of a GPU that runs it in BVLC Caffe, in MB, by batch, height and width; multiply_adds_m in millions.
    results: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    paper: str = PAPER
    advice: tuple[str, ...] = ADVICE
    #: What the network gives: scores of an image (classification) or of every pixel (segmentation).
    kind: Literal["classification", "segmentation"] = "classification"
    #: The licence of the weights, as far as known; this project's own licence is for its code.
    licence: str = "none stated by the authors"

    @property
    def weights(self) -> tuple[WeightsFile, ...]:
        """The released files for this network, from weights_manifest.json; empty where none was released."""
        return tuple(
            WeightsFile(name, entry["google_drive_id"], self.name, entry["merged"], entry["sha256"])
            for name, entry in read_manifest()["weights"].items()
            if entry["network"] == self.name
        )


def _card(name: str, code: str, paper: str = PAPER, advice: tuple[str, ...] = ADVICE, **results: float) -> Card:
    return Card(name, parse_architecture(code), results=MappingProxyType(results), paper=paper, advice=advice)


def _scene_card(
    name: str, code: str, preprocessing: Preprocessing = WHOLE_FRAME, advice: tuple[str, ...] = (), **results: float
) -> Card:
    return Card(
        name,
        parse_architecture(code),
        preprocessing,
        MappingProxyType(results),
        advice=ADVICE + advice,
        kind="segmentation",
    )


# Networks that the papers compare with; the release has no weights of them.
_COMPARED = ("weights are not part of the release: the preprocessing is that of the DF networks",)


def _d8(other: str) -> tuple[str, ...]:
    return (f"it is {other} without the last upsampling, and the merged weights of {other} are its weights",)


_DF_LITE, _DF1 = "s32-64_b64x2_b128x2_b256-512", "s32-64_b64x3_b128x3_b256x3-512"
_DF2 = "s32-64_b64x2-128_b128x10-256_b256x4-512x2"

# latency_ms_tx2: batch 1 at 224x224, TensorRT 3.0.4 on a Jetson TX2. The DF networks' top1 and top5 are the last lines
# of the release's validation logs. fps: TensorRT on a 1080 Ti and a TX2, Caffe on a Titan X, ncnn on a Snapdragon 845.
# GPUNet's latencies are TensorRT's in float16.
CARDS: Mapping[str, Card] = MappingProxyType(
    {
        card.name: card
        for card in (
            _card("df-lite", f"{_DF_LITE}_c1000"),
            _card(
                "df1",
                f"{_DF1}_c1000",
                top1=0.697761,
                top5=0.887801,
                latency_ms_tx2=2.5,
                multiply_adds_m=746,
                memory_mb_caffe_50x224x224=1863,
                memory_mb_caffe_1x1024x1024=1042,
            ),
            _card(
                "df2",
                f"{_DF2}_c1000",
                top1=0.73924,
                top5=0.912641,
                latency_ms_tx2=5.0,
                multiply_adds_m=1770,
                memory_mb_caffe_50x224x224=2867,
                memory_mb_caffe_1x1024x1024=1567,
            ),
            _card(
                "df2a",
                "s32-64_b64x2-128_n128x10-256_n256x4-512x2_c1000",
                top1=0.76002,
                top5=0.922221,
                latency_ms_tx2=6.5,
                multiply_adds_m=1970,
                memory_mb_caffe_50x224x224=4844,
                memory_mb_caffe_1x1024x1024=2356,
            ),
            _scene_card(
                "df1seg",
                f"{_DF1}_p128-512_d128-32-19_u8_c19",
                miou_val=0.741,
                miou_test=0.730,
                fps_1080ti=106.1,
                fps_1080ti_1024x1024=182.1,
                fps_titanx_caffe=30.7,
                fps_tx2_384x640=71.4,
            ),
            _scene_card(
                "df2seg1",
                f"{_DF2}_p128-512_d32-19x2_u8_c19",
                miou_val=0.759,
                miou_test=0.748,
                fps_1080ti=67.2,
                fps_titanx_caffe=20.5,
                fps_tx2_384x640=44.9,
            ),
            _scene_card(
                "df2seg2",
                f"{_DF2}_p128-512_d512-256-19_u8_c19",
                miou_val=0.769,
                miou_test=0.753,
                fps_1080ti=56.3,
                fps_titanx_caffe=17.7,
                fps_tx2_384x640=39.9,
            ),
            _scene_card(
                "df-lite_seg",
                f"{_DF_LITE}_p128-512_d512-32x2_u8_c19",
                miou_val=0.734,
                fps_1080ti=118.4,
                fps_1080ti_1024x1024=202.5,
                fps_titanx_caffe=33.8,
            ),
            _scene_card(
                "df1seg_d8",
                f"{_DF1}_p128-512_d128-32-19_c19",
                advice=_d8("df1seg"),
                miou_val=0.724,
                miou_test=0.714,
                fps_1080ti=136.9,
                fps_1080ti_1024x1024=232.6,
                fps_titanx_caffe=40.2,
                fps_tx2_384x640=92.7,
            ),
            _scene_card(
                "df-lite_seg_d8",
                f"{_DF_LITE}_p128-512_d512-32x2_c19",
                advice=_d8("df-lite_seg"),
                miou_val=0.717,
                fps_1080ti=157.4,
                fps_1080ti_1024x1024=263.4,
                fps_titanx_caffe=45.7,
            ),
            _scene_card(
                "pl1a_seg",
                "t8-24_u48x4_u96x8_u192x4_q48-192_e192-96-48_u2_c19",
                PHONE_FRAME,
                miou_val=0.687,
                miou_test=0.691,
                fps_snapdragon845=52.0,
            ),
            _card(
                "resnet18",
                "r64_v1.64x2_v128x2_v256x2_v512x2_c1000",
                RESNET_PAPER,
                _COMPARED,
                top1=0.690,
                latency_ms_tx2=4.4,
                multiply_adds_m=1800,
                memory_mb_caffe_50x224x224=2784,
                memory_mb_caffe_1x1024x1024=1397,
            ),
            _card(
                "resnet50",
                "r64_w1.64x3_w128x4_w256x6_w512x3_c1000",
                RESNET_PAPER,
                _COMPARED,
                top1=0.753,
                latency_ms_tx2=10.6,
                multiply_adds_m=3800,
                memory_mb_caffe_50x224x224=9914,
                memory_mb_caffe_1x1024x1024=4488,
            ),
            _card(
                "resnet101",
                "r64_w1.64x3_w128x4_w256x23_w512x3_c1000",
                RESNET_PAPER,
                _COMPARED,
                top1=0.764,
                multiply_adds_m=7600,
                memory_mb_caffe_50x224x224=14900,
                memory_mb_caffe_1x1024x1024=6813,
            ),
            _card(
                "ponas_a",
                "m32_i1.16e1_i32k5e6-k5e3_i40k7e3q-k5e3q-k5e3-k7e3_i80k7e6q-k5e3qx3_i1.96k5e3-k7e3x2-k7e3q"
                "_i192k7e6q-k7e3q-k5e3-k7e3q_i1.320k5e6q_h1280_c1000",
                PONAS_PAPER,
                _COMPARED,
                top1=0.7467,
            ),
            _card(
                "ponas_b",
                "m32_i1.16e1_i32e6q-k7e3q_i40k5e6-k5e3q-k5e3x2_i80k7e6-k5e3qx3_i1.96k5e6q-k7e3x2-k7e3q"
                "_i192k7e6q-k7e3q-k5e3-k7e3_i1.320k5e6q_h1280_c1000",
                PONAS_PAPER,
                _COMPARED,
                top1=0.7495,
            ),
            _card(
                "ponas_c",
                "m32_i1.16e1_i32k5e6-k7e3q_i40k5e6q-k5e3q-k5e3-k7e3_i80k7e6-k5e3q-k7e3q-k5e6q_i1.96k5e6q-k7e3x2-k5e6q"
                "_i192k7e6q-k7e3q-k5e3-k7e3q_i1.320k5e6q_h1280_c1000",
                PONAS_PAPER,
                _COMPARED,
                top1=0.752,
            ),
            _card(
                "gpunet_p0",
                "g32_k1.32x2_k64_i96h512-h736x2_i256h736-k5h1088-h1216"
                "_i704h2048-k5h2688-h2368-h1792_i704h4032_h1984_c1000",
                TIERED_PAPER,
                _COMPARED,
                top1=0.803,
                latency_ms_v100=0.63,
                latency_ms_a100=0.45,
            ),
            _card(
                "gpunet_p1",
                "g32_k1.32x2_k64k5_i1.64h512x2_i96k5h512-k5h768_i256k5h768-k5h1920-h2016"
                "_i704k5h2016-k5h5632-h5216-k5h5632_i704k5h5600_h1984_c1000",
                TIERED_PAPER,
                _COMPARED,
                top1=0.811,
                latency_ms_v100=0.96,
                latency_ms_a100=0.61,
            ),
        )
    }
)


def card(name: str) -> Card:
    """The card of a network by its name. CaffeError for an unknown name lists the known ones."""
    try:
        return CARDS[name]
    except KeyError:
        raise CaffeError(f"no network {name!r} in the zoo; there are: {', '.join(CARDS)}") from None
