"""Groups of nodes that are one operator: what exporters write for it in pieces becomes one node again.

A model goes in, a model comes out that computes the same to float rounding. The last node of a group is replaced, those
that nobody else takes are left out.

1. Products: x * Sigmoid(x) is Swish, x * Tanh(Softplus(x)) Mish, Clip(x + 3, 0, 6) / 6 HardSigmoid, x times that
   HardSwish, x / 2 * (1 + Erf(x / sqrt(2))) Gelu, with a Tanh of a cubic its tanh form; in any order and division.
   Sign(x) * Relu(Abs(x)) is x.
2. Where(x > c, x, Softplus(x)) with a great c is Softplus. Where(Abs(x) <= c, 0, x) is Shrink, and so is that with
   x - c * Sign(x). Max(x, c * x) with c up to 1 is LeakyRelu.
3. A constant added to what a Conv, ConvTranspose or MatMul makes is its bias; a factor for each channel goes into the
   weights of a Conv. Nobody else may take what it makes.
4. A MaxPool over a map with a border of minus infinity pads by itself.
5. x / (k + alpha * mean of x * x over neighbouring channels) ^ beta, the mean by a Pad and an AveragePool over the
   depth of (N, 1, C, H, W), is "caffe.LRN"; what the shapes are its reader checks. With k = 1 over rows and columns
   around each number it is the LRN within channels.
6. A constant factor and then a summand are one "caffe.Affine"; a number's factor, summand and power one "caffe.Power";
   two tensors, each times a number, one "caffe.Sum". These are no operators of ONNX: `Node.made` says who made a node.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.onnx.models.model import Model, Node
from converters.onnx.operators.checking import check_node
from prototxt_gen.errors import UnsupportedError

Made = tuple[str, tuple[str, ...], Mapping[str, Any]]
"""The operator, inputs and attributes of the node that replaces another."""


def recognised(model: Model) -> Model:
    """The model with every such group as one node."""
    graph = _Graph.of(model)
    nodes = list(model.nodes)
    # Sums within a greater group are not to be taken up by themselves.
    for rules, place in itertools.product((_GROUPS, _SUMS), range(len(nodes))):
        node = nodes[place]
        if not (node.made or _is_sound(node, model.opset)) or node.outputs[0] in graph.grouped:
            continue
        while (found := next((made for rule in rules if (made := rule(graph, node)) is not None), None)) is not None:
            node = nodes[place] = graph.replaced(node, found)
    if not graph.changed:
        return model
    needed, kept = set(model.outputs), []
    for node in reversed(nodes):
        if node.outputs[0] not in graph.grouped or needed.intersection(filter(None, node.outputs)):
            kept.append(node)
            needed.update(node.inputs)
    return replace(model, nodes=tuple(reversed(kept)), constants={**model.constants, **graph.added})


def _is_sound(node: Node, opset: int) -> bool:
    """Whether a node is as ONNX defines it, and makes something; others are left for the walk to name."""
    try:
        check_node(node, opset)
    except UnsupportedError:
        return False
    return bool(node.outputs)


@dataclass
class _Graph:
    """Who makes and who takes each value; constants, also those of Constant nodes."""

    makers: dict[str, Node]
    takers: Counter[str]
    constants: dict[str, NDArray[Any]]
    added: dict[str, NDArray[Any]] = field(default_factory=dict)
    grouped: set[str] = field(default_factory=set)
    """The first outputs of nodes that are a part of a group: they go where nobody else takes them."""
    changed: bool = False

    @classmethod
    def of(cls, model: Model) -> _Graph:
        sound = [node for node in model.nodes if _is_sound(node, model.opset)]
        makers = {value: node for node in sound for value in node.outputs if value}
        constants = dict(model.constants)
        for node in model.nodes:
            value = node.attributes.get("value") if node.operator == "Constant" and not node.domain else None
            if isinstance(value, np.ndarray):
                constants[node.outputs[0]] = value
        taken = Counter(value for node in model.nodes for value in node.inputs)
        return cls(makers, taken + Counter(model.outputs), constants)

    def replaced(self, node: Node, made: Made) -> Node:
        operator, inputs, attributes = made
        new = replace(node, operator=operator, inputs=inputs, attributes=attributes, made=True)
        self.takers.subtract(node.inputs)
        self.takers.update(new.inputs)
        for value in node.outputs:
            self.makers[value] = new
        for value in node.inputs:
            self._group(value, set(inputs))
        self.changed = True
        return new

    def _group(self, value: str, kept: set[str]) -> None:
        """Marks what only the replaced node needed."""
        node = self.makers.get(value)
        if node is None or value in kept or self.takers[value] > 0 or node.outputs[0] in self.grouped:
            return
        self.grouped.add(node.outputs[0])
        self.takers.subtract(node.inputs)
        for one in node.inputs:
            self._group(one, kept)

    def node(self, value: str, *operators: str) -> Node | None:
        """The node that makes the value, if it is one of these operators."""
        node = self.makers.get(value)
        return node if node is not None and node.operator in operators and value == node.outputs[0] else None

    def number(self, value: str) -> float | None:
        """The number that a constant is."""
        array = self.constants.get(value)
        plain = array is not None and array.size == 1 and array.ndim <= 1 and array.dtype.kind in "fiu"
        return float(array.reshape(())) if array is not None and plain else None

    def is_number(self, value: str, wanted: float) -> bool:
        number = self.number(value)
        return number is not None and abs(number - wanted) <= 1e-5 * abs(wanted)

    def pair(self, node: Node | None) -> Iterator[tuple[str, str]]:
        """The two inputs of a node in either order."""
        if node is not None and len(node.inputs) == 2:
            yield node.inputs[0], node.inputs[1]
            yield node.inputs[1], node.inputs[0]

    def passed(self, value: str) -> str:
        """The value behind which nothing but Identity stands."""
        while (node := self.node(value, "Identity")) is not None:
            value = node.inputs[0]
        return value

    def scaled(self, value: str) -> tuple[str, float] | None:
        """A value times a number, as the value and the number."""
        node = self.node(value, "Mul", "Div")
        if node is None or len(node.inputs) != 2:
            return None
        if node.operator == "Div":
            number = self.number(node.inputs[1])
            return (node.inputs[0], 1 / number) if number else None
        for x, factor in self.pair(node):
            number = self.number(factor)
            if number is not None and x not in self.constants:
                return x, number
        return None

    def factors(self, value: str, depth: int = 3) -> Iterator[tuple[list[str], float]]:
        """The ways in which a value is a product, of values and a number."""
        if (number := self.number(value)) is not None:
            yield [], number
            return
        yield [value], 1.0
        node = self.node(value, "Mul", "Div")
        if node is None or not depth or len(node.inputs) != 2:
            return
        if node.operator == "Div":
            divisor = self.number(node.inputs[1])
            if divisor:
                for values, number in self.factors(node.inputs[0], depth - 1):
                    yield values, number / divisor
            return
        for first, second in itertools.product(*(self.factors(one, depth - 1) for one in node.inputs)):
            yield first[0] + second[0], first[1] * second[1]

    def clip_limits(self, node: Node) -> tuple[float | None, float | None]:
        """The limits of a Clip, None for one that is computed."""
        limits: list[float | None] = []
        for place, (name, none) in enumerate((("min", -inf), ("max", inf)), 1):
            given = node.inputs[place] if place < len(node.inputs) else ""
            limits.append(self.number(given) if given else float(node.attributes.get(name, none)))
        return limits[0], limits[1]


def _close(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= 1e-5 * abs(wanted)


# ----------------------------------------------------------------------------------------------------------- products


def _product(graph: _Graph, node: Node) -> Made | None:
    if node.operator not in ("Mul", "Div") or len(node.inputs) != 2:
        return None
    for values, number in graph.factors(node.outputs[0]):
        if values == [node.outputs[0]]:
            continue
        for first in range(len(values)) if len(values) <= 2 else ():
            gate, others = values[first], values[:first] + values[first + 1 :]
            for rule in _GATES:
                made = rule(graph, gate, others[0] if others else None, number)
                if made is not None:
                    return made
    return None


def _swish(graph: _Graph, gate: str, x: str | None, number: float) -> Made | None:
    sigmoid = graph.node(gate, "Sigmoid")
    if sigmoid is None or x is None or number != 1:
        return None
    if sigmoid.inputs[0] == x:
        return "Swish", (x,), {}
    inner = graph.scaled(sigmoid.inputs[0])
    return ("Swish", (x,), {"alpha": inner[1]}) if inner is not None and inner[0] == x else None


def _mish(graph: _Graph, gate: str, x: str | None, number: float) -> Made | None:
    tanh = graph.node(gate, "Tanh")
    softplus = graph.node(tanh.inputs[0], "Softplus") if tanh is not None else None
    same = softplus is not None and softplus.inputs[0] == x and number == 1
    return ("Mish", (x,), {}) if same and x is not None else None


def _signed(graph: _Graph, gate: str, x: str | None, number: float) -> Made | None:
    """Sign(y) * Relu(Abs(y)) is y: PyTorch's pooling by a norm has it before the root."""
    sign, relu = graph.node(gate, "Sign"), graph.node(x, "Relu") if x is not None else None
    size = graph.node(relu.inputs[0], "Abs") if relu is not None else None
    same = sign is not None and size is not None and size.inputs[0] == sign.inputs[0] and number == 1
    return ("Identity", (sign.inputs[0],), {}) if same and sign is not None else None


