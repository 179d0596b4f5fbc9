"""A PyTorch module to a network of Caffe, by torch.export and ONNX in memory; and where the two differ."""

from __future__ import annotations

import copy
import dataclasses
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from converters.onnx.exported_programs import quiet
from converters.onnx.models.model import Model, Origin, model_of, origin_of
from converters.onnx.names import fitted_names, named, renamed, with_outputs
from converters.onnx.network import Dialect, Options
from converters.onnx.reading import names_of, to_network
from converters.onnx.translations import translations
from converters.pytorch.module import to_torch
from converters.verify import Verification, compare_top
from converters.weights import Weights
from converters.weights.blobs import Array
from prototxt_gen.errors import NetworkError, NotInstalledError, UnsupportedError
from prototxt_gen.layers import is_input
from prototxt_gen.proto import NetParameter

# Numbers of a tensor that may be computed from constants: weights of any layer, standardised or normed.
_MOST = 1 << 28


# How much more than a module's own rounding the network's may be: it adds up in another order, twice as often.
_TIMES_ROUNDING = 4


def from_torch(
    module: nn.Module | ExportedProgram,
    example_inputs: Tensor | Sequence[Tensor] | None = None,
    *,
    dialect: Dialect = "bvlc",
    merged: bool = True,
    round_mode: bool = True,
    gelu: Literal["tanh"] | None = None,
    separator: str = "/",
    longest: int | None = None,
    check: bool = True,
    tolerance: float = 1e-4,
) -> tuple[NetParameter, Weights]:
    """A network of Caffe that computes what the module computes in eval(), and its weights.

    `example_inputs` are the module's positional arguments: a tensor, or several. Their shapes are the network's. A
    torch.export.ExportedProgram may bring its own. Inputs are named as the arguments of forward(); layers and tops by
    module path (`layer1.0.conv1`); outputs that the module returns in a dict by their keys. The module stays as it is.

    With the dialect "bvlc" the network consists of layers that stock BVLC Caffe 1.0 has, with "fork" also of those that
    known forks have. With `merged` batch normalisation is folded into the layer before it, without it stays BatchNorm
    and Scale. `round_mode=False` is for a Caffe from before 2018, whose pooling always rounds up. `gelu="tanh"` writes
    the exact GELU by its tanh form, which differs by up to 5e-4. `separator` stands in names instead of "/", and no
    name is longer than `longest` characters.

    With `check` the result is loaded by `to_torch` and compared with the module on the example: NetworkError names the
    first layer that differs when an output differs by more than `tolerance` of its largest value. Where that is no
    more than the module's own rounding, which deep networks with random weights make large, it is a warning.

    UnsupportedError gives torch's reason when it cannot export the module, or lists every operation that Caffe cannot
    do exactly, with the module and the line of source. NotInstalledError when onnx or onnxscript is missing.
    """
    traced = _traced(module, example_inputs)
    options = Options(dialect, round_mode, gelu)
    try:
        shapes = {name: tuple(one.shape) for name, one in zip(traced.model.inputs, traced.inputs, strict=True)}
        net, weights = to_network(traced.model, options, shapes, merged=merged)
    except (NetworkError, UnsupportedError) as fault:
        raise type(fault)(f"{traced.name}: {fault}") from fault
    net.name = traced.name
    rounded = [layer.name for layer in net.layer if layer.pooling_param.HasField("round_mode")]
    if rounded:
        warnings.warn(
            f"{traced.name}: sizes divide unevenly at {', '.join(rounded)}, which state round_mode: a Caffe from "
            "before 2018 does not know it and gives other sizes there; round_mode=False writes layers that it has",
            stacklevel=2,
        )
    if check:
        _check(traced, net, weights, tolerance if gelu is None else max(tolerance, 5e-3))
    return renamed(net, weights, fitted_names(names_of(net), separator=separator, limit=longest))


