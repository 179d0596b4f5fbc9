"""Shape rules of layers that rearrange, join, cut or reduce blobs."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.proto import LayerParameter
from prototxt_gen.shapes.rules import LayerShape, Shape, canonical_axis, count, require, shape_rule


@shape_rule("Concat", bottoms=(1, None))
def concat(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottoms one after another on an axis (Caffe: concat_layer.cpp)."""
    param = layer.concat_param
    axis = _axis_or_dim(param, "concat_dim", "concat_param", bottoms[0])
    for index, bottom in enumerate(bottoms):
        same = len(bottom) == len(bottoms[0]) and all(
            found == first for i, (found, first) in enumerate(zip(bottom, bottoms[0], strict=True)) if i != axis
        )
        require(same, f"bottom[{index}]", f"shape {bottom}", f"{bottoms[0]} as bottom[0] on all axes but {axis}")
    joined = sum(bottom[axis] for bottom in bottoms)
    return LayerShape(((*bottoms[0][:axis], joined, *bottoms[0][axis + 1 :]),))


def _axis_or_dim(param: LayerParameter, old: str, field: str, bottom: Shape) -> int:
    """The axis, which old files call concat_dim or slice_dim and never count from the end."""
    if not param.HasField(old):
        return canonical_axis(param.axis, bottom, f"{field}.axis")
    require(not param.HasField("axis"), f"{field}.axis", f"axis and {old}", "one of the two")
    axis: int = getattr(param, old)
    require(axis < len(bottom), f"{field}.{old}", axis, f"an axis of a blob of shape {bottom}")
    return axis


@shape_rule("ArgMax")
def argmax(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """top_k positions on the axis, or (batch, 1 or 2, top_k) without one (Caffe: argmax_layer.cpp).

    out_max_val adds the values: instead of the positions where there is an axis, as a second channel where not.
    """
    param, bottom = layer.argmax_param, bottoms[0]
    top_k = param.top_k
    require(top_k > 0, "argmax_param.top_k", top_k, "1 or more")
    if param.HasField("axis"):
        axis = canonical_axis(param.axis, bottom, "argmax_param.axis")
        require(top_k <= bottom[axis], "argmax_param.top_k", top_k, f"at most {bottom[axis]}, the size of axis {axis}")
        return LayerShape(((*bottom[:axis], top_k, *bottom[axis + 1 :]),))
    require(len(bottom) > 0, "bottom[0]", "no axes", "1 axis or more")
    require(top_k <= count(bottom[1:]), "argmax_param.top_k", top_k, f"at most {count(bottom[1:])}")
    top = (bottom[0], 2 if param.out_max_val else 1, top_k) + (1,) * (len(bottom) - 3)
    return LayerShape((top,))
