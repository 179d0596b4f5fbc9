"""LSTM and RNN step by step."""

from __future__ import annotations

import numpy as np
import pytest

from tests.converters.pytorch.layers.arrays import RANDOM, close, normal, sigmoid


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("exposed", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_recurrence(static, exposed, kind, run):
    t, n, d, wide = 5, 3, 4, 4 if kind == "LSTM" else 1
    x, cont = normal(t, n, 2, 3), (RANDOM.random((t, n)) > 0.3).astype(np.float32)
    inputs = {"x": x, "cont": cont}
    w_x, b, w_s, w_h = normal(wide * d, 6), normal(wide * d), normal(wide * d, 5), normal(wide * d, d)
    w_o, b_o = normal(d, d), normal(d)
    if static:
        inputs["s"] = normal(n, 5)
    h, c = np.zeros((n, d)), np.zeros((n, d))
    if exposed:
        h, c = normal(n, d), normal(n, d)
        inputs["h0"] = h[None]
        if kind == "LSTM":
            inputs["c0"] = c[None]
    y = []
    for step in range(t):
        go = cont[step][:, None]
        gates = x[step].reshape(n, -1) @ w_x.T + b + (h * go) @ w_h.T
        if static:
            gates = gates + inputs["s"] @ w_s.T
        if kind == "LSTM":
            i, f, o, g = np.split(gates, 4, 1)
            c = go * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            y.append(h)
        else:
            h = np.tanh(gates)
            y.append(np.tanh(h @ w_o.T + b_o))
    weights = [w_x, b, *([w_s] if static else []), w_h, *([w_o, b_o] if kind == "RNN" else [])]
    tops = 'top: "y"' + (' top: "h"' + (' top: "c"' if kind == "LSTM" else "") if exposed else "")
    text = f'{tops} type: "{kind}" recurrent_param {{ num_output: {d} expose_hidden: {str(exposed).lower()} }}'
    found = run(text, weights, **inputs)
    close(found[0] if exposed else found, np.stack(y))
    if exposed:
        close(found[1], h[None])
        if kind == "LSTM":
            close(found[2], c[None])
