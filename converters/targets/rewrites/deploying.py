"""Networks made for training as they are deployed: losses and scores gone, data layers as Inputs, no Splits.

1. Losses, Accuracy, HDF5Output and Silence go; so does what labels lead to, and what only those that go need. What they
   were given beside labels are the network's outputs now: of a SoftmaxWithLoss the scores before its softmax, as deploy
   files have it. Other outputs stay.
2. A data layer becomes an Input of the same shape with those of its tops that are taken. Its images then come as the
   layer would have made them; the change says how.
3. What takes a top of a Split takes the Split's bottom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from converters.targets.checking import Report
from converters.targets.forms import NETWORK_REWRITES, Change, Draft
from converters.targets.replacing import unread, without_dead
from converters.targets.rows import rows_of
from prototxt_gen.layers import LAYERS, is_input
from prototxt_gen.layers.sources import preprocessing
from prototxt_gen.proto import LayerParameter, NetParameter

Shapes: TypeAlias = Mapping[str, Sequence[int]] | None

_MEASURES = ("Accuracy", "HDF5Output", "Silence")
_DATA = ("Data", "DummyData", "HDF5Data", "ImageData", "MemoryData", "WindowData")


def drop_losses(draft: Draft, report: Report, input_shapes: Shapes) -> Draft | None:
    """The network without what measures it, where one of these layers is at fault and something else computes."""
    layers = list(draft.net.layer)
    gone = _measures(layers)
    if not {fault.layer for fault in report.faults} & {layers[index].name for index in gone}:
        return None
    kept = [layer for index, layer in enumerate(layers) if index not in gone]
    taken = {bottom for layer in kept for bottom in layer.bottom}
    outputs = [name for name in unread(layers) if any(name in layer.top for layer in kept)]
    changes = []
    for index in sorted(gone):
        layer = layers[index]
        scores = [] if layer.type == "Silence" else _scores(layer, kept)
        new = [name for name in scores if name not in taken]
        outputs += new
        said = f"{layer.type} left out"
        changes.append(Change(layer.name, "deploying", f"{said}: {', '.join(new)} is an output now" if new else said))
    made = _with_layers(draft, kept, changes)
    made = without_dead(made, outputs)
    for layer in made.net.layer:
        layer.ClearField("loss_weight")
        layer.ClearField("propagate_down")
    _drop_unread_inputs(made.net, layers)
    return None if all(is_input(layer.type) or layer.type == "DummyData" for layer in made.net.layer) else made


def _measures(layers: Sequence[LayerParameter]) -> set[int]:
    """The layers that measure, what labels lead to, and what takes a top of one of these."""
    labels = {name for layer in layers for name in _labels(layer)}
    sources = {top for layer in layers if is_input(layer.type) or layer.type == "DummyData" for top in layer.top}
    tainted = {layer.top[1] for layer in layers if _is_labelled(layer)} | (labels & sources)
    gone = set()
    for index, layer in enumerate(layers):
        if _is_measure(layer) or tainted & set(layer.bottom):
            gone.add(index)
            tainted |= set(layer.top)
    return gone


def _is_measure(layer: LayerParameter) -> bool:
    return layer.type in _MEASURES or (layer.type in LAYERS and LAYERS[layer.type].family == "losses")


def _labels(layer: LayerParameter) -> list[str]:
    """The bottoms of a layer that measures which are labels."""
    places = LAYERS[layer.type].labels if _is_measure(layer) else ()
    return [name for place, name in enumerate(layer.bottom) if place in places]


def _is_labelled(layer: LayerParameter) -> bool:
    return layer.type in LAYERS and LAYERS[layer.type].is_labelled and len(layer.top) == 2


def _scores(layer: LayerParameter, kept: Iterable[LayerParameter]) -> list[str]:
    """What the layer took that layers of the network make, but no inputs."""
    labels = _labels(layer)
    made = {top for one in kept if not is_input(one.type) and one.type != "DummyData" for top in one.top}
    return [name for name in dict.fromkeys(layer.bottom) if name in made and name not in labels]


def _with_layers(draft: Draft, layers: Sequence[LayerParameter], changes: Iterable[Change]) -> Draft:
    net = NetParameter()
    net.CopyFrom(draft.net)
    net.ClearField("layer")
    net.layer.extend(layers)
    return Draft(net, draft.weights, [*draft.changes, *changes], draft.renamed, draft.fixed)


def _drop_unread_inputs(net: NetParameter, before: Iterable[LayerParameter]) -> None:
    """Takes away tops of Inputs that only what is gone took, and Inputs without any other."""
    taken = {bottom for layer in net.layer for bottom in layer.bottom}
    lost = {bottom for layer in before for bottom in layer.bottom} - taken
    for index in reversed(range(len(net.layer))):
        layer = net.layer[index]
        if layer.type != "Input" or not lost & set(layer.top):
            continue
        places = [place for place, top in enumerate(layer.top) if top not in lost]
        if len(layer.input_param.shape) == len(layer.top):
            shapes = [tuple(layer.input_param.shape[place].dim) for place in places]
            layer.input_param.ClearField("shape")
            for shape in shapes:
                layer.input_param.shape.add(dim=shape)
        layer.top[:] = [layer.top[place] for place in places]
        if not places:
            del net.layer[index]


def data_as_inputs(draft: Draft, report: Report, input_shapes: Shapes) -> Draft | None:
    """Data layers as Inputs, those of them that are at fault."""
    at_fault = {fault.layer for fault in report.faults}
    if not any(layer.type in _DATA and layer.name in at_fault for layer in draft.net.layer):
        return None
    rows = rows_of(draft.net, input_shapes)
    taken = {bottom for layer in draft.net.layer for bottom in layer.bottom}
    layers, changes = [], []
    for layer, row in zip(draft.net.layer, rows, strict=True):
        is_taken = bool(taken & set(layer.top))
        if layer.type not in _DATA or layer.name not in at_fault or (row is None and is_taken):
            layers.append(layer)
            continue
        if row is None or not is_taken:
            changes.append(Change(layer.name, "deploying", f"{layer.type} left out: no layer takes its tops"))
            continue
        made = LayerParameter(name=layer.name, type="Input")
        shapes = []
        for top, shape in zip(layer.top, row.top_shapes, strict=True):
            if top in taken:
                made.top.append(top)
                made.input_param.shape.add(dim=shape)
                shapes.append(f"{top} {'x'.join(map(str, shape))}")
        if made.top:
            layers.append(made)
            changes.append(
                Change(layer.name, "deploying", f"{layer.type} as Input: {', '.join(shapes)}{_given(layer)}")
            )
        else:
            changes.append(Change(layer.name, "deploying", f"{layer.type} left out: no layer takes its tops"))
    return _with_layers(draft, layers, changes)


def _given(layer: LayerParameter) -> str:
    """How the images have to come, that the layer would have read."""
    if "transform_param" not in LAYERS[layer.type].options:
        return ""
    done = preprocessing(layer)
    said = []
    if done["mean_values"]:
        said.append(f"less {', '.join(f'{value:g}' for value in done['mean_values'])}")
    elif done["mean_file"]:
        said.append(f"less the mean in {done['mean_file']}")
    if done["scale"] != 1:
        said.append(f"times {done['scale']:g}")
    return f"; images come {', '.join(said)}" if said else ""


def resolve_splits(draft: Draft, report: Report, input_shapes: Shapes) -> Draft | None:
    """What takes a Split takes its bottom, unless a layer writes over that memory or the top is an output."""
    at_fault = {fault.layer for fault in report.faults}
    written = {top for layer in draft.net.layer for top in layer.top if top in layer.bottom}
    outputs = set(unread(draft.net.layer))
    real: dict[str, str] = {}
    layers, changes = [], []
    for old in draft.net.layer:
        layer = LayerParameter()
        layer.CopyFrom(old)
        layer.bottom[:] = [real.get(name, name) for name in old.bottom]
        tops = set(old.top)
        if old.type == "Split" and old.name in at_fault and not tops & (written | outputs):
            real.update(dict.fromkeys(old.top, layer.bottom[0]))
            changes.append(Change(old.name, "deploying", f"Split left out: layers take {layer.bottom[0]} itself"))
        else:
            layers.append(layer)
    return _with_layers(draft, layers, changes) if changes else None


NETWORK_REWRITES["losses and scores gone"] = drop_losses
NETWORK_REWRITES["data layers as Inputs"] = data_as_inputs
NETWORK_REWRITES["Splits resolved"] = resolve_splits
