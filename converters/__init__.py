"""Caffe weights and networks in PyTorch and back, with Caffe's numbers."""

from converters.pytorch.module import to_torch, weights_of
from converters.verify import Verification, verify
from converters.weights import load_weights, save_weights
from converters.weights.merge import merge_batchnorm

__all__ = [
    "Verification",
    "load_weights",
    "merge_batchnorm",
    "save_weights",
    "to_torch",
    "verify",
    "weights_of",
]
