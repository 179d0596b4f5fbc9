"""The engine `torch`: layouts, threads, random numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters import make_engine, to_torch, weights_of
from prototxt_gen import generate, read_prototxt
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.trace import trace
from tests.caffe_files import FAMILIES
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


def test_bfloat16_is_less_exact_and_labels_are_not(net_of):
    net = net_of(
        """layer { name: "c" type: "Convolution" bottom: "x" top: "y"
                   convolution_param { num_output: 4 kernel_size: 3 } }
           layer { name: "e" type: "Embed" bottom: "i" top: "z" embed_param { input_dim: 1000 num_output: 2 } }""",
        x=(1, 3, 8, 8),
        i=(3,),
    )
    weights, inputs = fill_weights(net), fill_inputs(net)
    inputs["i"] = np.array([257, 258, 999], np.float32)  # bfloat16 has 256, 258, 260, ... and 996, 1000
    exact = make_engine("torch").load(net, weights).run(inputs)
    session = make_engine("torch", precision="bfloat16").load(net, weights)
    found = session.run(inputs)
    assert found["y"].dtype == np.float32 and session.native(inputs)["x"].dtype == torch.bfloat16
    assert 1e-4 < np.abs(found["y"] - exact["y"]).max() / np.abs(exact["y"]).max() < 0.02
    np.testing.assert_allclose(found["z"], exact["z"], rtol=1e-2)
    outputs, ms = session.step(session.native(inputs))
    assert ms > 0 and torch.equal(outputs["y"].float(), torch.from_numpy(found["y"]))


def test_layers_without_code_for_a_type_are_told(net_of):
    lrn = """layer { name: "n" type: "LRN" bottom: "x" top: "y"
                     lrn_param { norm_region: ACROSS_CHANNELS local_size: 3 } }"""
    net, x = net_of(lrn, x=(1, 4, 5, 5)), {"x": np.ones((1, 4, 5, 5), np.float32)}
    session = make_engine("torch", precision="bfloat16").load(net, {})
    for way in (session.run, session.time):
        try:
            way(x)  # some version of PyTorch may have it
        except UnsupportedError as fault:
            assert "PyTorch cannot run it" in str(fault)


def test_places_that_a_type_cannot_hold_are_refused(net_of):
    best = 'layer { name: "best" type: "ArgMax" bottom: "x" top: "y" argmax_param { axis: 1 } }'
    engine = make_engine("torch", precision="bfloat16")
    session = engine.load(net_of(best, x=(1, 257, 2)), {})
    numbers = np.zeros((1, 257, 2), np.float32)
    numbers[0, 256] = 1
    assert session.run({"x": numbers})["y"].ravel().tolist() == [256, 256]
    with pytest.raises(UnsupportedError, match=r"bfloat16 holds no whole numbers above 256: layer 'best' \(ArgMax\)"):
        engine.load(net_of(best, x=(1, 258, 2)), {})


# The places of BatchReindex are numbers that PyTorch has to look at.
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "arrangement"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_layer_stays_on_the_device_of_its_inputs(family, dtype):
    """A network that makes a tensor elsewhere cannot be a CUDA graph; `meta` is a device that every machine has."""
    net = read_prototxt(TRUTHS / "layers" / f"{family}.prototxt")
    module = to_torch(net, fill_weights(net)).to("meta", dtype)
    tops = module(*[torch.from_numpy(array).to("meta", dtype) for array in fill_inputs(net).values()])
    assert all(top.device.type == "meta" for top in (tops.values() if isinstance(tops, dict) else [tops]))


cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@cuda
@pytest.mark.parametrize(("precision", "limit"), [("float32", 1e-4), ("float16", 2e-2), ("bfloat16", 5e-2)])
def test_cuda_graphs_give_the_numbers_of_the_cpu(precision, limit):
    net = generate("s16-32_b64_b128_c100", input_shape=(1, 3, 64, 64))
    weights, inputs = fill_weights(net), fill_inputs(net)
    expected = make_engine("torch").load(net, weights).run(inputs)["fc"]
    engine = make_engine("torch", device="cuda", precision=precision)
    assert engine.target["cuda_graphs"] and not engine.target["tf32"] and "cudnn" in engine.target["versions"]
    session = engine.load(net, weights)
    scale = np.abs(expected).max()
    for sign in (1, -1, 1):
        found = session.run({"data": sign * inputs["data"]})["fc"]
        if sign == 1:
            assert np.abs(found - expected).max() <= limit * scale
    assert session._graph is not None
    outputs, ms = session.step(session.native(inputs))
    assert outputs["fc"].is_cuda and 0 < ms < 1000
    assert np.abs(outputs["fc"].float().cpu().numpy() - expected).max() <= limit * scale
    pair = session.run({"data": np.concatenate([inputs["data"]] * 2)})["fc"]  # eager
    assert np.abs(pair - expected).max() <= limit * scale


@cuda
def test_what_cannot_be_a_cuda_graph_runs_but_is_not_timed(net_of):
    net = net_of('layer { name: "t" type: "BatchReindex" bottom: "x" bottom: "i" top: "y" }', x=(2, 3), i=(2,))
    session = make_engine("torch", device="cuda").load(net, {})
    inputs = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "i": np.array([1, 0], np.float32)}
    assert session.run(inputs)["y"].tolist() == [[3, 4, 5], [0, 1, 2]]
    with pytest.raises(UnsupportedError, match="cannot be a CUDA graph"):
        session.time(inputs)
