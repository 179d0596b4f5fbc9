"""Small networks whose numbers in int8 can be told by hand, for all engines that have int8."""

from __future__ import annotations

import numpy as np

CONV = """
layer { name: "c" type: "Convolution" bottom: "x" top: "y"
        convolution_param { num_output: 2 kernel_size: 1 bias_term: false } }
"""
SOFTMAX = 'layer { name: "prob" type: "Softmax" bottom: "y" top: "prob" }'
IDENTITY = {"c": [np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1)]}


def pixels(*values):
    """Pixels of two channels, the same number in both: (1, 2, 1, n)."""
    return np.tile(np.array(values, np.float32), (1, 2, 1, 1))
