"""Caffe networks as torch modules: Caffe's numbers, names, pruning, weights both ways, torch's tools."""

from __future__ import annotations

import copy
import io
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from converters.pytorch.module import to_torch, total_loss, weights_of
from converters.weights import load_weights, save_weights
from prototxt_gen import NetworkError, UnsupportedError, WeightsError, generate
from prototxt_gen.layers import LAYERS, LayerShape, layer_type
from tests.caffe_files import in_reference
from tests.released import released

CODE = "s8-16_b16x2_n16-32_c10"
CONV = 'layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 2 kernel_size: 1 } }'


def top_of(key: str) -> str:
    return key.split("|")[-1].split("[")[0]


def compare(module: nn.Module, image: np.ndarray, expected: dict[str, np.ndarray]) -> dict[str, float]:
    """By key of a reference file, largest difference over largest value, or the share of labels that differ."""
    with torch.no_grad():
        result = module(torch.from_numpy(image))
    found = {}
    for key, value in expected.items():
        top = result[top_of(key)]
        if key.startswith("mean|"):
            top = top.mean((0, 2, 3))
        if "::8" in key:
            top = top[:, :, ::8, ::8]
        if key.startswith("pred"):
            found[key] = float((top.numpy() != value).mean())
            continue
        difference = np.abs(top.numpy().astype(np.float64) - value.astype(np.float64))
        found[key] = float(difference.max() / np.abs(value.astype(np.float64)).max())
    return found


def differences(name, reference, fill, fill_weights, size):
    net = released(name)
    shapes = {"data": (1, 3, *size), "label": (1,)}
    expected = dict(np.load(reference / "nets" / f"{name}.npz"))
    expected.pop("params")
    module = to_torch(
        net, fill_weights(net, shapes), outputs=sorted({top_of(key) for key in expected}), input_shapes=shapes
    )
    return compare(module, fill.image(*size), expected)


@pytest.mark.parametrize("name", in_reference("df1", "df1_mergebn", "df2a"))
def test_classification_networks_give_caffes_numbers(name, reference, fill, fill_weights):
    found = differences(name, reference, fill, fill_weights, (224, 224))
    assert max(found.values()) <= 1e-5, found


@pytest.mark.parametrize(
    "name",
    [
        "df-lite_seg_mergebn",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("df1seg", "df1seg_mergebn", "df2seg1_mergebn")),
    ],
)
def test_segmentation_networks_give_caffes_numbers(name, reference, fill, fill_weights):
    found = differences(name, reference, fill, fill_weights, (1024, 2048))
    wrong = [found.pop(key) for key in list(found) if key.startswith("pred")]
    assert max(wrong) <= 1e-6  # one pixel of two million, where two classes are equal but for rounding
    assert max(found.values()) <= 1e-4, found


def test_a_caffemodel_comes_back_exactly(weights_file, tmp_path):
    net, path = released("df1"), weights_file("df1")
    shapes = {"data": (1, 3, 224, 224), "label": (1,)}
    module = to_torch(net, path, input_shapes=shapes)
    assert [node.name for node in module.graph.nodes if node.op == "placeholder"] == ["data", "label"]
    save_weights(weights_of(module), tmp_path / "again.caffemodel", net)
    before, after = load_weights(path), load_weights(tmp_path / "again.caffemodel")
    assert list(before) == list(after)
    for name, blobs in before.items():
        if name.endswith("/bn"):
            for blob, again in zip(blobs[:2], after[name][:2], strict=True):
                np.testing.assert_array_max_ulp(again, blob / blobs[2], 1)
            np.testing.assert_array_equal(after[name][2], [1])
        else:
            for blob, again in zip(blobs, after[name], strict=True):
                np.testing.assert_array_equal(again, blob)


def test_outputs_choose_tops_and_prune(net_of):
    net = net_of(
        CONV + 'layer { name: "r" type: "ReLU" bottom: "c" top: "c" }'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" top: "loss" }',
        x=(2, 3, 4, 4),
        label=(2, 4, 4),
    )
    x = torch.randn(2, 3, 4, 4)
    module = to_torch(net, outputs=["c"])
    assert module(x).min() >= 0  # the content behind the in-place ReLU
    assert set(to_torch(net, outputs=["c", "x"])(x)) == {"c", "x"}
    assert to_torch(net)(x, torch.zeros(2, 4, 4)).shape == ()
    with pytest.raises(NetworkError, match=r"'los' \(near: loss\)"):
        to_torch(net, outputs=["los"])