def compare_with_torch(
    module: nn.Module | ExportedProgram,
    example_inputs: Tensor | Sequence[Tensor] | None,
    net: NetParameter,
    weights: Mapping[str, Sequence[Any]],
    *,
    tolerance: float = 1e-4,
) -> Verification:
    """A network that `from_torch` has made, against the module it was made from: every top with its difference.

    It must have the names that `from_torch` gives when neither `separator` nor `longest` is said.

    The module runs by PyTorch, operation by operation, the network by `to_torch`. A layer with which a batch norm was
    merged is held against the batch norm. NetworkError where the network has none of the module's tops.
    """
    return _compared(_traced(module, example_inputs), net, weights, tolerance)


@dataclasses.dataclass(frozen=True)
class _Traced:
    """A module's operations (`model`, and `program` with the same names of values), and its outputs on the example."""

    name: str
    model: Model
    program: ExportedProgram
    inputs: list[Tensor]
    outputs: list[Tensor]
    module: nn.Module | None


def _traced(module: nn.Module | ExportedProgram, example_inputs: Tensor | Sequence[Tensor] | None) -> _Traced:
    _check_packages()
    if isinstance(module, ExportedProgram):
        name, program = "exported", module
        own = None if module.example_inputs is None else module.example_inputs[0]
        inputs = _inputs(own if example_inputs is None else example_inputs)
        results = _run(module.module(), inputs)
    else:
        module = getattr(module, "_orig_mod", module)  # what torch.compile wraps
        name = type(module).__name__
        inputs = _inputs(example_inputs)
        with _evaluating(module):
            results = _run(module, inputs)
            program = _exported(module, name, inputs)
    leaves = [(key, leaf) for key, leaf in _leaves(results) if isinstance(leaf, Tensor)]
    onnx_program = _in_onnx(program, name)
    values = [value.name for value in onnx_program.model.graph.outputs]
    if len(leaves) != len(values):
        raise UnsupportedError(
            f"{name}: found {len(leaves)} tensors in what the module returns, and {len(values)} outputs of its program"
        )
    # What a module returns twice is one output.
    once = [place for place, value in enumerate(values) if value not in values[:place]]
    leaves = [leaves[place] for place in once]
    onnx_program.model.graph.outputs[:] = [onnx_program.model.graph.outputs[place] for place in once]
    model = _model(onnx_program)
    model = with_outputs(model, [key for key, _ in leaves])
    original = None if isinstance(module, ExportedProgram) else module
    return _Traced(name, model, onnx_program.exported_program, inputs, [leaf for _, leaf in leaves], original)


def _check_packages() -> None:
    for package in ("onnx", "onnxscript"):
        try:
            import_module(package)
        except ImportError as fault:
            raise NotInstalledError(package, "onnx", "from_torch") from fault


def _inputs(example_inputs: Tensor | Sequence[Tensor] | None) -> list[Tensor]:
    found = [example_inputs] if isinstance(example_inputs, Tensor) else list(example_inputs or ())
    wrong = [type(one).__name__ for one in found if not isinstance(one, Tensor)]
    if wrong or not found:
        raise UnsupportedError(
            f"from_torch: example_inputs: found {', '.join(wrong) or 'none'}, expected a tensor or several"
        )
    return found


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """The module in eval() and without gradients for a while."""
    modes = {part: part.training for part in module.modules()}
    try:
        with torch.no_grad():
            module.eval()
            yield
    finally:
        for part, training in modes.items():
            part.training = training


def _run(module: nn.Module, inputs: Sequence[Tensor]) -> Any:
    with torch.no_grad():
        return module(*(one.clone() for one in inputs))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """What a module returns, in torch's order; with the keys of dicts, "" for what is not in one."""
    if isinstance(value, Mapping):
        for inner, one in value.items():
            yield from _leaves(one, f"{key}.{inner}" if key else str(inner))
    elif isinstance(value, (list, tuple)):
        for place, one in enumerate(value):
            yield from _leaves(one, f"{key}.{place}" if key else "")
    elif pytree.tree_structure(value).is_leaf():
        yield key, value
    else:
        yield from (("", leaf) for leaf in pytree.tree_leaves(value))


