"""Resize and Upsample against onnxruntime."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, expected, model, node, normal, refused, seeds, types

SCALES, SIZES = "x - s", "x - - z"


def floats(*scales):
    return {"s": np.array(scales, np.float32)}


@pytest.mark.parametrize(
    ("inputs", "constants", "attributes", "bvlc", "fork"),
    [
        # What torch writes for nn.Upsample(scale_factor=2), for bilinear, and for aligned corners.
        (SCALES, floats(1, 1, 2, 2), {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
         ["Deconvolution"], ["Upsample"]),
        (SCALES, floats(1, 1, 2, 2), {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
         ["Deconvolution", "Scale"], ["Deconvolution", "Scale"]),
        (SCALES, floats(1, 1, 3, 3), {"mode": "linear"}, ["Deconvolution", "Scale"], ["Deconvolution", "Scale"]),
        (SIZES, {"z": np.array([1, 2, 13, 17])}, {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
         ["Deconvolution"], ["Interp"]),
        (SIZES, {"z": np.array([1, 2, 11, 7])}, {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
         ["InnerProduct", "Convolution"], ["Interp"]),
        (SIZES, {"z": np.array([1, 2, 10, 15])}, {"mode": "linear"}, ["Deconvolution", "Scale"], None),
        (SCALES, floats(1, 1, 0.5, 1), {"mode": "linear"}, ["Convolution"], None),
        (SCALES, floats(1, 1, 3, 2), {}, ["Deconvolution"], ["Deconvolution"]),
        (SCALES, floats(1, 1, 2, 2), {"mode": "cubic"}, ["Convolution", "InnerProduct"], None),
        (SCALES, floats(1, 2, 1, 1), {}, ["Convolution"], None),
    ],
)  # fmt: skip
def test_resizing(inputs, constants, attributes, bvlc, fork):
    x = {"x": normal(1, 2, 5, 5) if bvlc != ["Convolution"] else normal(1, 2, 6, 5)}
    by = "reference" if "s" in constants and constants["s"][1] != 1 else "onnxruntime"
    assert sorted(types(check(node("Resize", inputs, **attributes), x, constants, by=by))) == sorted(bvlc)
    assert fork is None or types(check(node("Resize", inputs, **attributes), x, constants, dialect="fork")) == fork


def test_a_single_pixel_is_repeated():
    net = check(node("Resize", SIZES, mode="linear"), {"x": normal(1, 2, 1, 1)}, {"z": np.array([1, 2, 7, 9])})
    assert types(net) == ["Tile", "Tile"]


@pytest.mark.parametrize("opset", [7, 9])
def test_upsample(opset):
    x = {"x": normal(1, 2, 3, 4)}
    if opset == 7:
        net = check(node("Upsample", "x", scales=[1.0, 1, 2, 2]), x, opset=opset, by=[x["x"].repeat(2, 2).repeat(2, 3)])
    else:
        net = check(node("Upsample", "x s"), x, floats(1, 1, 2, 2), opset=opset)
    assert types(net) == ["Deconvolution"]


def test_an_axis_that_keeps_its_size_under_antialias_stays_as_it_is():
    attributes = {"mode": "linear", "antialias": 1, "axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"}
    check(node("Resize", SIZES, **attributes), {"x": normal(1, 1, 9, 3)}, {"z": np.array([10, 13])}, opset=18)


@pytest.mark.parametrize(
    ("proto", "constants", "match"),
    [
        (node("Resize", "x r s", mode="linear", coordinate_transformation_mode="tf_crop_and_resize"),
         {"r": np.zeros(8, np.float32), **floats(1, 1, 2, 2)}, "tf_crop_and_resize"),
        (node("Resize", SCALES), floats(2, 1, 1, 1), "the batch is resized"),
        (node("Resize", SCALES), floats(1, 1, 1e8, 1), "matrix|numbers"),
        (node("GridSample", "x g"), {"g": normal(1, 4, 4, 2)}, "places that the network computes"),
    ],
)  # fmt: skip
def test_refused(proto, constants, match):
    refused(proto, {"x": normal(1, 2, 5, 5)}, constants, match=match)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("seed", seeds(4))
def test_any_resizing(mode, seed):
    draw, done = random.Random(seed), 0
    while done < 12:
        axes, opset = draw.choice([1, 2, 2, 3]), draw.choice([10, 11, 13, 18, 19])
        size = [draw.randint(1, 9) for _ in range(axes)]
        x = {"x": normal(draw.randint(1, 2), draw.randint(1, 3), *size)}
        factors = [draw.choice([1, 2, 2, 3, 4, 0.5, 0.75, 1.5, 2.3]) for _ in range(axes)]
        attributes = {"mode": mode}
        if opset == 10:
            proto, constants = node("Resize", "x s", **attributes), floats(1, 1, *factors)
        else:
            known = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
            known += ["half_pixel_symmetric"] if opset >= 19 else []
            known += ["tf_half_pixel_for_nn"] if mode == "nearest" else []
            attributes["coordinate_transformation_mode"] = draw.choice(known)
            if mode == "nearest":
                attributes["nearest_mode"] = draw.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
            if mode == "cubic":
                attributes |= {"cubic_coeff_a": draw.choice([-0.75, -0.5]), "exclude_outside": draw.randint(0, 1)}
            if opset >= 18 and mode != "nearest" and draw.random() < 0.3:
                attributes["antialias"] = 1
            front: list[int] = [1, 1]
            if opset >= 18 and draw.random() < 0.5:
                front, attributes["axes"] = [], list(range(2, 2 + axes))
            if draw.random() < 0.5:
                proto, constants = node("Resize", SCALES, **attributes), floats(*front, *factors)
            else:
                if not front and draw.random() < 0.5:
                    attributes["keep_aspect_ratio_policy"] = draw.choice(["not_larger", "not_smaller"])
                wanted = [*(x["x"].shape[:2] if front else ()), *(draw.randint(1, 13) for _ in range(axes))]
                proto, constants = node("Resize", SIZES, **attributes), {"z": np.array(wanted, np.int64)}
        try:
            tops = expected(model(proto, x, constants, opset=opset), x)
        except Exception:  # onnxruntime's own: it has not all of these
            done += mode == "cubic" and 0.25
            continue
        if np.size(tops) and np.isfinite(tops[0]).all():
            check(proto, x, constants, opset=opset, by=tops)
            done += 1
