"""OpenVINO 2023.3 held against the table of its target: the zoo, conformance cases, layers alone."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_zoo import list_models
from converters.engines import make_engine
from converters.targets.checking import check_target
from converters.targets.reading import read_target
from prototxt_gen import UnsupportedError
from prototxt_gen.errors import NotInstalledError
from tests.caffe_files import in_reference
from tests.filling import fill_inputs
from tests.toolchains.agreeing import check_case, check_drawn, check_zoo
from tests.toolchains.cases import CASES, case
from tests.toolchains.trying import difference, network, tried

pytestmark = pytest.mark.toolchains

TOLERANCE = 1e-4
_X = (2, 6, 8, 9)
SIX = 'layer { name: "y" type: "ReLU6" bottom: "x" top: "y" }'


@pytest.fixture(scope="module")
def tool():
    try:
        return make_engine("openvino2023", threads=1)
    except NotInstalledError as fault:
        pytest.skip(str(fault))


@pytest.fixture(scope="module")
def target():
    return read_target("openvino2023")


@pytest.fixture
def run(tool):
    return lambda net, weights, inputs: tool.compile(net, weights).run(inputs)


@pytest.mark.parametrize("name", list_models())
def test_networks_of_the_zoo_agree(tool, name):
    check_zoo(tool, name, TOLERANCE, decoder_shape=(1, 3, 128, 256))


@pytest.mark.parametrize("name", in_reference(*CASES))
def test_what_it_does_with_the_cases_of_real_caffe_is_what_the_table_says(tool, target, name):
    def run(net, weights, inputs, tops):
        return tool.compile(net, weights, {top: top for top in tops}).run(inputs)

    check_case(run, target, case(name), TOLERANCE)


@pytest.mark.parametrize("seeds", [range(start, start + 50) for start in range(0, 300, 50)], ids=str)
def test_it_computes_all_random_layers_that_the_table_takes(run, target, seeds):
    check_drawn(run, target, seeds, TOLERANCE)


@pytest.mark.parametrize(
    ("layers", "outcome"),
    [
        ('layer { name: "y" type: "Convolution" bottom: "x" top: "y" '
         "convolution_param { num_output: 2 kernel_size: 3 stride: 1 stride: 2 } }", "silent"),
        ('layer { name: "y" type: "Eltwise" bottom: "x" bottom: "x" bottom: "x" top: "y" '
         "eltwise_param { coeff: 1 coeff: 2 coeff: -1 } }", "silent"),
        ('layer { name: "y" type: "Eltwise" bottom: "x" bottom: "x" top: "y" eltwise_param { coeff: 1 coeff: 2 } }',
         "right"),
        ('layer { name: "y" type: "LRN" bottom: "x" top: "y" lrn_param { alpha: 1 k: 0.5 } }', "silent"),
        ('layer { name: "y" type: "LRN" bottom: "x" top: "y" lrn_param { alpha: 1 k: 2 } }', "right"),
        ('layer { name: "y" type: "MVN" bottom: "x" top: "y" mvn_param { across_channels: true } }', "silent"),
        ('layer { name: "y" type: "Interp" bottom: "x" top: "y" interp_param { zoom_factor: 2 } }', "silent"),
        ('layer { name: "y" type: "Interp" bottom: "x" top: "y" interp_param { height: 15 width: 17 } }', "right"),
        ('layer { name: "y" type: "Clip" bottom: "x" top: "y" clip_param { min: 0 max: 6 } }', "refused"),
        ('layer { name: "y" type: "Reshape" bottom: "x" top: "y" reshape_param { axis: 1 shape { dim: -1 } } }',
         "refused"),
        ('layer { name: "y" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3 axis: 2 } }',
         "refused"),
        ('layer { name: "c" type: "Convolution" bottom: "x" top: "c" '
         "convolution_param { num_output: 1 kernel_size: 1 } }"
         'layer { name: "y" type: "InnerProduct" bottom: "c" top: "y" inner_product_param { num_output: 3 axis: 2 } }',
         "silent"),
        ('layer { name: "y" type: "Split" bottom: "x" top: "y" top: "z" }', "refused"),
    ],
)  # fmt: skip
def test_what_was_seen_is_what_the_table_says(run, target, layers, outcome):
    net = network(layers, x=_X)
    assert tried(run, net, TOLERANCE).outcome == outcome
    report = check_target(net, target)
    assert ("right" if report.passed else report.faults[0].outcome) == outcome


def test_exact_rewrites_take_the_faults_away(tool):
    text = """
    layer { name: "c" type: "Clip" bottom: "x" top: "c" clip_param { min: 0 max: 6 } }
    layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { kernel_size: 2 stride: 2 round_mode: CEIL } }
    layer { name: "l" type: "LRN" bottom: "p" top: "l" lrn_param { local_size: 3 alpha: 1 k: 0.5 } }
    layer { name: "r" type: "Reshape" bottom: "l" top: "r" reshape_param { axis: 1 shape { dim: -1 } } }
    """
    net = network(text, x=_X)
    inputs = fill_inputs(net)
    expected = make_engine("torch").load(net, {}, outputs=["r", "p"]).run(inputs)
    found = tool.load(net, {}, outputs=["r", "p"]).run(inputs)
    assert list(found) == list(expected)
    assert all(difference(found[top], array) <= TOLERANCE for top, array in expected.items())


def test_times_are_those_of_runs_in_the_worker(tool):
    session = tool.load(network(SIX, x=_X))
    times = session.samples(3)
    assert len(times) == 3 and min(times) > 0
    found, ms = session.step(session.native(session.own_inputs()))
    assert ms > 0 and found["y"].shape == _X


def test_a_batch_runs_in_pieces_and_other_shapes_are_refused(tool):
    session = tool.load(network(SIX, x=_X))
    array = np.linspace(-8, 8, 6 * 6 * 8 * 9, dtype=np.float32).reshape(6, 6, 8, 9)
    assert difference(session.run({"x": array})["y"], array.clip(0, 6)) <= TOLERANCE
    with pytest.raises(UnsupportedError, match=r"x: found \(2, 6, 8, 8\), expected \(2, 6, 8, 9\)"):
        session.run({"x": np.zeros((2, 6, 8, 8), np.float32)})
