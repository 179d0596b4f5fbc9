"""InnerProduct and Embed against numpy."""

from __future__ import annotations

import numpy as np

from tests.converters.pytorch.layers.arrays import X, close, labels, normal


def test_inner_product(run):
    w, b = normal(7, 20), normal(7)
    text = "axis: 2 num_output: 7"
    expected = X.reshape(2, 3, 20) @ w.T + b
    close(run(f'type: "InnerProduct" inner_product_param {{ {text} }}', [w, b], x=X), expected)
    turned = np.ascontiguousarray(w.T)
    close(run(f'type: "InnerProduct" inner_product_param {{ {text} transpose: true }}', [turned, b], x=X), expected)
    w = normal(4, 5)
    text = "axis: -1 num_output: 4 bias_term: false"
    close(run(f'type: "InnerProduct" inner_product_param {{ {text} }}', [w], x=X), X @ w.T)
    close(
        run('type: "InnerProduct" inner_product_param { axis: 0 num_output: 4 bias_term: false }', [w], x=X[0, 0, 0]),
        w @ X[0, 0, 0],
    )


def test_embed(run):
    w, b, at = normal(6, 4), normal(4), labels(6, 2, 3)
    text = "embed_param { input_dim: 6 num_output: 4"
    close(run(f'type: "Embed" {text} }}', [w, b], x=at), w[at.astype(int)] + b)
    close(run(f'type: "Embed" {text} bias_term: false }}', [w], x=at), w[at.astype(int)])