def _hard(graph: _Graph, gate: str, x: str | None, number: float) -> Made | None:
    """Clip(y + 3, 0, 6) / 6, alone or times y; HardSigmoid(y) times y."""
    hard = graph.node(gate, "HardSigmoid")
    if hard is not None:
        if x != hard.inputs[0] or number != 1:
            return None
        return "HardSwish", (x,), {"alpha": hard.attributes.get("alpha", 0.2), "beta": hard.attributes.get("beta", 0.5)}
    clip = graph.node(gate, "Clip")
    if clip is None or graph.clip_limits(clip) != (0, 6) or not _close(number, 1 / 6):
        return None
    for inner, summand in graph.pair(graph.node(clip.inputs[0], "Add")):
        if graph.is_number(summand, 3) and x in (None, inner):
            alphas = {"alpha": 1 / 6, "beta": 0.5}
            return ("HardSigmoid", (inner,), alphas) if x is None else ("HardSwish", (inner,), alphas)
    return None


def _gelu(graph: _Graph, gate: str, x: str | None, number: float) -> Made | None:
    if x is None or not _close(number, 0.5):
        return None
    for inner, one in graph.pair(graph.node(gate, "Add")):
        if not graph.is_number(one, 1):
            continue
        erf, tanh = graph.node(inner, "Erf"), graph.node(inner, "Tanh")
        if erf is not None:
            argument = graph.scaled(erf.inputs[0])
            if argument is not None and argument[0] == x and _close(argument[1], sqrt(0.5)):
                return "Gelu", (x,), {"approximate": "none"}
        if tanh is not None and _is_cubic(graph, tanh.inputs[0], x):
            return "Gelu", (x,), {"approximate": "tanh"}
    return None


