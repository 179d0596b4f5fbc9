"""Checks a network and its weights: every blob against the shapes, every top against other files or another engine."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from converters.engines import ENGINES, Engine, as_engine, make_engine
from converters.engines.onnxruntime import open_onnx
from converters.formats import STATE_DICT_SUFFIXES, read_weights
from converters.weights import load_weights
from converters.weights.blobs import Array
from prototxt_gen.errors import NetworkError, WeightsError
from prototxt_gen.layers import LAYERS, Shape, is_input
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import LayerParameter, NetParameter, set_fields
from prototxt_gen.tables import aligned
from prototxt_gen.text import read_prototxt, to_text
from prototxt_gen.trace import AUTOMATIC, LayerSummary, trace

Network: TypeAlias = NetParameter | str | os.PathLike[str]
WeightsOrPath: TypeAlias = Mapping[str, Sequence[ArrayLike]] | str | os.PathLike[str]


@dataclass(frozen=True)
class TopCheck:
    """One top of the network: what made it, and how it compares.

    `largest` is the largest absolute value. `difference` is the largest absolute difference, None where there was
    nothing to compare with; `relative` is that over the other side's largest value. `counts` says whether it decides:
    a top inside the network that other layers make in the other files, as in merged networks, does not.
    """

    top: str
    layers: tuple[str, ...]
    shape: Shape
    largest: float
    difference: float | None = None
    relative: float | None = None
    counts: bool = True


@dataclass(frozen=True)
class Verification:
    """What `verify` found; `str()` of it is a table. `passed` is False where something differs or is not finite."""

    network: str
    blobs: int
    numbers: int
    tops: tuple[TopCheck, ...]
    tolerance: float
    against: str | None = None
    #: Layers of the weights that the network does not have; Caffe skips them too.
    unused: tuple[str, ...] = ()
    #: Blobs that hold NaN or infinite numbers, as "layer[index]".
    not_finite: tuple[str, ...] = ()

    @property
    def first_fault(self) -> TopCheck | None:
        """The first top, in the order of the layers, that differs by more than the tolerance."""
        faults = (top for top in self.tops if top.counts and top.relative is not None)
        return next((top for top in faults if not top.relative <= self.tolerance), None)  # type: ignore[operator]

    @property
    def passed(self) -> bool:
        """Whether every number is finite and nothing differs."""
        return self.first_fault is None and not self.not_finite

    def __str__(self) -> str:
        lines = [f"{self.network}: {self.blobs} blobs with {self.numbers:,} numbers fit the network"]
        if self.unused:
            lines.append(f"left out (layers that the network does not have): {', '.join(self.unused)}")
        return "\n".join([*lines, "", *self._table(), "", self._verdict()])

    def _table(self) -> list[str]:
        rows = [("top", "shape", "largest", "difference", "relative", "made by")]
        for top in self.tops:
            compared = [f"{number:.2e}" if number is not None else "-" for number in (top.difference, top.relative)]
            made_by = ", ".join(top.layers) + ("" if top.counts else "  (by other layers in the other file)")
            shape = "x".join(map(str, top.shape)) or "()"
            rows.append((top.top, shape, f"{top.largest:.4g}", compared[0], compared[1], made_by))
        return aligned(rows, right=(2, 3, 4))

    def _verdict(self) -> str:
        compared = "" if self.against is None else self._comparison()
        if self.not_finite:
            count = f"{len(self.not_finite)} of {self.blobs} blobs"
            fault = f"FAILED: found NaN or infinite numbers in {count}: {', '.join(self.not_finite)}"
            return f"{fault}; {compared}" if compared else fault
        return compared or "nothing to compare with; --against names other files or an engine"

    def _comparison(self) -> str:
        fault = self.first_fault
        compared = [top for top in self.tops if top.relative is not None and top.counts]
        if fault is None:
            worst = max(compared, key=lambda top: top.relative or 0)
            return (
                f"agrees with {self.against}: {len(compared)} of {len(self.tops)} tops compared, relative difference "
                f"at most {worst.relative:.2e} (top {worst.top!r}), tolerance {self.tolerance:g}"
            )
        skipped = [top.top for top in self.tops[: self.tops.index(fault)] if not top.counts]
        other = f"; before it, made by other layers in the other file: {', '.join(skipped)}" if skipped else ""
        return (
            f"DIFFERS from {self.against}: first at top {fault.top!r}, made by {', '.join(fault.layers)}: "
            f"relative difference {fault.relative:.2e}, tolerance {self.tolerance:g}{other}"
        )


def verify(
    net: Network,
    weights: WeightsOrPath,
    against: tuple[Network, WeightsOrPath] | Engine | str | os.PathLike[str] | None = None,
    *,
    tolerance: float = 1e-4,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Verification:
    """Checks that the weights fit the network's TEST phase, runs a fixed input, and compares every top.

    `against` is another pair (network, weights), another engine for the same pair, itself or its name ("opencv",
    "onnxruntime"), or a .onnx file, which onnxruntime runs. Networks and weights are objects, or paths in any format
    that can be read here. Inputs are the same on every machine: numbers from -1 to 1, zeros for labels. `tolerance`
    limits a top's largest difference over its largest value. WeightsError lists every blob that is missing or of
    another shape; NotInstalledError says which package an engine needs.
    """
    reference = make_engine("torch")
    ours = _Side(net, weights, input_shapes)
    inputs = {name: _fixed(name, shape, ours.uses[name]) for name, shape in ours.inputs.items()}
    found = ours.run(reference, inputs)
    expected: dict[str, Array] = {}
    definitions: dict[str, list[str]] | None = None
    said = None
    if isinstance(against, tuple):
        theirs = _Side(*against, _renamed(ours.inputs, against[0]))
        said = theirs.label
        expected = theirs.run(reference, _matched(inputs, theirs))
        definitions = theirs.definitions
    elif isinstance(against, Engine) or against in ENGINES:
        engine = as_engine(against if isinstance(against, Engine) else str(against))
        said, expected = engine.title, ours.run(engine, inputs)
    elif against is not None:
        said, expected = f"onnxruntime on {os.fspath(against)}", _run_onnx(os.fspath(against), ours, inputs)
    if said is not None and not set(found) & set(expected):
        raise NetworkError(f"{said}: found tops {', '.join(expected) or 'none'}, expected some of {', '.join(found)}")
    outputs = set(ours.outputs)
    tops = [
        compare_top(
            top,
            tuple(f"{row.name} ({row.type})" for row in ours.makers[top]),
            array,
            expected.get(top),
            definitions is None or top in outputs or definitions.get(top) == ours.definitions[top],
        )
        for top, array in found.items()
    ]
    arrays = [
        (f"{name}[{index}]", np.asarray(blob))
        for name, blobs in ours.weights.items()
        for index, blob in enumerate(blobs)
    ]
    return Verification(
        ours.label,
        len(arrays),
        sum(blob.size for _, blob in arrays),
        tuple(tops),
        tolerance,
        said,
        tuple(ours.unused),
        tuple(name for name, blob in arrays if not np.isfinite(blob).all()),
    )


class _Side:
    """A network with weights, ready to run: its inputs that some layer takes, and the layers behind every top."""

    def __init__(self, net: Network, weights: WeightsOrPath, input_shapes: Mapping[str, Sequence[int]] | None) -> None:
        files = [os.fspath(part) for part in (net, weights) if isinstance(part, (str, os.PathLike))]
        net = read_prototxt(net) if isinstance(net, (str, os.PathLike)) else net
        self.label = ", ".join(files if len(files) == 2 else [net.name or "network", *files])
        self.net = select_phase(net, "TEST", level=net.state.level)
        rows = trace(self.net, input_shapes)
        self.shapes = input_shapes
        self.makers: dict[str, list[LayerSummary]] = {}
        self.inputs: dict[str, Shape] = {}
        self.uses: dict[str, set[tuple[str, int]]] = {}
        taken: set[str] = set()
        for row in rows:
            taken.update(row.bottoms)
            if is_input(row.type):
                self.inputs.update(zip(row.tops, row.top_shapes, strict=True))
                continue
            for index, bottom in enumerate(row.bottoms):
                if row.tops:
                    self.uses.setdefault(bottom, set()).update(
                        {(row.type, index), (row.type, index - len(row.bottoms))}
                    )
            for top in row.tops:
                name = row.name if top == AUTOMATIC else top
                # A layer in place adds to the layers that made the content before.
                before = self.makers.pop(name, []) if name in row.bottoms else []
                self.makers[name] = [*before, row]
        self.inputs = {name: shape for name, shape in self.inputs.items() if name in self.uses}
        self.outputs = [top for top in self.makers if top not in taken]
        self.definitions = {top: [_definition(row.layer) for row in made] for top, made in self.makers.items()}
        loaded = _loaded(weights, net, input_shapes)
        known = {layer.name for layer in upgrade(net).layer}
        self.unused = [name for name in loaded if name not in known]
        self.weights: Mapping[str, Sequence[ArrayLike]] = {name: loaded[name] for name in loaded if name in known}

    def run(self, engine: Engine, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every top that the engine gives, by its name, in the order of the layers."""
        try:
            session = engine.load(self.net, self.weights, outputs=list(self.makers), input_shapes=self.shapes)
        except WeightsError as fault:
            raise WeightsError(f"{self.label}: {fault}") from fault
        return session.run(inputs)


