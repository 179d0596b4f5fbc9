"""RKNN-Toolkit2 in its own environment: Caffe pairs compiled for a platform, and run by its simulator of that NPU."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from rknn.api import RKNN

_LOADED: dict[int, Any] = {}


def about() -> dict[str, Any]:
    """Versions of the toolkit and of what computes in its simulator."""
    return {"versions": {name: version(name) for name in ("rknn-toolkit2", "onnxruntime", "numpy")}}


def load(
    number: int,
    platform: str,
    prototxt: str,
    caffemodel: str,
    inputs: list[str],
    config: dict[str, Any],
    dataset: str | None,
) -> dict[str, Any]:
    """Reads a pair of files, compiles it and sets up the simulator, to be run as `number`.

    `inputs`: the names of its inputs, in the order in which `run` gives them. `config`: more of RKNN.config's options.
    `dataset`: a file that lists calibration inputs, a run a line, as .npy files in the order of `inputs`; without it
    nothing is quantized. "outputs" are the names in the order in which `run` gives them.
    """
    tool = RKNN(verbose=False)
    try:
        tool.config(target_platform=platform, **config)
        # Inputs that it names by itself come in an order of its own.
        _done("load_caffe", tool.load_caffe(model=prototxt, blobs=caffemodel, input_name=inputs or None))
        _done("build", tool.build(do_quantization=dataset is not None, dataset=dataset))
        _done("init_runtime", tool.init_runtime())
    except BaseException:
        tool.release()
        raise
    _LOADED[number] = tool
    # No function of the toolkit's tells the names of outputs.
    return {"outputs": list(tool.rknn_base.ir.outputs)}


def run(number: int, arrays: dict[str, Any]) -> dict[str, Any]:
    """The outputs of what was loaded as `number`, called by their places, for inputs in their order."""
    given = list(arrays.values())
    formats = ["nchw" if array.ndim == 4 else "undefined" for array in given]
    found = _LOADED[number].inference(inputs=given, data_format=formats)
    if found is None:
        raise RuntimeError("inference gives nothing")
    return {"arrays": {str(place): np.asarray(array) for place, array in enumerate(found)}}


def release(number: int) -> None:
    """Forgets what was loaded as `number`."""
    _LOADED.pop(number).release()


def _done(what: str, status: int) -> None:
    if status != 0:
        raise RuntimeError(f"{what} gives {status}")
