"""ArgMax, ArgMin."""

from __future__ import annotations

import numpy as np

from converters.onnx.network import Network
from converters.onnx.operators.blocks import along, marked, negated, powered, reshaped, turned, upright
from converters.onnx.operators.readers import OPERATORS, Call, refuse
from converters.onnx.values import Tensor
from prototxt_gen.errors import need


@OPERATORS.register("ArgMax", "ArgMin")
def argmax(call: Call, net: Network) -> Tensor:
    """Where the greatest, or least, number lies on an axis.

    Of equal ones Caffe takes the last (argmax_layer.cpp). For the first, as ONNX has it without select_last_index, the
    numbers are put in opposite order and the place is counted from the end.
    """
    x, axis = call.tensor(0), call.attribute("axis", 0)
    need(-len(x.shape) <= axis < len(x.shape), f"axis {axis} of shape {x.shape}")
    axis %= len(x.shape)
    size = x.shape[axis]
    x, order = upright(x)
    place = order[axis]
    first = not call.attribute("select_last_index", 0) and size > 1
    if call.operator == "ArgMin":
        x = negated(net, x)
    if first:
        x = along(net, x, place, np.eye(size, dtype=np.float32)[::-1], suffix="reversed", fixed=True)
    y = net.layer("ArgMax", [x], suffix="place" if first else "", argmax_param={"axis": place})
    if first:
        y = powered(net, y, scale=-1, shift=size - 1)
    y = turned(net, y, order)
    if not call.attribute("keepdims", 1):
        y = reshaped(net, y, (*y.shape[:axis], *y.shape[axis + 1 :]), "")
    return marked(y, whole=True)


refuse("along an axis Caffe's ArgMax gives the places of the greatest or their numbers, not both", "TopK")
refuse("Caffe has no layer that marks the place of the greatest", "Hardmax")
refuse("it draws numbers at random", "Multinomial")
refuse(
    "how much it gives hangs on computed numbers; tops of Caffe's layers have fixed shapes",
    "NonMaxSuppression",
    "NonZero",
    "Unique",
)
