"""Architectures as networks: deploy, train_val and release forms, the mini-networks of single parts, and solvers."""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from numbers import Real
from typing import Any, Literal

from prototxt_gen.architectures import FAMILIES, Backbone, Block, Decoder, levels_of, parse_architecture
from prototxt_gen.binary import to_binary
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator import forms
from prototxt_gen.generator.blocks import Style, conv_relu, last_top
from prototxt_gen.generator.decoders import Map, Resizing, decoder_layers
from prototxt_gen.generator.forms import FORMS as FORMS
from prototxt_gen.generator.forms import Form as Form
from prototxt_gen.generator.fragments import Fragment, block_fragment, fragment, stem_fragment
from prototxt_gen.generator.units import inner_product
from prototxt_gen.proto import LayerParameter, NetParameter, SolverParameter
from prototxt_gen.text import to_text

# The images the release measures: one on a device, batches of 100 through ImageData (500 of them are its test).
_DEFAULT_SHAPES = {"deploy": (1, 3, 224, 224), "train_val": (100, 3, 224, 224), "release": (100, 3, 224, 224)}
_SCENE_SHAPE = (1, 3, 1024, 2048)
_MAX_COUNT = 2**31 - 1

# Caffe: sgd_solver.cpp, GetLearningRate: what each policy reads beside base_lr.
_POLICIES = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power",),
    "sigmoid": ("gamma", "stepsize"),
}


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
    val_label.txt: grey images of the ids, 255 where there is none, of the size of the scores, for they cannot be
    resized. Caffe reads the two lists apart, so they keep their order and images are neither cropped nor mirrored.
    `release` takes images as large as they come; without upsampling it is what the logs print, in the phase TRAIN.
    """
    return _joined(_fragments(architecture, form, input_shape, merged))


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
    spec = _check_architecture(architecture)
    backbone = spec.backbone if isinstance(spec, Decoder) else spec
    pieces: list[Fragment] = []
    maps = _add_trunk(pieces, backbone, (1, 3, 224, 224), _style(backbone, merged))
    stem = 2 ** (len(backbone.stem) + (backbone.style.stem == "pooled"))
    return {stem: pieces[0].top} | {2**found.level: found.top for found in maps}


def generate_stem(architecture: Backbone | str, input_shape: Sequence[int], merged: bool = False) -> NetParameter:
    """The mini-network of the stem alone, from an Input layer of `input_shape` (N, channels, H, W)."""
    shape, backbone = _check_shape(input_shape, "deploy"), _check_spec(architecture)
    return _joined([forms.data("deploy", shape, ()), _stem(backbone, shape[1], _style(backbone, merged))])


def generate_block(block: Block, input_shape: Sequence[int], merged: bool = False) -> NetParameter:
    """The mini-network of one block (see Backbone.blocks), named `block`, from an Input layer of `input_shape`.

    ArchitectureError unless the channels are the block's `in_channels`.
    """
    shape = _check_shape(input_shape, "deploy", block.in_channels)
    return _joined([forms.data("deploy", shape, ()), _block(block, "block", "data", Style(merged))])


def generate_head(architecture: Backbone | str, input_shape: Sequence[int]) -> NetParameter:
    """The mini-network of the pooling and the classifier, from an Input layer of `input_shape`, the last map's shape.

    ArchitectureError unless the channels are the last block's `out_channels`.
    """
    backbone = _check_spec(architecture)
    shape = _check_shape(input_shape, "deploy", list(backbone.blocks())[-1].out_channels)
    return _joined([forms.data("deploy", shape, ()), _head(backbone, "data", shape[2:], _style(backbone, False))])


def solver(
    net: str = "train_val.prototxt",
    *,
    max_iter: int = 640_000,
    base_lr: float = 0.05,
    lr_policy: str = "poly",
    gamma: float | None = None,
    power: float | None = None,
    stepsize: int | None = None,
    stepvalue: Sequence[int] | None = None,
    momentum: float = 0.9,
    weight_decay: float = 0.0001,
    test_iter: int = 500,
    test_interval: int = 12_800,
    display: int = 100,
    snapshot: int = 12_800,
    snapshot_prefix: str = "snapshot",
    solver_mode: Literal["GPU", "CPU"] = "GPU",
) -> SolverParameter:
    """A solver for a train_val network, as BVLC Caffe reads it.

    The defaults suit ImageNet in batches of 100: 12,800 iterations are one pass over the training images, of which
    there are 50; a test of 500 batches is one pass over the validation images. Weight decay 0.0001 is the DF
    authors' advice: fine-tuning with another costs accuracy. `poly` without a power falls linearly.

    `gamma`, `power`, `stepsize` and `stepvalue` are for the policies that read them (Caffe: sgd_solver.cpp);
    ArchitectureError names those that are missing or that the policy does not read, and numbers out of range.
    """
    if lr_policy not in tuple(_POLICIES):
        raise ArchitectureError(f"solver: lr_policy is {lr_policy!r}, expected one of {', '.join(_POLICIES)}")
    if lr_policy == "poly" and power is None:
        power = 1.0
    policy = {"gamma": gamma, "power": power, "stepsize": stepsize, "stepvalue": stepvalue}
    stated = {field: value for field, value in policy.items() if value is not None}
    if set(stated) != set(_POLICIES[lr_policy]):
        raise ArchitectureError(
            f"solver: lr_policy {lr_policy} with {', '.join(stated) or 'none of its numbers'}, "
            f"expected {', '.join(_POLICIES[lr_policy]) or 'none'}"
        )
    made = SolverParameter()
    _set(made, {"max_iter": max_iter, "base_lr": base_lr, "test_iter": [test_iter], "test_interval": test_interval})
    _set(made, {"display": display, "snapshot": snapshot, **stated})
    _set(made, {"momentum": momentum, "weight_decay": weight_decay}, least=0, below=1)
    _set(made, {"net": net, "lr_policy": lr_policy, "snapshot_prefix": snapshot_prefix, "solver_mode": solver_mode})
    return made


def _set(message: SolverParameter, fields: Mapping[str, Any], least: float = 1e-30, below: float = math.inf) -> None:
    """Sets fields; ArchitectureError names the one whose value is of another type or whose number is out of range."""
    for field, value in fields.items():
        try:
            message.MergeFrom(SolverParameter(**{field: value}))
            numbers: list[Any] = [
                n for n in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(n, Real)
            ]
            if not all(least <= number < below for number in numbers):
                raise ValueError(
                    f"expected {'a number above 0' if below == math.inf else f'{least} <= {field} < {below}'}"
                )
        except (TypeError, ValueError) as fault:
            raise ArchitectureError(f"solver: {field} is {value!r}: {fault}") from fault


def _fragments(
    architecture: Backbone | Decoder | str, form: Form, input_shape: Sequence[int] | None, merged: bool
) -> list[Fragment]:
    spec = _check_architecture(architecture)
    if form not in FORMS:
        raise ArchitectureError(f"form is {form!r}, expected one of {', '.join(FORMS)}")
    if not isinstance(merged, bool):
        raise ArchitectureError(f"merged is {merged!r}, expected True or False")
    if isinstance(spec, Decoder):
        shape = _check_shape(_SCENE_SHAPE if input_shape is None else input_shape, form)
        return _scene_fragments(spec, form, shape, merged)
    shape = _check_shape(_DEFAULT_SHAPES[form] if input_shape is None else input_shape, form)
    style = _style(spec, merged, form)
    pieces = [forms.data(form, shape, spec.style.mean)]
    maps = _add_trunk(pieces, spec, shape, style)
    pieces.append(_head(spec, pieces[-1].top, maps[-1][3:], style))
    if form != "deploy":
        pieces.append(forms.measures(form, spec.classes, pieces[-1].top))
    if form != "release":
        pieces.insert(0, _named(str(spec)))
    return pieces


def _scene_fragments(decoder: Decoder, form: Form, shape: tuple[int, ...], merged: bool) -> list[Fragment]:
    written = forms.LOGGED if form == "release" and decoder.upsampling == 1 else forms.SCENE_FORMS[form]
    style = _style(decoder.backbone, merged, form)
    trunk: list[Fragment] = [Fragment("", b"", "data")]
    maps = _add_trunk(trunk, decoder.backbone, shape, style)
    deepest = tuple(reversed(maps[-len(decoder.channels) :]))
    scores, coarse = _decoder_fragment(decoder, deepest, (shape[2], shape[3]), style, written.resizings)
    fine = _score_size(decoder, deepest[-1], shape)
    pieces = [_named(str(decoder))] if written.named else []
    if written.source == "input":
        pieces.append(forms.data("deploy", shape, ()))
    elif written.source == "logged input":
        pieces.append(forms.logged_input(shape))
    elif written.source == "images":
        pieces.append(fragment([forms.scenes(decoder, shape, merged)]))
    else:
        pieces.append(forms.images_and_labels(shape, fine, decoder.backbone.style.scene_mean))
    pieces += [*trunk, scores]
    if written.ends_in == "labels":
        stride = 2 ** deepest[-1].level
        pieces.append(fragment([*forms.predict("", scores.top), *forms.predict(f"_d{stride}", coarse)]))
    elif written.ends_in == "loss":
        pieces.append(forms.scene_measures(scores.top))
    return pieces


def _joined(pieces: Sequence[Fragment]) -> NetParameter:
    return NetParameter.FromString(b"".join([piece.binary for piece in pieces]))


def _block(block: Block, name: str, bottom: str, style: Style) -> Fragment:
    return block_fragment(block, name, bottom, style)


def _style(backbone: Backbone, merged: bool, form: Form = "deploy") -> Style:
    family = FAMILIES[backbone.family]
    return Style(merged, form == "train_val", family.eps, family.clipped)


def _named(name: str) -> Fragment:
    net = NetParameter(name=name)
    return Fragment(to_text(net), to_binary(net), "")


def _add_trunk(pieces: list[Fragment], backbone: Backbone, shape: Sequence[int], style: Style) -> list[Map]:
    """Appends stem and stages to the pieces; gives the last map at each stride, the shallowest first."""
    pieces.append(_stem(backbone, shape[1], style))
    tops: dict[int, tuple[str, int]] = {}
    for block in backbone.blocks():
        pieces.append(_block(block, block.name, pieces[-1].top, style))
        tops[block.stage] = pieces[-1].top, block.out_channels
    sizes = _sizes(backbone, shape[2], shape[3])
    return [Map(level, *tops[index], *sizes[index]) for level, index in levels_of(backbone).items()]


def _sizes(backbone: Backbone, height: int, width: int) -> list[tuple[int, int]]:
    """Height and width after each stage. Convolutions of stride 2 leave ceil(size / 2)."""
    pooled = backbone.style.stem == "pooled"

    def halved(size: int, times: int) -> int:
        return -(-size >> times)

    def stem(size: int) -> int:
        size = halved(size, len(backbone.stem))
        # A window of 3 every 2 (Caffe: pooling_layer.cpp); maps below it have no window.
        return -(-(size - 3) // 2) + 1 if pooled else size

    size = stem(height), stem(width)
    if min(size) < 1:
        raise ArchitectureError(f"input_shape has images of {height}x{width}, expected at least 3x3 for {backbone}")
    sizes = []
    for stage in backbone.stages:
        size = halved(size[0], stage.stride - 1), halved(size[1], stage.stride - 1)
        sizes.append(size)
    return sizes


def _stem(backbone: Backbone, channels: int, style: Style) -> Fragment:
    # Only depthwise convolutions ask for the channels: others share their fragment.
    separable = backbone.style.stem == "separable"
    return stem_fragment(backbone.stem, style, backbone.family, channels if separable else 0)


@lru_cache(maxsize=1024)
def _decoder_fragment(
    decoder: Decoder, maps: tuple[Map, ...], size: tuple[int, int], style: Style, resizings: tuple[Resizing, ...]
) -> tuple[Fragment, str]:
    """The decoder's fragment, whose top holds the scores, and the top of the scores before upsampling."""
    layers, coarse = decoder_layers(decoder, maps, size, style, resizings)
    return fragment(layers), coarse


