"""The same layer in other words: options stated or left out, axes from the front, factors of functions as Powers.

Each form computes what the layer computes, whatever the target's reader takes an option for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import log

import numpy as np

from converters.targets.checking import Report, untaken_tops
from converters.targets.forms import FINAL_REWRITES, Change, Draft, Form, Place, free_name, layers_rewritten
from converters.targets.rewrites.building import Building, alone, copied, shares_blobs
from prototxt_gen.layers import LAYERS, is_input
from prototxt_gen.proto import LayerParameter, Message, NetParameter, fields_of

_WITH_AXIS = tuple(
    kind
    for kind in LAYERS
    if any("axis" in fields_of(type(getattr(LayerParameter(), field))) for field in LAYERS[kind].options)
)


@layers_rewritten("axes counted from the front", *_WITH_AXIS)
def from_the_front(place: Place) -> Iterator[Form]:
    """Negative numbers of axes counted from the front; the old names concat_dim and slice_dim as axis."""
    made = copied(place.row.layer)
    axes = len(place.row.bottom_shapes[0]) if place.row.bottom_shapes else 0
    changed = False
    for options in _options(made):
        for name in fields_of(type(options)).keys() & {"axis", "end_axis"}:
            if getattr(options, name) < 0:
                # The axes of a Reshape are places between axes, so that there is one more.
                setattr(options, name, getattr(options, name) + axes + (made.type == "Reshape"))
                changed = True
        for name in fields_of(type(options)).keys() & {"concat_dim", "slice_dim"}:
            if options.HasField(name):
                setattr(options, "axis", getattr(options, name))  # noqa: B010
                options.ClearField(name)
                changed = True
    if changed:
        yield Form((made,), "axes by numbers from the front")


@layers_rewritten("weights transposed", "InnerProduct")
def weights_transposed(place: Place) -> Iterator[Form]:
    """An InnerProduct's weights turned, so that it needs no `transpose`."""
    if not place.row.layer.inner_product_param.transpose or shares_blobs(place):
        return
    made = copied(place.row.layer)
    made.inner_product_param.ClearField("transpose")
    if place.blobs is None:
        yield Form((made,), "weights transposed")
    else:
        weight, *rest = place.blobs
        blobs = {made.name: [np.ascontiguousarray(weight.T), *map(np.asarray, rest)]}
        yield Form((made,), "weights transposed", blobs)


@layers_rewritten("one bottom passed on", "Concat")
def concat_of_one(place: Place) -> Iterator[Form]:
    """A Concat of one bottom changes nothing."""
    if len(place.row.bottoms) == 1:
        yield alone(place, "Split", "one bottom passed on")
        yield alone(place, "Power", "one bottom passed on")


@layers_rewritten("the whole shape", "Reshape", "Flatten")
def whole_shape(place: Place) -> Iterator[Form]:
    """The shape of all axes, with 0 for the axes in front that stay, so that the batch may change."""
    old, (bottom,), (top,) = place.row.layer, place.row.bottom_shapes, place.row.top_shapes
    kept = 0
    while kept < min(len(bottom), len(top)) and bottom[kept] == top[kept]:
        kept += 1
    dims = [0] * kept + list(top[kept:])
    if len(dims) > kept:
        # One number may be left open: the last axis that changes.
        dims[-1] = -1 if top[-1] != 0 else top[-1]
    yield alone(place, "Reshape", "all axes stated", reshape_param={"shape": {"dim": dims}})
    if old.type == "Reshape":
        yield alone(place, "Reshape", "all axes stated", reshape_param={"shape": {"dim": top}})


@layers_rewritten("all axes", "Permute")
def all_axes(place: Place) -> Iterator[Form]:
    """A Permute's axes that its text leaves out stay in their order behind the others."""
    order = list(place.row.layer.permute_param.order)
    whole = order + [axis for axis in range(len(place.row.bottom_shapes[0])) if axis not in order]
    if whole != order:
        yield alone(place, "Permute", "all axes stated", permute_param={"order": whole})


@layers_rewritten("the kind stated", "Pooling")
def pool_stated(place: Place) -> Iterator[Form]:
    """MAX is what a Pooling does of which the text says nothing; CEIL is how it rounds."""
    made = copied(place.row.layer)
    options = made.pooling_param
    if not options.HasField("pool"):
        options.pool = options.MAX
    if options.round_mode == options.CEIL:
        options.ClearField("round_mode")
    if made.pooling_param != place.row.layer.pooling_param:
        yield Form((made,), "MAX stated, CEIL left out")


@layers_rewritten("k taken out", "LRN")
def lrn_in_few_words(place: Place) -> Iterator[Form]:
    """Alpha stated; any k as 1: (k + a s)^-b is k^-b (1 + (a / k) s)^-b.

    Within a channel k is 1 in Caffe, whatever the text says.
    """
    made = copied(place.row.layer)
    options = made.lrn_param
    k = 1.0 if options.norm_region == options.WITHIN_CHANNEL else options.k
    options.alpha = options.alpha / k
    options.ClearField("k")
    if k == 1:
        yield Form((made,), "alpha stated")
    else:
        built = Building(place)
        scaled = built.add("LRN", place.row.bottoms, "normalized", lrn_param=options)
        built.add("Power", [scaled], "scaled", power_param={"scale": k**-made.lrn_param.beta})
        yield built.form(f"k {k:g} taken out of the LRN")


