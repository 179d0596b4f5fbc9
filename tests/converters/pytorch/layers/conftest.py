"""One layer at a time, run by PyTorch in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.pytorch.module import to_torch
from prototxt_gen.trace import trace


@pytest.fixture
def run(net_of):
    """The tops of one layer, `l`, in the order of the text, for arrays by bottom name; float64 inside."""

    def apply(text: str, weights=None, train=False, **inputs: np.ndarray):
        bottoms = " ".join(f'bottom: "{name}"' for name in inputs)
        if "top:" not in text:
            text = f'top: "y" {text}'
        net = net_of(f'layer {{ name: "l" {bottoms} {text} }}', **{name: array.shape for name, array in inputs.items()})
        tops = list(net.layer[-1].top)
        module = to_torch(net, weights and {"l": weights}, outputs=tops)
        module = module.double().train(train)
        with torch.no_grad():
            result = module(*(torch.from_numpy(array).double() for array in inputs.values()))
        found = [result[top].numpy() for top in tops] if len(tops) > 1 else [result.numpy()]
        if "Filter" not in text:
            assert [top.shape for top in found] == list(trace(net)[-1].top_shapes)
        return found if len(found) > 1 else found[0]

    return apply
