"""The zoo's networks by name, as PyTorch modules."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from caffe_zoo.cards import CARDS, card
from caffe_zoo.download import cached
from converters import load_weights, merge_batchnorm, read_ncnn
from converters.engines import Engine, Session, as_engine
from prototxt_gen.architectures import Decoder
from prototxt_gen.errors import ArchitectureError, CaffeError, FormatError, WeightsError
from prototxt_gen.generator.networks import feature_tops as tops_by_stride
from prototxt_gen.generator.networks import generate
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace

if TYPE_CHECKING:
    from torch import nn

    from converters.weights import Weights

#: A file, the word `released` (the file that was fetched before), ncnn's pair `net.param.bin,net.bin`, or what
#: `load_weights` gives.
WeightsSource: TypeAlias = "str | os.PathLike[str] | Mapping[str, Sequence[np.ndarray]]"

#: Data blobs (N, 3, H, W) to scores (N, classes, ...), float32 both.
Run: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]

#: Of the maps that `features_only` gives.
STRIDES = (4, 8, 16, 32)


class FeatureInfo:
    """The maps of a module made with `features_only`, with the methods of timm's feature_info."""

    def __init__(self, info: Sequence[Mapping[str, Any]]) -> None:
        #: By map: num_chs, reduction (its stride) and module (the name of the module that gives it).
        self.info = [dict(entry) for entry in info]

    def channels(self) -> list[int]:
        """The channels of each map."""
        return [entry["num_chs"] for entry in self.info]

    def reduction(self) -> list[int]:
        """By how much each map is smaller than the image."""
        return [entry["reduction"] for entry in self.info]

    def module_name(self) -> list[str]:
        """The name of the module behind each map, as `get_submodule` takes it."""
        return [entry["module"] for entry in self.info]

    def get_dicts(self) -> list[dict[str, Any]]:
        """All of it, a dict a map."""
        return [dict(entry) for entry in self.info]

    def __len__(self) -> int:
        return len(self.info)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.info[index]


def list_models() -> list[str]:
    """The names that `card` and `create_model` know."""
    return list(CARDS)


def create_model(
    name: str,
    weights: WeightsSource | None = None,
    features_only: bool = False,
    num_classes: int | None = None,
    input_size: tuple[int, int] | None = None,
) -> nn.Module:
    """The network as a PyTorch module: images (N, 3, H, W), preprocessed as its card says, to scores by class.

    `weights` is a file of the release (its layers tell whether it is merged), `released` for the one that `dongfeng
    fetch` downloaded, or what `load_weights` gives; without it the module is freshly initialised. Nothing is
    downloaded. With weights it is in evaluation mode.

    With `features_only` the module gives a list of maps, of the strides 4, 8, 16 and 32, and has `feature_info` as
    timm's do (`channels()`, `reduction()`, `module_name()`). Heights and widths are then free.

    Where `num_classes` differs from that of the weights, the layers that depend on it are freshly initialised.
    `input_size` is (height, width); the default is the card's. Pooling windows and the sizes of enlarged maps follow
    it.

    ArchitectureError for an impossible size or number of classes; WeightsError for weights of another network.
    """
    # torch takes seconds to import; the names and cards of the zoo should not wait for it.
    from converters import to_torch, weights_of

    merged = False
    if weights is None:
        net, arrays = network(name, num_classes, input_size), None
    else:
        arrays = load(name, weights)
        merged = is_merged(name, arrays)
        net = network(name, num_classes, input_size, merged)
        stale = _layers_of_other_classes(name, arrays, net, merged)
        if stale:
            fresh = weights_of(to_torch(net))
            arrays |= {layer: fresh[layer] for layer in stale}
    module: Any
    if not features_only:
        module = _module(net, arrays, weights)
    else:
        tops = feature_tops(name, merged)
        module = _module(net, arrays, weights, tops)
        output = next(node for node in module.graph.nodes if node.op == "output")
        maps = [output.args[0][top] for top in tops]
        output.args = (maps,)
        module.recompile()
        channels = {row.tops[0]: row.top_shapes[0][1] for row in trace(net) if row.tops}
        module.feature_info = FeatureInfo(
            [
                {"num_chs": channels[top], "reduction": stride, "module": str(made.target)}
                for stride, top, made in zip(STRIDES, tops, maps, strict=True)
            ]
        )
    module.train(weights is None)
    return module


def network(
    name: str, num_classes: int | None = None, input_size: tuple[int, int] | None = None, merged: bool = False
) -> NetParameter:
    """The deploy network of a card, for this number of classes and this input size (height, width)."""
    known = card(name)
    architecture = known.architecture
    if num_classes is not None:
        architecture = replace(architecture, classes=num_classes)
    size = known.preprocessing.crop if input_size is None else input_size
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise ArchitectureError(f"network {name!r}: input_size is {size!r}, expected (height, width)")
    return generate(architecture, input_shape=(1, 3, *size), merged=merged)


