"""The matrix of an InfogainLoss, in a file like that of a mean: one blob."""

from __future__ import annotations

from converters.weights.blobs import Array, read_blob
from prototxt_gen.errors import CaffeError, UnsupportedError, need
from prototxt_gen.wire import reading


def read_infogain(source: str, classes: int) -> Array:
    """The matrix, float32 (classes, classes), in the file that a layer names as its `source`.

    UnsupportedError where the file cannot be read or holds another number of numbers (Caffe: infogain_loss_layer.cpp).
    """
    try:
        with reading(source) as reader:
            matrix = read_blob(reader, reader.size, "infogain_loss_param.source")
    except CaffeError as fault:
        raise UnsupportedError(f"infogain_loss_param.source: {fault}") from fault
    found = f"infogain_loss_param.source: found shape {matrix.shape}, expected {classes} x {classes} numbers"
    need(matrix.size == classes * classes, found)
    return matrix.reshape(classes, classes)
