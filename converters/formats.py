"""Weights of a known network from and to a file of any format; only PyTorch's own formats load torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from converters.weights import Weights, load_weights, save_weights
from converters.weights.fitting import completed, fit_weights, unused
from prototxt_gen.binary import Numbers
from prototxt_gen.errors import WeightsError
from prototxt_gen.flow import dead_rows, flow_of, live_rows, output_names
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace

STATE_DICT_SUFFIXES = (".pt", ".pth")


def read_weights(
    path: str | os.PathLike[str], net: NetParameter, *, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> Weights:
    """The weights in a file that `load_weights` reads or in a state_dict of `to_torch(net)` (.pt, .pth), checked,
    in the network's shapes.

    `input_shapes` is for networks whose inputs state none, as in `to_torch`. A state_dict is read with weights_only, so
    that no code in it runs. What may be missing (see `to_torch`) is filled in: Caffe stops at a layer that should have
    blobs and has none in the file. WeightsError lists every layer that is missing, unused or of another shape.
    """
    if Path(path).suffix in STATE_DICT_SUFFIXES:
        from converters.pytorch.state_dict import read_module_weights

        return read_module_weights(path, net, input_shapes=input_shapes)
    weights = load_weights(path, net)
    rows = trace(select_phase(net, "TEST", level=net.state.level), input_shapes)
    flow = flow_of(rows)
    live, _ = live_rows(rows, flow, output_names(flow, None))
    optional = [index for index in dead_rows(rows, live) if rows[index].name not in weights]
    fitted, faults = fit_weights(rows, weights, optional)
    faults += unused(net, weights)
    if faults:
        raise WeightsError(f"{os.fspath(path)}: weights do not fit network {net.name!r}: {'; '.join(faults)}")
    found = completed(rows, fitted)
    return found | {name: blobs for name, blobs in weights.items() if name not in found}


def write_weights(
    weights: Mapping[str, Sequence[ArrayLike]],
    path: str | os.PathLike[str],
    net: NetParameter,
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    numbers: Numbers | None = None,
) -> None:
    """Writes weights in one step, by suffix: what `save_weights` writes, or a state_dict of `to_torch(net)`."""
    if Path(path).suffix in STATE_DICT_SUFFIXES:
        from converters.pytorch.state_dict import write_module_weights

        write_module_weights(weights, path, net, input_shapes=input_shapes)
    else:
        save_weights(weights, path, net, numbers=numbers)
