"""Windows that slide over a map: the sizes that layers of convolution and pooling state, read in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prototxt_gen.layers.layer_types import Shape, require


@dataclass(frozen=True)
class Windows:
    """Kernel, stride, padding and dilation: one number for each spatial axis, the axes behind `axis`, the channels."""

    axis: int
    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape

    def extents(self) -> Shape:
        """How far a dilated kernel reaches on each spatial axis."""
        return tuple(dilation * (kernel - 1) + 1 for kernel, dilation in zip(self.kernel, self.dilation, strict=True))


def spatial_sizes(options: Any, message: str, field: str, axes: int, default: int | None = None) -> Shape:
    """One size for each spatial axis: `field`, stated once for all or once for each, or its *_h and *_w.

    `options` is the message, and `message` its name. *_h and *_w are for two axes; if only one is stated, the other is
    0. Without `default` the size must be stated.
    """
    stem = field.removesuffix("_size")
    twins = (f"{stem}_h", f"{stem}_w")
    plain = stated(options, field)
    if stem != "dilation" and (options.HasField(twins[0]) or options.HasField(twins[1])):
        require(axes == 2, f"{message}.{stem}_h", f"{axes} spatial axes", f"2; otherwise use {field}")
        require(not plain, f"{message}.{field}", f"{field} and {stem}_h, {stem}_w", "one of the two")
        return tuple(getattr(options, twin) for twin in twins)
    if not plain and default is not None:
        return (default,) * axes
    require(len(plain) in (1, axes), f"{message}.{field}", f"{len(plain)} sizes", f"1 or {axes}")
    return tuple(plain * axes if len(plain) == 1 else plain)


def stated(options: Any, field: str) -> list[int]:
    """The numbers that a field states, whether it may be repeated or not; none where it is not set."""
    value = getattr(options, field)
    if isinstance(value, int):
        return [value] if options.HasField(field) else []
    return list(value)


def spatial_options(**sizes: Sequence[int]) -> dict[str, Any]:
    """How a layer states sizes by field, in the fewest words: what `spatial_sizes` reads, the other way round.

    Equal sizes are one number, two different ones *_h and *_w (of dilation, which has none, two numbers), more are
    listed. Defaults are left out: stride 1, pad 0, dilation 1.
    """
    defaults = {"stride": 1, "pad": 0, "dilation": 1}
    made: dict[str, Any] = {}
    for field, values in sizes.items():
        stem = field.removesuffix("_size")
        if set(values) == {defaults.get(field)}:
            continue
        if len(set(values)) > 1 and len(values) == 2 and field != "dilation":
            made[f"{stem}_h"], made[f"{stem}_w"] = values
        else:
            made[field] = list(values[:1] if len(set(values)) == 1 else values)
    return made
