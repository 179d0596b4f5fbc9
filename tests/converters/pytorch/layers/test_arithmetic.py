"""Eltwise, Scale, Bias and Reduction against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.converters.pytorch.layers.arrays import X, close, normal

ELEMENTWISE = {
    'type: "Reduction"': (X, np.sum),
    'type: "Reduction" reduction_param { operation: ASUM axis: 1 coeff: 2 }': (X, lambda x: 2 * abs(x).sum((1, 2, 3))),
    'type: "Reduction" reduction_param { operation: SUMSQ axis: -1 }': (X, lambda x: (x**2).sum(3)),
    'type: "Reduction" reduction_param { operation: MEAN axis: 2 coeff: -0.5 }': (X, lambda x: -x.mean((2, 3)) / 2),
}


@pytest.mark.parametrize("text", ELEMENTWISE)
def test_layers_of_one_bottom(text, run):
    x, definition = ELEMENTWISE[text]
    close(run(text, x=x), definition(x.astype(np.float64)))


def test_eltwise(run):
    a, b, c = normal(3, 2, 3, 4)
    close(run('type: "Eltwise"', a=a, b=b, c=c), a + b + c)
    close(run('type: "Eltwise" eltwise_param { coeff: 2 coeff: 0 coeff: -1 }', a=a, b=b, c=c), 2 * a - c)
    close(run('type: "Eltwise" eltwise_param { operation: PROD }', a=a, b=b, c=c), a * b * c)
    close(run('type: "Eltwise" eltwise_param { operation: MAX }', a=a, b=b, c=c), np.maximum(np.maximum(a, b), c))


@pytest.mark.parametrize(
    ("axis", "axes", "shape"), [(1, 1, (3,)), (0, 2, (2, 3)), (-2, -1, (4, 5)), (2, 0, ()), (3, 1, (5,))]
)
def test_scale_and_bias(axis, axes, shape, run):
    w, b = normal(*shape), normal(*shape)
    start = axis % 4
    wide = [array.reshape(*shape, *(1,) * (4 - start - len(shape))) for array in (w, b)]
    where = f"axis: {axis} num_axes: {axes}"
    close(run(f'type: "Scale" scale_param {{ {where} }}', [w], x=X), X * wide[0])
    close(run(f'type: "Scale" scale_param {{ {where} bias_term: true }}', [w, b], x=X), X * wide[0] + wide[1])
    close(run(f'type: "Bias" bias_param {{ {where} }}', [b], x=X), X + wide[1])
    close(run(f'type: "Scale" scale_param {{ axis: {axis} }}', x=X, s=w), X * wide[0])
    close(run(f'type: "Scale" scale_param {{ axis: {axis} bias_term: true }}', [b], x=X, s=w), X * wide[0] + wide[1])
    close(run(f'type: "Bias" bias_param {{ axis: {axis} }}', x=X, s=w), X + wide[0])
