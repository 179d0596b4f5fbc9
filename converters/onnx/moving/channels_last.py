"""Files whose maps have channels last, as Keras writes them: their inputs become maps with channels first.

An input is given with channels first, and a warning says so, where every way from it leads to a Transpose that moves
its channels to the front, through nothing but operators that change each number alone: scaling of pixels. In such a
network a map whose channels an output's Transpose moves to the end stays as it is, too (`first_again`): stock Caffe
has no Permute.
"""

from __future__ import annotations

from collections.abc import Mapping

from converters.onnx.models.model import Model, Node
from converters.onnx.moving import views
from converters.onnx.values import Tensor
from prototxt_gen.layers import Shape

_EACH_ALONE = frozenset(
    [
        "Abs",
        "Add",
        "Cast",
        "Clip",
        "Div",
        "Exp",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "Log",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "Pow",
        "Relu",
        "Sigmoid",
        "Sqrt",
        "Sub",
        "Tanh",
    ]
)
"""Operators that change each number alone, if all inputs but one are constants."""


def to_first(axes: int) -> tuple[int, ...]:
    """The order of axes that brings channels from the end to axis 1."""
    return (0, axes - 1, *range(1, axes - 1))


def to_last(axes: int) -> tuple[int, ...]:
    """The order of axes that brings channels from axis 1 to the end."""
    return (0, *range(2, axes), 1)


def channels_first(model: Model, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The inputs that are given with channels first, with their shapes then; `shapes` are those of the file."""
    readers: dict[str, list[Node]] = {}
    computed = set(shapes)
    for node in model.nodes:
        if computed.intersection(node.inputs):
            computed.update(node.outputs)
        for value in set(node.inputs):
            readers.setdefault(value, []).append(node)
    return {
        name: tuple(shape[axis] for axis in to_first(len(shape)))
        for name, shape in shapes.items()
        if len(shape) in (4, 5) and _leads_to(name, to_first(len(shape)), model, readers, computed)
    }


def _leads_to(
    name: str, order: tuple[int, ...], model: Model, readers: Mapping[str, list[Node]], computed: set[str]
) -> bool:
    """Whether every way from a value leads to a Transpose by `order`."""
    left, seen = [name], {name}
    while left:
        value = left.pop()
        if value in model.outputs or value in model.refused or value not in readers:
            return False
        for node in readers[value]:
            if node.domain not in ("", "ai.onnx"):
                return False
            if node.operator == "Transpose" and tuple(node.attributes.get("perm", ())) == order:
                continue
            others = [other for other in node.inputs if other in computed and other != value]
            if node.operator not in _EACH_ALONE or others:
                return False
            left += [made for made in node.outputs if made and made not in seen]
            seen.update(node.outputs)
    return True


def first_again(value: Tensor) -> Tensor | None:
    """For an output that is a map of 4 or 5 axes with its channels moved to the end: the map. None for all others."""
    axes = len(value.shape)
    moved = axes in (4, 5) and value.view is not None and views.axis_order(value) == to_last(axes)
    # One channel, or one pixel, is a Reshape.
    return views.base(value) if moved and value.shape[-1] > 1 and max(value.shape[1:-1]) > 1 else None
