"""Operators that combine numbers, with constants and with tensors: Add, Mul, Max, Pow and others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import numpy as np

from converters.onnx.moving import views
from converters.onnx.network import Network
from converters.onnx.operators.blocks import (
    affine,
    broadcast_shape,
    clipped,
    difference,
    expanded,
    filled,
    float_array,
    is_whole,
    largest,
    marked,
    negated,
    number_of,
    pointwise,
    powered,
    product,
    quotient,
    total,
    weighted_sum,
)
from converters.onnx.operators.readers import OPERATORS, Call
from converters.onnx.values import Constant, Tensor, ValueOf
from prototxt_gen.errors import UnsupportedError, need


def operands(call: Call) -> list[ValueOf]:
    """The node's inputs."""
    found = [value for value in call.inputs if value is not None]
    need(len(found) == len(call.inputs), "an input that is left out")
    return found


def folded(
    found: Sequence[ValueOf], constants: Callable[[Constant, Constant], Constant]
) -> tuple[list[Tensor], Constant | None]:
    """The tensors among the operands, and the constants taken together."""
    tensors = [value for value in found if isinstance(value, Tensor)]
    known: Constant | None = None
    for value in found:
        if not isinstance(value, Tensor):
            known = value if known is None else constants(known, value)
    return tensors, known


@OPERATORS.register("Add", "Sum", "Mean")
def add(call: Call, net: Network) -> Tensor:
    """The sum, or mean, of the inputs."""
    found = operands(call)
    tensors, known = folded(found, np.add)
    share = 1 / len(found) if call.operator == "Mean" else 1
    if known is None and len(tensors) > 1 and len({term.shape for term in tensors}) == 1:
        blobs, wrap = views.common(net, tensors)
        y = wrap(weighted_sum(net, blobs, [share] * len(blobs)))
    else:
        y = tensors[0]
        for term in tensors[1:]:
            last = term is tensors[-1] and known is None and share == 1
            y = total(net, y, term, "" if last else "sum")
        if known is not None or share != 1:
            shift = None if known is None else float_array(known) * np.float32(share)
            y = affine(net, y, scale=np.float32(share) if share != 1 else None, shift=shift)
    return marked(y, all(map(is_whole, found)))


@OPERATORS.register("Sub")
def sub(call: Call, net: Network) -> Tensor:
    """A - b."""
    found = operands(call)
    return marked(difference(net, found[0], found[1]), all(map(is_whole, found)))


@OPERATORS.register("Mul")
def mul(call: Call, net: Network) -> Tensor:
    """A * b."""
    found = operands(call)
    return marked(product(net, found[0], found[1]), all(map(is_whole, found)))


@OPERATORS.register("Div")
def div(call: Call, net: Network) -> Tensor:
    """A / b: times the inverse, which is right to float rounding."""
    found = operands(call)
    need(not all(map(is_whole, found)), "a division of whole numbers, which drops the rest; Caffe has floats only")
    return quotient(net, found[0], found[1])


@OPERATORS.register("Max", "Min")
def extreme(call: Call, net: Network) -> Tensor:
    """The greatest or least of the inputs. Eltwise has the greatest only, so min(a, b) is -max(-a, -b)."""
    found = operands(call)
    up = call.operator == "Max"
    tensors, known = folded(found, np.maximum if up else np.minimum)
    number = None if known is None else number_of(known)
    shape = broadcast_shape(*(value.shape for value in found))
    if number is not None and len(tensors) == 1:
        y = clipped(net, tensors[0], low=number) if up else clipped(net, tensors[0], high=number)
        return marked(expanded(net, y, shape), all(map(is_whole, found)))
    terms = list(tensors)
    if known is not None:
        base = expanded(net, terms[0], shape)
        terms.append(filled(net, base, number) if number is not None else constant_beside(net, base, known))
    if not up:
        terms = [negated(net, term) for term in terms]
    y = largest(net, terms, "" if up else "max")
    return marked(y if up else negated(net, y, ""), all(map(is_whole, found)))


def constant_beside(net: Network, x: Tensor, value: Constant) -> Tensor:
    """A blob of x's shape that holds a constant which broadcasts to it."""
    return affine(net, filled(net, x, 0, "zeros"), shift=value, suffix="constant")


@OPERATORS.register("Pow")
def pow_(call: Call, net: Network) -> Tensor:
    """X ^ constant by Power, constant ^ x by Exp."""
    base, exponent = operands(call)
    if isinstance(exponent, Tensor):
        if isinstance(base, Tensor):
            raise UnsupportedError("a tensor to the power of a tensor; Caffe's Power takes one number")
        number = _one_number(base)
        if number is None or not 0 < number < inf:
            raise UnsupportedError("powers of a base that is not one number above 0")
        y = net.layer("Exp", [exponent], exp_param={"base": number})
        return expanded(net, y, broadcast_shape(base.shape, exponent.shape))
    assert isinstance(base, Tensor)
    number = _one_number(exponent)
    if number is None:
        raise UnsupportedError(f"exponents of shape {exponent.shape}; Caffe's Power takes one number")
    need(not (base.whole and is_whole(exponent)), "a power of whole numbers; Caffe has floats only")
    shape = broadcast_shape(base.shape, exponent.shape)
    return expanded(net, powered(net, base, number), shape)


def _one_number(value: Constant) -> float | None:
    """The number of which the constant consists, once or often."""
    numbers = np.unique(float_array(value))
    return float(numbers[0]) if numbers.size == 1 else None


@OPERATORS.register("caffe.Affine")
def affine_node(call: Call, net: Network) -> Tensor:
    """Input 0 times input 1 plus input 2, both constants: what patterns.py makes of a Mul and the Add behind it."""
    return affine(net, call.tensor(0), scale=call.constant(1), shift=call.constant(2))


@OPERATORS.register("caffe.Sum")
def sum_node(call: Call, net: Network) -> Tensor:
    """The sum of two tensors, each times a number: what patterns.py makes of these in pieces."""
    terms, factors = [call.tensor(0), call.tensor(1)], call.attribute("factors")
    need(isinstance(factors, list) and len(factors) == 2, "no factors")
    if terms[0].shape == terms[1].shape:
        blobs, wrap = views.common(net, terms)
        return wrap(weighted_sum(net, blobs, factors))
    scaled = [powered(net, term, scale=factor, suffix="factor") for term, factor in zip(terms, factors, strict=True)]
    return total(net, scaled[0], scaled[1])


@OPERATORS.register("caffe.Power")
@pointwise
def power_node(call: Call, net: Network) -> Tensor:
    """(shift + scale * x) ^ power: what patterns.py makes of these in pieces."""
    power, scale, shift = (call.attribute(name) for name in ("power", "scale", "shift"))
    need(None not in (power, scale, shift), "no power, scale or shift")
    return powered(net, call.tensor(0), power, scale=scale, shift=shift)


@OPERATORS.register("Neg")
@pointwise
def neg(call: Call, net: Network) -> Tensor:
    """-x."""
    x = call.tensor(0)
    return marked(negated(net, x, ""), x.whole)


@OPERATORS.register("Reciprocal")
@pointwise
def reciprocal(call: Call, net: Network) -> Tensor:
    """1 / x."""
    return powered(net, call.tensor(0), -1)


@OPERATORS.register("Sqrt")
@pointwise
def sqrt(call: Call, net: Network) -> Tensor:
    """X ^ 0.5."""
    return powered(net, call.tensor(0), 0.5)