def _score_size(decoder: Decoder, shallowest: Map, shape: Sequence[int]) -> tuple[int, int]:
    times = decoder.upsampling
    if times == 2**shallowest.level:
        return shape[2], shape[3]
    return times * shallowest.height, times * shallowest.width


def _head(backbone: Backbone, bottom: str, window: tuple[int, ...], style: Style) -> Fragment:
    # The release counts pooling as the stage after the last: its stages are res2 to res4, then comes pool5.
    family = backbone.style
    pool = f"pool{len(backbone.stages) + family.pool_after}"
    classifier = family.classifier.format(classes=backbone.classes)
    dropout = family.dropout if style.fillers else 0.0
    return _head_fragment(bottom, pool, window, classifier, backbone.classes, backbone.head, dropout, style)


@lru_cache(maxsize=1024)
def _head_fragment(
    bottom: str,
    name: str,
    window: tuple[int, ...],
    classifier: str,
    classes: int,
    width: int | None,
    dropout: float,
    style: Style,
) -> Fragment:
    layers = conv_relu("head", bottom, width, 1, 1, style) if width else []
    pool = LayerParameter(name=name, type="Pooling", bottom=[last_top(layers) if layers else bottom], top=[name])
    pool.pooling_param.pool = pool.pooling_param.AVE
    if window[0] == window[1]:
        pool.pooling_param.kernel_size = window[0]
    else:
        pool.pooling_param.kernel_h, pool.pooling_param.kernel_w = window
    pool.pooling_param.stride = 1
    layers.append(pool)
    if dropout:
        drop = LayerParameter(name="dropout", type="Dropout", bottom=[name], top=[name])
        drop.dropout_param.dropout_ratio = dropout
        layers.append(drop)
    return fragment([*layers, inner_product(classifier, name, classes, style)])


