"""A pair of ncnn files to a network in Caffe's language and its weights, and ncnn's Interp to Caffe's."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from converters.weights.load_save import Weights
from converters.weights.ncnn.layers import CONVERTERS, Made
from converters.weights.ncnn.param_file import NcnnLayer, network_name, read_layers
from converters.weights.ncnn.weight_file import weight_file
from prototxt_gen.errors import FormatError, NetworkError, UnsupportedError
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace


def read_ncnn(
    param: str | os.PathLike[str], weights: str | os.PathLike[str], *, as_caffe: bool = False
) -> tuple[NetParameter, Weights]:
    """Reads ncnn's .param.bin (old, binary) or .param (text) and the .bin beside it.

    `to_torch(*read_ncnn(...))` computes what ncnn computes. Blobs keep ncnn's names, in binary files numbers. Split
    layers are left out: their tops become the blob that they copy. A BatchNorm becomes a BatchNorm and a Scale; an
    activation inside a layer becomes a layer. float16 weights become float32.

    ncnn's Interp samples at pixel centres, which no layer of Caffe does: it becomes a layer of the type
    InterpHalfPixel, which only this project knows, so that a prototxt shows it and Caffe refuses it. With
    `as_caffe=True` the network counts as one that was trained in Caffe, and gets Caffe's layers, whose numbers differ
    from ncnn's: Interp with aligned corners (see `caffe_interp`), and means of padded windows that count the padding.
    Without it, such means are refused.

    FormatError names the file, the layer and the field that is wrong. UnsupportedError lists every layer that is not
    supported: first by types and parameters, before any weight is read, then quantized weights.
    """
    layers = read_layers(param)
    made = _convert(os.fspath(param), layers, as_caffe)
    net = NetParameter(name=network_name(param))
    arrays: Weights = {}
    with weight_file(weights) as file:
        for layer, result in made:
            net.layer.extend(result.layers)
            found = [
                (file.marked if read.marked else file.plain)(layer, read.what, read.count) for read in result.reads
            ]
            arrays |= result.blobs(found)
        file.finish()
    if file.refused:
        text = "; ".join(file.refused)
        raise UnsupportedError(f"{file.source}: {len(file.refused)} arrays are quantized, expected floats: {text}")
    _check(os.fspath(param), net, arrays)
    return (caffe_interp(net) if as_caffe else net), arrays


def caffe_interp(net: NetParameter, input_shapes: Mapping[str, Sequence[int]] | None = None) -> NetParameter:
    """A new network with Caffe's Interp, aligned corners, in the place of every InterpHalfPixel.

    The result runs in Caffe and computes other numbers: of PL1A-Seg's labels, 2 to 3 in 100 change. Sizes stay: where
    a factor gives them, it is replaced by height and width for the network's input, or for `input_shapes`.
    """
    changed = NetParameter()
    changed.CopyFrom(net)
    if any(layer.type == "InterpHalfPixel" for layer in net.layer):
        sizes = {
            row.tops[0]: row.top_shapes[0][2:] for row in trace(net, input_shapes) if row.type == "InterpHalfPixel"
        }
        for layer in changed.layer:
            if layer.type == "InterpHalfPixel":
                layer.type = "Interp"
                height, width = sizes[layer.top[0]]
                layer.interp_param.Clear()
                layer.interp_param.height, layer.interp_param.width = height, width
    return changed


def _convert(source: str, layers: Sequence[NcnnLayer], as_caffe: bool) -> list[tuple[NcnnLayer, Made]]:
    copies: dict[str, str] = {}
    made = []
    faults = []
    for layer in layers:
        layer.bottoms = [copies.get(bottom, bottom) for bottom in layer.bottoms]
        if layer.type == "Split":
            if len(layer.bottoms) != 1:
                raise layer.fault("bottom count", len(layer.bottoms), "1")
            copies |= dict.fromkeys(layer.tops, layer.bottoms[0])
            continue
        try:
            if layer.type not in CONVERTERS:
                raise UnsupportedError("no layer of Caffe does the same")
            result = CONVERTERS[layer.type](layer)
            layer.refuse_unasked()
            if result.differences and not as_caffe:
                raise UnsupportedError(f"{'; '.join(result.differences)} (as_caffe=True takes Caffe's)")
        except UnsupportedError as fault:
            faults.append(f"{layer}: {fault}")
            continue
        made.append((layer, result))
    if faults:
        raise UnsupportedError(f"{source}: {len(faults)} layers are not supported: {'; '.join(faults)}")
    return made


def _check(source: str, net: NetParameter, weights: Weights) -> None:
    """Checks that the layers fit each other and the arrays fit the layers, where the file states its input's size."""
    if not all(layer.input_param.shape for layer in net.layer if layer.type == "Input"):
        return
    try:
        rows = trace(net)
    except NetworkError as fault:
        raise NetworkError(f"{source}: {fault}") from fault
    faults = []
    for row in rows:
        found = [array.shape for array in weights.get(row.name, ())]
        if found and found != list(row.blob_shapes):
            faults.append(f"layer {row.name!r}: found arrays of shapes {found}, expected {list(row.blob_shapes)}")
    if faults:
        raise FormatError(f"{source}: layers and sizes of arrays do not fit: {'; '.join(faults)}")
