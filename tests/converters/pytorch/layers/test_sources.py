"""Parameter, DummyData and data layers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from converters.pytorch.module import to_torch, weights_of


def test_parameter_is_learned(net_of):
    net = net_of(
        'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 2 dim: 3 } } }'
        'layer { name: "s" type: "Eltwise" bottom: "x" bottom: "p" top: "s" }',
        x=(2, 3),
    )
    module = to_torch(net, {"p": [np.ones((2, 3), np.float32)]})
    assert module(torch.ones(2, 3)).tolist() == [[2] * 3] * 2
    assert [name for name, _ in module.named_parameters()] == ["p.weight"]
    assert list(weights_of(module)) == ["p"]


def test_dummy_data(net_of):
    net = net_of(
        'layer { name: "d" type: "DummyData" top: "a" top: "b" dummy_data_param { shape { dim: 2 } shape { dim: 3 }'
        ' data_filler { value: 4 } data_filler { type: "uniform" min: 1 max: 2 } } }'
        'layer { name: "s" type: "Silence" bottom: "b" }'
    )
    module = to_torch(net, outputs=["a", "b"])
    first, second = module(), module()
    assert first["a"].tolist() == [4, 4]
    assert not torch.equal(first["b"], second["b"]) and 1 <= second["b"].min() <= second["b"].max() <= 2
    assert to_torch(net)().tolist() == [4, 4]


def test_data_layers_are_inputs(net_of):
    net = net_of(
        'layer { name: "d" type: "MemoryData" top: "data" top: "label"'
        " memory_data_param { batch_size: 2 channels: 1 height: 2 width: 2 } }"
        'layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 3 } }'
        'layer { name: "l" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "l" }'
    )
    assert to_torch(net)(torch.zeros(2, 1, 2, 2), torch.zeros(2)).item() == pytest.approx(math.log(3))
