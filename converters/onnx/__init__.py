"""NetParameter to ONNX and back, and PyTorch modules to Caffe through it."""