def load(name: str, weights: WeightsSource) -> Weights:
    """The arrays of any source of weights for a card's network, not yet checked against it."""
    if isinstance(weights, str) and weights == "released":
        weights = cached(name)
    if isinstance(weights, str) and weights.endswith(".bin"):
        if weights.count(",") != 1:
            raise FormatError(f"{weights}: ncnn's weights are two files, expected both: NET.param.bin,NET.bin")
        return _from_ncnn(name, *weights.split(","))
    arrays = load_weights(weights) if isinstance(weights, (str, os.PathLike)) else weights
    architecture = card(name).architecture
    # A network without the last upsampling takes the weights of the one that has it, which is not learned.
    coarse = isinstance(architecture, Decoder) and architecture.upsampling == 1
    return {
        layer: list(blobs) for layer, blobs in arrays.items() if not (coarse and layer.startswith("Decoder_score.up"))
    }


def is_merged(name: str, weights: Mapping[str, Any]) -> bool:
    """Whether the weights are those of the card's network with batch norm merged, and so have no layers of it."""
    with_norms, without = (
        {row.name for row in trace(network(name, merged=merged)) if row.blob_shapes} for merged in (False, True)
    )
    return not (with_norms - without) & weights.keys()


def load_network(
    name: str,
    weights: WeightsSource,
    num_classes: int | None = None,
    input_size: tuple[int, int] | None = None,
) -> tuple[NetParameter, Weights]:
    """A card's network, merged or not as the weights are, and the weights. WeightsError unless they fit.

    The weights include bilinear upsampling, which files may leave to its filler.
    """
    from converters import weights_of

    arrays = load(name, weights)
    net = network(name, num_classes, input_size, is_merged(name, arrays))
    return net, weights_of(_module(net, arrays, weights)) | arrays


def runner(net: NetParameter, weights: Mapping[str, Sequence[Any]], engine: Engine | str = "torch") -> Run:
    """The network with its weights as a function of data blobs, with batch norm folded into the convolutions.

    The weights must fit the network (see load_network). `engine` is one of `make_engine`, or its name. CaffeError for
    an unknown engine, NotInstalledError for one whose package is missing.
    """
    return run_of(open_session(net, weights, engine))


def open_session(
    net: NetParameter,
    weights: Mapping[str, Sequence[Any]],
    engine: Engine | str = "torch",
    outputs: Sequence[str] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Session:
    """The network with its weights in an engine, with batch norm folded into the convolutions; errors as of `runner`.

    `outputs` and `shapes` are what `Engine.load` takes.
    """
    return as_engine(engine).load(*merge_batchnorm(net, weights), outputs=outputs, input_shapes=shapes)


def run_of(session: Session) -> Run:
    """A session of one input and one output as a function of data blobs."""
    (data,), (scores,) = session.inputs, session.outputs
    return lambda blob: session.run({data: blob})[scores]


def feature_tops(name: str, merged: bool = False) -> list[str]:
    """The tops at strides 4, 8, 16 and 32 of a card's backbone: at each, what its last block gives.

    Convolutions between the last block and the pooling do not count, nor those at the start of a block, before its
    stride. CaffeError for a backbone without one of the four.
    """
    tops = tops_by_stride(card(name).architecture, merged)
    missing = [stride for stride in STRIDES if stride not in tops]
    if missing:
        raise CaffeError(f"{name}: features_only: found maps of strides {sorted(tops)}, expected {missing} among them")
    return [tops[stride] for stride in STRIDES]


def _from_ncnn(name: str, param: str, file: str) -> Weights:
    """The weights in a pair of ncnn's files, under the names of the card's merged network, which has the same order.

    Deconvolutions are left out: the network has the same bilinear ones by itself, and ncnn's graph may have more.
    """
    net, arrays = read_ncnn(param, file)
    theirs, ours = (
        [row for row in trace(one) if row.blob_shapes and row.type != "Deconvolution"]
        for one in (net, network(name, merged=True))
    )
    for number, (found, expected) in enumerate(zip_longest(theirs, ours), 1):
        if found is None or expected is None or found.blob_shapes != expected.blob_shapes:
            sides = [f"{row.name!r} {list(row.blob_shapes)}" if row else "none" for row in (found, expected)]
            raise WeightsError(
                f"{param}: not of {name}: layer {number} with weights: found {sides[0]}, expected {sides[1]}"
            )
    return {mine.name: arrays[other.name] for other, mine in zip(theirs, ours, strict=True)}


def _module(
    net: NetParameter, arrays: Weights | None, source: WeightsSource | None, outputs: Sequence[str] | None = None
) -> nn.Module:
    """The network in torch; an error about weights names the file that they came from."""
    from converters import to_torch

    try:
        return to_torch(net, arrays, outputs=outputs)
    except WeightsError as fault:
        file = source if isinstance(source, (str, os.PathLike)) else "weights"
        raise WeightsError(f"{os.fspath(file)}: {fault}") from fault


def _layers_of_other_classes(
    name: str, weights: Mapping[str, Sequence[np.ndarray]], net: NetParameter, merged: bool
) -> list[str]:
    """Layers whose weights fit the card's number of classes while the network has another."""
    own = {row.name: row.blob_shapes for row in trace(network(name, merged=merged))}
    asked = {row.name: row.blob_shapes for row in trace(net)}
    return [
        layer
        for layer, shapes in asked.items()
        if shapes != own.get(layer)
        and [np.size(blob) for blob in weights.get(layer, ())] == [int(np.prod(shape)) for shape in own.get(layer, ())]
    ]
