"""A network under construction: layers with their weights, and what their tops' shapes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from converters.onnx.values import Constant, Tensor
from converters.weights import Weights
from prototxt_gen.errors import NetworkError, UnsupportedError
from prototxt_gen.layers import LAYERS
from prototxt_gen.proto import LayerParameter, NetParameter

Dialect = Literal["bvlc", "fork"]


@dataclass(frozen=True)
class Options:
    """What a caller chooses: the dialect, and approximations and older Caffes that are asked for by name.

    `round_mode`: whether pooling may state `round_mode`, which Caffe has since 2018.
    `gelu`: "tanh" writes the exact GELU by its tanh form, which differs by up to 5e-4.
    """

    dialect: Dialect = "bvlc"
    round_mode: bool = True
    gelu: Literal["tanh"] | None = None


@dataclass
class Network:
    """Layers in order. `layer` adds one to what the current node becomes. `views` are those written out, by blob."""

    options: Options = field(default_factory=Options)
    net: NetParameter = field(default_factory=NetParameter)
    weights: Weights = field(default_factory=dict)
    stem: str = "layer"
    views: dict[Any, Tensor] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def layer(
        self,
        kind: str,
        bottoms: Sequence[Tensor],
        *,
        blobs: Sequence[Constant] = (),
        suffix: str = "",
        fixed: bool = False,
        **options: Any,
    ) -> Tensor:
        """Adds a layer with one top and returns that; see `layers_of`."""
        return self.tops(kind, bottoms, 1, blobs=blobs, suffix=suffix, fixed=fixed, **options)[0]

    def tops(
        self,
        kind: str,
        bottoms: Sequence[Tensor],
        number: int,
        *,
        blobs: Sequence[Constant] = (),
        suffix: str = "",
        fixed: bool = False,
        **options: Any,
    ) -> list[Tensor]:
        """Adds a layer and returns its tops.

        `options` are fields of LayerParameter, as in `pooling_param={"pool": "MAX", "kernel_size": 3}`. Bottoms that
        are views are written out first. The layer that makes what the node makes goes without `suffix`; those before it
        have one that says what they do. `fixed` weights are not the network's own, and get lr_mult 0. UnsupportedError
        where Caffe would refuse the layer.
        """
        plain = [self.plain(bottom) for bottom in bottoms]
        name = self._name(suffix)
        made = LayerParameter(name=name, type=kind, bottom=[bottom.blob for bottom in plain], **options)
        made.top.extend([name] if number == 1 else [f"{name}:{place}" for place in range(number)])
        if fixed:
            for _ in blobs:
                made.param.add(lr_mult=0, decay_mult=0)
        try:
            shape = LAYERS[kind].shape(made, [bottom.shape for bottom in plain])
        except NetworkError as fault:
            raise UnsupportedError(f"as {kind}: {fault}") from fault
        if len(blobs) != len(shape.blobs):
            raise UnsupportedError(f"as {kind}: found {len(blobs)} blobs, expected {len(shape.blobs)}")
        self.net.layer.append(made)
        if blobs:
            self.weights[name] = [
                np.ascontiguousarray(blob, np.float32).reshape(size)
                for blob, size in zip(blobs, shape.blobs, strict=True)
            ]
        return [Tensor(top, size) for top, size in zip(made.top, shape.tops, strict=True)]

    def plain(self, value: Tensor) -> Tensor:
        """The value in a blob of its own shape: a view is written out. UnsupportedError where Caffe cannot do that."""
        from converters.onnx.views import written

        return value if value.view is None else written(self, value)

    def constant(self, array: Constant, suffix: str = "constant") -> Tensor:
        """A blob that holds the array, by a Parameter layer."""
        shape = {"shape": {"dim": list(array.shape)}}
        return self.layer("Parameter", [], blobs=[array], suffix=suffix, fixed=True, parameter_param=shape)

    def _name(self, suffix: str) -> str:
        stem = f"{self.stem}/{suffix}" if suffix else self.stem
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name
