"""ncnn's network and weight files, binary and text, as a network in Caffe's language and its weights."""

from converters.weights.ncnn.network import caffe_interp, read_ncnn

__all__ = ["caffe_interp", "read_ncnn"]
