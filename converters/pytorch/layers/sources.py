"""Layers without bottoms: Parameter and DummyData. Data layers are inputs and have no module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from converters.pytorch.layers.builders import BUILDERS, blob
from converters.pytorch.layers.fillers import filled
from prototxt_gen.layers.fillers import check_filler
from prototxt_gen.proto import FillerParameter

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row


class Parameter(nn.Module):
    """A blob that is learned and given to other layers."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self) -> Tensor:
        """The blob itself."""
        return self.weight


@BUILDERS.register("Parameter")
def parameter(row: Row) -> nn.Module:
    """Caffe: parameter_layer.hpp."""
    return Parameter(blob(row.blob_shapes[0]))


class DummyData(nn.Module):
    """Tops filled by fillers: constants once, random ones anew at each call."""

    def __init__(self, fillers: list[Any], shapes: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.fillers = fillers
        self.shapes = shapes
        for index, (filler, shape) in enumerate(zip(fillers, shapes, strict=True)):
            self.register_buffer(f"top{index}", filled(filler, shape), persistent=False)

    def forward(self) -> Tensor | tuple[Tensor, ...]:
        """The tops."""
        tops = []
        for index, (filler, shape) in enumerate(zip(self.fillers, self.shapes, strict=True)):
            top = self.get_buffer(f"top{index}")
            tops.append(top if filler.type == "constant" else filled(filler, shape).to(top))
        return tuple(tops) if len(tops) > 1 else tops[0]


@BUILDERS.register("DummyData")
def dummy_data(row: Row) -> nn.Module:
    """Caffe: dummy_data_layer.cpp."""
    fillers = list(row.layer.dummy_data_param.data_filler) or [FillerParameter(type="constant")]
    if len(fillers) == 1:
        fillers *= len(row.tops)
    for filler, shape in zip(fillers, row.top_shapes, strict=True):
        check_filler(filler, shape)
    return DummyData(fillers, row.top_shapes)
