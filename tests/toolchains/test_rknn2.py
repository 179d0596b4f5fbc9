"""RKNN-Toolkit2 against its table, converters/targets/data/rknn2.yaml: what the tool does is right.

Numbers are float16: a network agrees within 0.005 of the largest value. Wrong ones are off by 0.03 and more.
"""

from __future__ import annotations

import gc

import numpy as np
import pytest

from caffe_zoo import list_models
from caffe_zoo.cards import card
from converters.engines import make_engine
from converters.targets.checking import check_target
from converters.targets.reading import read_target
from prototxt_gen import CaffeError, UnsupportedError, generate
from tests.caffe_files import in_reference
from tests.filling import fill_inputs, fill_weights
from tests.toolchains.agreeing import check_case, check_drawn, check_zoo
from tests.toolchains.cases import CASES, case
from tests.toolchains.trying import difference, network, tried

pytestmark = pytest.mark.toolchains

TOLERANCE = 0.005
_X = (1, 6, 9, 11)
_SMALL = (1, 3, 256, 512)
#: Cases that it computes although the table does not take them: a Scale in place right behind the BatchNorm that made
#: its blob becomes one with it, and does not count among the layers in place.
STRICTER = ("bn_scale_inplace",)


@pytest.fixture(scope="module")
def target():
    return read_target("rknn2")


@pytest.fixture
def run(rknn):
    return lambda net, weights, inputs: rknn.compile(net, weights, lenient=True).run(inputs)


@pytest.mark.parametrize(("name", "decoder_shape"), [*((name, _SMALL) for name in list_models()), ("df1seg", None)])
def test_networks_of_the_zoo_load_build_and_agree(rknn, name, decoder_shape):
    # At their own 1024x2048 the decoders take a minute and more each; docs/benchmarks.md has what came of that.
    check_zoo(rknn, name, TOLERANCE, decoder_shape=decoder_shape)


@pytest.mark.parametrize("name", in_reference(*CASES))
def test_what_it_does_with_the_cases_of_real_caffe_is_what_the_table_says(rknn, target, name):
    def run(net, weights, inputs, tops):
        return rknn.compile(net, weights, {top: top for top in tops}, lenient=True).run(inputs)

    check_case(run, target, case(name), TOLERANCE, taken=name in STRICTER)


@pytest.mark.parametrize("seeds", [range(start, start + 100) for start in range(0, 400, 100)], ids=str)
def test_it_computes_all_random_layers_that_the_table_takes(run, target, seeds):
    check_drawn(run, target, seeds, TOLERANCE)


CLIP = 'layer { name: "y" type: "Clip" bottom: "x" top: "y" clip_param { min: 0 max: 6 } }'
SIX = 'layer { name: "y" type: "ReLU6" bottom: "x" top: "y" }'
BEFORE = """
layer { name: "x" type: "Convolution" bottom: "in" top: "x" convolution_param { num_output: 6 kernel_size: 1 } }
"""
BEHIND = """
layer { name: "z" type: "Convolution" bottom: "y" top: "z" convolution_param { num_output: 4 kernel_size: 3 } }
"""
SQUEEZED = """
layer { name: "g" type: "Pooling" bottom: "x" top: "g" pooling_param { pool: AVE %s } }
layer { name: "a" type: "Convolution" bottom: "g" top: "a" convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
layer { name: "s" type: "Convolution" bottom: "a" top: "s" convolution_param { num_output: 6 kernel_size: 1 } }
layer { name: "i" type: "Sigmoid" bottom: "s" top: "s" }
"""
FLATTENED = """layer { name: "f" type: "Flatten" bottom: "s" top: "f" }
layer { name: "y" type: "Scale" bottom: "x" bottom: "f" top: "y" scale_param { axis: 0 } }"""
TILED = """layer { name: "t" type: "Tile" bottom: "s" top: "t" tile_param { axis: 2 tiles: 9 } }
layer { name: "u" type: "Tile" bottom: "t" top: "u" tile_param { axis: 3 tiles: 11 } }
layer { name: "y" type: "Eltwise" bottom: "x" bottom: "u" top: "y" eltwise_param { operation: PROD } }"""
DENSE = """
layer { name: "g" type: "Pooling" bottom: "x" top: "g" pooling_param { pool: AVE global_pooling: true } }
layer { name: "a" type: "InnerProduct" bottom: "g" top: "a" inner_product_param { num_output: 3 } }
layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
layer { name: "f" type: "InnerProduct" bottom: "a" top: "f" inner_product_param { num_output: 6 } }
layer { name: "i" type: "Sigmoid" bottom: "f" top: "f" }
layer { name: "y" type: "Scale" bottom: "x" bottom: "f" top: "y" scale_param { axis: 0 } }
"""
IN_PLACE = (
    BEFORE
    + """
layer { name: "r" type: "ReLU" bottom: "x" top: "x" }
layer { name: "%s" type: "%s" bottom: "x" top: "%s" }"""
)


