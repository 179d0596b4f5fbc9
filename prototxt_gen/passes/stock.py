"""Pass: replaces layers that only forks of Caffe have by layers of stock BVLC Caffe that compute exactly the same.

It takes a network that states the sizes of its inputs; the result has the layers of one phase only.

1. A ShuffleChannel becomes a 1x1 Convolution without bias whose weights are the permutation.
2. An Interp becomes an InnerProduct over the pixels of each channel, whose weights are the bilinear factors, and a
   Reshape to the new height and width. (A Deconvolution cannot do it: Interp aligns corners, so samples lie at
   fractions of a pixel that differ from place to place.)
3. A ReLU6 becomes a Clip to 0..6.
4. Every other layer stays. The replaced layer's name goes to the layer with the weights, its top stays as it was.

The weights are fixed: lr_mult 0, and `stock_weights` gives them. Only one phase is written, since the sizes of an
Interp, and so its weights, may differ between the two; a solver can name a train_net and a test_net. The state of the
result says which phase it is; `left_out` in phase.py tells which layers are missing for that reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.passes.phase import Phase, phase_of, select_phase
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.trace import LayerSummary, trace

if TYPE_CHECKING:
    import numpy as np  # imported where weights are made: it would take half the time of `import prototxt_gen`

# 256 MB of factors for one Interp: enough for pooled maps, which are what networks of this kind enlarge.
_MOST_FACTORS = 1 << 26

Shapes = Mapping[str, Sequence[int]]


def to_stock(net: NetParameter, phase: Phase | None = None, input_shapes: Shapes | None = None) -> NetParameter:
    """The network's layers of one phase, with stock Caffe's layers in the place of ShuffleChannel, Interp and ReLU6.

    Without `phase` it is the one in the network's state, else TEST; the result's state says which. The network must
    state the sizes of its inputs, or `input_shapes` (by top) does. UnsupportedError lists the Interps that would need
    too many weights.
    """
    selected = select_phase(net, phase or phase_of(net))
    rows = _fork_layers(selected, input_shapes)
    new = NetParameter()
    new.CopyFrom(selected)
    new.ClearField("layer")
    for index, layer in enumerate(selected.layer):
        new.layer.extend(_replaced(rows[index]) if index in rows else [layer])
    return new


def stock_weights(
    net: NetParameter, phase: Phase | None = None, input_shapes: Shapes | None = None
) -> dict[str, list[np.ndarray]]:
    """The fixed weights of the layers that `to_stock` of the same arguments writes, float32, by layer name."""
    rows = _fork_layers(select_phase(net, phase or phase_of(net)), input_shapes)
    weights = {}
    for row in rows.values():
        if row.type == "ShuffleChannel":
            weights[row.name] = [_permutation(row.bottom_shapes[0][1], row.layer.shuffle_channel_param.group)]
        elif row.type == "Interp":
            weights[row.name] = [_bilinear(row)]
    return weights


def _fork_layers(selected: NetParameter, input_shapes: Shapes | None) -> dict[int, LayerSummary]:
    """The layers that stock Caffe lacks, by their place in the network."""
    traced = enumerate(trace(selected, input_shapes))
    rows = {index: row for index, row in traced if row.type in ("ShuffleChannel", "Interp", "ReLU6")}
    sizes = [(row.name, *_matrix_shape(row)) for row in rows.values() if row.type == "Interp"]
    large = [f"{name!r} {made}x{size}" for name, made, size in sizes if made * size > _MOST_FACTORS]
    if large:
        raise UnsupportedError(
            f"network {selected.name!r}: stock Caffe has no Interp, and a matrix in its place would be too large: "
            f"{', '.join(large)}, expected at most {_MOST_FACTORS} numbers"
        )
    return rows


def _replaced(row: LayerSummary) -> list[LayerParameter]:
    old = row.layer
    new = LayerParameter(name=old.name, bottom=old.bottom[:1], top=old.top, include=old.include, exclude=old.exclude)
    if old.type == "ReLU6":
        new.type = "Clip"
        new.clip_param.min, new.clip_param.max = 0, 6
        return [new]
    new.param.add(lr_mult=0, decay_mult=0)
    if old.type == "ShuffleChannel":
        new.type = "Convolution"
        new.convolution_param.num_output = row.bottom_shapes[0][1]
        new.convolution_param.bias_term = False
        new.convolution_param.kernel_size.append(1)
        return [new]
    height, width = row.top_shapes[0][2:]
    new.type, new.top[0] = "InnerProduct", f"{old.name}/pixels"
    new.inner_product_param.num_output = height * width
    new.inner_product_param.bias_term = False
    new.inner_product_param.axis = 2
    back = LayerParameter(name=f"{old.name}/reshape", type="Reshape", bottom=new.top, top=old.top)
    back.include.extend(old.include)
    back.exclude.extend(old.exclude)
    back.reshape_param.shape.dim.extend([0, 0, height, width])
    if len(old.bottom) == 1:
        return [new, back]
    # The bottom that only gave the size would become an output.
    size = LayerParameter(name=f"{old.name}/size", type="Silence", bottom=old.bottom[1:])
    size.include.extend(old.include)
    size.exclude.extend(old.exclude)
    return [new, back, size]


def _permutation(channels: int, group: int) -> np.ndarray:
    """Channel i of the result is channel `order[i]`: groups side by side become neighbours."""
    import numpy as np

    order = np.arange(channels).reshape(group, channels // group).T.ravel()
    return np.eye(channels, dtype=np.float32)[order].reshape(channels, channels, 1, 1)


def _matrix_shape(row: LayerSummary) -> tuple[int, int]:
    return math.prod(row.top_shapes[0][2:]), math.prod(row.bottom_shapes[0][2:])


def _bilinear(row: LayerSummary) -> np.ndarray:
    """(pixels of the top, pixels of the bottom) factors of an Interp (DeepLab and DF forks: interp.cpp)."""
    import numpy as np

    options = row.layer.interp_param
    ways = [
        _factors(size, made, -options.pad_beg, -options.pad_end)
        for size, made in zip(row.bottom_shapes[0][2:], row.top_shapes[0][2:], strict=True)
    ]
    return np.kron(*ways).astype(np.float32)


def _factors(size: int, made: int, before: int, after: int) -> np.ndarray:
    """(made, size) factors along one axis, of which `before` and `after` positions are cut off."""
    import numpy as np

    inner = size - before - after
    places = np.arange(made) * ((inner - 1) / (made - 1) if made > 1 else 0.0)
    low = np.minimum(places.astype(int), inner - 1)
    high = np.minimum(low + 1, inner - 1)
    factors = np.zeros((made, size))
    rows = np.arange(made)
    np.add.at(factors, (rows, before + low), 1 - (places - low))
    np.add.at(factors, (rows, before + high), places - low)
    return factors
