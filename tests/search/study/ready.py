"""Imports all that a small search needs, and what torch imports at its first step, before processes are forked."""

from __future__ import annotations

import torch

from tests.search.study import small_search  # noqa: F401

torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1).step()
