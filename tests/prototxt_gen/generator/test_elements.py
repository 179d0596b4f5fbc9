"""The single layers, and the two ways of naming what stands behind a convolution."""

from __future__ import annotations

import pytest

from prototxt_gen.generator.elements import Writing, average_pooling, conv_relu, df_names, resnet_names


@pytest.mark.parametrize(
    ("naming", "name", "names", "tops"),
    [
        (df_names, "conv1", ["conv1", "conv1/bn", "conv1/bn_scale", "conv1/relu"], ["conv1", *["conv1/bn"] * 3]),
        (
            # The release forgets the dot in names of layers, not in those of tops.
            df_names,
            "res2.1.skipConv",
            ["res2.1.skipConv", "res2.1skipConv/bn", "res2.1skipConv/bn_scale", "res2.1.skipConv/relu"],
            ["res2.1.skipConv", *["res2.1.skipConv/bn"] * 3],
        ),
        (resnet_names, "conv1", ["conv1", "bn_conv1", "scale_conv1", "conv1_relu"], ["conv1"] * 4),
        (
            resnet_names,
            "res2a_branch2b",
            ["res2a_branch2b", "bn2a_branch2b", "scale2a_branch2b", "res2a_branch2b_relu"],
            ["res2a_branch2b"] * 4,
        ),
    ],
)
def test_names_behind_a_convolution(naming, name, names, tops):
    layers = conv_relu(name, "data", 8, 3, 1, Writing(), naming=naming)
    assert [layer.name for layer in layers] == names
    assert [layer.top[0] for layer in layers] == tops
    merged = conv_relu(name, "data", 8, 3, 1, Writing(merged=True), naming=naming)
    assert [(layer.name, layer.top[0]) for layer in merged] == [(names[0], name), (names[-1], name)]


@pytest.mark.parametrize(
    ("window", "stride", "fields"),
    [
        (None, (1, 1), {"pool": 1, "global_pooling": True}),
        ((7, 7), (1, 1), {"pool": 1, "kernel_size": 7, "stride": 1}),
        ((7, 12), (1, 1), {"pool": 1, "kernel_h": 7, "kernel_w": 12, "stride": 1}),
        ((7, 12), (7, 12), {"pool": 1, "kernel_h": 7, "kernel_w": 12, "stride_h": 7, "stride_w": 12}),
    ],
)
def test_average_pooling_states_square_windows_by_one_number(window, stride, fields):
    param = average_pooling("pool", "data", window, stride).pooling_param
    assert {field.name: value for field, value in param.ListFields()} == fields
