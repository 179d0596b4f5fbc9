"""Whether weights fit a network: what is missing, unused or of another shape, and what Caffe fills in by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from numpy.typing import ArrayLike

from converters.weights.blobs import Array, as_blob, fit
from converters.weights.load_save import Weights
from prototxt_gen.errors import WeightsError
from prototxt_gen.layers.fillers import filler_parameter, fixed_values
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import LayerSummary

Fitted = list[list[Array | None]]
"""By row the blobs that weights have for it, in its shapes; None for those that are left to its fillers."""


def fit_weights(
    rows: Sequence[LayerSummary], weights: Mapping[str, Sequence[ArrayLike]], optional: Collection[int] = ()
) -> tuple[Fitted, list[str]]:
    """What the weights have for each row of a trace, and what does not fit; rows in `optional` may have nothing.

    A layer may be absent when it is a Deconvolution with a bilinear filler, which nobody trains, when all its blobs
    are shared with earlier layers, or when an earlier layer has its name: Caffe gives the blobs to the first one.
    """
    fitted: Fitted = []
    faults: list[str] = []
    owned: set[str] = set()
    seen: set[str] = set()
    for index, row in enumerate(rows):
        given: list[Array | None] = [None] * len(row.blob_shapes)
        if row.blob_shapes and row.name not in seen:
            seen.add(row.name)
            given, wrong = _fit_row(row, weights.get(row.name), owned)
            if not (wrong and index in optional):
                faults += wrong
        owned.update(spec.name for spec in row.layer.param if spec.name)
        fitted.append(given)
    return fitted, faults


def _fit_row(
    row: LayerSummary, blobs: Sequence[ArrayLike] | None, owned: Collection[str]
) -> tuple[list[Array | None], list[str]]:
    """The blobs of one layer that fit, None for the others, and what is wrong with those."""
    shapes = row.blob_shapes
    given: list[Array | None] = [None] * len(shapes)
    where = f"layer {row.name!r} ({row.type})"
    if blobs is None:
        fixed = row.type == "Deconvolution" and filler_parameter(row.layer, row.fillers, 0).type == "bilinear"
        shared = len(row.layer.param) >= len(shapes) and all(spec.name in owned for spec in row.layer.param)
        return given, [] if fixed or shared else [f"{where}: missing, expected blobs {list(shapes)}"]
    if len(blobs) != len(shapes):
        found = [getattr(blob, "shape", "no array") for blob in blobs]
        return given, [f"{where}: found {len(blobs)} blobs {found}, expected {len(shapes)} {list(shapes)}"]
    wrong = []
    for index, (blob, shape) in enumerate(zip(blobs, shapes, strict=True)):
        try:
            array = as_blob(blob, f"{where}: blob {index}")
        except WeightsError as fault:
            wrong.append(str(fault))
            continue
        given[index] = fit(array, shape)
        if given[index] is None:
            wrong.append(f"{where}: blob {index}: found shape {array.shape}, expected {shape}")
    return given, wrong


def unused(net: NetParameter, weights: Mapping[str, Sequence[ArrayLike]]) -> list[str]:
    """What is wrong with weights of layers that a network has in no phase."""
    known = {layer.name for layer in upgrade(net).layer}
    return [
        f"layer {name!r}: in the weights, not in the network"
        for name, blobs in weights.items()
        if name not in known and len(blobs)
    ]


def completed(rows: Sequence[LayerSummary], fitted: Fitted) -> Weights:
    """The fitted blobs with those that Caffe would share or fill without random numbers: what a file should hold.

    Layers with a blob that is left to random numbers are left out, and so are further layers of one name.
    """
    shared: dict[str, Array] = {}
    for row, blobs in zip(rows, fitted, strict=True):
        for spec, blob in zip(row.layer.param, blobs, strict=False):
            if spec.name and blob is not None:  # Caffe copies into the one blob for every layer that has it
                shared[spec.name] = blob
    weights: Weights = {}
    for row, blobs in zip(rows, fitted, strict=True):
        if not blobs or row.name in weights:
            continue
        made = [blob if blob is not None else _filled(row, index, shared) for index, blob in enumerate(blobs)]
        whole = [blob for blob in made if blob is not None]
        if len(whole) == len(made):
            weights[row.name] = whole
    return weights


def _filled(row: LayerSummary, index: int, shared: Mapping[str, Array]) -> Array | None:
    name = row.layer.param[index].name if index < len(row.layer.param) else ""
    if name in shared:
        return fit(shared[name], row.blob_shapes[index])
    return fixed_values(filler_parameter(row.layer, row.fillers, index), row.blob_shapes[index])