def _loaded(
    weights: WeightsOrPath, net: NetParameter, input_shapes: Mapping[str, Sequence[int]] | None
) -> Mapping[str, Sequence[ArrayLike]]:
    if isinstance(weights, Mapping):
        return weights
    return (
        read_weights(weights, net, input_shapes=input_shapes)
        if Path(weights).suffix in STATE_DICT_SUFFIXES
        else load_weights(weights, net)
    )


def _definition(layer: LayerParameter) -> str:
    """What the layer computes, as text: its type and options without names, rules, rates, fillers and blobs."""
    copy = type(layer)()
    copy.CopyFrom(layer)
    for field in ("name", "bottom", "top", "blobs", "param", "include", "exclude", "phase", "loss_weight"):
        copy.ClearField(field)
    for group, options in set_fields(copy):
        if group.message is not None and not group.repeated:
            for inner, _ in set_fields(options):
                if inner.name.endswith("_filler") or inner.name == "engine":
                    options.ClearField(inner.name)
    return to_text(copy)


def _fixed(name: str, shape: Shape, uses: set[tuple[str, int]]) -> Array:
    """The input of this name: the same numbers on every machine."""
    if any(place in LAYERS[kind].labels for kind, place in uses):
        return np.zeros(shape, np.float32)
    if any(place in LAYERS[kind].switches for kind, place in uses):
        return np.ones(shape, np.float32)
    bits = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).integers(0, 1 << 16, shape, np.int64)
    return (bits / np.float32(1 << 15) - 1).astype(np.float32)


