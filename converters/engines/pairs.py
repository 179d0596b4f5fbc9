"""What the engines that read Caffe's own files share: the network as it is run, with its inputs stated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from converters.engines.engine import Shapes
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.flow import flow_of, live_rows
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace


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
