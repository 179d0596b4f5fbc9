"""The table of layer types: all that is known of each, apart from what PyTorch or another engine makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from math import prod
from typing import NamedTuple, TypeAlias

from prototxt_gen.errors import NetworkError
from prototxt_gen.proto import LayerParameter
from prototxt_gen.registry import Registry

Shape: TypeAlias = tuple[int, ...]
INT_MAX = 2**31 - 1
MAX_AXES = 32


class Filler(NamedTuple):
    """How a blob is filled before training: by the FillerParameter in `field`, as in "convolution_param.weight_filler".

    Where the field is not set, or there is none, the blob gets the constant `default`; None stands for `msra`, since a
    deploy file states no fillers and a network whose weights are Caffe's constant 0 never learns.
    """

    field: str = ""
    default: float | None = 0.0


def weight_and_bias(options: str) -> tuple[Filler, ...]:
    """The fillers of a weight and of a bias, for options with fields weight_filler and bias_filler, as most have."""
    return Filler(f"{options}.weight_filler", None), Filler(f"{options}.bias_filler")


@dataclass(frozen=True)
class LayerShape:
    """What a layer makes: the shapes of its tops, of its blobs in Caffe's order, and its multiply-adds.

    `fillers` are those of the blobs, in the same order; blobs beyond them get 0. Multiply-adds are those of matrix
    products (convolution, inner product, recurrence) over the whole batch.
    """

    tops: tuple[Shape, ...]
    blobs: tuple[Shape, ...] = ()
    multiply_adds: int = 0
    fillers: tuple[Filler, ...] = ()


ShapeRule: TypeAlias = Callable[[LayerParameter, Sequence[Shape]], LayerShape]


@dataclass(frozen=True)
class LayerType:
    """All that is known of one layer type of Caffe.

    `shape`: the rule, behind the checks that `layer_type` was asked for.
    `options`: the fields of a layer that hold its options.
    `source`: Caffe's file that defines it.
    `does`, `differs`: what it does here; what is refused or differs from Caffe. For docs/layers.md.
    `labels`: bottoms, by index, that hold whole numbers: labels, places, indices.
    `switches`: bottoms that hold 0 or 1; -1 is the last one.
    `is_input`: its tops come from outside; a caller gives their arrays, and may give other shapes for them.
    `is_labelled`: an input whose second top is one label for each item of the first.
    `each_bottom_alone`: it takes any number of bottoms and treats each alone, with the same weights.
    `is_view`: its tops are its bottom's memory.
    `has_blobs`: its layers have blobs, though some options may leave one without.
    """

    name: str
    family: str
    shape: ShapeRule
    options: tuple[str, ...] = ()
    source: str = ""
    does: str = ""
    differs: str = ""
    labels: tuple[int, ...] = ()
    switches: tuple[int, ...] = ()
    is_input: bool = False
    is_labelled: bool = False
    each_bottom_alone: bool = False
    is_view: bool = False
    has_blobs: bool = False


LAYERS: Registry[LayerType] = Registry("layer type")
"""Caffe's name of a type -> what is known of it."""


def layer_type(
    name: str,
    *,
    bottoms: int | tuple[int, int | None] = 1,
    tops: int | tuple[int, int | None] = 1,
    paired: bool = False,
    automatic: bool = False,
    in_place: bool = True,
    options: tuple[str, ...] = (),
    source: str = "",
    does: str = "",
    differs: str = "",
    labels: tuple[int, ...] = (),
    switches: tuple[int, ...] = (),
    is_input: bool = False,
    is_labelled: bool = False,
    each_bottom_alone: bool = False,
    is_view: bool = False,
    has_blobs: bool = False,
) -> Callable[[ShapeRule], ShapeRule]:
    """Enters a type with its shape rule, which runs once the numbers of bottoms and tops are right (Caffe: layer.hpp).

    `bottoms` and `tops` are an exact number or (least, most). `paired` asks for as many tops as bottoms;
    `automatic` lets a loss go without naming its top; `in_place` False refuses a top of its bottom's name. The rest
    is as in `LayerType`. The rule itself is returned unchanged, so that one rule can serve several types.
    """

    def enter(rule: ShapeRule) -> ShapeRule:
        @wraps(rule)
        def checked(layer: LayerParameter, shapes: Sequence[Shape]) -> LayerShape:
            _check_number("bottom", len(shapes), bottoms)
            if not (automatic and not layer.top):
                _check_number("top", len(layer.top), tops)
            if paired and len(layer.top) != len(shapes):
                raise NetworkError(f"top: found {len(layer.top)}, expected {len(shapes)}, one for each bottom")
            if not in_place and set(layer.bottom) & set(layer.top):
                raise NetworkError(f"top: found {layer.top[0]!r}, which is a bottom too; this type cannot run in place")
            return rule(layer, shapes)

        family = (rule.__module__ or "").rpartition(".")[2]
        LAYERS.register(name)(
            LayerType(
                name, family, checked, options, source, does, differs, labels, switches,
                is_input, is_labelled, each_bottom_alone, is_view, has_blobs,
            )
        )  # fmt: skip
        return rule

    return enter


