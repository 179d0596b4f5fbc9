"""verify names the layer that is wrong, whatever it compares with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters import merge_batchnorm, save_weights, to_torch, verify, weights_of
from prototxt_gen import NetParameter, generate, write_prototxt
from prototxt_gen.errors import CaffeError, FormatError, NetworkError, NotInstalledError, WeightsError
from prototxt_gen.text import parse_text, to_text
from tests.filling import fill_weights

SMALL = "s4-8_b8_b8_b8-16_c5"
LAST_CONVOLUTION = "res4.2.conv2"


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    net = generate(SMALL, input_shape=(1, 3, 64, 64))
    weights = weights_of(to_torch(net))
    for name, blobs in weights.items():
        if name.endswith("bn_scale"):
            blobs[1] += 0.5  # so that no ReLU is dead
    return net, weights


def changed(weights, layer, index=0, factor=1.01):
    copy = {name: [blob.copy() for blob in blobs] for name, blobs in weights.items()}
    copy[layer][index] *= np.float32(factor)
    return copy


def test_without_anything_to_compare_with(pair):
    found = verify(*pair)
    assert found.passed and found.against is None
    assert found.blobs == sum(len(blobs) for blobs in pair[1].values())
    assert [top.top for top in found.tops][-1] == "fc"
    assert all(top.difference is None and top.largest > 0 for top in found.tops)


def test_a_network_agrees_with_itself(pair):
    found = verify(*pair, against=pair)
    assert found.passed and found.first_fault is None
    assert all(top.difference == 0 for top in found.tops)
    assert "agrees with" in str(found)


@pytest.mark.parametrize("layer", ["conv1", "res3.1.conv2", LAST_CONVOLUTION, "fc"])
def test_the_wrong_layer_is_named(pair, layer):
    net, weights = pair
    found = verify(net, weights, against=(net, changed(weights, layer)))
    assert not found.passed
    assert found.first_fault.top == layer
    assert found.first_fault.relative == pytest.approx(0.01, rel=0.05)
    assert f"first at top '{layer}', made by {layer} (" in str(found)
    assert verify(net, weights, against=(net, changed(weights, layer)), tolerance=0.1).passed


def test_a_layer_in_place_is_named_by_what_it_writes(pair):
    net, weights = pair
    found = verify(net, weights, against=(net, changed(weights, "conv1/bn_scale", 1, 2) | {"conv1/bn": [
        blob * 2 for blob in weights["conv1/bn"][:2]] + weights["conv1/bn"][2:]}))  # fmt: skip
    assert found.first_fault.top == "conv1/bn"
    assert found.first_fault.layers == ("conv1/bn (BatchNorm)", "conv1/bn_scale (Scale)", "conv1/relu (ReLU)")


def test_merged_networks_are_compared_where_they_have_the_same_tops(pair):
    merged, weights = merge_batchnorm(*pair)
    found = verify(*pair, against=(merged, weights))
    assert found.passed
    assert {"conv1", "conv2"} <= {top.top for top in found.tops if not top.counts}
    assert {"res4.2.sum", "pool5", "fc"} <= {top.top for top in found.tops if top.counts and top.relative is not None}
    assert "(by other layers in the other file)" in str(found)
    wrong = verify(*pair, against=(merged, changed(weights, "res4.1.conv1")))
    assert wrong.first_fault.top == "res4.1.sum"
    assert "res4.1.conv1" in str(wrong).splitlines()[-1]


def test_an_output_counts_whatever_makes_it(pair, net_of):
    one = net_of('layer { name: "a" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }', x=(1, 3))
    other = net_of('layer { name: "a" type: "Power" bottom: "x" top: "y" power_param { scale: 3 } }', x=(1, 3))
    found = verify(one, {}, against=(other, {}))
    assert found.first_fault.top == "y"
    assert found.first_fault.relative == pytest.approx(1 / 3)


def test_other_shapes_differ(net_of):
    one = net_of(
        'layer { name: "p" type: "Pooling" bottom: "x" top: "y" pooling_param { kernel_size: 2 } }', x=(1, 1, 4, 4)
    )
    other = net_of('layer { name: "p" type: "Pooling" bottom: "x" top: "y" pooling_param { kernel_size: 3 } }',
                   x=(1, 1, 4, 4))  # fmt: skip
    assert verify(one, {}, against=(other, {})).first_fault.difference == float("inf")


def test_inputs_of_other_names_are_matched_by_place(pair):
    net, weights = pair
    renamed = parse_text(to_text(net).replace('"data"', '"image"'), NetParameter())
    assert verify(net, weights, against=(renamed, weights)).passed
    other = generate(SMALL, input_shape=(2, 3, 64, 64))
    assert verify(net, weights, against=(other, weights)).passed  # the other network runs on our input
    text = 'layer { name: "i" type: "Input" top: "a" top: "b" input_param { shape { dim: 1 } } }'
    text += 'layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "fc" }'
    two = parse_text(text, NetParameter())
    with pytest.raises(NetworkError, match=r"bottom\[1\]"):
        verify(net, weights, against=(two, {}))


def test_nothing_in_common_is_an_error(pair, net_of):
    other = net_of('layer { name: "r" type: "ReLU" bottom: "data" top: "elsewhere" }', data=(1, 3, 64, 64))
    with pytest.raises(NetworkError, match="elsewhere"):
        verify(*pair, against=(other, {}))


def test_labels_indices_and_switches_get_numbers_that_they_can_be(net_of):
    net = net_of(
        """layer { name: "e" type: "Embed" bottom: "word" top: "e" embed_param { input_dim: 5 num_output: 4 } }
           layer { name: "l" type: "LSTM" bottom: "e" bottom: "cont" top: "h" recurrent_param { num_output: 4 } }
           layer { name: "loss" type: "SoftmaxWithLoss" bottom: "h" bottom: "label" softmax_param { axis: 2 } }""",
        word=(3, 2),
        cont=(3, 2),
        label=(3, 2),
    )
    weights = weights_of(to_torch(net))
    found = verify(net, weights, against=(net, weights))
    assert found.passed
    assert [top.top for top in found.tops] == ["e", "h", "loss"]


# ---------------------------------------------------------------------------------------------------------- weights


def test_blobs_that_do_not_fit_are_all_listed(pair):
    net, weights = pair
    wrong = {**weights, "fc": [weights["fc"][0].T, weights["fc"][1]]}
    del wrong["conv1"]
    with pytest.raises(WeightsError, match=r"'conv1' .*missing.*'fc' .*shape"):
        verify(net, wrong)


def test_layers_that_the_network_does_not_have_are_listed(pair):
    net, weights = pair
    found = verify(net, weights | {"loss1/fc": [np.ones(3, np.float32)]})
    assert found.passed and found.unused == ("loss1/fc",)
    assert "loss1/fc" in str(found)


def test_blobs_with_nan_fail_and_the_last_line_says_so(pair):
    net, weights = pair
    wrong = changed(weights, "fc")
    wrong["fc"][1][2] = np.nan
    found = verify(net, wrong, against=(net, wrong))
    assert not found.passed and found.first_fault is None
    assert found.not_finite == ("fc[1]",)
    blobs = sum(len(layer) for layer in wrong.values())
    sentence = f"FAILED: found NaN or infinite numbers in 1 of {blobs} blobs: fc[1]"
    assert str(found).splitlines()[-1].startswith(f"{sentence}; agrees with ")
    alone = verify(net, wrong)
    assert not alone.passed and str(alone).splitlines()[-1] == sentence
    assert not verify(net, wrong, against=(net, weights)).passed


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5", ".pt"])
def test_files_of_every_format(pair, tmp_path, suffix):
    from converters.formats import write_weights

    write_prototxt(pair[0], tmp_path / "net.prototxt")
    write_weights(pair[1], tmp_path / f"net{suffix}", pair[0])
    found = verify(tmp_path / "net.prototxt", tmp_path / f"net{suffix}", against=pair)
    assert found.passed
    assert found.network == f"{tmp_path / 'net.prototxt'}, {tmp_path / f'net{suffix}'}"


def test_a_file_of_a_whole_network(weights_file):
    net = generate("s32-64_b64x3_b128x3_b256x3-512_c1000", input_shape=(1, 3, 64, 64))
    assert verify(net, weights_file("df1"), against=(net, fill_weights(net))).passed


# ---------------------------------------------------------------------------------------------------------- engines


def test_opencv(pair):
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("this OpenCV reads no Caffe files")
    found = verify(*pair, against="opencv")
    assert found.passed and found.against == "OpenCV"
    assert all(top.relative is not None for top in found.tops)


def test_opencv_names_what_it_cannot_read(net_of):
    pytest.importorskip("cv2")
    net = net_of(
        'layer { name: "f" type: "ShuffleChannel" bottom: "x" top: "y" shuffle_channel_param { group: 3 } }'
        'layer { name: "m" type: "MVN" bottom: "y" top: "z" }'
        'layer { name: "t" type: "BatchReindex" bottom: "z" bottom: "i" top: "w" }', x=(1, 6, 2, 2), i=(1,)
    )  # fmt: skip
    with pytest.raises(CaffeError, match=r"opencv4 has no exact form of layer 't' \(BatchReindex\)"):
        verify(net, {}, against="opencv")


def test_an_engine_that_is_not_installed(pair, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'dongfeng\[opencv\]'"):
        verify(*pair, against="opencv")


def write_onnx(weights, path):
    """Two convolutions with a ReLU between them, and an output of another name than Caffe's."""
    helper = pytest.importorskip("onnx").helper
    pytest.importorskip("onnxruntime")
    names = [f"w{index}" for index in range(2)]
    nodes = [
        helper.make_node("Conv", ["data", "w0"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("Conv", ["z", "w1"], ["out"], kernel_shape=[1, 1]),
    ]
    from onnx import TensorProto, numpy_helper, save

    tensors = [numpy_helper.from_array(weights[name][0], at) for name, at in zip(("a", "b"), names, strict=True)]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("data", TensorProto.FLOAT, (1, 2, 5, 5))], [value("out", TensorProto.FLOAT, None)], tensors
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_onnxruntime(net_of, tmp_path):
    net = net_of(
        """layer { name: "a" type: "Convolution" bottom: "data" top: "y"
                   convolution_param { num_output: 3 kernel_size: 3 pad: 1 bias_term: false } }
           layer { name: "r" type: "ReLU" bottom: "y" top: "z" }
           layer { name: "b" type: "Convolution" bottom: "z" top: "last"
                   convolution_param { num_output: 2 kernel_size: 1 bias_term: false } }""",
        data=(1, 2, 5, 5),
    )
    weights = weights_of(to_torch(net))
    write_onnx(weights, tmp_path / "net.onnx")
    found = verify(net, weights, against=tmp_path / "net.onnx")
    assert found.passed
    assert [top.relative is not None for top in found.tops] == [True, True, True]  # names within; the output by place
    wrong = verify(net, changed(weights, "b"), against=tmp_path / "net.onnx")
    assert wrong.first_fault.top == "last"
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    with pytest.raises(FormatError, match=r"bad\.onnx"):
        verify(net, weights, against=tmp_path / "bad.onnx")


def test_weights_saved_by_hand_are_found_by_name(pair, tmp_path):
    save_weights(pair[1], tmp_path / "names.caffemodel")
    assert verify(pair[0], tmp_path / "names.caffemodel", against=pair).passed
