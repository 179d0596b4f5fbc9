"""Layers of forks in stock Caffe's words: the weights in their place compute the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from converters import to_torch
from prototxt_gen import LayerParameter, NetParameter, UnsupportedError, generate, read_prototxt, summarize
from prototxt_gen.passes.phase import PHASES, phase_of, select_phase
from prototxt_gen.passes.stock import FORK_TYPES, stock_weights, to_stock
from prototxt_gen.text import parse_text
from tests.caffe_files import family, in_reference
from tests.filling import fill_inputs
from tools.truths import LAYERS

PL1A = "t8-24_u48x4_u96x8_u192x4_q48-192_e192-96-48_u2_c19"
SHAPE = (1, 3, 384, 640)
FORKS = set(FORK_TYPES)


def run(net, inputs):
    """The tops of a network in stock words."""
    made = to_torch(to_stock(net), stock_weights(net), outputs=[layer.top[0] for layer in net.layer if layer.bottom])
    with torch.no_grad():
        tops = made(*(torch.from_numpy(array) for array in inputs.values()))
    return {"": tops} if isinstance(tops, torch.Tensor) else tops


@pytest.mark.parametrize("case", in_reference("interp_hw", "interp_zoom", "interp_shrink", "interp_from_1x1"))
def test_the_layers_for_an_interp_compute_what_caffe_computed(reference, case):
    net = read_prototxt(reference / "conformance" / f"{case}.prototxt")
    arrays = np.load(reference / "conformance" / f"{case}.npz")
    (made,) = run(net, {key.removeprefix("in__"): arrays[key] for key in arrays if key.startswith("in__")}).values()
    top = next(arrays[key] for key in arrays if key.startswith("out__"))
    np.testing.assert_allclose(made, top, atol=1e-5)


def test_the_layers_for_our_own_layers_of_resizing_compute_what_caffe_computed():
    net = family("resizing")
    made = run(net, fill_inputs(net))
    with np.load(LAYERS / "resizing.npz") as truth:
        assert len(made) == 5
        for name, top in made.items():
            np.testing.assert_allclose(top, truth[name], atol=1e-5)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 5))
def test_the_permutation_turns_groups_side_by_side_into_neighbours(group, each):
    channels = group * each
    text = f"""input: "x" input_dim: 1 input_dim: {channels} input_dim: 1 input_dim: 1
        layer {{ name: "s" type: "ShuffleChannel" bottom: "x" top: "y" shuffle_channel_param {{ group: {group} }} }}"""
    weights = stock_weights(parse_text(text, NetParameter()))["s"][0]
    shuffled = weights.reshape(channels, channels) @ np.arange(channels)
    assert shuffled.tolist() == [part * each + place for place in range(each) for part in range(group)]


@pytest.mark.parametrize("merged", [False, True])
def test_pl1a_in_stock_words_has_the_same_shapes_and_no_layer_of_a_fork(merged):
    net = generate(PL1A, input_shape=SHAPE, merged=merged)
    stock = to_stock(net)
    assert not FORKS & {layer.type for layer in stock.layer}
    assert FORKS & {layer.type for layer in net.layer} == {"ShuffleChannel", "Interp"}
    ours, theirs = summarize(net), summarize(stock)
    assert theirs.outputs == ours.outputs
    shapes = {row.name: row.blob_shapes for row in theirs.layers}
    weights = stock_weights(net)
    replaced = {row.name for row in ours.layers if row.type in FORKS}
    assert {name.removesuffix(f"/{name.rpartition('/')[2]}") for name in weights} <= replaced
    for name, blobs in weights.items():
        assert shapes[name] == tuple(blob.shape for blob in blobs)
    # Whatever has learned weights is as it was.
    assert {layer.name for layer in stock.layer if layer.param} >= set(weights)
    kept = {row.name: row.blob_shapes for row in ours.layers if row.blob_shapes}
    assert kept == {name: blobs for name, blobs in shapes.items() if blobs and name not in weights}


def test_a_network_without_such_layers_stays_as_it_is():
    net = generate("s8-16_b16_c10", input_shape=(1, 3, 32, 32))
    stock = to_stock(net)
    assert list(stock.layer) == list(net.layer)
    assert stock_weights(net) == {}


def test_relu6_becomes_a_clip():
    net = generate("s8_b8_c2", input_shape=(1, 3, 8, 8))
    net.layer[4].type = "ReLU6"
    made = to_stock(net).layer[4]
    assert (made.type, made.clip_param.min, made.clip_param.max, made.top) == ("Clip", 0, 6, net.layer[4].top)


def test_an_upsample_becomes_a_deconvolution_of_ones():
    net = parse_text(
        """input: "x" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4
        layer { name: "u" type: "Upsample" bottom: "x" top: "u" upsample_param { scale: 3 } }""",
        NetParameter(),
    )
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    assert [layer.type for layer in to_stock(net).layer] == ["Input", "Deconvolution"]
    np.testing.assert_array_equal(run(net, {"x": x})[""], x.repeat(3, 2).repeat(3, 3))


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=4, max_size=4), st.booleans())
def test_an_interp_between_any_sizes_is_exact(sizes, flat):
    height, width, made_h, made_w = sizes
    dims = [2, 3] if flat else [2, 3, height, width]
    net = parse_text(
        f"""layer {{ name: "i" type: "Interp" bottom: "x" top: "i"
                     interp_param {{ height: {made_h} width: {made_w} }} }}""",
        NetParameter(),
    )
    net.layer.insert(0, LayerParameter(name="x", type="Input", top=["x"], input_param={"shape": [{"dim": dims}]}))
    x = np.random.default_rng(sizes).normal(size=dims).astype(np.float32)
    with torch.no_grad():
        wanted = to_torch(net)(torch.from_numpy(x))
    np.testing.assert_allclose(run(net, {"x": x})[""], wanted, atol=1e-5)


def test_interps_too_large_for_a_matrix_are_all_named():
    text = """input: "x" input_dim: 1 input_dim: 1 input_dim: 10000 input_dim: 2
        layer { name: "a" type: "Interp" bottom: "x" top: "a" interp_param { zoom_factor: 2 } }
        layer { name: "b" type: "Interp" bottom: "x" top: "b" interp_param { height: 10 width: 10 } }
        layer { name: "c" type: "Interp" bottom: "x" top: "c" interp_param { height: 20000 width: 2 } }"""
    with pytest.raises(UnsupportedError, match="'a' 19999x10000, 'c' 20000x10000, expected at most"):
        to_stock(parse_text(text, NetParameter()))


def test_the_phase_in_the_networks_state_is_written():
    layers = "".join(
        f'layer {{ name: "i" type: "Interp" bottom: "x" top: "i" include {{ phase: {phase} }}'
        f" interp_param {{ zoom_factor: {factor} }} }}"
        for phase, factor in (("TRAIN", 2), ("TEST", 3))
    )
    net = parse_text('input: "x" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 3 ' + layers, NetParameter())
    made = {phase: to_stock(select_phase(net, phase)) for phase in PHASES}
    assert {phase: phase_of(stock) for phase, stock in made.items()} == {phase: phase for phase in PHASES}
    assert {phase: summarize(stock).outputs["i"] for phase, stock in made.items()} == {
        "TRAIN": (1, 2, 5, 5),
        "TEST": (1, 2, 7, 7),
    }
    assert to_stock(net) == made["TEST"]
    assert stock_weights(net, "TRAIN")["i"][0].shape == (2, 1, 3, 3)


def test_the_bottom_that_gave_an_interp_its_size_is_no_output_afterwards():
    text = """input: "x" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 3
        input: "y" input_dim: 1 input_dim: 1 input_dim: 5 input_dim: 6
        layer { name: "p" type: "Power" bottom: "y" top: "p" }
        layer { name: "i" type: "Interp" bottom: "x" bottom: "p" top: "i" }"""
    net = parse_text(text, NetParameter())
    assert summarize(to_stock(net)).outputs == summarize(net).outputs == {"i": (1, 2, 5, 6)}
