"""OpenCV 4 against its table, converters/targets/data/opencv4.yaml: what its reader does is right.

A part of it runs with all tests, where OpenCV is installed; `make test-toolchains` runs the whole.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from caffe_zoo import list_models
from caffe_zoo.cards import card
from converters.engines import make_engine
from converters.targets.checking import check_target
from converters.targets.reading import read_target
from prototxt_gen import CaffeError, NetworkError, generate, select_phase
from prototxt_gen.architectures.decoders import Decoder
from prototxt_gen.errors import NotInstalledError
from tests.caffe_files import in_reference
from tests.converters.engines.test_engine import truth_of
from tests.converters.test_conformance import CASES
from tests.filling import fill_inputs, fill_weights
from tests.toolchains.drawing import draw
from tests.toolchains.trying import difference, network, tried

TOLERANCE = 1e-4
#: Of random layers that the table does not take, the share that the tool takes all the same: rules are general.
_STRICTER = 0.1
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
    decoder = isinstance(card(name).architecture, Decoder)
    net = generate(card(name).architecture, input_shape=(1, 3, 128, 256) if decoder else None)
    weights, inputs = fill_weights(net), fill_inputs(net)
    expected = make_engine("torch").load(net, weights).run(inputs)
    found = opencv.load(net, weights).run(inputs)
    assert found.keys() == expected.keys()
    off = {top: difference(found[top], array) for top, array in expected.items()}
    print(f"{name}: {', '.join(map('{:.1e}'.format, off.values()))}")
    assert max(off.values()) <= TOLERANCE


@pytest.mark.parametrize("name", in_reference(*CASES))
def test_what_it_does_with_the_cases_of_real_caffe_is_what_the_table_says(opencv, name):
    net, weights, inputs, truth = truth_of("conformance", name)
    net = select_phase(net, "TEST")
    for layer in net.layer:  # its reader takes all layers, whatever their rules
        layer.ClearField("include")
    report = check_target(net, target())
    try:
        found = opencv.compile(net, weights, {top: top for top in truth}).run(inputs)
        same = all(found[top].shape == array.shape for top, array in truth.items())
        worst = max(difference(found[top], array) for top, array in truth.items()) if same else np.inf
    except CaffeError as fault:
        worst, said = np.inf, str(fault)
    else:
        said = f"off by {worst:.1e}"
    assert (worst <= TOLERANCE) is report.passed, (said, str(report))


def check_drawn(run, seeds):
    """All random layers that the table takes are right; hardly any other is."""
    wrong, taken, stricter = [], 0, 0
    for seed in seeds:
        layers, shapes = draw(seed)
        net = network(layers, **shapes)
        try:
            report = check_target(net, target())
        except NetworkError:  # Caffe would refuse it as well
            continue
        if any(fault.type == "Deconvolution" for fault in report.faults):  # some of these crash
            continue
        result = tried(run, net, TOLERANCE)
        taken += report.passed
        stricter += result.outcome == "right" and not report.passed
        if report.passed and result.outcome != "right":
            wrong.append(f"{seed}: {result} {layers}")
    assert not wrong
    assert taken >= 0.3 * len(seeds) and stricter <= _STRICTER * len(seeds)


def test_it_computes_random_layers_that_the_table_takes(run):
    check_drawn(run, range(1000, 1100))


@pytest.mark.toolchains
@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_it_computes_all_random_layers_that_the_table_takes(run, start):
    check_drawn(run, range(start, start + 100))


CONVOLVED = (
    'layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 6 kernel_size: 1 } }'
)


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
        ('layer { name: "y" type: "Slice" bottom: "x" top: "y" top: "z" }', "refused"),
        (CONVOLVED + 'layer { name: "y" type: "Scale" bottom: "c" top: "y" }', "right"),
        (CONVOLVED + 'layer { name: "y" type: "Scale" bottom: "c" top: "y" scale_param { axis: 2 } }', "refused"),
        ('layer { name: "s" type: "Scale" bottom: "x" top: "y" scale_param { axis: -1 } }', "refused"),
        ('layer { name: "d" type: "Deconvolution" bottom: "x" top: "y" '
         'convolution_param { num_output: 6 kernel_size: 3 dilation: 2 } }', "silent"),
    ],
)  # fmt: skip
def test_what_was_seen_is_what_the_table_says(run, layers, outcome):
    net = network(layers, **{"positive" if "positive" in layers else "x": _X})
    assert tried(run, net, TOLERANCE).outcome == outcome or "Slice" in layers
    report = check_target(net, target())
    said = "right" if report.passed else report.faults[0].outcome
    assert said == outcome
