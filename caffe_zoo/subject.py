"""A network that is evaluated, with its weights and its images' preprocessing: one of the zoo, or one in files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from caffe_zoo.cards import Preprocessing, card
from caffe_zoo.models import WeightsSource, load_network, open_session
from converters import read_weights
from converters.engines import Engine, Session
from converters.weights import Weights
from prototxt_gen.errors import NetworkError, UnsupportedError
from prototxt_gen.flow import flow_of, live_rows, output_names
from prototxt_gen.layers import LAYERS, is_input
from prototxt_gen.layers.sources import preprocessing
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.trace import trace


@dataclass(frozen=True)
class Subject:
    """A network that gives scores of images, or of their pixels (`per_pixel`), for so many classes.

    It takes one input, `data`, as `preprocessing` says, whose `crop` is the size of the images that it sees. `output`
    names the top with the scores, where the network has others; `shapes` are those of inputs, where it states none.
    """

    net: NetParameter
    weights: Weights
    preprocessing: Preprocessing
    classes: int
    per_pixel: bool
    data: str
    output: str | None = None
    shapes: Mapping[str, Sequence[int]] | None = None

    def session(self, engine: Engine | str) -> Session:
        """The network in an engine, batch norm folded into the convolutions."""
        outputs = None if self.output is None else [self.output]
        return open_session(self.net, self.weights, engine, outputs, self.shapes)


def of_zoo(
    name: str,
    weights: WeightsSource = "released",
    num_classes: int | None = None,
    input_size: tuple[int, int] | None = None,
) -> Subject:
    """A network of the zoo; arguments as of `create_model`, preprocessing as its card says."""
    known = card(name)
    net, arrays = load_network(name, weights, num_classes, input_size)
    preprocessing = replace(known.preprocessing, crop=input_size or known.preprocessing.crop)
    classes = num_classes or known.architecture.classes
    return Subject(net, arrays, preprocessing, classes, known.kind == "segmentation", "data")


def of_files(
    net: NetParameter,
    weights: str | os.PathLike[str],
    mean: tuple[float, ...] | None = None,
    scale: float | None = None,
    resize_shorter: int | None = None,
    *,
    output: str | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Subject:
    """A network of one's own: its TEST phase, and the file of its weights in any format.

    Images become (pixel - mean) * scale in the order B, G, R, Caffe's own, in the size of the network's input: resized
    whole, or with `resize_shorter` so that their shorter side has so many pixels, of which the centre is taken. Without
    `mean` or `scale` they are what the network's data layer says; a network for deployment has none, and then a mean
    has to be given, and the scale is 1, as in Caffe. NetworkError unless one input with three channels leads to one top
    with the scores of classes, which `output` names; WeightsError for weights that do not fit.
    """
    arrays = read_weights(weights, net, input_shapes=input_shapes)
    selected = select_phase(net, "TEST", level=net.state.level)
    rows = trace(selected, input_shapes)
    flow = flow_of(rows)
    names = output_names(flow, None if output is None else [output])
    label = f"network {net.name!r}"
    if len(names) != 1:
        raise NetworkError(f"{label}: outputs: found {', '.join(names) or 'none'}, expected one: the top of the scores")
    live, _ = live_rows(rows, flow, names)
    read = {bottom for index in live for bottom in rows[index].layer.bottom}
    inputs = {
        top: shape
        for index in live
        if is_input(rows[index].type)
        for top, shape in zip(rows[index].tops, rows[index].top_shapes, strict=True)
        if top in read
    }
    if len(inputs) != 1:
        raise NetworkError(f"{label}: inputs: found {', '.join(inputs) or 'none'}, expected one: the image")
    ((data, shape),) = inputs.items()
    if len(shape) != 4 or shape[1] != 3:
        raise UnsupportedError(f"{label}: input {data!r}: found {tuple(shape)}, expected (images, 3, height, width)")
    scores = next(
        found for row in reversed(rows) for top, found in zip(row.tops, row.top_shapes, strict=True) if top == names[0]
    )
    if not 2 <= len(scores) <= 4 or len(scores) == 3:
        raise NetworkError(
            f"{label}: output {names[0]!r}: found shape {tuple(scores)}, expected (images, classes) or "
            "(images, classes, height, width)"
        )
    stated = _stated(next(row.layer for row in rows if data in row.tops))
    mean, scale = mean or stated.mean, stated.scale if scale is None else scale
    if not mean:
        raise NetworkError(
            f"{label}: mean: found none, expected what is subtracted from pixels, for B, G and R, or 0: it is in no "
            f"data layer{stated.why}"
        )
    chosen = Preprocessing(
        mean=mean * (3 // len(mean)), scale=scale, resize_shorter=resize_shorter, crop=(int(shape[2]), int(shape[3]))
    )
    per_pixel = any(size != 1 for size in scores[2:])
    return Subject(selected, arrays, chosen, int(scores[1]), per_pixel, data, names[0], input_shapes)


class _Stated(NamedTuple):
    """What a network says of its images: no mean where it says none, and why that is, where it can be said."""

    mean: tuple[float, ...] = ()
    scale: float = 1.0
    why: str = ""


def _stated(layer: LayerParameter) -> _Stated:
    """What an input's layer says (Caffe: data_transformer.cpp)."""
    if "transform_param" not in LAYERS[layer.type].options:
        return _Stated()
    told = preprocessing(layer)
    if told["mean_file"]:
        return _Stated((), told["scale"], f"; {layer.name!r} names {told['mean_file']}, with one for each pixel")
    return _Stated(told["mean_values"] or (0.0,), told["scale"])