def _exported(module: nn.Module, name: str, inputs: Sequence[Tensor]) -> ExportedProgram:
    try:
        with quiet():
            return torch.export.export(module, tuple(inputs), strict=False)
    except Exception as fault:
        raise UnsupportedError(f"{name}: torch.export cannot export it: {_reason(fault)}") from fault


def _in_onnx(program: ExportedProgram, name: str) -> Any:
    """The torch.onnx.ONNXProgram, as the operations stand in the program: batch norm is folded by us, in float64."""
    try:
        with quiet(), torch.no_grad():
            return torch.onnx.export(
                program, (), dynamo=True, optimize=False, verbose=False, custom_translation_table=translations()
            )
    except Exception as fault:
        where = _origin(program, fault)
        raise UnsupportedError(f"{name}: torch.onnx cannot write it: {_reason(fault)}{where}") from fault


def _origin(program: ExportedProgram, fault: BaseException | None) -> Origin:
    """The place of the operation at which torch.onnx stopped, as far as it says that."""
    names = []
    while fault is not None:
        names += re.findall(r"translating node %(\w+)", str(fault))
        fault = fault.__cause__
    for node in program.graph.nodes:
        if node.name in names:
            scopes = [str(path) for path, _ in node.meta.get("nn_module_stack", {}).values()]
            return origin_of(
                {
                    "pkg.torch.onnx.name_scopes": repr([*scopes, node.name]),
                    "pkg.torch.onnx.stack_trace": node.meta.get("stack_trace") or "",
                }
            )
    return Origin()


def _reason(fault: BaseException) -> str:
    """What torch says, of the fault that began it, in one line."""
    while fault.__cause__ is not None:
        fault = fault.__cause__
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    text = " ".join(lines[:3]) or type(fault).__name__
    return text if len(text) <= 400 else f"{text[:400]}..."


def _model(onnx_program: Any) -> Model:
    """The program as plain data, constants folded, so that sequences of tensors become plain Splits."""
    optimizer = import_module("onnxscript.optimizer")
    with quiet():
        optimizer.fold_constants_ir(onnx_program.model, input_size_limit=_MOST, output_size_limit=_MOST)
        optimizer.remove_unused_nodes(onnx_program.model)
        return model_of(onnx_program.model_proto)


def _check(traced: _Traced, net: NetParameter, weights: Weights, tolerance: float) -> None:
    """NetworkError where an output differs by more than rounding explains; a warning where that explains it."""
    found = _compared(traced, net, weights, tolerance)
    relative = {top.top: top.relative for top in found.tops if top.relative is not None}
    wrong = [name for name in traced.model.outputs if not relative.get(name, 0.0) <= tolerance]
    if not wrong:
        return
    worst = wrong[0]
    rounding = _rounding(traced)
    said = f"{traced.name}: the network differs from the module on the example"
    if all(relative[name] <= _TIMES_ROUNDING * rounding.get(name, 0.0) for name in wrong):
        warnings.warn(
            f"{said} by {relative[worst]:.2g} of the largest value at the output {worst!r}; the module is no more "
            f"exact itself: in float64 it differs by {rounding[worst]:.2g}",
            stacklevel=3,
        )
        return
    first = found.first_fault or next(top for top in found.tops if top.top == worst)
    raise NetworkError(
        f"{said}: first at top {first.top!r}, made by {', '.join(first.layers)}: difference {first.difference:.3g}, "
        f"{first.relative:.3g} of the largest value; at the output {worst!r} {relative[worst]:.3g}, "
        f"tolerance {tolerance:g}"
    )


def _rounding(traced: _Traced) -> dict[str, float]:
    """By output how much the module's own float32 differs from its float64; empty where it cannot run in that."""
    if traced.module is None:
        return {}
    try:
        with _evaluating(traced.module):
            exact = copy.deepcopy(traced.module).double()
            results = _run(exact, [one.double() if one.is_floating_point() else one for one in traced.inputs])
    except Exception:  # a module may refuse to be copied, or have types of its own within
        return {}
    leaves = [leaf for _, leaf in _leaves(results) if isinstance(leaf, Tensor)]
    made = {}
    for name, leaf, own in zip(traced.model.outputs, leaves, traced.outputs, strict=False):
        largest = leaf.abs().max().item()
        made[name] = (leaf - own).abs().max().item() / largest if largest else 0.0
    return made