def _renamed(inputs: Mapping[str, Shape], other: Network) -> Mapping[str, Shape]:
    """The shapes of our inputs for another network's: by name, and a single one by its place."""
    net = read_prototxt(other) if isinstance(other, (str, os.PathLike)) else other
    sources = [layer for layer in select_phase(net, "TEST", level=net.state.level).layer if is_input(layer.type)]
    names = [top for layer in sources for top in layer.top]
    same = {name: shape for name, shape in inputs.items() if name in names}
    return same or dict(zip(names[:1], inputs.values(), strict=False))


def _matched(inputs: Mapping[str, Array], side: _Side) -> Mapping[str, Array]:
    """Our inputs under the other network's names."""
    if set(side.inputs) <= set(inputs):
        return inputs
    if [array.shape for array in inputs.values()] != list(side.inputs.values()):
        ours = {name: array.shape for name, array in inputs.items()}
        raise NetworkError(f"{side.label}: inputs: found {side.inputs}, expected {ours}")
    return dict(zip(side.inputs, inputs.values(), strict=True))


def compare_top(
    top: str, layers: tuple[str, ...], found: Array, expected: Array | None, counts: bool = True
) -> TopCheck:
    """How the numbers of a top compare with those expected, in the same order and perhaps another shape."""
    largest = float(np.abs(found).max(initial=0))
    if expected is None:
        return TopCheck(top, layers, found.shape, largest)
    if expected.size != found.size:
        return TopCheck(top, layers, found.shape, largest, float("inf"), float("inf"), counts)
    ours, theirs = found.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    with np.errstate(invalid="ignore"):
        gaps = np.abs(ours - theirs)
    gaps[(ours == theirs) | (np.isnan(ours) & np.isnan(theirs))] = 0
    gaps[np.isnan(gaps)] = np.inf
    difference = float(gaps.max(initial=0))
    scale = float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0))
    relative = difference / scale if scale else (float("inf") if difference else 0.0)
    return TopCheck(top, layers, found.shape, largest, difference, relative, counts)


def _run_onnx(path: str, side: _Side, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The tops that the graph has under the same names; its only output stands for ours where names differ."""
    session = open_onnx(path, side.makers)
    named = set(session.inputs) <= set(inputs)
    results = session.run(inputs if named else dict(zip(session.inputs, inputs.values(), strict=False)))
    others = [name for name in session.outputs if name not in side.makers]
    if len(others) == len(side.outputs) == 1:
        results.setdefault(side.outputs[0], results[others[0]])
    return results
