"""Where the numbers of a module's blobs come from: arrays, fillers, layers that share them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from converters.pytorch.module import to_torch, weights_of
from prototxt_gen import UnsupportedError, WeightsError

CONV = 'layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 2 kernel_size: 1 } }'


def test_weights_are_copied_from_arrays(net_of):
    net = net_of(CONV, x=(1, 3, 2, 2))
    weights = weights_of(to_torch(net))
    module = to_torch(net, weights)
    nn.init.zeros_(module.c.weight)
    assert np.abs(weights["c"][0]).max() > 0


def test_legacy_shapes_fit(net_of):
    net = net_of(
        'layer { name: "f" type: "InnerProduct" bottom: "x" top: "f" inner_product_param { num_output: 2 } }', x=(1, 3)
    )
    weights = {"f": [np.ones((1, 1, 2, 3), np.float32), np.ones((1, 1, 1, 2), np.float32)]}
    assert to_torch(net, weights)(torch.ones(1, 3)).tolist() == [[4, 4]]


def test_a_bilinear_deconvolution_may_be_absent(net_of):
    layer = (
        'layer {{ name: "d" type: "Deconvolution" bottom: "x" top: "d" param {{ lr_mult: 0 }} convolution_param {{'
        " num_output: 2 group: 2 kernel_size: 4 stride: 2 pad: 1 bias_term: false {} }} }}"
    )
    module = to_torch(net_of(layer.format('weight_filler { type: "bilinear" }'), x=(1, 2, 3, 3)), {})
    assert module.d.weight[0, 0, 0].tolist() == [0.0625, 0.1875, 0.1875, 0.0625]
    assert not module.d.weight.requires_grad
    with pytest.raises(WeightsError, match="missing"):
        to_torch(net_of(layer.format(""), x=(1, 2, 3, 3)), {})


def test_shared_parameters_are_one(net_of):
    layer = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}" param {{ name: "w" }}'
        " inner_product_param {{ num_output: 3 bias_term: false }} }}"
    )
    net = net_of(layer.format("a", "x") + layer.format("b", "a"), x=(2, 3))
    module = to_torch(net)
    assert module.a.weight is module.b.weight
    assert len(list(module.parameters())) == 1
    weights = weights_of(module)
    np.testing.assert_array_equal(weights["a"][0], weights["b"][0])
    to_torch(net, {"a": weights["a"]})
    assert copy.deepcopy(module).a.weight is not module.a.weight


def test_shared_statistics_are_one(net_of):
    layer = (
        'layer {{ name: "{0}" type: "BatchNorm" bottom: "{1}" top: "{0}"'
        ' param {{ name: "m" }} param {{ name: "v" }} param {{ name: "f" }} }}'
    )
    net = net_of(layer.format("a", "x") + layer.format("b", "z"), x=(4, 2), z=(4, 2))
    module = to_torch(net, {"a": [np.ones(2), np.ones(2), np.ones(1)]})
    assert module.a.running_mean is module.b.running_mean
    module.train()(torch.full((4, 2), 3.0), torch.zeros(4, 2))
    assert module.b.running_mean.tolist() == module.a.running_mean.tolist()


def test_fresh_blobs_follow_the_fillers(net_of):
    text = ""
    fillers = {
        "constant": 'type: "constant" value: 3',
        "uniform": 'type: "uniform" min: 2 max: 3',
        "gaussian": 'type: "gaussian" mean: 5 std: 0.1',
        "sparse": 'type: "gaussian" std: 1 sparse: 5',
        "ball": 'type: "positive_unitball"',
        "xavier": 'type: "xavier" variance_norm: AVERAGE',
        "msra": 'type: "msra" variance_norm: FAN_OUT',
        "none": "",
    }
    for name, filler in fillers.items():
        stated = f"weight_filler {{ {filler} }}" if filler else ""
        text += (
            f'layer {{ name: "{name}" type: "InnerProduct" bottom: "x" top: "{name}"'
            f" inner_product_param {{ num_output: 50 {stated} bias_filler {{ value: 2 }} }} }}"
        )
    torch.manual_seed(0)
    weights = weights_of(to_torch(net_of(text, x=(1, 200))))
    w = {name: blobs[0] for name, blobs in weights.items()}
    assert all((blobs[1] == 2).all() for blobs in weights.values())
    assert (w["constant"] == 3).all()
    assert 2 <= w["uniform"].min() < w["uniform"].max() <= 3
    assert w["gaussian"].mean() == pytest.approx(5, abs=0.01) and w["gaussian"].std() == pytest.approx(0.1, rel=0.1)
    assert (w["sparse"] != 0).mean() == pytest.approx(0.1, abs=0.02)
    np.testing.assert_allclose(w["ball"].sum(1), 1, rtol=1e-5)
    bound = (3 / 125) ** 0.5
    assert np.abs(w["xavier"]).max() <= bound and np.abs(w["xavier"]).max() > 0.95 * bound
    assert w["msra"].std() == pytest.approx((2 / 50) ** 0.5, rel=0.05)
    assert w["none"].std() == pytest.approx((2 / 200) ** 0.5, rel=0.05)


@pytest.mark.parametrize(
    ("blob", "filler", "fault"),
    [
        ((), 'type: "xavier"', "xavier.*expected 1 axis or more"),
        ((), 'type: "gaussian" sparse: 1', "gaussian.*expected 1 axis or more"),
        ((), 'type: "gaussian" std: 0 mean: 4', None),
        ((), 'type: "uniform" min: 4 max: 4', None),
        ((2,), 'type: "bilinear"', "bilinear.*expected four axes, square"),
        ((2,), 'type: "Xavier"', "'Xavier', expected one of bilinear, constant"),
    ],
)
def test_fillers_take_the_blobs_that_caffes_take(blob, filler, fault, net_of):
    options = f"scale_param {{ num_axes: {len(blob)} filler {{ {filler} }} }}"
    net = net_of(f'layer {{ name: "s" type: "Scale" bottom: "x" top: "y" {options} }}', x=(1, 2))
    if fault is None:
        assert weights_of(to_torch(net))["s"][0].tolist() == 4
    else:
        with pytest.raises(UnsupportedError, match=fault):
            to_torch(net)
