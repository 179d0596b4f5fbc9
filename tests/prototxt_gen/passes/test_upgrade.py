"""Formats of Caffe's history become the current one (Caffe: upgrade_proto.cpp)."""

from __future__ import annotations

from pathlib import Path

import pytest

from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.errors import NetworkError
from prototxt_gen.layers import LAYERS
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import NetParameter, V1LayerParameter
from prototxt_gen.summary import summarize
from prototxt_gen.text import UnknownFieldWarning, parse_text, read_prototxt
from prototxt_gen.trace import trace
from tests.caffe_files import SPELLINGS, caffe_file, in_reference, spelled_network


def network(text: str) -> NetParameter:
    return parse_text(text, NetParameter())


LENET_V0 = """
name: "old"
input: "data" input_dim: 64 input_dim: 1 input_dim: 28 input_dim: 28
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "padded" }
layers { layer { name: "conv1" type: "conv" num_output: 20 kernelsize: 5 stride: 1 group: 1 biasterm: true
         weight_filler { type: "xavier" } bias_filler { value: 1 } blobs_lr: 1 blobs_lr: 2 weight_decay: 1
         weight_decay: 0 blobs { num: 20 channels: 1 height: 5 width: 5 } } bottom: "padded" top: "conv1" }
layers { layer { name: "pool1" type: "pool" kernelsize: 2 stride: 2 pool: AVE } bottom: "conv1" top: "pool1" }
layers { layer { name: "relu1" type: "relu" } bottom: "pool1" top: "pool1" }
layers { layer { name: "norm1" type: "lrn" local_size: 3 alpha: 0.1 beta: 0.5 k: 2 } bottom: "pool1" top: "norm1" }
layers { layer { name: "ip" type: "innerproduct" num_output: 10 biasterm: true } bottom: "norm1" top: "ip" }
layers { layer { name: "drop" type: "dropout" dropout_ratio: 0.3 } bottom: "ip" top: "ip" }
layers { layer { name: "prob" type: "softmax" } bottom: "ip" top: "prob" }
"""