def _compared(
    traced: _Traced, net: NetParameter, weights: Mapping[str, Sequence[Any]], tolerance: float
) -> Verification:
    values = _values_of_tops(traced.model, net)
    outputs = dict(zip(traced.model.outputs, traced.outputs, strict=True))
    if not values and not outputs.keys() & {top for layer in net.layer for top in layer.top}:
        raise NetworkError(f"{traced.name}: found no top of the module's in network {net.name!r}")
    expected = _ran(traced, set(values.values()))
    found = _tops(net, weights, dict(zip(traced.model.inputs, traced.inputs, strict=True)))
    makers: dict[str, list[str]] = {}
    for layer in net.layer:
        for top in layer.top:
            if top not in layer.bottom:
                makers[top] = []
            makers[top].append(f"{layer.name} ({layer.type})")
    tops = [
        compare_top(
            top,
            tuple(makers[top]),
            found[top],
            _array(outputs[top]) if top in outputs else expected.get(values.get(top, "")),
        )
        for top in makers
        if top in found
    ]
    arrays = [
        (f"{name}[{place}]", np.asarray(blob)) for name, blobs in weights.items() for place, blob in enumerate(blobs)
    ]
    return Verification(
        net.name,
        len(arrays),
        sum(blob.size for _, blob in arrays),
        tuple(tops),
        tolerance,
        f"{traced.name} in PyTorch",
        not_finite=tuple(name for name, blob in arrays if not np.isfinite(blob).all()),
    )


def _values_of_tops(model: Model, net: NetParameter) -> dict[str, str]:
    """By top, the value of the exporter's that it holds at the end; tops that hold none are left out."""
    names = named(model)
    present = {layer.name for layer in net.layer}
    values = {node.name: original.outputs for node, original in zip(names.nodes, model.nodes, strict=True)}
    merged = {
        original.inputs[0]: original.outputs[0]
        for node, original in zip(names.nodes, model.nodes, strict=True)
        if original.operator == "BatchNormalization" and node.name not in present
    }
    tops: dict[str, str] = {}
    owners: dict[str, str] = {}
    for layer in net.layer:
        made = values.get(layer.name, ())
        for place, top in enumerate(layer.top):
            if layer.name == f"{owners.get(top)}_scale":
                continue  # the Scale of a BatchNorm, which have one node between them
            tops.pop(top, None)
            owners[top] = layer.name
            if place < len(made):
                tops[top] = merged.get(made[place], made[place])
    return tops


def _ran(traced: _Traced, wanted: set[str]) -> dict[str, Array]:
    """The values of the program's operations on the example, by name."""
    found: dict[str, Array] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            result = super().run_node(n)
            if n.name in wanted and isinstance(result, Tensor):
                # A later operation may write into the tensor.
                found[n.name] = _array(result).copy()
            return result

    with torch.no_grad(), quiet():
        module = traced.program.module()
        assert isinstance(module, fx.GraphModule)
        Recorder(module).run(*(one.clone() for one in traced.inputs))
    return found


def _tops(net: NetParameter, weights: Mapping[str, Sequence[Any]], inputs: Mapping[str, Tensor]) -> dict[str, Array]:
    """What `to_torch` gives for every top."""
    tops = list(dict.fromkeys(top for layer in net.layer for top in layer.top if not is_input(layer.type)))
    module = to_torch(net, weights, outputs=tops)
    arguments = [inputs[name].detach().cpu().float() for name in module.meta["caffe"]["inputs"]]
    with torch.no_grad():
        result = module(*arguments)
    results = result if isinstance(result, Mapping) else {tops[0]: result}
    return {top: _array(value) for top, value in results.items()}


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().float().numpy()
    return array
