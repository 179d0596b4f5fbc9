"""The arguments of `generate` and `parts`, checked in one place: architectures as specs or codes, forms, shapes."""

from __future__ import annotations

import math
import operator
import reprlib
from typing import Any, Literal, TypeAlias, get_args

from prototxt_gen.architectures import Backbone, Decoder, parse_architecture
from prototxt_gen.errors import ArchitectureError

Form: TypeAlias = Literal["deploy", "train_val", "release"]
FORMS: tuple[Form, ...] = get_args(Form)

# The images the release measures: one on a device, batches of 100 through ImageData (500 of them are its test).
_SHAPES = {"deploy": (1, 3, 224, 224), "train_val": (100, 3, 224, 224), "release": (100, 3, 224, 224)}
_SCENE_SHAPE = (1, 3, 1024, 2048)
_MAX_COUNT = 2**31 - 1


def checked_architecture(architecture: Any) -> Backbone | Decoder:
    """The architecture as a spec. ArchitectureError where it is not one."""
    if isinstance(architecture, str):
        return parse_architecture(architecture)
    if not isinstance(architecture, Backbone | Decoder):
        found = type(architecture).__name__
        raise ArchitectureError(f"architecture: found {found}, expected a Backbone, a Decoder or a code of theirs")
    return architecture


def checked_form(form: Any) -> Form:
    """The form. ArchitectureError for an unknown one lists the known ones."""
    if form not in FORMS:
        raise ArchitectureError(f"form is {form!r}, expected one of {', '.join(FORMS)}")
    found: Form = form
    return found


def checked_merged(merged: Any) -> bool:
    """Whether batch norm is merged. ArchitectureError unless it is True or False."""
    if not isinstance(merged, bool):
        raise ArchitectureError(f"merged is {merged!r}, expected True or False")
    return merged


def checked_shape(input_shape: Any, spec: Backbone | Decoder, form: Form) -> tuple[int, ...]:
    """The shape as four whole numbers that Caffe's blobs and the form's data layers can have; None is the default."""
    if input_shape is None:
        return _SCENE_SHAPE if isinstance(spec, Decoder) else _SHAPES[form]
    try:
        shape = tuple(0 if isinstance(size, bool) else operator.index(size) for size in input_shape)
    except TypeError:
        shape = ()
    if len(shape) != 4 or min(shape) < 1 or math.prod(shape) > _MAX_COUNT:
        raise ArchitectureError(
            f"input_shape is {reprlib.repr(input_shape)}, expected (N, channels, H, W), each at least 1, "
            f"and at most {_MAX_COUNT} numbers in all"
        )
    if form != "deploy" and shape[1] not in (1, 3):
        raise ArchitectureError(f"input_shape is {shape}, expected 1 or 3 channels: form {form} reads images")
    return shape
