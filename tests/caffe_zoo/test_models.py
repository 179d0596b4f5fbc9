"""Models by name: weights of any source, features at four strides, other classes and sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffe_zoo import card, create_model, list_models
from converters import load_weights, merge_batchnorm, weights_of
from prototxt_gen import CaffeError, generate


@pytest.fixture(scope="module")
def df1(weights_file):
    """Weights for DF1, and their file."""
    path = weights_file("df1")
    return path, load_weights(path)


def ramp(height=224, width=224):
    return torch.linspace(-1, 1, 3 * height * width).reshape(1, 3, height, width)


@pytest.mark.parametrize("name", list_models())
def test_features_of_every_network(name):
    model = create_model(name, features_only=True).eval()
    assert model.feature_info.reduction() == [4, 8, 16, 32]
    with torch.no_grad():
        maps = model(torch.zeros(1, 3, 96, 160))
    assert isinstance(maps, list)
    assert [tuple(found.shape) for found in maps] == [
        (1, channels, 96 // stride, 160 // stride)
        for channels, stride in zip(model.feature_info.channels(), model.feature_info.reduction(), strict=True)
    ]
    for module in model.feature_info.module_name():
        model.get_submodule(module)
    assert len(model.feature_info) == 4 and model.feature_info[3] == model.feature_info.get_dicts()[3]


def test_features_are_what_the_blocks_give(df1):
    """Behind the last ReLU of each stage, and with the weights that were asked for."""
    path, weights = df1
    model = create_model("df1", path, features_only=True)
    assert model.feature_info.channels() == [64, 64, 128, 512]
    assert not model.training
    image = ramp()
    with torch.no_grad():
        maps = model(image)
        pooled = maps[-1].mean((2, 3)).numpy()
        logits = create_model("df1", weights)(image).numpy()
    assert all(float(found.min()) == 0 for found in maps)
    weight, bias = weights["fc"]
    np.testing.assert_allclose(pooled @ weight.T + bias, logits, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("df2a", [64, 128, 1024, 1024]),  # a bottleneck begins with a 1x1 before its stride: no map of ours
        ("df1seg", [64, 64, 128, 512]),
        ("pl1a_seg", [24, 48, 96, 192]),
        ("resnet18", [64, 128, 256, 512]),
        ("resnet50", [256, 512, 1024, 2048]),
        ("ponas_a", [32, 40, 96, 320]),  # without the head's 1280
    ],
)
def test_channels_of_features(name, channels):
    assert create_model(name, features_only=True).feature_info.channels() == channels


def test_merged_weights_are_told_apart(df1):
    path, weights = df1
    _, merged = merge_batchnorm(generate(card("df1").architecture), weights)
    with torch.no_grad():
        torch.testing.assert_close(
            create_model("df1", merged)(ramp()), create_model("df1", path)(ramp()), atol=1e-3, rtol=1e-3
        )


def test_features_of_merged_weights_are_those_of_the_others(df1):
    path, weights = df1
    _, merged = merge_batchnorm(generate(card("df1").architecture), weights)
    with torch.no_grad():
        for found, expected in zip(
            create_model("df1", merged, features_only=True)(ramp()),
            create_model("df1", path, features_only=True)(ramp()),
            strict=True,
        ):
            torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_other_classes_begin_anew_and_the_rest_is_kept(df1):
    path, weights = df1
    model = create_model("df1", path, num_classes=7)
    assert model(ramp()).shape == (1, 7)
    kept = weights_of(model)
    np.testing.assert_array_equal(kept["res4.4.conv1"][0], weights["res4.4.conv1"][0])
    assert kept["fc"][0].shape == (7, 512)
    # Weights that have so many classes are taken whole.
    np.testing.assert_array_equal(weights_of(create_model("df1", kept, num_classes=7))["fc"][0], kept["fc"][0])
    with pytest.raises(CaffeError, match=r"'fc' .*found shape \(7, 512\), expected \(1000, 512\)"):
        create_model("df1", kept)
    with pytest.raises(CaffeError, match=r"'fc' .*found shape \(7, 512\), expected \(9, 512\)"):
        create_model("df1", kept, num_classes=9)
    with pytest.raises(CaffeError, match="classes"):
        create_model("df1", num_classes=0)


def test_other_sizes():
    assert create_model("df1", input_size=(160, 96)).eval()(ramp(160, 96)).shape == (1, 1000)
    with pytest.raises(CaffeError, match="input_shape"):
        create_model("df1", input_size=(0, 96))
    with pytest.raises(CaffeError, match=r"input_size is 224, expected \(height, width\)"):
        create_model("df1", input_size=224)


def test_released_weights_are_taken_from_the_cache_only(df1, tmp_path, monkeypatch):
    from caffe_zoo.download import fetch

    path, weights = df1
    monkeypatch.setenv("DONGFENG_CACHE", str(tmp_path))
    with pytest.raises(CaffeError, match="`dongfeng fetch df1` downloads it"):
        create_model("df1", "released")
    fetch("df1", path)
    np.testing.assert_array_equal(weights_of(create_model("df1", "released"))["fc"][0], weights["fc"][0])


def test_weights_of_another_network(df1):
    with pytest.raises(CaffeError, match=r"res3\.4\.conv1"):
        create_model("df2", df1[0])
