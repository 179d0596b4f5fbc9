"""Fields of layers by path, as in "pooling_param.kernel_size": which there are, which are private, setting them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prototxt_gen.errors import FormatError
from prototxt_gen.proto import Field, LayerParameter, Message, fields_of, set_fields

#: Fields of LayerParameter that only forks of Caffe have: the messages of their layers' options.
PRIVATE_MESSAGES = ("shuffle_channel_param", "permute_param", "norm_param", "interp_param", "upsample_param")
#: Fields that forks add to messages of BVLC Caffe.
PRIVATE_OPTIONS = (
    "image_data_param.img_rand_h_lower",
    "image_data_param.img_rand_h_upper",
    "image_data_param.img_rand_w_lower",
    "image_data_param.img_rand_w_upper",
    "transform_param.crop_h",
    "transform_param.crop_w",
    "softmax_param.label_mode",
    "loss_param.th",
)


def has_path(path: str) -> bool:
    """Whether layers have a field of this path in caffe.proto."""
    return _found(path) is not None


def is_set(layer: LayerParameter, path: str) -> bool:
    """Whether a layer's text states this field; False for fields that caffe.proto does not have."""
    message: Any = layer
    for name in path.split("."):
        if not isinstance(message, Message):
            return False
        message = next((value for field, value in set_fields(message) if field.name == name), None)
    return message is not None


def stated_of(layer: LayerParameter, paths: Iterable[str]) -> list[str]:
    """Those of the paths whose fields a layer states."""
    names = {field.name for field, _ in set_fields(layer)}
    return [path for path in paths if path.partition(".")[0] in names and is_set(layer, path)]


def private_fields(layer: LayerParameter) -> list[str]:
    """The paths of the private fields that a layer states."""
    return stated_of(layer, (*PRIVATE_MESSAGES, *PRIVATE_OPTIONS))


def assigned(path: str, value: Any, layer: LayerParameter | None = None) -> LayerParameter:
    """A copy of a layer with another value in a field, by default of an empty one; None clears the field.

    Enums are words. FormatError where there is no such field, or the value is of another kind.
    """
    made = LayerParameter()
    if layer is not None:
        made.CopyFrom(layer)
    found = _found(path)
    if found is None:
        raise FormatError(f"found {path!r}, expected a field of a layer, as in eltwise_param.coeff")
    holders, field = found
    holder: Any = made
    for name in holders:
        holder = getattr(holder, name)
    holder.ClearField(field.name)
    if value is None:
        return made
    try:
        if field.kind == "message":
            raise TypeError
        if field.repeated:
            values = value if isinstance(value, list | tuple) else [value]
            getattr(holder, field.name).extend(_plain(field, one) for one in values)
        else:
            setattr(holder, field.name, _plain(field, value))
    except (TypeError, ValueError, OverflowError, KeyError) as fault:
        kinds = f"one of {', '.join(field.values)}" if field.values else f"{'a list of ' * field.repeated}{field.kind}"
        raise FormatError(f"found {value!r}, expected {kinds}") from fault
    return made


def _plain(field: Field, value: Any) -> Any:
    if field.kind == "enum":
        return field.values[value]
    if isinstance(value, bool) is not (field.kind == "bool"):
        raise TypeError
    return value


def _found(path: str) -> tuple[list[str], Field] | None:
    """The messages on the way to a field, and the field; repeated messages lead nowhere."""
    message: type[Message] = LayerParameter
    *holders, last = path.split(".")
    for name in holders:
        field = fields_of(message).get(name)
        if field is None or field.message is None or field.repeated:
            return None
        message = field.message
    field = fields_of(message).get(last)
    return None if field is None else (holders, field)
