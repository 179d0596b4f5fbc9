"""Turns a PyTorch module into a network that Caffe runs: pytorch_to_caffe.py OUTPUT.prototxt OUTPUT.caffemodel."""

import sys

import torch
from torch import nn

from converters import compare_with_torch, from_torch, save_weights
from prototxt_gen import write_prototxt


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.Hardswish())
        self.block = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SiLU())
        self.head = nn.Linear(16, 10)

    def forward(self, image):
        x = self.stem(image)
        x = x + self.block(x)
        return self.head(x.mean((2, 3)))


module, example = Net().eval(), torch.randn(1, 3, 32, 32)
net, weights = from_torch(module, example)
write_prototxt(net, sys.argv[1])
save_weights(weights, sys.argv[2], net)
print(compare_with_torch(module, example, net, weights))
