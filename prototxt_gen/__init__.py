"""The Caffe language and the networks written in it: numpy and protobuf, never torch."""

from prototxt_gen.architectures import Backbone, Decoder, Pyramid, Stage, Unit, parse_architecture
from prototxt_gen.errors import (
    ArchitectureError,
    CaffeError,
    FileError,
    FormatError,
    NetworkError,
    NotInstalledError,
    UnsupportedError,
    WeightsError,
)
from prototxt_gen.fingerprints import fingerprint
from prototxt_gen.generator.forms import label_size
from prototxt_gen.generator.networks import generate, generate_text
from prototxt_gen.generator.parts import Part, parts
from prototxt_gen.generator.solver import solver
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.passes.splits import insert_splits
from prototxt_gen.passes.stock import stock_weights, to_stock
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.passes.upgrade_solver import upgrade_solver
from prototxt_gen.proto import LayerParameter, NetParameter, SolverParameter
from prototxt_gen.summary import Summary, summarize
from prototxt_gen.text import read_prototxt, read_solver, to_text, write_prototxt
from prototxt_gen.version import __version__

__all__ = [
    "ArchitectureError",
    "Backbone",
    "CaffeError",
    "Decoder",
    "FileError",
    "FormatError",
    "LayerParameter",
    "NetParameter",
    "NetworkError",
    "NotInstalledError",
    "Part",
    "Pyramid",
    "SolverParameter",
    "Stage",
    "Summary",
    "Unit",
    "UnsupportedError",
    "WeightsError",
    "__version__",
    "fingerprint",
    "generate",
    "generate_text",
    "insert_splits",
    "label_size",
    "parse_architecture",
    "parts",
    "read_prototxt",
    "read_solver",
    "select_phase",
    "solver",
    "stock_weights",
    "summarize",
    "to_stock",
    "to_text",
    "upgrade",
    "upgrade_solver",
    "write_prototxt",
]
