"""Converted networks train as any torch module."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from converters.pytorch.module import to_torch, total_loss, weights_of
from prototxt_gen import generate

CODE = "s8-16_b16x2_n16-32_c4"


def data(size=32, count=16):
    torch.manual_seed(0)
    label = torch.randint(0, 4, (count,))
    x = torch.randn(count, 3, size, size) + label.reshape(-1, 1, 1, 1).float()
    return x, label


def fit(module, loss_of, steps=12, rate=0.05):
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], rate, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_generated_network_learns_and_its_weights_travel():
    x, label = data()
    net = generate(CODE, input_shape=(16, 3, 32, 32))
    module = to_torch(net).train()
    losses = fit(module, lambda: F.cross_entropy(module(x), label))
    assert losses[-1] < 0.5 * losses[0]
    module.eval()
    again = to_torch(net, weights_of(module))
    torch.testing.assert_close(again(x), module(x))


def test_in_place_activations_do_not_change_gradients():
    x, label = data()
    module = to_torch(generate(CODE, input_shape=(16, 3, 32, 32))).train()
    plain = copy.deepcopy(module)
    changed = [part for part in plain.modules() if isinstance(part, nn.ReLU) and part.inplace]
    assert changed
    for part in changed:
        part.inplace = False
    for one in (module, plain):
        F.cross_entropy(one(x), label).backward()
    for one, other in zip(module.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_train_val_network_trains_on_its_own_loss():
    x, label = data()
    net = generate(CODE, form="train_val", input_shape=(16, 3, 32, 32))
    shapes = {"data": (16, 3, 32, 32), "label": (16,)}
    train = to_torch(net, phase="TRAIN", input_shapes=shapes)
    losses = fit(train, lambda: total_loss(train, train(x, label)))
    assert losses[-1] < 0.5 * losses[0]
    test = to_torch(net, weights_of(train), input_shapes=shapes)
    result = test(x, label)
    assert sum(0 <= value <= 1 for name, value in result.items() if "loss" not in name) >= 1


def test_frozen_layers_stay_and_shared_ones_move_together(net_of):
    ip = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}" param {{ {2} }}'
        " inner_product_param {{ num_output: 3 bias_term: false }} }}"
    )
    net = net_of(
        ip.format("frozen", "x", "lr_mult: 0")
        + ip.format("a", "frozen", 'name: "w"')
        + ip.format("b", "a", 'name: "w"')
        + 'layer { name: "loss" type: "EuclideanLoss" bottom: "b" bottom: "t" top: "loss" }',
        x=(4, 3),
        t=(4, 3),
    )
    module = to_torch(net, phase="TRAIN")
    before = weights_of(module)
    x, t = torch.randn(2, 4, 3)
    losses = fit(module, lambda: module(x, t), rate=0.02)
    after = weights_of(module)
    np.testing.assert_array_equal(after["frozen"][0], before["frozen"][0])
    np.testing.assert_array_equal(after["a"][0], after["b"][0])
    assert losses[-1] < losses[0] and not np.array_equal(after["a"][0], before["a"][0])


def test_fine_tuning_keeps_what_fits():
    body = to_torch(generate(CODE, input_shape=(1, 3, 32, 32)))
    other = generate(CODE.replace("c4", "c7"), input_shape=(1, 3, 32, 32))
    with pytest.warns(UserWarning, match="'fc'"):
        module = to_torch(other, weights_of(body), strict=False)
    torch.testing.assert_close(module.conv1.weight, body.conv1.weight)
    assert module(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


def test_dropout_acts_in_training_only(net_of):
    text = 'type: "Dropout" dropout_param { dropout_ratio: 0.75 }'
    net = net_of(f'layer {{ name: "d" bottom: "x" top: "x" {text} }}', x=(1, 99))
    module = to_torch(net)
    x = torch.ones(1, 999)
    assert torch.equal(module(x), x)
    assert set(module.train()(x).flatten().tolist()) == {0, 4}