def _is_cubic(graph: _Graph, value: str, x: str) -> bool:
    """sqrt(2 / pi) * (x + 0.044715 x^3), the sum perhaps as x * (1 + 0.044715 x^2)."""
    for values, number in graph.factors(value):
        if not _close(number, sqrt(2 / pi)):
            continue
        if len(values) == 1:
            for first, second in graph.pair(graph.node(values[0], "Add")):
                if first == x and _is_power(graph, second, x, 3):
                    return True
        if len(values) == 2 and x in values:
            other = values[1] if values[0] == x else values[0]
            for first, second in graph.pair(graph.node(other, "Add")):
                if graph.is_number(first, 1) and _is_power(graph, second, x, 2):
                    return True
    return False


def _is_power(graph: _Graph, value: str, x: str, power: int) -> bool:
    """0.044715 * x^power."""
    for values, number in graph.factors(value, 4):
        if _close(number, 0.044715):
            powers = [_power_of(graph, one, x) for one in values]
            if all(powers) and sum(filter(None, powers)) == power:
                return True
    return False


def _power_of(graph: _Graph, value: str, x: str) -> float | None:
    if value == x:
        return 1
    node = graph.node(value, "Pow")
    return graph.number(node.inputs[1]) if node is not None and node.inputs[0] == x else None


