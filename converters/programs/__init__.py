"""Other programs that time networks: how each is called, and what its output says. One file a program."""

# Importing them fills PROGRAMS; nothing is run.
from converters.programs import benchmark_app as _benchmark_app  # noqa: F401
from converters.programs import caffe as _caffe  # noqa: F401
from converters.programs import onnxruntime_perf_test as _onnxruntime_perf_test  # noqa: F401
from converters.programs import trtexec as _trtexec  # noqa: F401
from converters.programs.own import OwnCommand
from converters.programs.program import PROGRAMS, LayerTime, Program, Times, read_times
from converters.programs.rows import Layers

__all__ = ["PROGRAMS", "LayerTime", "Layers", "OwnCommand", "Program", "Times", "read_times"]
