"""The table of shape rules: what one layer makes of the shapes of its bottoms, and what every rule checks alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from math import prod
from typing import TypeAlias

from prototxt_gen.errors import NetworkError
from prototxt_gen.proto import LayerParameter
from prototxt_gen.registry import Registry

Shape: TypeAlias = tuple[int, ...]
INT_MAX = 2**31 - 1
MAX_AXES = 32


@dataclass(frozen=True)
class LayerShape:
    """What a layer makes: the shapes of its tops, of its blobs in Caffe's order, and its multiply-adds.

    Multiply-adds are those of matrix products (convolution, inner product, recurrence) over the whole batch.
    """

    tops: tuple[Shape, ...]
    blobs: tuple[Shape, ...] = ()
    multiply_adds: int = 0


ShapeRule: TypeAlias = Callable[[LayerParameter, Sequence[Shape]], LayerShape]
SHAPES: Registry[ShapeRule] = Registry("shape rule")


def shape_rule(
    *types: str,
    bottoms: int | tuple[int, int | None] = 1,
    tops: int | tuple[int, int | None] = 1,
    paired: bool = False,
    automatic: bool = False,
    in_place: bool = True,
) -> Callable[[ShapeRule], ShapeRule]:
    """Enters a rule for `types` that runs once the numbers of bottoms and tops are right (Caffe: layer.hpp).

    `bottoms` and `tops` are an exact number or (least, most). `paired` asks for as many tops as bottoms;
    `automatic` lets a loss go without naming its top; `in_place` False refuses a top of its bottom's name.
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

        return SHAPES.register(*types)(checked)

    return enter


def _check_number(field: str, found: int, wanted: int | tuple[int, int | None]) -> None:
    least, most = (wanted, wanted) if isinstance(wanted, int) else wanted
    if found < least or (most is not None and found > most):
        text = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
        raise NetworkError(f"{field}: found {found}, expected {text}")


def count(shape: Sequence[int]) -> int:
    """How many numbers an array of this shape holds; 1 for a shape without axes."""
    return prod(shape)


def checked_shape(shape: Sequence[int], field: str) -> Shape:
    """The shape as a tuple; NetworkError when Caffe could not hold such a blob (Caffe: blob.cpp, Reshape)."""
    if len(shape) > MAX_AXES:
        raise NetworkError(f"{field}: found {len(shape)} axes, expected at most {MAX_AXES}")
    if any(size < 0 for size in shape):
        raise NetworkError(f"{field}: found shape {tuple(shape)}, expected no negative size")
    if count(shape) > INT_MAX or any(size > INT_MAX for size in shape):
        raise NetworkError(f"{field}: found shape {tuple(shape)}, expected at most {INT_MAX} numbers")
    return tuple(int(size) for size in shape)


def canonical_axis(axis: int, shape: Shape, field: str) -> int:
    """The axis counted from the front; negative ones count from the end (Caffe: blob.hpp, CanonicalAxisIndex)."""
    if not -len(shape) <= axis < len(shape):
        raise NetworkError(f"{field}: found {axis}, expected an axis of a blob of shape {shape}")
    return axis % len(shape)


def require(condition: bool, field: str, found: object, expected: object) -> None:
    """NetworkError saying what was found and what was expected, unless the condition holds."""
    if not condition:
        raise NetworkError(f"{field}: found {found}, expected {expected}")


def legacy_shape(shape: Shape, field: str) -> Shape:
    """(num, channels, height, width) of a blob of up to four axes (Caffe: blob.hpp, LegacyShape).

    Missing axes are ones, at the end.
    """
    require(len(shape) <= 4, field, f"shape {shape}", "at most 4 axes")
    return shape + (1,) * (4 - len(shape))
