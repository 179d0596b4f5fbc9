"""Engines: what runs a network, gives its tops and times it. One file each; `make_engine(name)` makes one."""

# Importing them fills ENGINES; each imports its package when it is made.
from converters.engines import caffe as _caffe  # noqa: F401
from converters.engines import onnxruntime as _onnxruntime  # noqa: F401
from converters.engines import opencv as _opencv  # noqa: F401
from converters.engines import openvino as _openvino  # noqa: F401
from converters.engines import openvino2023 as _openvino2023  # noqa: F401
from converters.engines import rknn as _rknn  # noqa: F401
from converters.engines import torch as _torch  # noqa: F401
from converters.engines import trtexec as _trtexec  # noqa: F401
from converters.engines.engine import ENGINES, Engine, Session, as_engine, make_engine

__all__ = ["ENGINES", "Engine", "Session", "as_engine", "make_engine"]
