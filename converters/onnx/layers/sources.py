"""Layers without bottoms: Parameter and DummyData. Data layers are the graph's inputs."""

from __future__ import annotations

from converters.onnx.layers.emitters import EMITTERS, Layer
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers.fillers import check_filler, fixed_values
from prototxt_gen.proto import FillerParameter


@EMITTERS.register("Parameter")
def parameter(layer: Layer) -> None:
    """An initializer under the top's name. Caffe: parameter_layer.hpp."""
    layer.hold(layer.blobs[0], layer.tops[0])


@EMITTERS.register("DummyData")
def dummy_data(layer: Layer) -> None:
    """Constant tops. Caffe: dummy_data_layer.cpp."""
    fillers = list(layer.parameter.dummy_data_param.data_filler) or [FillerParameter(type="constant")]
    fillers *= len(layer.tops) if len(fillers) == 1 else 1
    for filler, shape, top in zip(fillers, layer.row.top_shapes, layer.tops, strict=True):
        check_filler(filler, shape)
        if filler.type == "constant":
            sizes = layer.constant(list(shape), f"{top}.shape")
            layer.node("Expand", [layer.constant(filler.value, f"{top}.value"), sizes], top)
            continue
        values = fixed_values(filler, shape)
        if values is None:
            raise UnsupportedError(f"filler {filler.type!r} draws other numbers at every run")
        layer.node("Identity", [layer.constant(values, f"{top}.value")], top)
