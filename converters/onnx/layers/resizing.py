"""Interp and Upsample."""

from __future__ import annotations

import numpy as np

from converters.onnx.layers.emitters import EMITTERS, Layer


@EMITTERS.register("Upsample")
def upsample(layer: Layer) -> None:
    """Each pixel `scale` times on both axes (forks for YOLO: upsample_layer.cpp)."""
    scale = float(layer.parameter.upsample_param.scale)
    scales = layer.constant(np.array([1, 1, scale, scale], np.float32), "scales")
    modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    layer.node("Resize", [layer.bottoms[0], "", scales], layer.tops[0], **modes)