def _check_architecture(architecture: Any) -> Backbone | Decoder:
    if isinstance(architecture, str):
        return parse_architecture(architecture)
    if not isinstance(architecture, Backbone | Decoder):
        found = type(architecture).__name__
        raise ArchitectureError(f"architecture: found {found}, expected a Backbone, a Decoder or a code of theirs")
    return architecture


def _check_spec(architecture: Any) -> Backbone:
    spec = _check_architecture(architecture)
    if isinstance(spec, Decoder):
        raise ArchitectureError(f"architecture {spec}: found a segmentation network, expected a backbone")
    return spec


def _check_shape(input_shape: Any, form: Form, channels: int | None = None) -> tuple[int, ...]:
    """The shape as a tuple of four ints that Caffe's blobs and the form's data layers can have."""
    try:
        shape = tuple(0 if isinstance(size, bool) else operator.index(size) for size in input_shape)
    except TypeError:
        shape = ()
    if len(shape) != 4 or min(shape) < 1 or math.prod(shape) > _MAX_COUNT:
        raise ArchitectureError(
            f"input_shape is {reprlib.repr(input_shape)}, expected (N, channels, H, W), each at least 1, "
            f"and at most {_MAX_COUNT} numbers in all"
        )
    if channels is not None and shape[1] != channels:
        raise ArchitectureError(f"input_shape is {shape}, expected {channels} channels")
    if form != "deploy" and shape[1] not in (1, 3):
        raise ArchitectureError(f"input_shape is {shape}, expected 1 or 3 channels: form {form} reads images")
    return shape
