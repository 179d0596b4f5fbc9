"""What weights lack, hold too much or hold in another shape, and what Caffe fills in by itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from converters.weights.fitting import completed, fit_weights, unused
from prototxt_gen.trace import trace

DENSE = (
    'layer {{ name: "{0}" type: "InnerProduct" bottom: "x" top: "{1}" {2} inner_product_param {{ num_output: 2 }} }}'
)
UP = (
    'layer { name: "up" type: "Deconvolution" bottom: "x" top: "up" convolution_param { num_output: 2 group: 2'
    ' kernel_size: 4 stride: 2 pad: 1 weight_filler { type: "bilinear" } } }'
)


def fitted(rows, weights, optional=()):
    found, faults = fit_weights(rows, weights, optional)
    return [[None if blob is None else blob.shape for blob in blobs] for blobs in found], faults


def test_faults_are_listed(net_of):
    net = net_of("".join(DENSE.format(name, name, "") for name in "abcd"), x=(1, 3))
    weights = {
        "a": [np.ones((2, 3)), np.ones(2)],
        "b": [np.ones((3, 2)), np.ones(2)],
        "c": [np.ones((2, 3))],
        "e": [np.ones(1)],
        "f": [],
    }
    found, faults = fitted(trace(net), weights)
    assert found == [[], [(2, 3), (2,)], [None, (2,)], [None, None], [None, None]]
    assert faults == [
        "layer 'b' (InnerProduct): blob 0: found shape (3, 2), expected (2, 3)",
        "layer 'c' (InnerProduct): found 1 blobs [(2, 3)], expected 2 [(2, 3), (2,)]",
        "layer 'd' (InnerProduct): missing, expected blobs [(2, 3), (2,)]",
    ]
    assert unused(net, weights) == ["layer 'e': in the weights, not in the network"]
    assert fitted(trace(net), weights, optional=[2, 3, 4])[1] == []


def test_old_shapes_fit(net_of):
    net = net_of(DENSE.format("a", "a", ""), x=(1, 3))
    assert fitted(trace(net), {"a": [np.ones((1, 1, 2, 3)), np.ones((1, 1, 1, 2))]}) == ([[], [(2, 3), (2,)]], [])


def test_what_may_be_absent(net_of):
    shared = 'param { name: "w" } param { name: "v" }'
    net = net_of(DENSE.format("a", "a", shared) + DENSE.format("b", "b", shared) + UP, x=(1, 2, 3, 3))
    rows = trace(net)
    weights = {"a": [np.full((2, 18), 3), np.full(2, 4)]}
    found, faults = fit_weights(rows, weights)
    assert faults == []
    whole = completed(rows, found)
    assert list(whole) == ["a", "b", "up"]
    assert (whole["b"][0] == 3).all() and whole["b"][1].tolist() == [4, 4]
    line = np.float32([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_array_equal(whole["up"][0], np.broadcast_to(np.outer(line, line), (2, 1, 4, 4)))
    assert whole["up"][1].tolist() == [0, 0]
    assert fit_weights(rows[:2], {})[1]


def test_of_two_layers_of_one_name_the_first_has_the_blobs(net_of):
    net = net_of(DENSE.format("a", "a", "") + DENSE.format("a", "b", ""), x=(1, 3))
    found, faults = fitted(trace(net), {"a": [np.ones((2, 3)), np.ones(2)]})
    assert (found, faults) == ([[], [(2, 3), (2,)], [None, None]], [])


@pytest.mark.parametrize("name", ["converters.weights", "converters.weights.fitting", "converters.formats"])
def test_torch_is_not_imported(name):
    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
