"""Conv and ConvTranspose against onnxruntime."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, expected, model, node, normal, refused, seeds, types

ONE, CROPPED = ["Convolution"], ["Convolution", "Crop"]
CUT = ["Convolution", "Slice", "Silence"]


@pytest.mark.parametrize(
    ("size", "kernel", "attributes", "layers"),
    [
        ((5, 6), (3, 3), {"pads": [1] * 4, "strides": [2, 1], "group": 2}, ONE),
        ((7,), (3,), {"pads": [2, 2], "dilations": [2]}, ONE),
        ((4, 5, 6), (2, 3, 1), {"strides": [1, 2, 1], "pads": [0, 1, 0, 0, 1, 0]}, ONE),
        # TensorFlow's SAME: a stride of 2 pads an even map behind alone.
        ((8, 8), (3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, ONE),
        ((8, 8), (3, 3), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, ONE),
        ((8, 8), (5, 5), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, ONE),
        ((8, 8), (3, 3), {"auto_pad": "VALID"}, ONE),
        # Padding that no window reaches is none.
        ((6, 6), (3, 3), {"pads": [1, 1, 0, 0], "strides": [2, 2]}, ONE),
        ((6, 6), (2, 2), {"auto_pad": "SAME_UPPER"}, CROPPED),
        ((6, 6), (1, 1), {"pads": [0, 3, 0, 0]}, CUT),
        ((6, 6), (3, 3), {"pads": [0, 2, 0, 0], "dilations": [2, 2]}, ONE),
        ((6, 6), (3, 3), {"pads": [0, 1, 0, 0], "dilations": [2, 2]}, CUT),
    ],
)
def test_convolutions(size, kernel, attributes, layers):
    group = attributes.get("group", 1)
    constants = {"w": normal(6, 4 // group, *kernel), "b": normal(6)}
    net = check(node("Conv", "x w b", **attributes), {"x": normal(2, 4, *size)}, constants)
    assert types(net) == layers


@pytest.mark.parametrize(
    ("size", "kernel", "attributes", "layers"),
    [
        ((3, 4), (2, 2), {"strides": [2, 2], "group": 2}, ["Deconvolution"]),
        # What PyTorch's users write to double a map.
        ((3, 4), (3, 3), {"strides": [2, 2], "pads": [1] * 4, "output_padding": [1, 1]}, ["Deconvolution"]),
        ((3, 4), (4, 4), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, ["Deconvolution"]),
        ((3, 4), (3, 3), {"strides": [2, 2], "output_shape": [6, 8]}, ["Deconvolution"]),
        ((5,), (3,), {"dilations": [2], "pads": [1, 1]}, ["Deconvolution"]),
        ((3, 2, 2), (2, 3, 2), {"strides": [2, 1, 1]}, ["Deconvolution"]),
        ((5, 5), (2, 2), {"strides": [2, 2], "pads": [0, 4, 0, 0]}, ["Deconvolution", "Slice", "Silence"]),
    ],
)
def test_transposed_convolutions(size, kernel, attributes, layers):
    group = attributes.get("group", 1)
    constants = {"w": normal(4, 6 // group, *kernel), "b": normal(6)}
    net = check(node("ConvTranspose", "x w b", **attributes), {"x": normal(2, 4, *size)}, constants)
    assert types(net) == layers


def test_sizes_are_stated_in_the_fewest_words():
    net = check(node("Conv", "x w", pads=[1, 2] * 2), {"x": normal(1, 2, 5, 5)}, {"w": normal(2, 2, 3, 5)})
    options = net.layer[1].convolution_param
    assert (options.kernel_h, options.kernel_w, options.pad_h, options.pad_w) == (3, 5, 1, 2)
    assert not (options.kernel_size or options.stride or options.dilation or options.bias_term)


def test_weights_that_the_network_computes_are_refused():
    inputs = {"x": normal(1, 2, 5, 5), "w": normal(2, 2, 3, 3)}
    refused(node("Conv", "x w"), inputs, match="input 1: found a value that the network computes")


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("seed", seeds(3))
def test_any_windows(operator, seed):
    draw, done = random.Random(seed), 0
    while done < 12:
        axes, group = draw.choice([1, 2, 2, 3]), draw.choice([1, 1, 2, 3])
        inputs, outputs = group * draw.randint(1, 2), group * draw.randint(1, 2)
        size, kernel = ([draw.randint(1, most) for _ in range(axes)] for most in (9, 4))
        attributes = {
            "strides": [draw.randint(1, 3) for _ in range(axes)],
            "dilations": [draw.choice([1, 1, 2, 3]) for _ in range(axes)],
        }
        padding = draw.choice(["pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID", ""])
        if padding == "pads":
            attributes["pads"] = [draw.randint(0, 4) for _ in range(2 * axes)]
        elif padding:
            attributes["auto_pad"] = padding
        if operator == "ConvTranspose" and draw.random() < 0.5:
            most = [max(pair) for pair in zip(attributes["strides"], attributes["dilations"], strict=True)]
            attributes["output_padding"] = [draw.randint(0, size - 1) for size in most]
        turned = (inputs, outputs // group) if operator == "ConvTranspose" else (outputs, inputs // group)
        proto = node(operator, "x w", group=group, **attributes)
        arrays, constants = {"x": normal(draw.randint(1, 2), inputs, *size)}, {"w": normal(*turned, *kernel)}
        try:
            wanted = expected(model(proto, arrays, constants), arrays)
        except Exception:  # onnxruntime's own: no window fits  # noqa: S112
            continue
        if np.size(wanted):
            check(proto, arrays, constants, by=wanted)
            done += 1
