"""Caffe weights and networks in PyTorch and back, with Caffe's numbers."""

from typing import TYPE_CHECKING

from prototxt_gen.lazy import lazy_names

if TYPE_CHECKING:
    from converters.engines import Engine, Session, make_engine
    from converters.formats import read_weights, write_weights
    from converters.pytorch.module import to_torch, total_loss, weights_of
    from converters.verify import Verification, verify
    from converters.weights import load_weights, save_weights
    from converters.weights.dialects import change_dialect, read_network
    from converters.weights.mean import load_mean, save_mean
    from converters.weights.merge import merge_batchnorm
    from converters.weights.ncnn import caffe_interp, read_ncnn
    from converters.weights.solver_state import SolverState, read_solver_state
    from converters.weights.upgrading import upgrade_caffemodel
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Engine": "converters.engines",
            "Session": "converters.engines",
            "SolverState": "converters.weights.solver_state",
            "Verification": "converters.verify",
            "caffe_interp": "converters.weights.ncnn",
            "change_dialect": "converters.weights.dialects",
            "load_mean": "converters.weights.mean",
            "load_weights": "converters.weights",
            "make_engine": "converters.engines",
            "merge_batchnorm": "converters.weights.merge",
            "read_ncnn": "converters.weights.ncnn",
            "read_network": "converters.weights.dialects",
            "read_solver_state": "converters.weights.solver_state",
            "read_weights": "converters.formats",
            "save_mean": "converters.weights.mean",
            "save_weights": "converters.weights",
            "to_torch": "converters.pytorch.module",
            "total_loss": "converters.pytorch.module",
            "upgrade_caffemodel": "converters.weights.upgrading",
            "verify": "converters.verify",
            "weights_of": "converters.pytorch.module",
            "write_weights": "converters.formats",
        },
    )

__all__ = [
    "Engine",
    "Session",
    "SolverState",
    "Verification",
    "caffe_interp",
    "change_dialect",
    "load_mean",
    "load_weights",
    "make_engine",
    "merge_batchnorm",
    "read_ncnn",
    "read_network",
    "read_solver_state",
    "read_weights",
    "save_mean",
    "save_weights",
    "to_torch",
    "total_loss",
    "upgrade_caffemodel",
    "verify",
    "weights_of",
    "write_weights",
]