_GATES = (_swish, _mish, _hard, _gelu, _signed)


# ------------------------------------------------------------------------------------------------- Where, Max, weights


def _softplus(graph: _Graph, node: Node) -> Made | None:
    if node.operator != "Where" or len(node.inputs) != 3:
        return None
    above, x, otherwise = node.inputs
    compared = graph.node(above, "Greater")
    limit = graph.number(compared.inputs[1]) if compared is not None else None
    if compared is None or limit is None or limit < _STRAIGHT:
        return None
    softplus = graph.node(otherwise, "Softplus")
    if softplus is not None:
        return ("Softplus", (x,), {}) if softplus.inputs[0] == x == compared.inputs[0] else None
    back = graph.scaled(otherwise)
    softplus = graph.node(back[0], "Softplus") if back is not None else None
    inner = graph.scaled(softplus.inputs[0]) if softplus is not None else None
    if back is None or softplus is None or inner is None or compared.inputs[0] != softplus.inputs[0]:
        return None
    return ("Identity", (otherwise,), {}) if inner[0] == x and _close(back[1] * inner[1], 1) else None


_STRAIGHT = 16
"""log(1 + exp(x)) is x from here on, to float32."""


def _shrink(graph: _Graph, node: Node) -> Made | None:
    """0 where Abs(x) is at most a number, x or x - Sign(x) * number elsewhere."""
    choice = graph.node(node.inputs[0], "LessOrEqual", "Greater") if node.operator == "Where" else None
    size = graph.node(choice.inputs[0], "Abs") if choice is not None else None
    limit = graph.number(choice.inputs[1]) if choice is not None else None
    if choice is None or size is None or limit is None or limit < 0 or len(node.inputs) != 3:
        return None
    x = size.inputs[0]
    within, beyond = node.inputs[1:] if choice.operator == "LessOrEqual" else node.inputs[:0:-1]
    if graph.number(within) != 0 and graph.scaled(within) != (x, 0):
        return None
    if beyond == x:
        return "Shrink", (x,), {"lambd": limit, "bias": 0.0}
    moved = graph.node(beyond, "Sub")
    step = graph.scaled(moved.inputs[1]) if moved is not None and moved.inputs[0] == x else None
    sign = graph.node(step[0], "Sign") if step is not None else None
    if step is None or sign is None or sign.inputs[0] != x:
        return None
    return "Shrink", (x,), {"lambd": limit, "bias": step[1]}


def _leaky(graph: _Graph, node: Node) -> Made | None:
    for x, other in graph.pair(node if node.operator == "Max" else None):
        scaled = graph.scaled(other)
        if scaled is not None and scaled[0] == x and 0 < scaled[1] <= 1:
            return "LeakyRelu", (x,), {"alpha": scaled[1]}
    return None