def test_several_outputs_come_as_a_dict(net_of):
    net = net_of('layer { name: "s" type: "Slice" bottom: "x" top: "b" top: "a" }', x=(1, 4, 2))
    assert {name: top.shape[1] for name, top in to_torch(net)(torch.zeros(1, 4, 2)).items()} == {"a": 2, "b": 2}


def test_unread_inputs(net_of):
    x, label = torch.zeros(1, 3, 2, 2), torch.zeros(1)
    module = to_torch(net_of(CONV, x=(1, 3, 2, 2), label=(1,)))
    assert torch.equal(module(x), module(x, label))  # behind the others they may be left out
    assert torch.export.export(module, (x,)).module()(x).shape == (1, 2, 2, 2)
    net = net_of(CONV + 'layer { name: "s" type: "Silence" bottom: "label" }', label=(1,), x=(1, 3, 2, 2))
    assert torch.equal(to_torch(net, weights_of(module))(label, x), module(x))
    assert torch.equal(to_torch(net, weights_of(module), outputs=["c"])(x), module(x))


def test_data_layers_say_how_they_prepare_images():
    net = generate(CODE, form="release", input_shape=(1, 3, 224, 224))
    module = to_torch(net, outputs=["fc"], input_shapes={"data": (1, 3, 224, 224), "label": (1,)})
    prepared = module.meta["caffe"]["preprocessing"]["data"]
    assert prepared["mean_values"] == (104, 117, 123)
    assert prepared["scale"] == pytest.approx(0.008)
    assert not prepared["mirror"] and prepared["mean_file"] is None


def test_placeholders_have_python_names(net_of):
    net = net_of(
        'layer { name: "a" type: "Input" top: "self" top: "1/x" top: "class" top: "1.x"'
        " input_param { shape { dim: 1 } } }"
        'layer { name: "c" type: "Concat" bottom: "self" bottom: "1/x" bottom: "class" bottom: "1.x" top: "c"'
        " concat_param { axis: 0 } }"
    )
    assert to_torch(net)(*torch.arange(4.0).split(1)).tolist() == [0, 1, 2, 3]


