"""Gradients of every layer that has one in Caffe, against finite differences and Caffe's own formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.pytorch.module import to_torch

# Layer text -> shapes of the bottoms that have a gradient, and fixed ones behind them.
CASES = {
    'type: "AbsVal"': [(2, 3)],
    'type: "BNLL"': [(2, 3)],
    'type: "BatchNorm"': [(4, 3, 2, 2)],
    'type: "BatchNorm" batch_norm_param { use_global_stats: true }': [(4, 3, 2, 2)],
    'type: "Bias" bias_param { axis: 0 }': [(2, 3), (2,)],
    'type: "Bias"': [(2, 3, 2)],
    'type: "Clip" clip_param { min: -1 max: 1 }': [(3, 3)],
    'type: "Concat"': [(2, 3), (2, 2)],
    'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 group: 2 }': [(2, 4, 5, 4)],
    'type: "Convolution" convolution_param { axis: 0 num_output: 2 kernel_size: 2 bias_term: false }': [(2, 3, 3)],
    'type: "Convolution" convolution_param { num_output: 2 kernel_size: [2, 1, 2, 1] }': [(1, 2, 3, 2, 3, 2)],
    'type: "Crop" crop_param { axis: 1 offset: 1 }': [(2, 4, 3), (2, 2, 2)],
    'type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 group: 2 }': [
        (2, 4, 3, 2)
    ],
    'type: "ELU"': [(2, 3)],
    'type: "Eltwise" eltwise_param { coeff: 2 coeff: -1 coeff: 0.5 }': [(2, 3)] * 3,
    'type: "Eltwise" eltwise_param { operation: PROD }': [(2, 3)] * 3,
    'type: "Eltwise" eltwise_param { operation: MAX }': [(2, 3)] * 3,
    'type: "EuclideanLoss"': [(2, 3), (2, 3)],
    'type: "Exp" exp_param { base: 2 shift: 1 }': [(2, 3)],
    'type: "Flatten"': [(2, 3, 2)],
    'type: "Im2col" convolution_param { kernel_size: 2 stride: 2 pad: 1 }': [(2, 2, 4, 3)],
    'type: "InnerProduct" inner_product_param { num_output: 4 axis: 2 transpose: true }': [(2, 3, 4)],
    'type: "Interp" interp_param { zoom_factor: 2 pad_beg: -1 }': [(1, 2, 4, 5)],
    'type: "LRN" lrn_param { local_size: 3 alpha: 2 k: 2 }': [(2, 4, 3, 3)],
    'type: "LRN" lrn_param { local_size: 3 alpha: 2 norm_region: WITHIN_CHANNEL }': [(2, 2, 3, 3)],
    'type: "MVN" mvn_param { across_channels: true }': [(2, 3, 2, 2)],
    'type: "MVN" mvn_param { normalize_variance: false }': [(2, 3, 2, 2)],
    'type: "Normalize"': [(2, 3, 2, 2)],
    'type: "PReLU"': [(2, 3, 2)],
    'type: "PReLU" prelu_param { channel_shared: true }': [(2, 3, 2)],
    'type: "Permute" permute_param { order: 1 order: 0 }': [(2, 3, 2)],
    'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }': [(1, 2, 5, 6)],
    'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 2 }': [(1, 2, 5, 6)],
    'type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }': [(1, 2, 5, 6)],
    'type: "Pooling" pooling_param { kernel_size: 3 stride: 2 pad: 2 }': [(1, 2, 5, 6)],
    'type: "Pooling" pooling_param { global_pooling: true }': [(1, 2, 5, 6)],
    'type: "Power" power_param { power: 2 scale: 3 shift: 1 }': [(2, 3)],
    'type: "ReLU" relu_param { negative_slope: 0.2 }': [(2, 3)],
    'type: "ReLU6"': [(2, 3)],
    'type: "Reduction" reduction_param { operation: ASUM axis: 1 }': [(2, 3)],
    'type: "Reduction" reduction_param { operation: SUMSQ coeff: 2 }': [(2, 3)],
    'type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } }': [(2, 3, 2)],
    'type: "SPP" spp_param { pyramid_height: 2 pool: AVE }': [(1, 2, 5, 6)],
    'type: "Scale" scale_param { bias_term: true num_axes: 2 }': [(2, 3, 2)],
    'type: "Scale" scale_param { axis: 0 }': [(2, 3, 2), (2, 3)],
    'type: "ShuffleChannel" shuffle_channel_param { group: 2 }': [(1, 4, 2, 2)],
    'type: "Sigmoid"': [(2, 3)],
    'type: "Softmax"': [(2, 3, 2)],
    'type: "Swish" swish_param { beta: 2 }': [(2, 3)],
    'type: "TanH"': [(2, 3)],
    'type: "Tile" tile_param { tiles: 2 }': [(2, 3)],
}
LABELLED = {  # with a last bottom of labels below 3
    'type: "HingeLoss" hinge_loss_param { norm: L2 }': ((4, 3), (4,)),
    'type: "HingeLoss"': ((4, 3), (4,)),
    'type: "InfogainLoss"': ((4, 3), (4,)),
    'type: "SigmoidCrossEntropyLoss" loss_param { ignore_label: 2 }': ((4, 3), (4, 3)),
    'type: "SoftmaxWithLoss" loss_param { ignore_label: 2 normalization: FULL }': ((2, 3, 4), (2, 4)),
    'type: "BatchReindex"': ((3, 2), (5,)),
    'type: "Filter"': ((5, 2), (5,)),
}


def module_of(net_of, text, shapes):
    bottoms = " ".join(f'bottom: "b{index}"' for index in range(len(shapes)))
    inputs = {f"b{index}": shape for index, shape in enumerate(shapes)}
    module = to_torch(net_of(f'layer {{ name: "l" {bottoms} top: "y" {text} }}', **inputs)).double().train()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def check(module, inputs):
    torch.manual_seed(1)
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    moving = [tensor for tensor in inputs if tensor.requires_grad] + parameters
    assert torch.autograd.gradcheck(lambda *_: module(*inputs), tuple(moving))


@pytest.mark.parametrize("text", CASES)
def test_gradients(text, net_of):
    torch.manual_seed(0)
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in CASES[text]]
    if "Crop" in text:
        inputs[1].requires_grad_(False)
    check(module_of(net_of, text, CASES[text]), inputs)


@pytest.mark.parametrize("text", LABELLED)
def test_gradients_beside_labels(text, net_of):
    torch.manual_seed(0)
    shape, labels = LABELLED[text]
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    inputs = [x, torch.randint(0, 3, labels)]
    shapes = [shape, labels]
    if "Infogain" in text:
        inputs.append(torch.rand(3, 3, dtype=torch.float64))
        shapes.append((1, 1, 3, 3))
    check(module_of(net_of, text, shapes), inputs)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_gradients_through_time(kind, net_of):
    torch.manual_seed(0)
    shapes = [(3, 2, 4), (3, 2), (2, 3)]
    module = module_of(net_of, f'type: "{kind}" recurrent_param {{ num_output: 2 }}', shapes)
    cont = torch.tensor([[0, 1], [1, 1], [1, 0]])
    x, static = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in (shapes[0], shapes[2]))
    check(module, [x, cont, static])


def test_embed_learns_its_rows(net_of):
    module = module_of(net_of, 'type: "Embed" embed_param { input_dim: 4 num_output: 2 }', [(3,)])
    check(module, [torch.tensor([1, 3, 1])])


@pytest.mark.parametrize("legacy", [True, False])
def test_contrastive_loss(legacy, net_of):
    """Caffe: contrastive_loss_layer.cpp, Backward: it divides by the distance + 1e-4."""
    torch.manual_seed(0)
    text = f'type: "ContrastiveLoss" contrastive_loss_param {{ margin: 3 legacy_version: {str(legacy).lower()} }}'
    module = module_of(net_of, text, [(5, 3), (5, 3), (5,)])
    a, b = (torch.randn(5, 3, dtype=torch.float64) for _ in range(2))
    a[0] = b[0]
    a.requires_grad_()
    alike = torch.tensor([0, 0, 1, 0, 1])
    module(a, b, alike).backward()
    difference = (a - b).detach()
    distance = difference.norm(dim=1)
    factor = torch.ones(5, dtype=torch.float64)
    apart = -(distance**2 < 3).double() if legacy else -(3 - distance).clamp(min=0) / (distance + 1e-4)
    factor = torch.where(alike == 1, factor, apart)
    torch.testing.assert_close(a.grad, factor[:, None] * difference / 5)


def test_a_lost_label_still_pulls(net_of):
    """Caffe limits the probability in the loss only: the gradient stays probability minus one."""
    module = module_of(net_of, 'type: "SoftmaxWithLoss"', [(1, 2), (1,)])
    x = torch.tensor([[0.0, 1000]], dtype=torch.float64, requires_grad=True)
    module(x, torch.tensor([0])).backward()
    np.testing.assert_allclose(x.grad, [[-1, 1]])


def test_an_impossible_label_still_pulls(net_of):
    """Caffe: multinomial_logistic_loss_layer.cpp: the slope is the one at the smallest probability."""
    module = module_of(net_of, 'type: "MultinomialLogisticLoss"', [(2, 2), (2,)])
    x = torch.tensor([[0.0, 1], [0.25, 0.75]], dtype=torch.float64, requires_grad=True)
    module(x, torch.tensor([0, 0])).backward()
    np.testing.assert_allclose(x.grad, [[-0.5e20, 0], [-2, 0]])


def test_mvn_takes_its_divisor_for_the_deviation(net_of):
    """Caffe: mvn_layer.cpp, Backward; with an eps that counts, the true slope is another."""
    x = torch.tensor([[[[1.0, 2, 6]]]], dtype=torch.float64, requires_grad=True)
    y = module_of(net_of, 'type: "MVN" mvn_param { eps: 0.5 }', [(1, 1, 1, 3)])(x)
    pull = torch.tensor([[[[1.0, -2, 0.5]]]], dtype=torch.float64)
    y.backward(pull)
    divisor = x.detach().std(correction=0) + torch.tensor(0.5)
    y = y.detach()
    torch.testing.assert_close(x.grad, (pull - pull.mean() - y * (y * pull).mean()) / divisor)


def test_an_even_image_does_not_break_mvn(net_of):
    x = torch.ones(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    module_of(net_of, 'type: "MVN"', [(1, 2, 3, 3)])(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_ties_of_a_maximum_go_to_one(net_of):
    module = module_of(net_of, 'type: "Eltwise" eltwise_param { operation: MAX }', [(1,)] * 3)
    bottoms = [torch.ones(1, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    module(*bottoms).backward()
    assert [bottom.grad.item() for bottom in bottoms] == [0, 1, 0]
