"""Architectures as networks: deploy, train_val and release forms, the mini-networks of single parts, and solvers."""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from numbers import Real
from typing import Any, Literal, TypeAlias, get_args

from prototxt_gen.architectures import Backbone, Block, parse_architecture
from prototxt_gen.blocks import Fragment, Style, block_fragment, fragment, stem_fragment
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.proto import LayerParameter, NetParameter, SolverParameter, to_binary, to_text

Form: TypeAlias = Literal["deploy", "train_val", "release"]
FORMS: tuple[Form, ...] = get_args(Form)

# The images the release measures: one on a device, batches of 100 through ImageData (500 of them are its test).
_DEFAULT_SHAPES = {"deploy": (1, 3, 224, 224), "train_val": (100, 3, 224, 224), "release": (100, 3, 224, 224)}
_RELEASE_SOURCE = "/home/vip/dataset/imagenet/ILSVRC2012_val_256xN_list.txt"
_SCALE = 0.008
# By channels; a grey pixel is about 0.11 B + 0.59 G + 0.30 R.
_MEANS = {1: (117.0,), 3: (104.0, 117.0, 123.0)}
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
    architecture: Backbone | str,
    form: Form = "deploy",
    input_shape: Sequence[int] | None = None,
    merged: bool = False,
) -> NetParameter:
    """The network of an architecture, given as a spec or as its code.

    Forms: `deploy` begins with an Input layer and ends at the logits `fc`; `train_val` reads images listed in
    train.txt and val.txt (ImageData; edit the two names), has fillers, and ends at the loss and at top-1 and top-5
    accuracy; `release` is the DF release's file, field for field, for DF1, DF2 and DF2A. Layer names are the same
    in all, so are the preprocessing numbers (B, G, R minus 104, 117, 123, times 0.008) where a form states them.

    `input_shape` is (N, channels, H, W), N being the batch of every data layer; without it (1, 3, 224, 224), or
    (100, 3, 224, 224) for the forms that read images. The pooling window is the final map. ImageData crops square
    inputs out of larger images and stretches images to any other size; it gives 1 or 3 channels. `merged` leaves
    batch norm out and gives the convolutions a bias. ArchitectureError for anything else.
    """
    return _joined(_fragments(architecture, form, input_shape, merged))


def generate_text(
    architecture: Backbone | str,
    form: Form = "deploy",
    input_shape: Sequence[int] | None = None,
    merged: bool = False,
) -> str:
    """`to_text(generate(...))` of the same arguments, joined from the texts of cached fragments."""
    return "".join([piece.text for piece in _fragments(architecture, form, input_shape, merged)])


def generate_stem(architecture: Backbone | str, input_shape: Sequence[int], merged: bool = False) -> NetParameter:
    """The mini-network of the stem alone, from an Input layer of `input_shape` (N, channels, H, W)."""
    shape = _check_shape(input_shape, "deploy")
    return _joined([_data("deploy", shape), stem_fragment(_check_spec(architecture).stem, Style(merged))])


def generate_block(block: Block, input_shape: Sequence[int], merged: bool = False) -> NetParameter:
    """The mini-network of one block (see Backbone.blocks), named `block`, from an Input layer of `input_shape`.

    ArchitectureError unless the channels are the block's `in_channels`.
    """
    shape = _check_shape(input_shape, "deploy", block.in_channels)
    return _joined([_data("deploy", shape), _block(block, "block", "data", Style(merged))])


def generate_head(architecture: Backbone | str, input_shape: Sequence[int]) -> NetParameter:
    """The mini-network of the pooling and the classifier, from an Input layer of `input_shape`, the last map's shape.

    ArchitectureError unless the channels are the last block's `out_channels`.
    """
    backbone = _check_spec(architecture)
    shape = _check_shape(input_shape, "deploy", list(backbone.blocks())[-1].out_channels)
    return _joined([_data("deploy", shape), _head(backbone, "data", shape[2:], Style())])


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
    architecture: Backbone | str, form: Form, input_shape: Sequence[int] | None, merged: bool
) -> list[Fragment]:
    backbone = _check_spec(architecture)
    if form not in FORMS:
        raise ArchitectureError(f"form is {form!r}, expected one of {', '.join(FORMS)}")
    if not isinstance(merged, bool):
        raise ArchitectureError(f"merged is {merged!r}, expected True or False")
    shape = _check_shape(_DEFAULT_SHAPES[form] if input_shape is None else input_shape, form)
    style = Style(merged, fillers=form == "train_val")
    pieces = [_data(form, shape), stem_fragment(backbone.stem, style)]
    for block in backbone.blocks():
        pieces.append(_block(block, block.name, pieces[-1].top, style))
    # Every stride of 2 leaves ceil(size / 2), so n of them leave ceil(size / 2^n).
    halvings = len(backbone.stem) + len(backbone.stages)
    window = tuple(-(-size >> halvings) for size in shape[2:])
    pieces.append(_head(backbone, pieces[-1].top, window, style))
    if form != "deploy":
        pieces.append(_measures(form, backbone.classes))
    if form != "release":
        name = NetParameter(name=str(backbone))
        pieces.insert(0, Fragment(to_text(name), to_binary(name), ""))
    return pieces


