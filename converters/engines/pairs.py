"""What the engines that read Caffe's own files share: the network as it is run, in the words of a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converters.engines.engine import Blobs, Shapes
from converters.targets.forms import free_name
from converters.targets.reading import read_target
from converters.targets.rewriting import for_target
from converters.weights import Weights
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.flow import flow_of, live_rows
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace


@dataclass(frozen=True)
class Pair:
    """A network with its weights, as a tool gets them in files.

    `inputs`: the shapes of its inputs, by name. `outputs`: by each top that was asked for, the blob that has its value;
    no layer takes that.
    """

    net: NetParameter
    weights: Weights
    inputs: dict[str, Shape]
    outputs: dict[str, str]


def pair_for(
    target: str,
    net: NetParameter,
    weights: Blobs | None,
    outputs: Sequence[str] | None,
    shapes: Shapes | None,
    title: str,
    passing: str = "Power",
) -> Pair:
    """What outputs need of the network's TEST phase, by exact rewrites in the words of a target.

    `passing`: what gives an output that layers take once more, see `passes_on`.
    Losses are left out of the network, and so are outputs of theirs that nobody asked for by name. UnsupportedError,
    which calls the engine `title`, for what has no such form; other errors are those of `to_torch`.
    """
    from converters.pytorch.module import to_torch, weights_of

    module = to_torch(net, weights, outputs=outputs, input_shapes=shapes)
    meta: dict[str, Any] = module.meta["caffe"]
    live = live_network(net, meta["outputs"], shapes, title)
    taken = {bottom for layer in live.layer for bottom in layer.bottom} | set(meta["outputs"])
    stated = with_inputs(live, {name: shape for name, shape in meta["inputs"].items() if name in taken})
    said, blobs = _untaken_outputs(stated, meta["outputs"], passing)
    names = {layer.name for layer in said.layer}
    made = for_target(
        said, {name: arrays for name, arrays in weights_of(module).items() if name in names}, read_target(target)
    )
    wanted = {top: made.renamed.get(blob, blob) for top, blob in blobs.items()}
    tops = {top for layer in made.net.layer for top in layer.top}
    if outputs is None:
        wanted = {top: blob for top, blob in wanted.items() if blob in tops}
    gone = [top for top, blob in wanted.items() if blob not in tops]
    if gone:
        raise UnsupportedError(f"network {net.name!r}: {title}: outputs: found none for {', '.join(gone)}")
    given = {top: meta["inputs"][top] for layer in made.net.layer if is_input(layer.type) for top in layer.top}
    return Pair(made.net, made.weights or {}, given, wanted)


def _untaken_outputs(net: NetParameter, outputs: Sequence[str], passing: str) -> tuple[NetParameter, dict[str, str]]:
    """The network with a layer that passes on each output that a layer takes, or that is an input; by output, its blob.

    So it stays what it is when the layers around it are rewritten, fused, or run in its memory.
    """
    made = NetParameter()
    made.CopyFrom(net)
    taken = {bottom for layer in net.layer for bottom in layer.bottom}
    taken |= {top for layer in net.layer if is_input(layer.type) for top in layer.top}
    names = {name for layer in net.layer for name in (layer.name, *layer.top)}
    blobs = {}
    for top in outputs:
        blobs[top] = free_name(f"{top}/asked", names) if top in taken else top
        if top in taken:
            names.add(blobs[top])
            passes_on(made, top, blobs[top], passing)
    return made, blobs


def passes_on(net: NetParameter, top: str, name: str, passing: str) -> None:
    """Adds a layer that gives a top once more by another name: a Power, or the Eltwise MAX of the top and itself."""
    layer = net.layer.add(name=name, type=passing, bottom=[top], top=[name])
    if passing == "Eltwise":
        layer.bottom.append(top)
        layer.eltwise_param.operation = layer.eltwise_param.MAX


def live_network(net: NetParameter, outputs: Sequence[str], shapes: Shapes | None, title: str) -> NetParameter:
    """The layers of the TEST phase that outputs need, without rules that would leave some out.

    UnsupportedError, which calls the engine `title`, where they need random numbers.
    """
    selected = NetParameter()
    selected.CopyFrom(select_phase(net, "TEST", level=net.state.level))
    rows = trace(selected, shapes)
    random = [row.name for row in rows if row.type == "DummyData" and _is_random(row.layer)]
    live = set(live_rows(rows, flow_of(rows), outputs)[0])
    if any(rows[place].name in random for place in live):
        raise UnsupportedError(f"network {net.name!r}: {title}: random numbers differ in each run: {', '.join(random)}")
    layers = [layer for place, layer in enumerate(selected.layer) if place in live]
    made = NetParameter(name=net.name)
    made.layer.extend(layers)
    for layer in made.layer:
        layer.ClearField("include")
        layer.ClearField("exclude")
    return made


def with_inputs(net: NetParameter, shapes: Mapping[str, Shape]) -> NetParameter:
    """The network with an Input layer for each input, of these shapes, instead of its input and data layers."""
    made = NetParameter(name=net.name)
    for name, shape in shapes.items():
        layer = made.layer.add(name=name, type="Input", top=[name])
        layer.input_param.shape.add(dim=shape)
    made.layer.extend(layer for layer in net.layer if not is_input(layer.type))
    return made


def _is_random(layer: Any) -> bool:
    return any(filler.type != "constant" for filler in layer.dummy_data_param.data_filler)
