"""InnerProduct as a Convolution and the other way round; along another axis between Permutes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import Building, shares_blobs
from prototxt_gen.layers.convolution import windows
from prototxt_gen.layers.layer_types import axis_of, count


@layers_rewritten("a kernel as large as the map", "InnerProduct")
def as_convolution(place: Place) -> Iterator[Form]:
    """An InnerProduct of a map as a Convolution whose kernel is the whole map, and a Flatten or Reshape."""
    row, options = place.row, place.row.layer.inner_product_param
    shape = row.bottom_shapes[0]
    if axis_of(row.layer, "inner_product_param", shape) != 1 or len(shape) not in (2, 4) or shares_blobs(place):
        return
    blobs = place.blobs
    kernel = shape[2:] or (1, 1)
    if blobs is not None:
        weights = blobs[0].T if options.transpose else blobs[0]
        blobs = [weights.reshape(-1, shape[1], *kernel), *blobs[1:]]
    stated: dict[str, Any] = {"num_output": options.num_output}
    stated |= {} if options.bias_term else {"bias_term": False}
    stated |= {"kernel_size": [kernel[0]]} if kernel[0] == kernel[1] else {"kernel_h": kernel[0], "kernel_w": kernel[1]}
    for last in ("Flatten", "Reshape"):
        made = Building(place)
        x = made.bottom
        if len(shape) == 2:
            x = made.add("Reshape", [x], "map", reshape_param={"shape": {"dim": [0, 0, 1, 1]}})
        x = made.add("Convolution", [x], "product", blobs, convolution_param=stated)
        if last == "Flatten":
            made.add("Flatten", [x], "flat")
        else:
            made.add("Reshape", [x], "flat", reshape_param={"shape": {"dim": [0, options.num_output]}})
        yield made.form("an InnerProduct as a Convolution over the whole map")


@layers_rewritten("channels moved to axis 1", "InnerProduct")
def along_last_axis(place: Place) -> Iterator[Form]:
    """An InnerProduct along the last of four axes as a Convolution of 1x1 between two Permutes."""
    row, options = place.row, place.row.layer.inner_product_param
    shape = row.bottom_shapes[0]
    if len(shape) != 4 or axis_of(row.layer, "inner_product_param", shape) != 3 or shares_blobs(place):
        return
    blobs = place.blobs
    if blobs is not None:
        weights = blobs[0].T if options.transpose else blobs[0]
        blobs = [weights[:, :, None, None], *blobs[1:]]
    made = Building(place)
    stated: dict[str, Any] = {"num_output": options.num_output, "kernel_size": [1]}
    stated |= {} if options.bias_term else {"bias_term": False}
    x = made.add("Permute", [made.bottom], "turned", permute_param={"order": [0, 3, 2, 1]})
    x = made.add("Convolution", [x], "axis3", blobs, convolution_param=stated)
    made.add("Permute", [x], "back", permute_param={"order": [0, 3, 2, 1]})
    yield made.form("an InnerProduct along axis 3 as a Convolution along axis 1 between two Permutes")


@layers_rewritten("a product of the whole map", "Convolution")
def as_inner_product(place: Place) -> Iterator[Form]:
    """A Convolution whose one window is the whole map as an InnerProduct and a Reshape."""
    row, options = place.row, place.row.layer.convolution_param
    if len(row.bottoms) != 1 or len(row.bottom_shapes[0]) != 4 or shares_blobs(place) or options.group != 1:
        return
    shape = row.bottom_shapes[0]
    window = windows(row.layer, shape)
    if window.axis != 1 or window.kernel != shape[2:] or any(window.pad) or set(window.dilation) != {1}:
        return
    blobs = place.blobs
    if blobs is not None:
        blobs = [blobs[0].reshape(-1, count(shape[1:])), *blobs[1:]]
    made = Building(place)
    stated: dict[str, Any] = {"num_output": options.num_output}
    stated |= {} if options.bias_term else {"bias_term": False}
    x = made.add("InnerProduct", [made.bottom], "product", blobs, inner_product_param=stated)
    made.add("Reshape", [x], "map", reshape_param={"shape": {"dim": [0, 0, 1, 1]}})
    yield made.form("a Convolution over the whole map as an InnerProduct")
