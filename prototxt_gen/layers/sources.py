"""Layers without bottoms: inputs, data layers, DummyData, Parameter.

`crop_sizes` and `resized_sizes` say what a data layer does to the sizes of its images, `preprocessing` all that it does
to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from prototxt_gen.errors import NetworkError
from prototxt_gen.layers.layer_types import LayerShape, Shape, layer_type, require
from prototxt_gen.proto import LayerParameter

_GIVE = "give this input's shape (input_shapes, or --input-shape of a command)"


_images = partial(layer_type, bottoms=0, tops=2, is_input=True, is_labelled=True)
"""Enters a data layer whose tops are images and their labels."""


def crop_sizes(layer: LayerParameter) -> Shape | None:
    """(height, width) of the crop that a data layer's transform_param asks for; None where it asks for none.

    crop_h and crop_w are of the DF fork.
    """
    options = layer.transform_param
    if options.crop_size:
        return (options.crop_size, options.crop_size)
    if options.crop_h and options.crop_w:
        return (options.crop_h, options.crop_w)
    return None


def resized_sizes(layer: LayerParameter) -> Shape | None:
    """(height, width) that an ImageData layer brings its images to; None where it leaves them as they are."""
    options = layer.image_data_param
    sizes = (options.new_height, options.new_width)
    require(all(sizes) or not any(sizes), "image_data_param.new_height", sizes, "both sizes or neither")
    return sizes if any(sizes) else None


def preprocessing(layer: LayerParameter) -> dict[str, Any]:
    """What a data layer does to its images (Caffe: data_transformer.cpp)."""
    transform = layer.transform_param
    return {
        "mean_values": tuple(transform.mean_value),
        "mean_file": transform.mean_file or None,
        "scale": transform.scale,
        "crop": crop_sizes(layer),
        "mirror": transform.mirror,
        "resize": resized_sizes(layer),
    }


@layer_type(
    "Input",
    options=("input_param",),
    source="input_layer.cpp",
    bottoms=0,
    tops=(1, None),
    is_input=True,
    does="an input",
)
def input_(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One stated shape for each top, or one for all (Caffe: input_layer.cpp)."""
    shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
    if not shapes:
        raise NetworkError(f"input_param.shape: found none; {_GIVE}")
    tops = len(layer.top)
    require(len(shapes) in (1, tops), "input_param.shape", f"{len(shapes)} shapes", f"1 or {tops}, one for each top")
    return LayerShape(tuple(shapes * tops if len(shapes) == 1 else shapes))