@layers_rewritten("factors by Powers", "Log", "Exp", "Swish")
def factors_by_powers(place: Place) -> Iterator[Form]:
    """base, scale, shift and beta in Powers around the plain function."""
    layer = place.row.layer
    built = Building(place)

    def power(bottom: str, what: str, scale: float, shift: float = 0) -> str:
        if (scale, shift) == (1, 0):
            return bottom
        return built.add("Power", [bottom], what, power_param={"scale": scale, "shift": shift})

    if layer.type == "Swish":
        beta = layer.swish_param.beta
        if beta == 0:  # the sigmoid of 0 is a half
            power(built.bottom, "halved", 0.5)
        else:
            inner = built.add("Swish", [power(built.bottom, "scaled", beta)], "plain")
            power(inner, "back", 1 / beta)
    elif layer.type == "Exp":
        base = 1.0 if layer.exp_param.base == -1 else log(layer.exp_param.base)
        scale, shift = base * layer.exp_param.scale, base * layer.exp_param.shift
        built.add("Exp", [power(built.bottom, "scaled", scale, shift)], "plain")
    else:
        base = 1.0 if layer.log_param.base == -1 else log(layer.log_param.base)
        inner = power(built.bottom, "scaled", layer.log_param.scale, layer.log_param.shift)
        power(built.add("Log", [inner], "plain"), "in_base", 1 / base)
    yield built.form(f"{layer.type} without options, and Powers")


@layers_rewritten("its size stated", "Interp")
def interp_by_size(place: Place) -> Iterator[Form]:
    """An Interp to the height and the width that its factors, or its second bottom, come to; of one without pads."""
    options = place.row.layer.interp_param
    if options.pad_beg == 0 == options.pad_end:
        height, width = place.row.top_shapes[0][2:]
        built = Building(place)
        built.add("Interp", place.row.bottoms[:1], "to_size", interp_param={"height": height, "width": width})
        yield built.form(f"to {height} x {width}")


@layers_rewritten("a bias of its own", "Scale")
def scale_then_bias(place: Place) -> Iterator[Form]:
    """A Scale of two bottoms and a bias is one without, and a Bias behind it."""
    row = place.row
    if len(row.bottoms) != 2 or not row.layer.scale_param.bias_term or shares_blobs(place):
        return
    axis = row.layer.scale_param.axis % len(row.bottom_shapes[0])
    axes = len(row.bottom_shapes[1])
    built = Building(place)
    scaled = built.add("Scale", row.bottoms, "scaled", scale_param={"axis": axis})
    built.add("Bias", [scaled], "biased", place.blobs, bias_param={"axis": axis, "num_axes": axes})
    yield built.form("a Bias behind the Scale")


@layers_rewritten("factors of channels behind", "Normalize")
def normalize_then_scale(place: Place) -> Iterator[Form]:
    """A Normalize with a factor for each channel is one by 1, and a Scale."""
    row = place.row
    if row.layer.norm_param.channel_shared or shares_blobs(place):
        return
    built = Building(place)
    options = copied(row.layer).norm_param
    options.channel_shared = True
    options.ClearField("scale_filler")
    plain = built.add("Normalize", row.bottoms, "plain", [np.ones((), np.float32)], norm_param=options)
    built.add("Scale", [plain], "scaled", place.blobs)
    yield built.form("a Scale behind the Normalize")


def tops_passed_on(draft: Draft, report: Report, input_shapes: Mapping[str, Sequence[int]] | None) -> Draft | None:
    """Tops that no layer takes, of layers at fault for that, each passed on by a layer of its own."""
    at_fault = _at_fault_for_tops(report)
    made, changes = _again(draft)
    made.ClearField("layer")
    names = {name for layer in draft.net.layer for name in (layer.name, *layer.top)}
    for layer, untaken in zip(draft.net.layer, untaken_tops(draft.net), strict=True):
        kept = made.layer.add()
        kept.CopyFrom(layer)
        if layer.name not in at_fault or is_input(layer.type):
            continue
        for place, top in enumerate(layer.top):
            if top in untaken and top not in layer.bottom:
                inner = free_name(f"{top}/inner", names)
                name = free_name(f"{top}/passed_on", names | {inner})
                names |= {inner, name}
                kept.top[place] = inner
                made.layer.add(name=name, type="Power", bottom=[inner], top=[top])
        changes.append(Change(layer.name, "tops passed on", f"its tops {', '.join(untaken)} are passed on by Powers"))
    return _changed(draft, made, changes)


def unread_inputs(draft: Draft, report: Report, input_shapes: Mapping[str, Sequence[int]] | None) -> Draft | None:
    """Inputs at fault for that no layer takes them, left out."""
    at_fault = _at_fault_for_tops(report)
    made, changes = _again(draft)
    made.ClearField("layer")
    for layer, untaken in zip(draft.net.layer, untaken_tops(draft.net), strict=True):
        if layer.name in at_fault and is_input(layer.type) and len(untaken) == len(layer.top):
            changes.append(Change(layer.name, "unread inputs", "left out: no layer takes it"))
        else:
            made.layer.add().CopyFrom(layer)
    return _changed(draft, made, changes)


FINAL_REWRITES["tops that no layer takes passed on"] = tops_passed_on
FINAL_REWRITES["inputs that no layer takes left out"] = unread_inputs


def _options(layer: LayerParameter) -> list[Message]:
    return [getattr(layer, field) for field in LAYERS[layer.type].options if layer.HasField(field)]


def _at_fault_for_tops(report: Report) -> set[str]:
    """The layers with a fault of which it counts that no layer takes some top."""
    return {fault.layer for fault in report.faults if fault.rule is not None and "untaken" in fault.rule.needs.names}


def _again(draft: Draft) -> tuple[NetParameter, list[Change]]:
    made = NetParameter()
    made.CopyFrom(draft.net)
    return made, []


def _changed(draft: Draft, net: NetParameter, changes: Sequence[Change]) -> Draft | None:
    if not changes:
        return None
    return Draft(net, draft.weights, [*draft.changes, *changes], draft.renamed, draft.fixed)
