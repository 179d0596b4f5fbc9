"""The engine `opencv`: words of Caffe that OpenCV's reader does not look at, or knows under another name."""

from __future__ import annotations

import numpy as np
import pytest

from converters import make_engine
from prototxt_gen.errors import NotInstalledError, UnsupportedError
from tests.filling import fill_inputs, fill_weights


@pytest.fixture(scope="module")
def engine():
    pytest.importorskip("cv2")
    try:
        return make_engine("opencv", threads=1)
    except NotInstalledError as fault:
        pytest.skip(str(fault))


LAYERS = {
    "ReLU6": 'layer { name: "c" type: "Clip" bottom: "x" top: "y" clip_param { min: 0 max: 6 } }',
    "transpose": """layer { name: "i" type: "InnerProduct" bottom: "x" top: "y"
                            inner_product_param { num_output: 3 transpose: true } }""",
    "a slice that nothing takes": """
        layer { name: "s" type: "Slice" bottom: "x" top: "a" top: "b" slice_param { axis: 1 } }
        layer { name: "t" type: "TanH" bottom: "a" top: "y" }""",
    "concat_dim": """
        layer { name: "s" type: "Concat" bottom: "x" bottom: "x" top: "y" concat_param { concat_dim: 2 } }""",
    "slice_dim": """
        layer { name: "s" type: "Slice" bottom: "x" top: "a" top: "b" top: "c" slice_param { slice_dim: 2 } }
        layer { name: "t" type: "Eltwise" bottom: "a" bottom: "c" top: "y" eltwise_param { coeff: 1 coeff: -2 } }""",
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers_mean_what_they_mean_in_caffe(engine, net_of, case):
    net = net_of(LAYERS[case], x=(2, 4, 6, 3))
    weights, inputs = fill_weights(net), fill_inputs(net)
    inputs["x"] = inputs["x"] * 8
    found, expected = (one.load(net, weights).run(inputs)["y"] for one in (engine, make_engine("torch")))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_it_cannot_run_is_told_when_a_network_is_loaded(engine, net_of):
    with pytest.raises(UnsupportedError, match=r"opencv4 has no exact form of layer 't' \(Threshold\): type"):
        engine.load(net_of('layer { name: "t" type: "Threshold" bottom: "x" top: "y" }', x=(2, 3)), {})
