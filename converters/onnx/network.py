"""A network under construction: layers with their weights, and what their tops' shapes are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from converters.onnx.models.budget import Budget
from converters.onnx.models.tensors import single
from converters.onnx.values import Constant, Tensor
from converters.weights import Weights
from prototxt_gen.errors import NetworkError, UnsupportedError
from prototxt_gen.layers import LAYERS
from prototxt_gen.layers.layer_types import checked_shape, count
from prototxt_gen.proto import LayerParameter, NetParameter

Dialect = Literal["bvlc", "fork"]

MOST_LAYERS = 1024
"""What one node may become at most: an axis of thousands must not end in a layer for each of its positions."""

_IN_PLACE = frozenset(
    ("AbsVal", "BNLL", "BatchNorm", "Bias", "Clip", "Dropout", "ELU", "Exp", "Log", "PReLU", "Power", "ReLU", "ReLU6",
     "Scale", "Sigmoid", "Softmax", "Swish", "TanH")
)  # fmt: skip


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
    """Layers in order. `layer` adds one to what the current node becomes.

    `stem` names the layers of the current node, `room` is how many layers there may be behind it. `budget` is asked
    before large arrays are made. `open_batch`: whether the file leaves the batch open, which is 1 here. `views` are the
    blobs of views that are written out, by blob and view. `padded` says of blobs what they are with zeros around which
    axes.
    """

    options: Options = field(default_factory=Options)
    net: NetParameter = field(default_factory=NetParameter)
    weights: Weights = field(default_factory=dict)
    stem: str = "layer"
    budget: Budget = field(default_factory=Budget)
    open_batch: bool = False
    room: int = 2**31
    views: dict[Any, Tensor] = field(default_factory=dict)
    padded: dict[str, tuple[Tensor, dict[int, tuple[int, int]]]] = field(default_factory=dict)
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
        if len(self.net.layer) >= self.room or number > MOST_LAYERS:
            raise UnsupportedError(f"would take more than {MOST_LAYERS} layers, or a layer with as many tops")
        name = self._name(suffix)
        try:
            made = LayerParameter(name=name, type=kind, bottom=[bottom.blob for bottom in plain], **options)
        except (TypeError, ValueError) as fault:  # protobuf's, for numbers that a field cannot hold
            raise UnsupportedError(f"as {kind}: {fault}") from fault
        made.top.extend([name] if number == 1 else [f"{name}:{place}" for place in range(number)])
        if fixed:
            for _ in blobs:
                made.param.add(lr_mult=0, decay_mult=0)
        try:
            shape = LAYERS[kind].shape(made, [bottom.shape for bottom in plain])
            tops = [checked_shape(top, "top") for top in shape.tops]
        except NetworkError as fault:
            raise UnsupportedError(f"as {kind}: {fault}") from fault
        if len(blobs) != len(shape.blobs):
            raise UnsupportedError(f"as {kind}: found {len(blobs)} blobs, expected {len(shape.blobs)}")
        weights = []
        for blob, size in zip(blobs, shape.blobs, strict=True):
            if np.size(blob) != count(size):
                raise UnsupportedError(f"as {kind}: found a blob of shape {np.shape(blob)}, expected {size}")
            self.budget.take(count(size))
            weights.append(single(np.asarray(blob)).reshape(size))
        self.net.layer.append(made)
        if blobs:
            self.weights[name] = weights
        return [Tensor(top, size) for top, size in zip(made.top, tops, strict=True)]

    def plain(self, value: Tensor) -> Tensor:
        """The value in a blob of its own shape: a view is written out. UnsupportedError where Caffe cannot do that."""
        from converters.onnx.moving.views import written

        return value if value.view is None else written(self, value)

    def constant(self, array: Constant, suffix: str = "constant") -> Tensor:
        """A blob that holds the array, by a Parameter layer."""
        shape = {"shape": {"dim": list(array.shape)}}
        return self.layer("Parameter", [], blobs=[array], suffix=suffix, fixed=True, parameter_param=shape)

    def keep(self, outputs: Iterable[Tensor]) -> None:
        """Takes out the layers that these blobs do not need."""
        needed = {tensor.blob for tensor in outputs}
        kept = []
        for layer in reversed(self.net.layer):
            if needed.intersection(layer.top):
                kept.append(layer)
                needed.update(layer.bottom)
            else:
                self.weights.pop(layer.name, None)
        made = NetParameter(name=self.net.name)
        made.layer.extend(reversed(kept))
        self.net = made

    def rename_tops(self, names: Mapping[str, str]) -> None:
        """Gives blobs other names, by their present ones; the others keep theirs, or get a number where it is taken."""
        taken = set(names.values())
        made: dict[str, str] = {}
        for layer in self.net.layer:
            for top in layer.top:
                name, number = names.get(top, top), 1
                while top not in names and name in taken:
                    number += 1
                    name = f"{top}_{number}"
                taken.add(name)
                made[top] = name
            layer.bottom[:] = [made[bottom] for bottom in layer.bottom]
            layer.top[:] = [made[top] for top in layer.top]

    def rename_results(self, stems: Iterable[str]) -> None:
        """Gives the last layer of a node the node's name where none has it, as when a view of that is the result."""
        names = {layer.name for layer in self.net.layer}
        last = {layer.name.rpartition("/")[0]: layer for layer in self.net.layer}
        for stem in stems:
            if stem in last and stem not in names:
                layer = last[stem]
                if layer.name in self.weights:
                    self.weights[stem] = self.weights.pop(layer.name)
                layer.name = stem

    def run_in_place(self) -> None:
        """Puts layers in place again that our exporter found so: it names what a blob held before `blob/layer`.

        That is done where no other layer takes the blob, for layers that change each number alone. The Scale behind a
        BatchNorm always runs in place.
        """
        takers = Counter(bottom for layer in self.net.layer for bottom in layer.bottom)
        makers = {top: layer for layer in self.net.layer for top in layer.top}
        renamed: dict[str, str] = {}
        for layer in reversed(self.net.layer):
            layer.top[:] = [renamed.get(top, top) for top in layer.top]
            if layer.type not in _IN_PLACE or len(layer.bottom) != 1 or len(layer.top) != 1:
                continue
            bottom, top = layer.bottom[0], layer.top[0]
            maker = makers[bottom]
            alike = bottom == f"{top}/{maker.name}" or (maker.type, layer.type) == ("BatchNorm", "Scale")
            if alike and takers[bottom] == 1 and not LAYERS[maker.type].is_input:
                layer.bottom[0] = renamed[bottom] = top

    def name_last(self, values: Iterable[Constant | Tensor], first: int) -> None:
        """Of the layers from `first` on, the one that makes a value gets the name without a suffix, if none has it."""
        blobs = {value.blob for value in values if isinstance(value, Tensor)}
        for layer in reversed(self.net.layer[first:]):
            if self.stem not in self._taken and blobs.intersection(layer.top):
                if layer.name in self.weights:
                    self.weights[self.stem] = self.weights.pop(layer.name)
                layer.name = self.stem
                self._taken.add(self.stem)

    def _name(self, suffix: str) -> str:
        stem = f"{self.stem}{'' if suffix.startswith('_') else '/'}{suffix}" if suffix else self.stem
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name
