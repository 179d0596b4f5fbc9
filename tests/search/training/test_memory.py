"""Bytes that are kept for gradients are those of the tensors that these need."""

from __future__ import annotations

import torch

from search.training.memory import saved_bytes


def test_each_tensor_counts_once():
    x = torch.ones(10, 5)
    weight = torch.ones(5, 3, requires_grad=True)
    with saved_bytes() as saved:
        made = x @ weight  # keeps x; the gradient of x is not asked for
        out = (made * made).sum() + (made * made).sum()  # keeps what was made, four times
    assert saved.total == 4 * (10 * 5 + 10 * 3)
    out.backward()
    assert torch.equal(weight.grad, torch.full((5, 3), 200.0))


def test_nothing_is_kept_without_gradients():
    with torch.no_grad(), saved_bytes() as saved:
        torch.ones(3, requires_grad=True).exp()
    assert saved.total == 0
