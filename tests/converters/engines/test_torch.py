"""The engine `torch`: layouts, threads, random numbers."""

from __future__ import annotations

import numpy as np
import torch

from converters import make_engine, to_torch, weights_of
from prototxt_gen import generate, read_prototxt
from prototxt_gen.trace import trace
from tests.filling import fill_inputs, fill_weights
from tools.truths import TRUTHS


def test_images_are_laid_out_as_convolutions_want_them(net_of):
    net = net_of(
        """layer { name: "c" type: "Convolution" bottom: "x" top: "y"
                   convolution_param { num_output: 4 kernel_size: 3 } }""",
        x=(1, 3, 8, 8),
    )
    weights = weights_of(to_torch(net))
    blob = np.ones((1, 3, 8, 8), np.float32)
    found = make_engine("torch").load(net, weights).run({"x": blob})["y"]
    np.testing.assert_allclose(found, to_torch(net, weights)(torch.from_numpy(blob)).detach().numpy(), rtol=1e-5)
    assert found.transpose(0, 2, 3, 1).flags.c_contiguous


def test_every_layer_takes_that_layout():
    """Behind a convolution a map is laid out channels last; all layers must give the same of it."""
    for path in sorted((TRUTHS / "layers").glob("*.prototxt")):
        net = read_prototxt(path)
        weights, inputs = fill_weights(net), fill_inputs(net)
        tops = [top for row in trace(net) for top in row.tops if top not in inputs]
        first = make_engine("torch").load(net, weights, outputs=tops)
        first._channels_last = False
        second = make_engine("torch").load(net, weights, outputs=tops)
        second._channels_last = True
        found = second.run(inputs)
        for top, expected in first.run(inputs).items():
            np.testing.assert_allclose(found[top], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(initial=0))


def test_engines_of_several_threads_stay_apart():
    before = torch.get_num_threads()
    try:
        one, two = make_engine("torch", threads=1), make_engine("torch", threads=2)
        assert (one.target["threads"], two.target["threads"]) == (1, 2)
        session = one.load(generate("s4-8_b8_c5", input_shape=(1, 3, 32, 32)))
        session.time()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_what_a_network_draws_is_the_same_in_every_run(net_of):
    net = net_of(
        """layer { name: "n" type: "DummyData" top: "n"
                   dummy_data_param { shape { dim: 2 dim: 3 } data_filler { type: "uniform" } } }
           layer { name: "s" type: "Eltwise" bottom: "x" bottom: "n" top: "y" }""",
        x=(2, 3),
    )
    session = make_engine("torch").load(net, {})
    state = torch.get_rng_state()
    first, second = (session.run({"x": np.zeros((2, 3), np.float32)})["y"] for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(state, torch.get_rng_state())


def test_inputs_that_no_output_needs_need_not_be_given(net_of):
    net = net_of(
        'layer { name: "r" type: "ReLU" bottom: "x" top: "y" } layer { name: "s" type: "Silence" bottom: "z" }',
        z=(1, 2),
        x=(1, 3),
    )
    session = make_engine("torch").load(net, {})
    assert session.inputs == {"x": (1, 3)}
    assert session.run({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[1, 1, 1]]
