"""Run a released DF network in PyTorch."""

import sys

import torch

from caffe_zoo import card
from converters import load_weights, to_torch
from prototxt_gen import generate

weights = load_weights(sys.argv[1])  # df1.caffemodel; {layer: [arrays]} in Caffe's order and shape
model = to_torch(generate(card("df1").architecture), weights).eval()
with torch.no_grad():
    print(model(torch.zeros(1, 3, 224, 224)).shape)  # BGR, minus (104, 117, 123), times 0.008
