"""What of a network goes into the graph: names, outputs, weights, batch norm, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from converters import export_onnx, save_weights, to_torch, weights_of
from converters.onnx.exporting import to_graph, to_model
from prototxt_gen import NetParameter
from prototxt_gen.errors import FileError, NetworkError, UnsupportedError, WeightsError
from prototxt_gen.layers import LAYERS, LayerShape, layer_type
from prototxt_gen.text import parse_text
from prototxt_gen.version import __version__
from tests.caffe_files import SPELLINGS, V2, write_spelling
from tests.converters.onnx.checking import check, net_of, onnx, operators

CONV = 'convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "gaussian" std: 1 } }'


def conv(name, bottom, top, more=""):
    return f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top}" {CONV} {more} }}\n'


def plain(kind, name, bottom, top, more=""):
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {more} }}\n'


def values(exported):
    return [value for node in exported.graph.nodes for value in node.outputs]


def test_nodes_have_the_names_of_layers_and_values_those_of_blobs():
    text = conv("c", "x", "y") + plain("ReLU", "r", "y", "y") + plain("Power", "p", "y", "y") + conv("d", "y", "z")
    found = check(net_of(text, x=(1, 3, 2, 2)))
    assert [node.name for node in found.graph.nodes] == ["c", "r", "p", "d"]
    assert values(found) == ["y/c", "y/r", "y", "z"]
    assert list(found.graph.constants) == ["c.weight", "c.bias", "d.weight", "d.bias"]
    assert found.inputs == {"x": "x"} and found.outputs == {"z": "z"}


def test_an_input_has_its_name_also_where_layers_write_over_it():
    text = plain("ReLU", "r", "x", "x") + plain("AbsVal", "a", "x", "y")
    found = check(net_of(text, x=(2, 3)))
    assert found.inputs == {"x": "x"} and values(found) == ["x/r", "y"]


@pytest.mark.parametrize(
    "text, outputs, expected",
    [
        (plain("ReLU", "r", "x", "x"), ["x"], {"x": "x/r"}),
        (plain("ReLU", "r", "x", "y"), ["x", "y"], {"x": "x/output", "y": "y"}),
        (plain("ReLU", "r", "x", "y"), ["x"], {"x": "x/output"}),
        (plain("ReLU", "r", "x", "y"), ["y", "y"], {"y": "y"}),
        (plain("ReLU", "r", "x", "y") + plain("Split", "s", "y", 'a" top: "b'), None, {"a": "a", "b": "b"}),
        (plain("ReLU", "r", "x", "y") + plain("Split", "s", "y", 'a" top: "b'), ["b", "y"], {"b": "b", "y": "y"}),
        (plain("Split", "s", "x", 'a" top: "b') + plain("ReLU", "r", "a", "y"), None, {"b": "b", "y": "y"}),
        (plain("ReLU", "r", "x", "y") + plain("Power", "p", "y", "z"), ["z", "y"], {"z": "z", "y": "y"}),
        (plain("Concat", "c", "x", "y"), None, {"y": "y"}),
        (plain("Split", "s", "x", 'a" top: "b') + plain("ReLU", "r", "a", "a"), ["x", "b"], {"x": "x/r", "b": "b"}),
    ],
)
def test_outputs(text, outputs, expected):
    found = check(net_of(text, x=(2, 3)), outputs=outputs)
    assert found.outputs == expected and list(found.graph.outputs) == list(expected.values())


def test_names_that_collide_are_numbered_and_outputs_keep_theirs():
    text = conv("c", "x", "c.bias") + plain("ReLU", "r", "c.bias", "c.weight") + conv("d", "c.weight", "c")
    found = check(net_of(text, x=(1, 3, 2, 2)))
    assert found.outputs == {"c": "c"} and {"c.bias_2", "c.weight_2"} <= set(found.graph.constants)


def test_any_names_are_taken():
    text = conv("层/1 a", "输入", "é\u200b ü") + plain("ReLU", "", "é\u200b ü", "") + plain("ReLU", "", "", "🙂")
    found = check(net_of(text, 输入=(1, 3, 2, 2)))
    assert found.inputs == {"输入": "输入"} and found.outputs == {"🙂": "🙂"}
    assert [node.name for node in found.graph.nodes] == ["层/1 a", "ReLU", "ReLU_2"]


def test_inputs_that_outputs_do_not_need_are_left_out():
    text = """layer { name: "d" type: "MemoryData" top: "x" top: "label"
              memory_data_param { batch_size: 2 channels: 1 height: 3 width: 3 } }"""
    found = check(net_of(text + plain("ReLU", "r", "x", "y"), spare=(2, 2)))
    assert found.inputs == {"x": "x"} and found.outputs == {"y": "y"}


def test_layers_that_outputs_do_not_need_are_left_out_and_need_no_weights():
    net = net_of(conv("c", "x", "y") + conv("d", "y", "z"), x=(1, 3, 2, 2))
    weights = weights_of(to_torch(net))
    assert len(to_graph(net, {"c": weights["c"]}, outputs=["y"]).graph.nodes) == 1
    assert len(to_graph(net, weights, outputs=["y"]).graph.nodes) == 1


def test_other_phases_are_left_out():
    text = conv("c", "x", "y") + plain("ReLU", "r", "y", "z", "include { phase: TRAIN }")
    assert operators(check(net_of(text, x=(1, 3, 2, 2)))) == ["Conv"]


def test_layers_that_share_a_blob_share_an_initializer():
    shared = 'param { name: "w" } param { name: "b" }'
    net = net_of(conv("c", "x", "y", shared) + conv("d", "x", "z", shared), x=(1, 3, 2, 2))
    numbers = np.random.default_rng(0)
    both = {name: [numbers.normal(size=shape) for shape in ((2, 3, 1, 1), (2,))] for name in ("c", "d")}
    for weights in (both, {"c": both["c"]}):
        found = check(net, weights)
        assert list(found.graph.constants) == ["c.weight", "c.bias"]


def test_of_two_layers_with_one_name_the_first_has_the_weights():
    text = plain("PReLU", "p", "x", "y") + plain("PReLU", "p", "y", "z")
    check(net_of(text, x=(1, 3)), {"p": [np.array([2, 3, 4])]})
    text = conv("c", "x", "y") + conv("c", "y", "z")
    weights = {"c": [np.ones((2, 3, 1, 1)), np.ones(2)]}
    with pytest.raises(WeightsError, match="no weights for the second layer of this name"):
        to_graph(net_of(text, x=(1, 3, 2, 2)), weights)


def test_a_bilinear_deconvolution_needs_no_weights():
    text = plain("Deconvolution", "up", "x", "y", 'convolution_param { num_output: 3 group: 3 kernel_size: 4 stride: 2 '
                 'pad: 1 bias_term: false weight_filler { type: "bilinear" } }')  # fmt: skip
    check(net_of(text, x=(1, 3, 4, 5)), {})


def test_all_faults_are_listed_before_weights_are_read(tmp_path):
    @layer_type("Odd")
    def odd(layer, bottoms):
        return LayerShape((bottoms[0],))

    try:
        text = plain("Odd", "one", "x", "y") + plain("ReLU", "r", "y", "z") + plain("Odd", "two", "z", "a")
        text += plain("Dropout", "three", "a", "b", "phase: TRAIN")
        with pytest.raises(UnsupportedError) as fault:
            to_graph(net_of(text, x=(2, 3)), tmp_path / "absent.caffemodel")
    finally:
        LAYERS.remove("Odd")
    assert "(3)" in str(fault.value) and "layer 'one' (Odd): no ONNX form for this type" in str(fault.value)
    assert "layer 'two' (Odd)" in str(fault.value) and "layer 'three' (Dropout): phase" in str(fault.value)


def test_all_faults_of_weights_are_one_error():
    net = net_of(conv("c", "x", "y") + conv("d", "y", "z"), x=(1, 3, 2, 2))
    with pytest.raises(WeightsError, match=r"'c' .*missing.*'d' .*found shape.*'e': in the weights"):
        to_graph(net, {"d": [np.ones((2, 3, 1, 1)), np.ones(2)], "e": [np.ones(1)]})
    weights = weights_of(to_torch(net))
    with pytest.raises(WeightsError, match="'e': in the weights"):
        to_graph(net, weights | {"e": [np.ones(1)]})
    with pytest.warns(UserWarning, match="'e': in the weights"):
        to_graph(net, weights | {"e": [np.ones(1)]}, strict=False)


def test_weights_may_be_a_file_and_faults_name_it(tmp_path):
    net = net_of(conv("c", "x", "y"), x=(1, 3, 2, 2))
    path = tmp_path / "net.caffemodel"
    save_weights(weights_of(to_torch(net)), path, net)
    check(net, path)
    with pytest.raises(WeightsError, match=r"net\.caffemodel: weights do not fit"):
        to_graph(net_of(conv("d", "x", "y"), x=(1, 3, 2, 2)), path)
    with pytest.raises(FileError, match="absent"):
        to_graph(net, tmp_path / "absent.caffemodel")


def test_arguments_stay_as_they_are():
    net = net_of(conv("c", "x", "y") + plain("BatchNorm", "n", "y", "y"), x=(1, 3, 2, 2))
    weights = weights_of(to_torch(net))
    before, arrays = net.SerializeToString(), {name: [blob.copy() for blob in weights[name]] for name in weights}
    to_graph(net, weights)
    assert net.SerializeToString() == before
    assert all((a == b).all() for name in arrays for a, b in zip(arrays[name], weights[name], strict=True))


NORMED = [  # blobs of the BatchNorm and the Scale, outputs, operators merged and not
    ("y y", None, "Conv Relu", "Conv BatchNormalization Relu"),
    ("n n", ["y"], "Conv", "Conv"),
    ("n s", None, "Conv Relu", "Conv BatchNormalization Relu"),
    ("n s", ["n"], "Conv", "Conv BatchNormalization"),
    ("n s", ["s"], "Conv", "Conv BatchNormalization"),
    ("n s", ["y", "s"], "Conv BatchNormalization", "Conv BatchNormalization"),
    ("n s", ["n", "s"], "Conv Mul Add", "Conv BatchNormalization Mul Add"),
    ("n n", ["z", "n", "y"], "Conv BatchNormalization Relu", "Conv BatchNormalization Relu"),
]


@pytest.mark.parametrize("blobs, outputs, merged, kept", NORMED)
def test_batch_norm_is_folded_where_no_output_needs_what_lies_between(blobs, outputs, merged, kept):
    norm, scale = blobs.split()
    text = conv("c", "x", "y") + plain("BatchNorm", "bn", "y", norm)
    text += plain("Scale", "sc", norm, scale, "scale_param { bias_term: true }") + plain("ReLU", "r", scale, "z")
    numbers = np.random.default_rng(0)
    weights = {
        "c": [numbers.normal(size=(2, 3, 1, 1)), numbers.normal(size=2)],
        "bn": [numbers.normal(size=2), numbers.random(2) + 1, np.array([2])],
        "sc": [numbers.normal(size=2), numbers.normal(size=2)],
    }
    net = net_of(text, x=(2, 3, 4, 4))
    assert operators(check(net, weights, outputs=outputs)) == merged.split()
    assert operators(check(net, weights, outputs=outputs, merged=False)) == kept.split()


def test_a_folded_layer_makes_the_blob_of_the_last_that_it_absorbed():
    text = conv("c", "x", "y") + plain("BatchNorm", "bn", "y", "n") + plain("Scale", "sc", "n", "s")
    found = check(net_of(text + plain("ReLU", "r", "s", "s") + plain("ReLU", "q", "s", "z"), x=(1, 3, 2, 2)))
    assert values(found) == ["s/c", "s", "z"]


@pytest.mark.parametrize("name", SPELLINGS)
def test_old_networks_are_upgraded(name, tmp_path):
    path = write_spelling(name, tmp_path)
    net = parse_text(path.with_suffix(".prototxt").read_text("utf-8"), NetParameter())
    found = check(net, path, limit=1e-5)
    assert [node.name for node in found.graph.nodes if "/" not in node.name] == [
        layer.name for layer in parse_text(V2, NetParameter()).layer[1:]
    ]


def test_memory_that_was_written_in_another_shape_is_read_in_the_readers():
    text = plain("Flatten", "f", "x", "flat") + plain("ReLU", "r", "flat", "flat") + plain("AbsVal", "a", "x", "y")
    net = net_of(text, x=(2, 3, 2, 2))
    for dynamic in (None, "batch"):
        check(net, outputs=["y", "x", "flat"], dynamic=dynamic)
    check(net, outputs=["y", "x"], dynamic="sizes", others=[{"x": np.random.default_rng(1).normal(size=(3, 3, 4, 3))}])


def test_losses_without_a_named_top_are_called_like_their_layer():
    found = check(net_of('layer { name: "loss" type: "EuclideanLoss" bottom: "x" bottom: "t" }', x=(2, 3), t=(2, 3)))
    assert found.outputs == {"loss": "loss"}


def test_metadata():
    text = """layer { name: "d" type: "Data" top: "x" data_param { batch_size: 2 }
              transform_param { crop_size: 4 mean_value: 1 mean_value: 2 mean_value: 3 scale: 0.5 } }"""
    model = to_model(net_of(text + plain("ReLU", "r", "x", "y")), {}, metadata={"licence": "none"})
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found.pop("licence") == "none"
    assert json.loads(found.pop("preprocessing")) == {
        "x": {
            "mean_values": [1, 2, 3],
            "mean_file": None,
            "scale": 0.5,
            "crop": [4, 4],
            "mirror": False,
            "resize": None,
        }
    }
    assert not found and (model.producer_name, model.producer_version) == ("dongfeng", __version__)
    assert (model.ir_version, [(entry.domain, entry.version) for entry in model.opset_import]) == (8, [("", 17)])


def test_inputs_may_have_other_shapes():
    net = net_of(conv("c", "x", "y"), x=(1, 3, 2, 2))
    weights = weights_of(to_torch(net))
    found = to_graph(net, weights, input_shapes={"x": (4, 3, 5, 6)}).graph
    assert (found.inputs, found.outputs) == ({"x": (4, 3, 5, 6)}, {"y": (4, 2, 5, 6)})


def test_wrong_arguments(tmp_path):
    net = net_of(plain("ReLU", "r", "x", "y"), x=(2, 3))
    with pytest.raises(NetworkError, match="dynamic: found 'all'"):
        to_graph(net, {}, dynamic="all")
    with pytest.raises(NetworkError, match="expected tops"):
        to_graph(net, {}, outputs=["yy"])
    export_onnx(net, {}, tmp_path / "net.onnx")
    onnx.checker.check_model(str(tmp_path / "net.onnx"), full_check=True)
