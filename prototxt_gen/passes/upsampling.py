"""Pass: leaves out the bilinear Deconvolution that only enlarges a segmentation network's scores at its end.

It takes a network of one phase or of both. Its outputs are smaller then, so no network is given this unless asked for;
the scores are those that the Deconvolution would have enlarged, number by number. DF1-Seg becomes DF1-Seg-d8.

1. The last Deconvolution with a group for each channel goes, when its weights are bilinear: by its filler, or as given.
2. A Crop behind it, which cuts the scores to the image's size, goes too.
3. Behind these may stand Softmax, Sigmoid and ArgMax over the channels, which treat each place of a map alone: they
   stay, on the small map. With any other layer there the network is refused, since it would compute something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers.convolution import windows
from prototxt_gen.layers.fillers import fixed_values
from prototxt_gen.layers.layer_types import is_input
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import FillerParameter, LayerParameter, NetParameter

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_EACH_PLACE = ("ArgMax", "Sigmoid", "Softmax")


def without_upsampling(
    net: NetParameter, weights: Mapping[str, Sequence[ArrayLike]] | None = None
) -> tuple[NetParameter, str]:
    """The network without its last enlargement, and the name of the Deconvolution that was left out.

    `weights`, where they are given, say whether a Deconvolution without a bilinear filler is bilinear. The layers in
    front keep their names. UnsupportedError names the layer that stands in the way.
    """
    new = upgrade(net)
    layers = list(new.layer)
    place = next((index for index in reversed(range(len(layers))) if layers[index].type == "Deconvolution"), None)
    if place is None:
        raise UnsupportedError(f"network {net.name!r}: found no Deconvolution, expected one that enlarges its scores")
    old = layers[place]
    _check_bilinear(net, old, weights)
    gone, scores = {place}, old.bottom[0]
    names = {old.top[0]}
    for index in range(place + 1, len(layers)):
        layer = layers[index]
        taken = [bottom for bottom in layer.bottom if bottom in names]
        if not taken:
            continue
        if layer.type == "Crop" and layer.bottom[0] in names and not set(layer.bottom[1:]) & names:
            gone.add(index)
            names.update(layer.top)
        elif not _is_of_each_place(layer):
            raise UnsupportedError(
                f"network {net.name!r}: layer {layer.name!r} ({layer.type}) takes what the Deconvolution {old.name!r} "
                f"enlarges; expected no layer behind it, or {', '.join(_EACH_PLACE)} over the channels"
            )
    kept = NetParameter()
    for index, layer in enumerate(layers):
        if index not in gone:
            layer.bottom[:] = [scores if bottom in names else bottom for bottom in layer.bottom]
            layer.top[:] = [scores if top in names else top for top in layer.top]
            kept.layer.append(layer)
    if not any(not is_input(layer.type) for layer in kept.layer):
        raise UnsupportedError(f"network {net.name!r}: layer {old.name!r} is all that there is, expected scores")
    new.ClearField("layer")
    new.MergeFrom(kept)
    return new, old.name


def _check_bilinear(
    net: NetParameter, layer: LayerParameter, weights: Mapping[str, Sequence[ArrayLike]] | None
) -> None:
    """UnsupportedError unless the layer enlarges each channel by a bilinear kernel of its own."""
    import numpy as np

    options = layer.convolution_param
    group, stride = options.group, tuple(windows(layer, (1, max(1, options.group), 1, 1)).stride)
    reasons = []
    if len(layer.bottom) != 1 or group != options.num_output:
        reasons.append(f"group {group}, expected {options.num_output}, one for each channel")
    if options.bias_term:
        reasons.append("a bias, expected none")
    if stride[0] != stride[-1] or stride[0] < 2:
        reasons.append(f"stride {stride}, expected one above 1 on both axes")
    given = (weights or {}).get(layer.name)
    if given:
        blob = np.asarray(given[0])
        wanted = None if blob.ndim != 4 or blob.shape[2] != blob.shape[3] else fixed_values(
            FillerParameter(type="bilinear"), blob.shape
        )  # fmt: skip
        if wanted is None or not np.allclose(blob, wanted, rtol=0, atol=1e-6):
            reasons.append("weights of its own, expected bilinear ones")
    elif options.weight_filler.type != "bilinear":
        reasons.append("no bilinear weight_filler, nor weights to see it by")
    if reasons:
        raise UnsupportedError(
            f"network {net.name!r}: layer {layer.name!r}, its last Deconvolution, is no bilinear enlargement: found "
            f"{'; '.join(reasons)}"
        )


def _is_of_each_place(layer: LayerParameter) -> bool:
    """Whether the layer treats each place of a map alone."""
    if layer.type == "ArgMax":
        return layer.argmax_param.HasField("axis") and layer.argmax_param.axis in (1, -3)
    if layer.type == "Softmax":
        return layer.softmax_param.axis in (1, -3)
    return layer.type in _EACH_PLACE
