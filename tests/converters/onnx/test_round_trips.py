"""Caffe to ONNX to Caffe: the same numbers, and the same layers where the forms allow."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from caffe_zoo import card  # noqa: E402
from converters import export_onnx, merge_batchnorm, read_onnx  # noqa: E402
from prototxt_gen import NetParameter, UnsupportedError, generate, read_prototxt, select_phase  # noqa: E402
from prototxt_gen.layers import is_input  # noqa: E402
from prototxt_gen.text import parse_text  # noqa: E402
from prototxt_gen.trace import trace  # noqa: E402
from tests.caffe_files import in_reference  # noqa: E402
from tests.converters.onnx.operators.checking import close  # noqa: E402
from tests.filling import fill_inputs, fill_weights  # noqa: E402
from tools.reference_facts import REFERENCE  # noqa: E402

SMALL = {
    "df1": (1, 3, 64, 96),
    "ponas_a": (1, 3, 64, 64),
    "df-lite_seg": (1, 3, 64, 128),
    "pl1a_seg": (1, 3, 64, 128),
}


def there_and_back(net, weights, path, dialect="bvlc", merged=True):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_onnx(net, weights, path, merged=merged)
        return read_onnx(path, dialect, merged=merged)


def same_numbers(net, weights, back, limit=1e-5):
    inputs = fill_inputs(select_phase(net, "TEST"))
    names = [row.tops[0] for row in trace(back[0]) if is_input(row.type)]
    assert sorted(names) == sorted(inputs)
    tops = run_all(net, weights, inputs)
    found = run_all(*back, {name: inputs[name] for name in names})
    assert list(found) == list(tops)
    close(list(found.values()), list(tops.values()), limit)


def run_all(net, weights, inputs):
    import torch

    from converters import to_torch

    module = to_torch(net, weights).eval()
    with torch.no_grad():
        made = module(*(torch.from_numpy(np.ascontiguousarray(array)) for array in inputs.values()))
    tops = [made] if isinstance(made, torch.Tensor) else made.values()
    return dict(zip(module.meta["caffe"]["outputs"], map(np.asarray, tops), strict=True))


@pytest.mark.parametrize("name", SMALL)
def test_networks_of_the_zoo(name, tmp_path):
    net = generate(card(name).architecture, input_shape=SMALL[name])
    weights = fill_weights(net)
    back = there_and_back(net, weights, tmp_path / "net.onnx", "fork" if name.endswith("seg") else "bvlc")
    same_numbers(net, weights, back)
    merged, _ = merge_batchnorm(select_phase(net, "TEST"), weights)
    found, wanted = ([(layer.name, layer.type) for layer in one.layer] for one in (back[0], merged))
    # At these small sizes some maps have their wanted size already.
    assert found == [layer for layer in wanted if layer in found or layer[1] != "Interp"]


def test_networks_with_batch_norm_come_back_with_their_blobs(tmp_path):
    net = generate(card("df1").architecture, input_shape=SMALL["df1"])
    weights = fill_weights(net)
    back, arrays = there_and_back(net, weights, tmp_path / "net.onnx", "fork", merged=False)

    def layers(one):
        return [(layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in one.layer]

    assert layers(back) == layers(select_phase(net, "TEST"))
    assert set(arrays) == set(weights)
    same_numbers(net, weights, (back, arrays))


IN_PLACE = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "bn_scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "norm" type: "LRN" bottom: "conv" top: "norm"
        lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL alpha: 0.5 beta: 0.6 } }
layer { name: "near" type: "LRN" bottom: "norm" top: "near" lrn_param { local_size: 3 } }
"""


def test_layers_in_place_and_normalization_within_a_channel_come_back(tmp_path):
    net = parse_text(IN_PLACE, NetParameter(), strict=True)
    weights = fill_weights(net)
    back = there_and_back(net, weights, tmp_path / "net.onnx", merged=False)
    same_numbers(net, weights, back)
    found, wanted = (
        [(layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in one.layer] for one in (back[0], net)
    )
    assert found == wanted
    assert [one.norm_region for one in (layer.lrn_param for layer in back[0].layer[5:])] == [1, 0]


CASES = sorted(path.stem for path in (REFERENCE / "conformance").glob("*.npz"))
# They take labels or places that the network computes with, for which Caffe has layers and ONNX real operators.
WITH_LABELS = {"accuracy", "batch_reindex", "embed", "softmax_loss", "softmax_loss_spatial_ignore"}


@pytest.mark.parametrize("name", in_reference(*CASES))
def test_what_caffe_computed_is_computed_after_there_and_back(name, tmp_path):
    path = REFERENCE / "conformance" / name
    arrays = dict(np.load(path.with_suffix(".npz")))
    wanted = {key[5:]: value for key, value in arrays.items() if key.startswith("out__")}
    files = [path.with_suffix(suffix) for suffix in (".caffemodel", ".caffemodel.h5")]
    weights = next((file for file in files if file.exists()), {})
    export_onnx(read_prototxt(path.with_suffix(".prototxt")), weights, tmp_path / "net.onnx", outputs=list(wanted))
    if name in WITH_LABELS:
        with pytest.raises(UnsupportedError, match="'op"):
            read_onnx(tmp_path / "net.onnx")
        return
    net, blobs = read_onnx(tmp_path / "net.onnx")
    inputs = {top: arrays[f"in__{top}"] for row in trace(net) if is_input(row.type) for top in row.tops}
    found = run_all(net, blobs, inputs)
    close([found[top] for top in wanted], list(wanted.values()), 1e-4)