def test_an_in_place_relu_spares_what_others_read(net_of):
    net = net_of(
        'layer { name: "p" type: "Power" bottom: "x" top: "p" }'
        'layer { name: "r" type: "ReLU" bottom: "p" top: "r" }'
        'layer { name: "r2" type: "ReLU" bottom: "x" top: "r2" }',
        x=(1, 3),
    )
    x = torch.tensor([[-1.0, 0, 1]])
    result = to_torch(net, outputs=["r", "r2", "p", "x"])(x)
    assert result["p"].tolist() == result["x"].tolist() == x.tolist() == [[-1, 0, 1]]
    assert result["r"].tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (6, 4, 5, 3), (2, 4, 5, 3, 2), (2, 4, 2, 2, 2, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_batch_norm_and_scale_are_one_module(shape, bias, net_of):
    net = net_of(
        'layer { name: "n" type: "BatchNorm" bottom: "x" top: "n"'
        " batch_norm_param { eps: 0.001 moving_average_fraction: 0.9 } }"
        f'layer {{ name: "s" type: "Scale" bottom: "n" top: "n" scale_param {{ bias_term: {str(bias).lower()} }} }}',
        x=shape,
    )
    module = to_torch(net)
    norm = module.get_submodule("n")
    assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
    assert norm.momentum == pytest.approx(0.1, abs=1e-12) and norm.eps == pytest.approx(0.001)
    assert [blob.shape for blob in weights_of(module)["s"]] == [(4,)] * (1 + bias)
    x = torch.randn(shape) * 3 + 2
    y = module.train()(x)
    axes = [axis for axis in range(len(shape)) if axis != 1]
    assert y.mean(axes).abs().max() < 1e-5
    assert (y.var(axes, unbiased=False) - 1).abs().max() < 1e-2
    assert norm.running_mean.abs().max() > 0


def test_statistics_are_divided_by_their_factor(net_of):
    net = net_of('layer { name: "n" type: "BatchNorm" bottom: "x" top: "n" }', x=(1, 2, 3, 3))
    mean, variance = np.float32([1, 2]), np.float32([3, 4])
    module = to_torch(net, {"n": [mean * 7, variance * 7, np.float32([7])]})
    assert module.n.running_mean.tolist() == [1, 2] and module.n.running_var.tolist() == [3, 4]
    assert module.n.weight is None
    nothing = to_torch(net, {"n": [mean, variance, np.float32([0])]})
    assert nothing.n.running_mean.tolist() == nothing.n.running_var.tolist() == [0, 0]


def test_stated_global_statistics_stay_in_training(net_of):
    net = net_of(
        'layer { name: "n" type: "BatchNorm" bottom: "x" top: "n" batch_norm_param { use_global_stats: true } }',
        x=(4, 2, 3, 3),
    )
    module = to_torch(net).train()
    x = torch.randn(4, 2, 3, 3) + 5
    torch.testing.assert_close(module(x), x / (1 + 1e-5) ** 0.5)
    assert module.n.running_mean.tolist() == [0, 0]


def test_a_scale_that_others_share_stays_apart(net_of):
    net = net_of(
        'layer { name: "n" type: "BatchNorm" bottom: "x" top: "n" }'
        'layer { name: "s" type: "Scale" bottom: "n" top: "s" }'
        'layer { name: "r" type: "ReLU" bottom: "n" top: "r" }',
        x=(4, 2, 3, 3),
    )
    assert set(dict(to_torch(net).named_modules())) >= {"n", "s", "r"}


def test_faults_of_weights_come_as_one_error():
    net = generate(CODE)
    weights = weights_of(to_torch(net))
    del weights["conv1"]
    weights["fc"][1] = np.zeros(11, np.float32)
    weights["conv2/bn"].pop()
    weights["other"] = [np.zeros(1, np.float32)]
    with pytest.raises(WeightsError) as fault:
        to_torch(net, weights)
    for piece in ("'conv1' (Convolution): missing", "'fc'", "(11,)", "(10,)", "'conv2/bn'", "2 blobs", "'other'"):
        assert piece in str(fault.value)
    kept = weights["conv2"][0]
    with pytest.warns(UserWarning, match=r"'conv1'.*'fc'.*'other'"):
        module = to_torch(net, weights, strict=False)
    np.testing.assert_array_equal(weights_of(module)["conv2"][0], kept)
    assert weights_of(module)["conv1"][0].std() > 0


def test_weights_of_pruned_layers_are_not_unused():
    net = generate(CODE)
    weights = weights_of(to_torch(net))
    to_torch(net, weights, outputs=["conv1"])


def test_several_bottoms_share_a_convolution(net_of):
    net = net_of(
        'layer { name: "c" type: "Convolution" bottom: "x" bottom: "z" top: "a" top: "b"'
        " convolution_param { num_output: 2 kernel_size: 1 } }",
        x=(1, 3, 2, 2),
        z=(1, 3, 2, 2),
    )
    module = to_torch(net)
    x, z = torch.randn(2, 1, 3, 2, 2)
    result = module(x, z)
    torch.testing.assert_close(result["a"], module.c(x))
    torch.testing.assert_close(result["b"], module.c(z))


def test_losses_add_up_by_weight(net_of):
    net = net_of(
        'layer { name: "a" type: "EuclideanLoss" bottom: "x" bottom: "t" top: "a" loss_weight: 3 }'
        'layer { name: "b" type: "EuclideanLoss" bottom: "x" bottom: "t" top: "b" }'
        'layer { name: "r" type: "Reduction" bottom: "x" top: "r" loss_weight: 0.5 }'
        'layer { name: "v" type: "AbsVal" bottom: "x" top: "v" }',
        x=(1, 2),
        t=(1, 2),
    )
    module = to_torch(net)
    result = module(torch.tensor([[2.0, 0]]), torch.zeros(1, 2))
    assert total_loss(module, result) == 3 * 2 + 2 + 0.5 * 2
    with pytest.raises(NetworkError):
        total_loss(to_torch(net, outputs=["v"]), torch.zeros(1, 2))


def test_what_cannot_be_done_is_listed_before_weights_are_read(net_of, tmp_path):
    @layer_type("OnlyAShape")
    def rule(layer, bottoms):
        return LayerShape(tops=(bottoms[0],))

    try:
        net = net_of(
            'layer { name: "a" type: "OnlyAShape" bottom: "x" top: "a" }'
            'layer { name: "b" type: "Bias" bottom: "a" top: "b" bias_param { filler { type: "none" } } }',
            x=(1, 2),
        )
        with pytest.raises(UnsupportedError, match=r"\(2\).*'a' \(OnlyAShape\).*'b' \(Bias\): filler 'none'"):
            to_torch(net, tmp_path / "absent.caffemodel")
    finally:
        LAYERS.remove("OnlyAShape")


def test_phase_chooses_layers_and_mode(net_of):
    net = net_of(
        'layer { name: "a" type: "ReLU" bottom: "x" top: "y" include { phase: TRAIN } }'
        'layer { name: "b" type: "Sigmoid" bottom: "x" top: "y" include { phase: TEST } }',
        x=(1, 2),
    )
    x = torch.tensor([[-1.0, 1]])
    test, train = to_torch(net), to_torch(net, phase="TRAIN")
    torch.testing.assert_close(test(x), torch.sigmoid(x))
    assert train(x).tolist() == [[0, 1]]
    assert not test.training and train.training


@pytest.mark.parametrize("mode", [True, False])
def test_a_layers_own_phase_stays(net_of, mode):
    """Caffe: net.cpp, Init."""
    layers = [
        f'layer {{ name: "{kind[0]}{phase}" type: "{kind}" bottom: "x" top: "{kind[0]}{phase}" phase: {phase} {more} }}'
        for kind, more in (
            ("Dropout", ""),
            ("BatchNorm", ""),
            ("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 8 }"),
        )
        for phase in ("TRAIN", "TEST")
    ]
    x = torch.rand(4, 3, 8, 8)
    with torch.no_grad():
        tops = to_torch(net_of("".join(layers), x=(4, 3, 8, 8))).train(mode)(x)
    assert (tops["DTRAIN"] == 0).any()
    torch.testing.assert_close(tops["DTEST"], x)
    assert abs(tops["BTRAIN"].mean()) < 1e-5
    torch.testing.assert_close(tops["BTEST"], x, rtol=1e-4, atol=1e-4)
    means = x.square().sum((2, 3), True) / x.sum((2, 3), True)
    torch.testing.assert_close(tops["PTEST"], means)
    assert all((image == drawn).any() for image, drawn in zip(x.flatten(0, 1), tops["PTRAIN"].flatten(), strict=True))


@pytest.mark.parametrize("size", [(3, 64, 64), (1, 96, 32)])
def test_other_sizes_than_the_networks(size):
    batch, height, width = size
    net = generate(CODE, input_shape=(1, 3, 32, 32))
    last = [layer.top[0] for layer in net.layer if layer.type == "Eltwise"][-1]
    module = to_torch(net, outputs=[last])
    assert module(torch.zeros(batch, 3, height, width)).shape[0] == batch
    assert to_torch(net)(torch.zeros(batch, 3, 32, 32)).shape == (batch, 10)


def test_torch_takes_the_module(tmp_path):
    torch.manual_seed(0)
    net = generate(CODE, input_shape=(2, 3, 32, 32))
    module = to_torch(net)
    x = torch.randn(2, 3, 32, 32)
    expected = module(x)
    torch.testing.assert_close(copy.deepcopy(module)(x), expected)
    assert weights_of(copy.deepcopy(module)).keys() == weights_of(module).keys()
    torch.testing.assert_close(torch.export.export(module, (x,)).module()(x), expected)
    stored = io.BytesIO()
    torch.save(module.state_dict(), stored)
    stored.seek(0)
    other = to_torch(net)
    other.load_state_dict(torch.load(stored, weights_only=True))
    torch.testing.assert_close(other(x), expected)
    assert module.double()(x.double()).dtype == torch.float64


def test_torch_exports_any_batch():
    module = to_torch(generate(CODE, input_shape=(2, 3, 32, 32)))
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(module, (torch.randn(2, 3, 32, 32),), dynamic_shapes=({0: batch},))
    assert exported.module()(torch.zeros(5, 3, 32, 32)).shape == (5, 10)


@pytest.mark.slow
def test_torch_compiles_the_module():
    module = to_torch(generate(CODE, input_shape=(2, 3, 32, 32)))
    x = torch.randn(2, 3, 32, 32)
    compiled = torch.compile(module)
    torch.testing.assert_close(compiled(x), module(x), rtol=1e-4, atol=1e-5)
    assert weights_of(compiled).keys() == weights_of(module).keys()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_runs_on_cuda():
    module = to_torch(generate(CODE, input_shape=(2, 3, 32, 32))).cuda()
    x = torch.randn(2, 3, 32, 32)
    on_device = module(x.cuda()).cpu()
    torch.testing.assert_close(module.cpu()(x), on_device, rtol=1e-2, atol=1e-2)


def test_weights_of_names_foreign_modules():
    with pytest.raises(NetworkError, match="Linear"):
        weights_of(nn.Linear(1, 1))


def test_no_warning_in_ordinary_use(net_of):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_torch(generate(CODE))