def _joined(pieces: Sequence[Fragment]) -> NetParameter:
    return NetParameter.FromString(b"".join([piece.binary for piece in pieces]))


def _block(block: Block, name: str, bottom: str, style: Style) -> Fragment:
    numbers = (block.width, block.out_channels, block.stride, block.needs_projection)
    return block_fragment(block.kind, name, bottom, *numbers, style)


@lru_cache(maxsize=256)
def _data(form: Form, shape: tuple[int, ...]) -> Fragment:
    """What a form begins with; its first top is `data`."""
    if form == "release":
        return fragment([_images("TEST", _RELEASE_SOURCE, shape)])
    if form == "train_val":
        return fragment([_images("TRAIN", "train.txt", shape), _images("TEST", "val.txt", shape)])
    layer = LayerParameter(name="data", type="Input", top=["data"])
    layer.input_param.shape.add(dim=shape)
    return fragment([layer])


def _images(phase: Literal["TRAIN", "TEST"], source: str, shape: tuple[int, ...]) -> LayerParameter:
    batch, channels, height, width = shape
    training = phase == "TRAIN"
    layer = LayerParameter(name="data", type="ImageData", top=["data", "label"], include=[{"phase": phase}])
    layer.transform_param.scale = _SCALE
    layer.transform_param.mirror = training
    layer.transform_param.mean_value.extend(_MEANS[channels])
    layer.image_data_param.source = source
    layer.image_data_param.batch_size = batch
    layer.image_data_param.shuffle = training
    if height == width:
        layer.transform_param.crop_size = height
    else:
        layer.image_data_param.new_height = height
        layer.image_data_param.new_width = width
    if channels == 1:
        layer.image_data_param.is_color = False
    return layer


def _head(backbone: Backbone, bottom: str, window: tuple[int, ...], style: Style) -> Fragment:
    # The release counts pooling as the stage after the last: its stages are res2 to res4, then comes pool5.
    return _head_fragment(bottom, f"pool{len(backbone.stages) + 2}", window, backbone.classes, style.fillers)


@lru_cache(maxsize=1024)
def _head_fragment(bottom: str, name: str, window: tuple[int, ...], classes: int, fillers: bool) -> Fragment:
    pool = LayerParameter(name=name, type="Pooling", bottom=[bottom], top=[name])
    pool.pooling_param.pool = pool.pooling_param.AVE
    if window[0] == window[1]:
        pool.pooling_param.kernel_size = window[0]
    else:
        pool.pooling_param.kernel_h, pool.pooling_param.kernel_w = window
    pool.pooling_param.stride = 1
    fc = LayerParameter(name="fc", type="InnerProduct", bottom=[name], top=["fc"])
    fc.inner_product_param.num_output = classes
    fc.inner_product_param.bias_term = True
    if fillers:
        fc.inner_product_param.weight_filler.type = "msra"
    return fragment([pool, fc])


@lru_cache(maxsize=256)
def _measures(form: Form, classes: int) -> Fragment:
    layers = []
    if form == "train_val":
        layers.append(LayerParameter(name="loss", type="SoftmaxWithLoss", bottom=["fc", "label"], top=["loss"]))
    # Caffe refuses a top_k above the number of classes (accuracy_layer.cpp).
    for top_k in (k for k in (1, 5) if k <= classes):
        name = f"accuracy/top-{top_k}"
        layer = LayerParameter(name=name, type="Accuracy", bottom=["fc", "label"], top=[name])
        layer.accuracy_param.top_k = top_k
        if form == "train_val":
            layer.include.add(phase="TEST")
        layers.append(layer)
    return fragment(layers)


def _check_spec(architecture: Backbone | str) -> Backbone:
    if isinstance(architecture, str):
        return parse_architecture(architecture)
    if not isinstance(architecture, Backbone):
        found = type(architecture).__name__
        raise ArchitectureError(f"architecture: found {found}, expected a Backbone or its code")
    return architecture


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
    if form != "deploy" and shape[1] not in _MEANS:
        raise ArchitectureError(f"input_shape is {shape}, expected 1 or 3 channels: form {form} reads images")
    return shape