LENET = """
name: "old"
layer { name: "input" type: "Input" top: "data" input_param { shape { dim: 64 dim: 1 dim: 28 dim: 28 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
        blobs { num: 20 channels: 1 height: 5 width: 5 }
        convolution_param { num_output: 20 bias_term: true pad: 2 kernel_size: 5 group: 1 stride: 1
                            weight_filler { type: "xavier" } bias_filler { value: 1 } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
        pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "relu1" type: "ReLU" bottom: "pool1" top: "pool1" }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1"
        lrn_param { local_size: 3 alpha: 0.1 beta: 0.5 k: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "norm1" top: "ip"
        inner_product_param { num_output: 10 bias_term: true } }
layer { name: "drop" type: "Dropout" bottom: "ip" top: "ip" dropout_param { dropout_ratio: 0.3 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


def test_a_v0_network_with_padding_layers() -> None:
    assert upgrade(network(LENET_V0)) == network(LENET)
    assert summarize(network(LENET_V0)).outputs == {"prob": (64, 10)}


def test_upgrading_changes_nothing_twice_nor_its_input() -> None:
    old = network(LENET_V0)
    before = old.SerializeToString()
    assert upgrade(upgrade(old)) == upgrade(old)
    assert old.SerializeToString() == before


def test_a_v0_data_layer() -> None:
    old = network("""
        layers { layer { name: "d" type: "data" source: "db" batchsize: 64 scale: 0.5 meanfile: "m" cropsize: 227
                         mirror: true rand_skip: 3 } top: "data" top: "label" }
        layers { layer { name: "i" type: "images" source: "list" batchsize: 2 shuffle_images: true new_height: 5
                         new_width: 6 } top: "x" top: "y" }
        layers { layer { name: "w" type: "window_data" source: "w" batchsize: 2 cropsize: 9 det_fg_threshold: 0.1
                         det_bg_threshold: 0.2 det_fg_fraction: 0.3 det_context_pad: 4 det_crop_mode: "square" }
                 top: "u" top: "v" }""")
    assert upgrade(old) == network("""
        layer { name: "d" type: "Data" top: "data" top: "label"
                transform_param { scale: 0.5 mean_file: "m" crop_size: 227 mirror: true }
                data_param { source: "db" batch_size: 64 rand_skip: 3 } }
        layer { name: "i" type: "ImageData" top: "x" top: "y"
                image_data_param { source: "list" batch_size: 2 shuffle: true new_height: 5 new_width: 6 } }
        layer { name: "w" type: "WindowData" top: "u" top: "v" transform_param { crop_size: 9 }
                window_data_param { source: "w" batch_size: 2 fg_threshold: 0.1 bg_threshold: 0.2 fg_fraction: 0.3
                                    context_pad: 4 crop_mode: "square" } }""")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('layers { layer { name: "a" type: "nope" } }', "'a': type: found 'nope'"),
        (
            'layers { layer { name: "p" type: "padding" } bottom: "x" top: "y" }'
            'layers { layer { name: "r" type: "relu" } bottom: "y" top: "z" } input: "x"',
            "'r': type: found 'relu' after padding",
        ),
        ('layers { name: "a" } layer { name: "b" }', "both layers"),
        ('input: "a" input_dim: 1 input_dim: 2', "input_dim: found 2, expected 4"),
        ('input: "a" input: "b" input_shape { dim: 1 }', "input_shape: found 1, expected 2"),
    ],
)
def test_what_cannot_be_upgraded(text: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        upgrade(network(text))


def test_a_v0_option_without_a_place_is_named() -> None:
    with pytest.warns(UnknownFieldWarning, match="num_output of layer 'r', type 'relu'"):
        net = upgrade(network('layers { layer { name: "r" type: "relu" num_output: 3 } bottom: "x" top: "x" }'))
    assert net.layer[0].type == "ReLU"


def test_v1_lists_become_param_messages() -> None:
    old = network("""
        layers { name: "a" type: INNER_PRODUCT bottom: "x" top: "a" param: "w" param: "" blob_share_mode: PERMISSIVE
                 blobs_lr: 1 blobs_lr: 2 weight_decay: 3 include { phase: TRAIN } loss_weight: 0.5
                 blobs { data: 1 } inner_product_param { num_output: 2 } }""")
    assert upgrade(old) == network("""
        layer { name: "a" type: "InnerProduct" bottom: "x" top: "a"
                param { name: "w" share_mode: PERMISSIVE lr_mult: 1 decay_mult: 3 } param { name: "" lr_mult: 2 }
                include { phase: TRAIN } loss_weight: 0.5 blobs { data: 1 } inner_product_param { num_output: 2 } }""")


@pytest.mark.parametrize("kind", ["DATA data_param Data", "IMAGE_DATA image_data_param ImageData",
                                  "WINDOW_DATA window_data_param WindowData"])  # fmt: skip
def test_v1_data_layers_hand_their_transformation_over(kind: str) -> None:
    old, field, new = kind.split()
    options = 'scale: 2 mean_file: "m" crop_size: 3 mirror: true'
    text = f"layers {{ type: {old} {field} {{ batch_size: 7 {options} }} transform_param {{ scale: 9 }} }}"
    expected = f'layer {{ type: "{new}" {field} {{ batch_size: 7 }} transform_param {{ {options} }} }}'
    assert upgrade(network(text)) == network(expected)


def test_every_v1_type_has_a_current_name() -> None:
    names = V1LayerParameter.LayerType.keys()
    net = upgrade(network("".join(f"layers {{ type: {name} }}" for name in names if name != "NONE")))
    assert {layer.type for layer in net.layer} <= set(LAYERS)
    assert len({layer.type for layer in net.layer}) == len(names) - 1


def test_every_v1_parameter_has_a_place() -> None:
    net = NetParameter()
    old = net.layers.add(type="CONVOLUTION")
    for field in old.DESCRIPTOR.fields:
        if field.name.endswith("_param"):
            getattr(old, field.name).SetInParent()
    upgraded = upgrade(net).layer[0]
    fields = {field.name for field, _ in old.ListFields()}
    assert {field.name for field, _ in upgraded.ListFields()} == fields


def test_inputs_of_the_network_become_its_first_layer() -> None:
    old = network("""
        layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
        input: "a" input: "b" input_shape { dim: 1 dim: 2 } input_shape { dim: 3 }""")
    new = upgrade(old)
    assert new == network("""
        layer { name: "input" type: "Input" top: "a" top: "b"
                input_param { shape { dim: 1 dim: 2 } shape { dim: 3 } } }
        layer { name: "r" type: "ReLU" bottom: "a" top: "a" }""")
    assert summarize(old).inputs == {"a": (1, 2), "b": (3,)}


def test_an_input_without_a_size_takes_the_callers() -> None:
    assert summarize(network('input: "x"'), input_shapes={"x": (1, 2)}).inputs == {"x": (1, 2)}
    with pytest.raises(NetworkError, match="give this input's shape"):
        trace(network('input: "x"'))


@pytest.mark.parametrize(("specs", "expected"), [(3, [0, 0, 0]), (2, [5, 5])])
def test_rates_of_the_three_blobs_of_batch_norm(specs: int, expected: list[float]) -> None:
    text = f'layer {{ name: "n" type: "BatchNorm" {"param { lr_mult: 5 decay_mult: 5 } " * specs} }}'
    layer = upgrade(network(text)).layer[0]
    assert [spec.lr_mult for spec in layer.param] == expected
    assert [spec.decay_mult for spec in layer.param] == expected


@pytest.mark.parametrize("name", in_reference("legacy/v1_legacy_blobs", "legacy/v1_text_v2_binary"))
def test_the_legacy_files_are_one_network(reference: Path, name: str) -> None:
    upgraded = upgrade(read_prototxt(reference / f"{name}.prototxt"))
    upgraded.layer[0].name = "data"
    convolution = upgraded.layer[1]
    assert [spec.lr_mult for spec in convolution.param] == [1, 2]
    assert [spec.decay_mult for spec in convolution.param] == [1, 0]
    convolution.ClearField("param")
    assert upgraded == read_prototxt(reference / "legacy" / "v2.prototxt")


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_is_one_network(name: str) -> None:
    """BVLC Caffe computed the same of all (tests/truths/spelled.npz)."""
    upgraded = upgrade(network(SPELLINGS[name][0]))
    upgraded.layer[0].name = "data"
    assert upgraded == spelled_network()


@pytest.mark.parametrize("name", ["spelled/v1", *in_reference("legacy/v1_legacy_blobs")])
def test_blobs_are_carried_along(name: str, tmp_path: Path) -> None:
    old = from_binary(caffe_file(name, tmp_path).read_bytes())
    new = upgrade(old)
    assert not new.layers
    blobs = {layer.name: [blob.SerializeToString() for blob in layer.blobs] for layer in old.layers if layer.blobs}
    assert blobs
    assert blobs == {layer.name: [b.SerializeToString() for b in layer.blobs] for layer in new.layer if layer.blobs}
    assert from_binary(to_binary(new)) == new


def test_passes_upgrade_on_their_own() -> None:
    assert [layer.type for layer in select_phase(network(LENET_V0), "TEST").layer][:2] == ["Input", "Convolution"]
