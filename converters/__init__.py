"""Caffe weights and networks in PyTorch and back, and in ONNX, with Caffe's numbers."""

from typing import TYPE_CHECKING

from converters.engines import Engine, Session, make_engine
from converters.formats import read_weights, write_weights
from converters.verify import Verification, verify
from converters.weights import load_weights, save_weights
from converters.weights.dialects import change_dialect, read_network
from converters.weights.mean import load_mean, save_mean
from converters.weights.merge import merge_batchnorm
from converters.weights.ncnn import caffe_interp, read_ncnn
from converters.weights.solver_state import SolverState, read_solver_state
from converters.weights.upgrading import upgrade_caffemodel
from prototxt_gen.lazy import lazy_names

if TYPE_CHECKING:
    from converters.onnx.exporting import export_onnx
    from converters.onnx.from_torch import compare_with_torch, from_torch
    from converters.onnx.reading import read_onnx
    from converters.pytorch.checkpoints import (
        apply_mapping,
        batch_norm_eps,
        from_state_dict,
        propose_mapping,
        read_mapping,
        to_state_dict,
        undo_mapping,
        write_mapping,
    )
    from converters.pytorch.module import to_torch, total_loss, weights_of
    from converters.pytorch.state_dict import read_state_dict
    from converters.targets.advising import advise
    from converters.targets.checking import check_target
    from converters.targets.reading import list_targets, read_target
    from converters.targets.rewriting import for_target
else:
    # Most bring torch, which takes seconds to import; weights and networks should not wait for it.
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "advise": "converters.targets.advising",
            "apply_mapping": "converters.pytorch.checkpoints",
            "check_target": "converters.targets.checking",
            "for_target": "converters.targets.rewriting",
            "list_targets": "converters.targets.reading",
            "read_target": "converters.targets.reading",
            "batch_norm_eps": "converters.pytorch.checkpoints",
            "compare_with_torch": "converters.onnx.from_torch",
            "export_onnx": "converters.onnx.exporting",
            "from_state_dict": "converters.pytorch.checkpoints",
            "from_torch": "converters.onnx.from_torch",
            "propose_mapping": "converters.pytorch.checkpoints",
            "read_mapping": "converters.pytorch.checkpoints",
            "read_onnx": "converters.onnx.reading",
            "read_state_dict": "converters.pytorch.state_dict",
            "to_state_dict": "converters.pytorch.checkpoints",
            "to_torch": "converters.pytorch.module",
            "total_loss": "converters.pytorch.module",
            "undo_mapping": "converters.pytorch.checkpoints",
            "weights_of": "converters.pytorch.module",
            "write_mapping": "converters.pytorch.checkpoints",
        },
    )

__all__ = [
    "Engine",
    "Session",
    "SolverState",
    "Verification",
    "advise",
    "apply_mapping",
    "batch_norm_eps",
    "caffe_interp",
    "change_dialect",
    "check_target",
    "compare_with_torch",
    "export_onnx",
    "for_target",
    "from_state_dict",
    "from_torch",
    "list_targets",
    "load_mean",
    "load_weights",
    "make_engine",
    "merge_batchnorm",
    "propose_mapping",
    "read_mapping",
    "read_ncnn",
    "read_network",
    "read_onnx",
    "read_solver_state",
    "read_state_dict",
    "read_target",
    "read_weights",
    "save_mean",
    "save_weights",
    "to_state_dict",
    "to_torch",
    "total_loss",
    "undo_mapping",
    "upgrade_caffemodel",
    "verify",
    "weights_of",
    "write_mapping",
    "write_weights",
]