def _padded_maximum(graph: _Graph, node: Node) -> Made | None:
    """A MaxPool over a border of minus infinity, as exporters write the uneven padding of others."""
    pad = graph.node(node.inputs[0], "Pad") if node.operator == "MaxPool" and len(node.outputs) == 1 else None
    stated = node.attributes
    if pad is None or stated.get("auto_pad", "NOTSET") not in ("NOTSET", "") or stated.get("ceil_mode", 0):
        return None
    if pad.attributes.get("mode", "constant") != "constant" or (len(pad.inputs) > 3 and pad.inputs[3]):
        return None
    value = graph.number(pad.inputs[2]) if len(pad.inputs) > 2 else pad.attributes.get("value")
    widths = graph.constants.get(pad.inputs[1]) if len(pad.inputs) > 1 else pad.attributes.get("pads")
    if value != -inf or widths is None or len(widths) < 6:
        return None
    begins, ends = [int(one) for one in widths[: len(widths) // 2]], [int(one) for one in widths[len(widths) // 2 :]]
    if min(*begins, *ends) < 0 or any(begins[:2] + ends[:2]):
        return None
    added = begins[2:] + ends[2:]
    own = stated.get("pads", [0] * len(added))
    if len(own) != len(added):
        return None
    pads = [one + other for one, other in zip(own, added, strict=True)]
    return "MaxPool", (pad.inputs[0],), {**stated, "pads": pads}


def _bias(graph: _Graph, node: Node) -> Made | None:
    """A summand of a Conv, ConvTranspose or MatMul, which becomes its bias."""
    for value, summand in graph.pair(node if node.operator == "Add" else None):
        maker, added = graph.node(value, "Conv", "ConvTranspose", "MatMul"), graph.constants.get(summand)
        if maker is None or added is None or added.dtype.kind != "f" or graph.takers[value] != 1:
            continue
        weight = graph.constants.get(maker.inputs[1])
        if weight is None:
            continue
        if maker.operator == "MatMul":
            if weight.ndim == 2 and added.shape == weight.shape[1:] and len(maker.inputs) == 2:
                return "MatMul", (*maker.inputs, summand), maker.attributes
            continue
        channels = _channels(maker, weight)
        row = _row(added, channels, weight.ndim)
        old = graph.constants.get(maker.inputs[2]) if len(maker.inputs) > 2 and maker.inputs[2] else None
        if row is None or (old is None and len(maker.inputs) > 2 and maker.inputs[2]):
            continue
        name = _added(graph, node, "bias", row if old is None else row + old)
        return maker.operator, (*maker.inputs[:2], name), maker.attributes
    return None


def _factor(graph: _Graph, node: Node) -> Made | None:
    """A factor for each channel that a Conv makes, which goes into its weights."""
    for value, factor in graph.pair(node if node.operator == "Mul" else None):
        maker, times = graph.node(value, "Conv"), graph.constants.get(factor)
        if maker is None or times is None or times.dtype.kind != "f" or graph.takers[value] != 1:
            continue
        weight = graph.constants.get(maker.inputs[1])
        row = None if weight is None else _row(times, weight.shape[0], weight.ndim)
        given = len(maker.inputs) > 2 and bool(maker.inputs[2])
        old = graph.constants.get(maker.inputs[2]) if given else None
        if weight is None or row is None or (given and old is None):
            continue
        names = [_added(graph, node, "weight", weight * row.reshape(-1, *(1,) * (weight.ndim - 1)))]
        if old is not None:
            names.append(_added(graph, node, "bias", old * row))
        return "Conv", (maker.inputs[0], *names), maker.attributes
    return None


def _channels(maker: Node, weight: NDArray[Any]) -> int:
    if maker.operator == "Conv":
        return int(weight.shape[0])
    return int(weight.shape[1]) * int(maker.attributes.get("group", 1)) if weight.ndim > 1 else 0


def _row(value: NDArray[Any], channels: int, axes: int) -> NDArray[Any] | None:
    """The constant as a number for each channel, if it broadcasts so to what has `axes` axes."""
    own = (1,) * (axes - value.ndim) + value.shape
    fits = len(own) == axes >= 3 and own[1] in (1, channels) and value.size == own[1]
    return np.broadcast_to(value.reshape(-1), (channels,)) if fits else None


def _added(graph: _Graph, node: Node, what: str, array: NDArray[Any]) -> str:
    name = f"{node.outputs[0]}/{what}"
    while name in graph.makers or name in graph.constants:
        name += "_"
    graph.constants[name] = graph.added[name] = np.asarray(array, np.float32)
    return name


# ---------------------------------------------------------------------------------------------------------------- LRN


def _lrn(graph: _Graph, node: Node) -> Made | None:
    """PyTorch's local_response_norm; its inputs are x, the shape of the squares, and the one that means go back to."""
    if node.operator != "Div" or len(node.inputs) != 2:
        return None
    x, divisor = node.inputs
    power = graph.node(divisor, "Pow")
    beta = graph.number(power.inputs[1]) if power is not None else None
    if power is None or beta is None:
        return None
    for product, shift in graph.pair(graph.node(power.inputs[0], "Add")):
        k, scaled = graph.number(shift), graph.scaled(product)
        means = _channel_means(graph, scaled[0], x) if scaled is not None and k is not None else None
        if means is not None and scaled is not None:
            size, *shapes = means
            return "caffe.LRN", (x, *shapes), {"size": size, "alpha": scaled[1], "beta": beta, "bias": k}
        size = _map_means(graph, scaled[0], x) if scaled is not None and k == 1 else 0
        if size and scaled is not None:
            return "caffe.LRN", (x,), {"size": size, "alpha": scaled[1], "beta": beta, "within": 1}
    return None


def _map_means(graph: _Graph, value: str, x: str) -> int:
    """How many rows and columns around each number of a map the means of x * x are over; 0 where they are not so."""
    pool = graph.node(graph.passed(value), "AveragePool")
    squares = graph.node(graph.passed(pool.inputs[0]), "Mul", "Pow") if pool is not None else None
    if pool is None or squares is None or not _is_square(graph, squares, x):
        return 0
    kernel, plain = pool.attributes.get("kernel_shape"), {"kernel_shape", "count_include_pad", "pads", "strides"}
    stated = {name: one for name, one in pool.attributes.items() if name not in plain and one not in (0, "NOTSET")}
    if not isinstance(kernel, list) or len(kernel) != 2 or kernel[0] % 2 == 0 or kernel[0] != kernel[1]:
        return 0
    size = int(kernel[0])
    padded = pool.attributes.get("pads", [0] * 4) == [size // 2] * 4 and pool.attributes.get("count_include_pad")
    every = set(pool.attributes.get("strides", [])) <= {1} and set(stated.pop("dilations", [])) <= {1}
    return size if (padded or size == 1) and every and not stated else 0


def _is_square(graph: _Graph, node: Node, x: str) -> bool:
    """Whether a Mul or a Pow is x * x."""
    if node.inputs[0] != x or len(node.inputs) != 2:
        return False
    return node.inputs[1] == x if node.operator == "Mul" else graph.is_number(node.inputs[1], 2)


def _channel_means(graph: _Graph, value: str, x: str) -> tuple[int, str, str] | None:
    """How many channels the means of x * x are over, and the shapes before and behind the pooling, "" for none."""
    back = graph.node(graph.passed(value), "Reshape")
    squeezed = graph.node(graph.passed(back.inputs[0] if back is not None else value), "Squeeze", "Reshape")
    inner = squeezed.inputs[0] if squeezed is not None else back.inputs[0] if back is not None else value
    pool = graph.node(graph.passed(inner), "AveragePool")
    pad = graph.node(graph.passed(pool.inputs[0]), "Pad") if pool is not None else None
    if pool is None or pad is None or len(pad.inputs) < 2 or pad.attributes.get("mode", "constant") != "constant":
        return None
    kernel, pads = pool.attributes.get("kernel_shape"), graph.constants.get(pad.inputs[1])
    if not isinstance(kernel, list) or len(kernel) != 3 or kernel[1:] != [1, 1] or kernel[0] % 2 == 0 or pads is None:
        return None
    border = [0, 0, kernel[0] // 2, 0, 0]
    whole = set(pool.attributes.get("strides", [])) <= {1} and set(pool.attributes.get("pads", [])) <= {0}
    zero = len(pad.inputs) < 3 or not pad.inputs[2] or graph.number(pad.inputs[2]) == 0
    if not whole or not zero or len(pad.inputs) > 3 or pads.reshape(-1).tolist() != border * 2:
        return None
    spread = graph.node(graph.passed(pad.inputs[0]), "Reshape")
    squares = graph.node(graph.passed(spread.inputs[0]), "Mul", "Pow") if spread is not None else None
    if spread is None or squares is None or not _is_square(graph, squares, x):
        return None
    return kernel[0], spread.inputs[1], back.inputs[1] if back is not None else ""


# ------------------------------------------------------------------------------------------------------ Affine, Power


def _affine(graph: _Graph, node: Node) -> Made | None:
    """Scale * x + shift."""
    if node.operator not in ("Add", "Sub") or len(node.inputs) != 2:
        return None
    for value, summand in graph.pair(node) if node.operator == "Add" else [(node.inputs[0], node.inputs[1])]:
        maker, shift = graph.node(value, "Mul"), graph.constants.get(summand)
        if maker is None or shift is None or shift.dtype.kind != "f" or graph.takers[value] != 1:
            continue
        for x, factor in graph.pair(maker):
            scale = graph.constants.get(factor)
            if scale is None or scale.dtype.kind != "f" or x in graph.constants:
                continue
            name = summand if node.operator == "Add" else _added(graph, node, "shift", -shift)
            return "caffe.Affine", (x, factor, name), {}
    return None


def _weighted_sum(graph: _Graph, node: Node) -> Made | None:
    """The sum or the difference of two tensors, of which numbers are factors."""
    if node.operator not in ("Add", "Sub") or len(node.inputs) != 2 or any(x in graph.constants for x in node.inputs):
        return None
    values, factors = [], []
    for value in node.inputs:
        scaled = graph.scaled(value) if graph.takers[value] == 1 else None
        x, factor = scaled if scaled is not None else (value, 1.0)
        values.append(x)
        factors.append(factor)
    if factors == [1, 1]:
        return None
    return "caffe.Sum", tuple(values), {"factors": [factors[0], factors[1] if node.operator == "Add" else -factors[1]]}


def _power(graph: _Graph, node: Node) -> Made | None:
    """(scale * x + shift) ^ power of a number each."""
    if node.operator == "Sqrt":
        value, power = node.inputs[0], 0.5
    elif node.operator == "Reciprocal":
        value, power = node.inputs[0], -1.0
    elif node.operator == "Div" and len(node.inputs) == 2 and graph.is_number(node.inputs[0], 1):
        value, power = node.inputs[1], -1.0
        if graph.constants[node.inputs[0]].ndim:
            return None
    elif node.operator == "Pow" and len(node.inputs) == 2:
        number = graph.number(node.inputs[1])
        if number is None or graph.constants[node.inputs[1]].ndim:
            return None
        value, power = node.inputs[0], number
    else:
        return None
    maker = graph.makers.get(value)
    if maker is None or maker.domain or graph.takers[value] != 1:
        return None
    if maker.operator == "Sqrt" or (maker.operator == "caffe.Power" and maker.attributes["power"] == 0.5):
        if power != -1:
            return None
        old = maker.attributes if maker.operator == "caffe.Power" else {"scale": 1.0, "shift": 0.0}
        return "caffe.Power", maker.inputs, {**old, "power": -0.5}
    found = _line(graph, maker)
    if found is None:
        return None
    x, scale, shift = found
    return "caffe.Power", (x,), {"power": power, "scale": scale, "shift": shift}


def _line(graph: _Graph, maker: Node) -> tuple[str, float, float] | None:
    """A node as x, scale and shift."""

    def number(value: str) -> float | None:
        array = graph.constants.get(value)
        return graph.number(value) if array is not None and array.ndim == 0 and array.dtype.kind == "f" else None

    if maker.operator == "caffe.Affine":
        scale, shift = number(maker.inputs[1]), number(maker.inputs[2])
        return None if scale is None or shift is None else (maker.inputs[0], scale, shift)
    if maker.operator in ("Add", "Mul"):
        for x, constant in graph.pair(maker):
            found = number(constant)
            if found is not None and x not in graph.constants:
                return (x, 1.0, found) if maker.operator == "Add" else (x, found, 0.0)
    return None


_Rule = Callable[[_Graph, Node], "Made | None"]
_GROUPS: tuple[_Rule, ...] = (_lrn, _product, _softplus, _shrink, _leaky, _padded_maximum, _bias, _factor)
_SUMS: tuple[_Rule, ...] = (_affine, _weighted_sum, _power)
