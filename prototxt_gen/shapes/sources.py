"""Shape rules of layers without bottoms: inputs and data layers."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.errors import NetworkError
from prototxt_gen.proto import LayerParameter
from prototxt_gen.shapes.rules import LayerShape, Shape, require, shape_rule

# Layers whose tops come from outside: a caller gives their arrays, and may give other shapes for them.
INPUT_TYPES = frozenset({"Input", "Data", "ImageData", "HDF5Data", "MemoryData", "WindowData"})


@shape_rule("Input", bottoms=0, tops=(1, None))
def input_(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One stated shape for each top, or one for all (Caffe: input_layer.cpp)."""
    shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
    if not shapes:
        raise NetworkError("input_param.shape: found none; give this input's shape")
    tops = len(layer.top)
    require(len(shapes) in (1, tops), "input_param.shape", f"{len(shapes)} shapes", f"1 or {tops}, one for each top")
    return LayerShape(tuple(shapes * tops if len(shapes) == 1 else shapes))


@shape_rule("ImageData", bottoms=0, tops=2)
def image_data(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(batch, 3 or 1, height, width) and (batch,) labels (Caffe: image_data_layer.cpp).

    The size is that of the crop (crop_size, or the DF fork's crop_h and crop_w) or of new_height and new_width. When
    neither is stated it is that of the first image, which is not read here: then the shape must be given.
    """
    param = layer.image_data_param
    require(param.batch_size > 0, "image_data_param.batch_size", param.batch_size, "1 or more")
    resized = (param.new_height, param.new_width)
    require(all(resized) or not any(resized), "image_data_param.new_height", resized, "both sizes or neither")
    size = _cropped(layer) or (resized if any(resized) else None)
    if size is None:
        raise NetworkError("image_data_param: no crop and no new size; its images decide, so give this input's shape")
    return LayerShape(((param.batch_size, 3 if param.is_color else 1, *size), (param.batch_size,)))


def _cropped(layer: LayerParameter) -> Shape | None:
    """(height, width) of the crop that transform_param asks for, if any."""
    param = layer.transform_param
    if param.crop_size:
        return (param.crop_size, param.crop_size)
    if param.crop_h and param.crop_w:
        return (param.crop_h, param.crop_w)
    return None