def is_input(kind: str) -> bool:
    """Whether the tops of layers of this type come from outside."""
    return kind in LAYERS and LAYERS[kind].is_input


def _check_number(field: str, found: int, wanted: int | tuple[int, int | None]) -> None:
    least, most = (wanted, wanted) if isinstance(wanted, int) else wanted
    if found < least or (most is not None and found > most):
        text = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
        raise NetworkError(f"{field}: found {found}, expected {text}")


def shared_names(layers: Iterable[LayerParameter]) -> set[str]:
    """The names of blobs, as in `param { name }`, that stand for more than one blob of these layers."""
    uses = Counter(spec.name for layer in layers for spec in layer.param if spec.name)
    return {name for name, number in uses.items() if number > 1}


def count(shape: Sequence[int]) -> int:
    """How many numbers an array of this shape holds; 1 for a shape without axes."""
    return prod(shape)


@lru_cache(maxsize=8192)
def is_blob_shape(shape: Shape) -> bool:
    """Whether Caffe can hold such a blob. Networks have few shapes, each many times."""
    least, most = min(shape, default=0), max(shape, default=0)
    return len(shape) <= MAX_AXES and least >= 0 and most <= INT_MAX and prod(shape) <= INT_MAX


def checked_shape(shape: Sequence[int], field: str) -> Shape:
    """The shape as a tuple; NetworkError when Caffe could not hold such a blob (Caffe: blob.cpp, Reshape)."""
    made = tuple(map(int, shape))
    if is_blob_shape(made):
        return made
    if len(shape) > MAX_AXES:
        raise NetworkError(f"{field}: found {len(shape)} axes, expected at most {MAX_AXES}")
    if any(size < 0 for size in shape):
        raise NetworkError(f"{field}: found shape {tuple(shape)}, expected no negative size")
    raise NetworkError(f"{field}: found shape {tuple(shape)}, expected at most {INT_MAX} numbers")


def canonical_axis(axis: int, shape: Shape, field: str) -> int:
    """The axis counted from the front; negative ones count from the end (Caffe: blob.hpp, CanonicalAxisIndex)."""
    if not -len(shape) <= axis < len(shape):
        raise NetworkError(f"{field}: found {axis}, expected an axis of a blob of shape {shape}")
    return axis % len(shape)


def axis_of(layer: LayerParameter, options: str, shape: Shape) -> int:
    """The `axis` that a layer's options state, counted from the front of a bottom of this shape."""
    return canonical_axis(getattr(layer, options).axis, shape, f"{options}.axis")


def require(condition: bool, field: str, found: object, expected: object) -> None:
    """NetworkError saying what was found and what was expected, unless the condition holds."""
    if not condition:
        raise NetworkError(f"{field}: found {found}, expected {expected}")


def check_numbers(bottom: Shape, field: str = "bottom[0]") -> None:
    """NetworkError for a bottom without numbers. Caffe asks for its memory when it sets the layer up, and aborts."""
    require(count(bottom) > 0, field, f"shape {bottom}", "1 number or more")


def check_in_place(layer: LayerParameter, bottom: Shape, top: Shape) -> None:
    """NetworkError for a layer in place whose top has another shape than its bottom, which Caffe would misread."""
    if set(layer.bottom[:1]) & set(layer.top):
        require(top == bottom, "top", f"{layer.top[0]!r} in place with shape {top}", f"{bottom} as bottom[0]")


def legacy_shape(shape: Shape, field: str) -> Shape:
    """(num, channels, height, width) of a blob of up to four axes (Caffe: blob.hpp, LegacyShape).

    Missing axes are ones at the end.
    """
    require(len(shape) <= 4, field, f"shape {shape}", "at most 4 axes")
    return shape + (1,) * (4 - len(shape))