@_images(
    "ImageData",
    options=("image_data_param", "transform_param"),
    source="image_data_layer.cpp",
    does="an input of the size that crop_size (the fork's crop_h, crop_w) or new_height, new_width state",
    differs="images are not read: without those sizes give `input_shapes`",
)
def image_data(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(batch, 3 or 1, height, width) and (batch,) labels (Caffe: image_data_layer.cpp).

    The size is that of the crop (crop_size, or the DF fork's crop_h and crop_w) or of new_height and new_width. When
    neither is stated it is that of the first image, which is not read here: then the shape must be given.
    """
    options = layer.image_data_param
    require(options.batch_size > 0, "image_data_param.batch_size", options.batch_size, "1 or more")
    resized = resized_sizes(layer)
    size = crop_sizes(layer) or resized
    if size is None:
        raise NetworkError(f"image_data_param: found no crop and no new size, and the images are not read, so {_GIVE}")
    return LayerShape(((options.batch_size, 3 if options.is_color else 1, *size), (options.batch_size,)))


@_images(
    "Data",
    options=("data_param", "transform_param"),
    source="data_layer.cpp",
    tops=(1, 2),
    does="an input with the shape that its crop and batch_size state",
    differs="the data base is not read: without a crop give `input_shapes`",
)
def data(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(batch, channels, crop, crop) and (batch,) labels (Caffe: data_layer.cpp, data_transformer.cpp).

    Without a crop the size is that of the data base, which is not read here: then the shape must be given. Channels are
    as many as mean values where there are several, 1 with force_gray, else 3.
    """
    options = layer.data_param
    require(options.batch_size > 0, "data_param.batch_size", options.batch_size, "1 or more")
    size = crop_sizes(layer)
    if size is None:
        raise NetworkError(f"data_param: found no crop, and the data base is not read, so {_GIVE}")
    means = len(layer.transform_param.mean_value)
    channels = means if means > 1 else 1 if layer.transform_param.force_gray else 3
    return LayerShape(((options.batch_size, channels, *size), (options.batch_size,))[: len(layer.top)])


@layer_type(
    "HDF5Data",
    options=("hdf5_data_param",),
    source="hdf5_data_layer.cpp",
    bottoms=0,
    tops=(1, None),
    is_input=True,
    does="an input",
    differs="its files are not read: give `input_shapes`",
)
def hdf5_data(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Shapes that only the files know (Caffe: hdf5_data_layer.cpp): they must be given."""
    raise NetworkError(f"hdf5_data_param: its files are not read, so {_GIVE}")


@_images(
    "MemoryData",
    options=("memory_data_param", "transform_param"),
    source="memory_data_layer.cpp",
    does="an input of the stated shape",
)
def memory_data(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(batch, channels, height, width) and (batch,) labels (Caffe: memory_data_layer.cpp)."""
    options = layer.memory_data_param
    sizes = (options.batch_size, options.channels, options.height, options.width)
    require(all(sizes), "memory_data_param", f"batch_size, channels, height, width {sizes}", "1 or more of each")
    return LayerShape((sizes, sizes[:1]))


@_images(
    "WindowData",
    options=("window_data_param", "transform_param"),
    source="window_data_layer.cpp",
    does="an input with the shape that crop_size and batch_size state",
    differs="windows are not read",
)
def window_data(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(batch, 3, crop, crop) and (batch,) labels; windows come from colour images (Caffe: window_data_layer.cpp)."""
    options = layer.window_data_param
    crop = layer.transform_param.crop_size
    require(options.batch_size > 0, "window_data_param.batch_size", options.batch_size, "1 or more")
    require(crop > 0, "transform_param.crop_size", crop, "1 or more")
    return LayerShape(((options.batch_size, 3, crop, crop), (options.batch_size,)))


@layer_type(
    "DummyData",
    options=("dummy_data_param",),
    source="dummy_data_layer.cpp",
    bottoms=0,
    tops=(1, None),
    does="tops from its fillers: constants once, random numbers anew at each call",
    differs="torch's random numbers",
)
def dummy_data(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One stated shape for each top, or one for all; old files state four sizes (Caffe: dummy_data_layer.cpp)."""
    options, tops = layer.dummy_data_param, len(layer.top)
    either = f"1 or {tops}, one for each top"
    fillers = len(options.data_filler)
    require(fillers in (0, 1, tops), "dummy_data_param.data_filler", fillers, f"none, {either}")
    old = {field: list(getattr(options, field)) for field in ("num", "channels", "height", "width")}
    if any(old.values()):
        require(not options.shape, "dummy_data_param.shape", "shape and num, channels, height, width", "one of the two")
        for field, sizes in old.items():
            require(len(sizes) in (1, tops), f"dummy_data_param.{field}", len(sizes), either)
        columns = [sizes if len(sizes) == tops else sizes * tops for sizes in old.values()]
        return LayerShape(tuple(zip(*columns, strict=True)))
    shapes = [tuple(shape.dim) for shape in options.shape]
    require(len(shapes) in (1, tops), "dummy_data_param.shape", len(shapes), either)
    return LayerShape(tuple(shapes if len(shapes) == tops else shapes * tops))


@layer_type(
    "Parameter",
    has_blobs=True,
    options=("parameter_param",),
    source="parameter_layer.hpp",
    bottoms=0,
    does="a blob as a top",
)
def parameter(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The blob itself (Caffe: parameter_layer.hpp)."""
    shape = tuple(layer.parameter_param.shape.dim)
    return LayerShape((shape,), (shape,))
