"""A tool held against the table of its target: a network of the zoo, a case of real Caffe, random layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from caffe_zoo.cards import card
from converters.engines import make_engine
from converters.engines.engine import Engine
from converters.targets.checking import check_target
from converters.targets.target import Target
from converters.weights import Weights
from prototxt_gen import CaffeError, NetParameter, NetworkError, generate
from prototxt_gen.architectures.decoders import Decoder
from tests.filling import Array, fill_inputs, fill_weights
from tests.toolchains.cases import Case
from tests.toolchains.drawing import draw
from tests.toolchains.trying import Runs, difference, network, tried

#: Of random layers, the least share that the table takes: it must not pass by taking hardly any.
_TAKEN = 0.3
#: Of random layers, the share that the table does not take and the tool does all the same: rules are general.
_STRICTER = 0.1

#: Runs a network, its weights, its inputs; gives tops of these names.
RunsFor = Callable[[NetParameter, Weights, Mapping[str, Array], Sequence[str]], Mapping[str, Array]]


def check_zoo(engine: Engine, name: str, tolerance: float, decoder_shape: tuple[int, ...] | None) -> None:
    """A network of the zoo, rewritten for the engine's target, agrees; decoders are made for inputs of this shape.

    None is the shape that they have by themselves.
    """
    architecture = card(name).architecture
    net = generate(architecture, input_shape=decoder_shape if isinstance(architecture, Decoder) else None)
    weights, inputs = fill_weights(net), fill_inputs(net)
    expected = make_engine("torch").load(net, weights).run(inputs)
    found = engine.load(net, weights).run(inputs)
    assert found.keys() == expected.keys()
    off = {top: difference(found[top], array) for top, array in expected.items()}
    print(f"{name}: {', '.join(map('{:.1e}'.format, off.values()))}")
    assert max(off.values()) <= tolerance


def check_case(run: RunsFor, target: Target, one: Case, tolerance: float, taken: bool = False) -> None:
    """A case is right exactly where the table takes it; `taken`: the tool does all the same."""
    report = check_target(one.net, target)
    try:
        found = run(one.net, one.weights, one.inputs, list(one.outputs))
    except CaffeError as fault:
        worst, said = np.inf, str(fault)
    else:
        same = all(found[top].shape == array.shape for top, array in one.outputs.items())
        worst = max(difference(found[top], array) for top, array in one.outputs.items()) if same else np.inf
        said = f"off by {worst:.1e}"
    assert (worst <= tolerance) is (report.passed or taken), (said, str(report))


def check_drawn(run: Runs, target: Target, seeds: Sequence[int], tolerance: float, crashes: Sequence[str] = ()) -> None:
    """All random layers that the table takes are right; hardly any other is.

    `crashes`: types of layers that the tool is not given where the table does not take them: it would take us with it.
    """
    wrong, taken, stricter = [], 0, 0
    for seed in seeds:
        layers, shapes = draw(seed)
        net = network(layers, **shapes)
        try:
            report = check_target(net, target)
        except NetworkError:  # Caffe would refuse it as well
            continue
        if any(fault.type in crashes for fault in report.faults):
            continue
        result = tried(run, net, tolerance)
        taken += report.passed
        stricter += result.outcome == "right" and not report.passed
        if report.passed and result.outcome != "right":
            wrong.append(f"{seed}: {result} {layers}")
    assert not wrong, "\n".join(wrong)
    assert taken >= _TAKEN * len(seeds) and stricter <= _STRICTER * len(seeds), (taken, stricter)
