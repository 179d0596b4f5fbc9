"""Files whose maps have channels last, as Keras writes them: their inputs become maps with channels first.

An input all of whose readers are the same Transpose of its channels to the front is given in that order itself: the
Input layer has the transposed shape, and a warning says so. Outputs are treated alike in reading: a map whose channels
an output's Transpose moves to the end stays as it is, since stock Caffe has no Permute (`first_again`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from converters.onnx import views
from converters.onnx.model import Model, Node
from converters.onnx.values import Tensor
from prototxt_gen.layers import Shape


def to_first(axes: int) -> tuple[int, ...]:
    """The order of axes that brings channels from the end to axis 1."""
    return (0, axes - 1, *range(1, axes - 1))


def to_last(axes: int) -> tuple[int, ...]:
    """The order of axes that brings channels from axis 1 to the end."""
    return (0, *range(2, axes), 1)


def channels_first(model: Model, shapes: Mapping[str, Shape]) -> tuple[Model, dict[str, Shape]]:
    """The model with the inputs of maps that it only transposes given with channels first, and the inputs' shapes then.

    `shapes` are those of the file. The nodes keep their places: a Transpose that is done already is an Identity.
    """
    readers: dict[str, list[Node]] = {name: [] for name in shapes}
    for node in model.nodes:
        for value in set(node.inputs) & set(readers):
            readers[value].append(node)
    turned = {
        name
        for name, shape in shapes.items()
        if len(shape) in (4, 5) and readers[name] and name not in model.outputs and name not in model.refused
        if all(_transposes(node, to_first(len(shape))) for node in readers[name])
    }
    nodes = tuple(
        replace(node, operator="Identity", attributes={}) if set(node.inputs) & turned else node for node in model.nodes
    )
    made = {
        name: tuple(shape[axis] for axis in to_first(len(shape))) if name in turned else shape
        for name, shape in shapes.items()
    }
    return replace(model, nodes=nodes) if turned else model, made


def _transposes(node: Node, order: Sequence[int]) -> bool:
    return (
        node.operator == "Transpose"
        and node.domain in ("", "ai.onnx")
        and tuple(node.attributes.get("perm", ())) == tuple(order)
    )


def first_again(value: Tensor) -> Tensor | None:
    """For an output that is a map of 4 or 5 axes with its channels moved to the end: the map. None for all others."""
    axes = len(value.shape)
    moved = axes in (4, 5) and value.view is not None and views.axis_order(value) == to_last(axes)
    # One channel, or one pixel, is a Reshape.
    return views.base(value) if moved and value.shape[-1] > 1 and max(value.shape[1:-1]) > 1 else None
