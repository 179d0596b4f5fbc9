"""OpenCV 4 against its table, converters/targets/data/opencv4.yaml: what its reader does is right.

A part of it runs with all tests, where OpenCV is installed; `make test-toolchains` runs the whole.
"""

from __future__ import annotations

from functools import lru_cache

import pytest

from caffe_zoo import list_models
from converters.engines import make_engine
from converters.targets.checking import check_target
from converters.targets.reading import read_target
from prototxt_gen.errors import NotInstalledError
from tests.caffe_files import in_reference
from tests.toolchains.agreeing import check_case, check_drawn, check_zoo
from tests.toolchains.cases import CASES, case
from tests.toolchains.trying import network, tried

TOLERANCE = 1e-4
#: Types of layers with which it may crash, or write outside its memory, where the table does not take them: a Scale
#: with a negative axis does, and what breaks by that breaks later.
CRASHES = ("Deconvolution", "Scale")
_X = (2, 6, 8, 9)


@pytest.fixture(scope="module")
def opencv():
    pytest.importorskip("cv2")
    try:
        return make_engine("opencv", threads=1)
    except NotInstalledError as fault:
        pytest.skip(str(fault))


@lru_cache(maxsize=1)
def target():
    return read_target("opencv4")


@pytest.fixture(scope="module")
def run(opencv):
    return lambda net, weights, inputs: opencv.compile(net, weights).run(inputs)


@pytest.mark.toolchains
@pytest.mark.parametrize("name", list_models())
def test_networks_of_the_zoo_agree(opencv, name):
    check_zoo(opencv, name, TOLERANCE, decoder_shape=(1, 3, 128, 256))


@pytest.mark.parametrize("name", in_reference(*CASES))
def test_what_it_does_with_the_cases_of_real_caffe_is_what_the_table_says(opencv, name):
    def run(net, weights, inputs, tops):
        return opencv.compile(net, weights, {top: top for top in tops}).run(inputs)

    one = case(name)
    for layer in one.net.layer:  # its reader takes all layers, whatever their rules
        layer.ClearField("include")
    check_case(run, target(), one, TOLERANCE)


def test_it_computes_random_layers_that_the_table_takes(run):
    check_drawn(run, target(), range(1000, 1100), TOLERANCE, CRASHES)


@pytest.mark.toolchains
@pytest.mark.parametrize("seeds", [range(start, start + 100) for start in range(0, 1000, 100)], ids=str)
def test_it_computes_all_random_layers_that_the_table_takes(run, seeds):
    check_drawn(run, target(), seeds, TOLERANCE, CRASHES)


CONVOLVED = (
    'layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 6 kernel_size: 1 } }'
)

RELU = 'layer { name: "%s" type: "ReLU" bottom: "%s" top: "%s" }'


@pytest.mark.parametrize(
    ("layers", "outcome"),
    [
        ('layer { name: "y" type: "LRN" bottom: "x" top: "y" lrn_param { local_size: 3 } }', "silent"),
        ('layer { name: "y" type: "LRN" bottom: "x" top: "y" lrn_param { local_size: 3 alpha: 1 } }', "right"),
        ('layer { name: "y" type: "LRN" bottom: "x" top: "y" lrn_param { alpha: 1 k: 2 } }', "silent"),
        ('layer { name: "y" type: "Log" bottom: "positive" top: "y" log_param { base: 2 } }', "silent"),
        ('layer { name: "y" type: "Pooling" bottom: "x" top: "y" pooling_param { global_pooling: true } }', "refused"),
        ('layer { name: "y" type: "Pooling" bottom: "x" top: "y" pooling_param { kernel_size: 1 stride: 3 } }',
         "silent"),
        ('layer { name: "y" type: "Tile" bottom: "x" top: "y" tile_param { tiles: 2 } }', "refused"),
        ('layer { name: "y" type: "Concat" bottom: "x" top: "y" concat_param { axis: 0 } }', "silent"),
        ('layer { name: "y" type: "Slice" bottom: "x" top: "y" top: "z" slice_param { slice_point: 2 } }', "silent"),
        ('layer { name: "y" type: "Slice" bottom: "x" top: "y" }', "refused"),
        ('layer { name: "y" type: "Split" bottom: "x" top: "y" top: "z" }', "right"),
        ('layer { name: "y" type: "Split" bottom: "x" top: "y" top: "z" }' + RELU % ("r", "z", "r"), "refused"),
        ('layer { name: "y" type: "Pooling" bottom: "x" top: "y" top: "z" pooling_param { kernel_size: 3 stride: 2 } }',
         "silent"),
        (RELU % ("x", "x", "y"), "right"),
        (RELU % ("r", "x", "y") + 'layer { name: "r" type: "Sigmoid" bottom: "y" top: "x_1" }', "right"),
        (CONVOLVED + 'layer { name: "y" type: "Scale" bottom: "c" top: "y" }', "right"),
        (CONVOLVED + 'layer { name: "y" type: "Scale" bottom: "c" top: "y" scale_param { axis: 2 } }', "refused"),
        (CONVOLVED.replace("6", "8") + 'layer { name: "y" type: "Scale" bottom: "c" top: "y" scale_param { axis: 2 } }',
         "silent"),
        ('layer { name: "s" type: "Scale" bottom: "x" top: "y" scale_param { axis: -1 } }', "refused"),
        ('layer { name: "d" type: "Deconvolution" bottom: "x" top: "y" '
         'convolution_param { num_output: 6 kernel_size: 3 dilation: 2 } }', "silent"),
    ],
)  # fmt: skip
def test_what_was_seen_is_what_the_table_says(run, layers, outcome):
    net = network(layers, **{"positive" if "positive" in layers else "x": _X})
    assert tried(run, net, TOLERANCE).outcome == outcome
    report = check_target(net, target())
    said = "right" if report.passed else report.faults[0].outcome
    assert said == outcome
