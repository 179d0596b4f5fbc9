"""An ONNX file as plain data, made simpler before it is turned into layers; never more memory than it is worth."""