@pytest.mark.parametrize(
    ("layers", "outcome"),
    [
        (SIX, "right"),
        (SIX + BEHIND, "right"),
        (CLIP + BEHIND, "refused"),
        (BEFORE + CLIP, "silent"),
        (SQUEEZED % "global_pooling: true" + FLATTENED, "right"),
        (SQUEEZED % "global_pooling: true" + TILED, "right"),
        (SQUEEZED % "kernel_h: 9 kernel_w: 11" + FLATTENED, "right"),
        (DENSE, "right"),
        (IN_PLACE % ("s", "Sigmoid", "s"), "right"),
        (IN_PLACE % ("s", "Sigmoid", "x"), "refused"),
        (IN_PLACE % ("s", "Sigmoid", "x") + BEHIND.replace('"y"', '"x"'), "right"),
    ],
)  # fmt: skip
def test_what_was_seen_of_activations_and_of_squeeze_and_excitation(run, target, layers, outcome):
    net = network(layers, **{"in" if '"in"' in layers else "x": _X})
    assert tried(run, net, TOLERANCE).outcome == outcome
    assert check_target(net, target).passed is (outcome == "right")


def test_an_exact_rewrite_takes_the_faults_away(rknn):
    text = """
    layer { name: "c" type: "Clip" bottom: "x" top: "c" clip_param { min: 0 max: 6 } }
    layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
    layer { name: "e" type: "Eltwise" bottom: "p" bottom: "p" top: "e" eltwise_param { coeff: 2 coeff: -0.5 } }
    layer { name: "r" type: "ReLU" bottom: "e" top: "e" }
    layer { name: "s" type: "Sigmoid" bottom: "e" top: "e" }
    """
    net = network(text, x=_X)
    weights, inputs = fill_weights(net), fill_inputs(net)
    expected = make_engine("torch").load(net, weights).run(inputs)
    found = rknn.load(net, weights).run(inputs)
    assert found.keys() == expected.keys() == {"e"}
    assert difference(found["e"], expected["e"]) <= TOLERANCE


def test_outputs_by_name_inner_ones_and_several_inputs(rknn):
    text = """
    layer { name: "m" type: "Eltwise" bottom: "w" bottom: "x" top: "m" eltwise_param { coeff: 1 coeff: -1 } }
    layer { name: "s" type: "Slice" bottom: "m" top: "a" top: "b" top: "c"
            slice_param { slice_point: 1 slice_point: 3 } }
    layer { name: "r" type: "ReLU" bottom: "b" top: "d" }
    layer { name: "f" type: "InnerProduct" bottom: "v" top: "f" inner_product_param { num_output: 4 } }
    """
    net = network(text, x=(2, 6, 5, 4), w=(2, 6, 5, 4), v=(2, 3))
    weights, inputs = fill_weights(net), fill_inputs(net)
    for outputs in (None, ["c", "m", "f"], ["d"]):
        session = rknn.load(net, weights, outputs=outputs)
        found = session.run(inputs)
        expected = make_engine("torch").load(net, weights, outputs=outputs).run(inputs)
        assert list(found) == list(expected)
        assert all(difference(found[top], array) <= TOLERANCE for top, array in expected.items())


def test_a_batch_runs_in_pieces_and_other_shapes_are_refused(rknn):
    net = network(SIX, x=_X)
    session = rknn.load(net)
    array = np.linspace(-8, 8, 3 * 6 * 9 * 11, dtype=np.float32).reshape(3, 6, 9, 11)
    assert difference(session.run({"x": array})["y"], array.clip(0, 6)) <= TOLERANCE
    with pytest.raises(UnsupportedError, match=r"x: found \(1, 6, 9, 12\), expected \(1, 6, 9, 11\)"):
        session.run({"x": np.zeros((1, 6, 9, 12), np.float32)})


def test_it_gives_no_times(rknn):
    session = rknn.load(network(SIX, x=_X))
    for asked in (session.time, lambda: session.samples(3), lambda: session.step({})):
        with pytest.raises(UnsupportedError, match="engine rknn: times: found a simulator"):
            asked()


def test_a_crash_names_the_network_and_the_next_one_runs(rknn):
    crashes = network(IN_PLACE % ("s", "Sigmoid", "x"), **{"in": _X})
    crashes.name = "crashes"
    before = rknn.load(network(SIX, x=_X))
    with pytest.raises(UnsupportedError, match=r"^network 'crashes': RKNN-Toolkit2 crashed with SIGSEGV"):
        rknn.compile(crashes, fill_weights(crashes))
    test_a_batch_runs_in_pieces_and_other_shapes_are_refused(rknn)
    with pytest.raises(CaffeError, match=r"RKNN-Toolkit2 no longer runs$"):
        before.run({"x": np.zeros(_X, np.float32)})
    del before
    gc.collect()
    test_a_batch_runs_in_pieces_and_other_shapes_are_refused(rknn)


def test_all_tops_of_a_network_at_once(rknn):
    net = generate(card("df1seg").architecture, input_shape=(1, 3, 64, 128))
    outputs = list(dict.fromkeys(top for layer in net.layer if layer.type != "Input" for top in layer.top))
    weights, inputs = fill_weights(net), fill_inputs(net)
    expected = make_engine("torch").load(net, weights, outputs=outputs).run(inputs)
    found = rknn.load(net, weights, outputs=outputs).run(inputs)
    assert list(found) == outputs
    assert max(difference(found[top], array) for top, array in expected.items()) <= TOLERANCE
