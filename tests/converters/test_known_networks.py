"""The networks that everybody has: LeNet, AlexNet, CaffeNet, GoogLeNet, VGG-16 (V1), ResNet-50, from text to torch.

Written here from the papers' and the Model Zoo's tables. Counts are the published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest
import torch

from converters import load_weights, save_weights, to_torch, verify, weights_of
from converters.weights.blobs import blob_pieces
from prototxt_gen import NetParameter, select_phase, summarize, wire
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.text import parse_text, to_text
from prototxt_gen.trace import trace

# ------------------------------------------------------------------------------------------------ text of one layer


def data(*shape: int) -> str:
    dims = " ".join(f"dim: {size}" for size in shape)
    return f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {dims} }} }} }}\n'


def layer(name: str, kind: str, bottoms: str, options: str = "", top: str = "") -> str:
    bottom = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottom} top: "{top or name}" {options} }}\n'


def conv(name: str, bottom: str, outputs: int, kernel: int, relu: bool = True, **more: object) -> str:
    options = f"num_output: {outputs} kernel_size: {kernel} " + " ".join(f"{k}: {v}" for k, v in more.items())
    text = layer(name, "Convolution", bottom, f"convolution_param {{ {options} }}")
    return text + in_place(name, "ReLU") if relu else text


def in_place(top: str, kind: str, options: str = "") -> str:
    return layer(f"{top}/{kind.lower()}", kind, top, options, top)


def pool(name: str, bottom: str, kernel: int, stride: int, method: str = "MAX", pad: int = 0) -> str:
    options = f"pool: {method} kernel_size: {kernel} stride: {stride} pad: {pad}"
    return layer(name, "Pooling", bottom, f"pooling_param {{ {options} }}")


def dense(name: str, bottom: str, outputs: int, relu: bool = False, dropout: float = 0) -> str:
    text = layer(name, "InnerProduct", bottom, f"inner_product_param {{ num_output: {outputs} }}")
    text += in_place(name, "ReLU") if relu else ""
    return text + (in_place(name, "Dropout", f"dropout_param {{ dropout_ratio: {dropout} }}") if dropout else "")


def norm(name: str, bottom: str) -> str:
    return layer(name, "LRN", bottom, "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")


# -------------------------------------------------------------------------------------------------------- networks


def lenet() -> str:
    return (
        'name: "LeNet"\n'
        + data(64, 1, 28, 28)
        + conv("conv1", "data", 20, 5, relu=False)
        + pool("pool1", "conv1", 2, 2)
        + conv("conv2", "pool1", 50, 5, relu=False)
        + pool("pool2", "conv2", 2, 2)
        + dense("ip1", "pool2", 500, relu=True)
        + dense("ip2", "ip1", 10)
        + layer("prob", "Softmax", "ip2")
    )


def alexnet(norm_first: bool) -> str:
    text = data(10, 3, 227, 227)
    bottom = "data"
    for index, options in ((1, {"outputs": 96, "kernel": 11, "stride": 4}),
                           (2, {"outputs": 256, "kernel": 5, "pad": 2, "group": 2})):  # fmt: skip
        text += conv(f"conv{index}", bottom, **options)
        if norm_first:
            text += norm(f"norm{index}", f"conv{index}") + pool(f"pool{index}", f"norm{index}", 3, 2)
        else:
            text += pool(f"pool{index}", f"conv{index}", 3, 2) + norm(f"norm{index}", f"pool{index}")
        bottom = f"pool{index}" if norm_first else f"norm{index}"
    text += conv("conv3", bottom, 384, 3, pad=1)
    text += conv("conv4", "conv3", 384, 3, pad=1, group=2)
    text += conv("conv5", "conv4", 256, 3, pad=1, group=2)
    text += pool("pool5", "conv5", 3, 2)
    text += dense("fc6", "pool5", 4096, relu=True, dropout=0.5) + dense("fc7", "fc6", 4096, relu=True, dropout=0.5)
    return text + dense("fc8", "fc7", 1000) + layer("prob", "Softmax", "fc8")


def inception(name: str, bottom: str, *widths: int) -> str:
    one, reduce3, three, reduce5, five, project = widths
    at = f"inception_{name}"
    return (
        conv(f"{at}/1x1", bottom, one, 1)
        + conv(f"{at}/3x3_reduce", bottom, reduce3, 1)
        + conv(f"{at}/3x3", f"{at}/3x3_reduce", three, 3, pad=1)
        + conv(f"{at}/5x5_reduce", bottom, reduce5, 1)
        + conv(f"{at}/5x5", f"{at}/5x5_reduce", five, 5, pad=2)
        + pool(f"{at}/pool", bottom, 3, 1, pad=1)
        + conv(f"{at}/pool_proj", f"{at}/pool", project, 1)
        + layer(f"{at}/output", "Concat", f"{at}/1x1 {at}/3x3 {at}/5x5 {at}/pool_proj")
    )


def googlenet(train: bool = False) -> str:
    text = 'name: "GoogLeNet"\n' + (
        'layer { name: "data" type: "Data" top: "data" top: "label" transform_param { crop_size: 224 } '
        "data_param { batch_size: 2 } }\n"
        if train
        else data(10, 3, 224, 224)
    )
    text += conv("conv1/7x7_s2", "data", 64, 7, pad=3, stride=2) + pool("pool1", "conv1/7x7_s2", 3, 2)
    text += norm("norm1", "pool1") + conv("conv2/reduce", "norm1", 64, 1) + conv("conv2", "conv2/reduce", 192, 3, pad=1)
    text += norm("norm2", "conv2")
    bottom = "pool2"
    text += pool("pool2", "norm2", 3, 2)
    table = {
        "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
        "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
        "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128),
        "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
    }  # fmt: skip
    for name, widths in table.items():
        text += inception(name, bottom, *widths)
        bottom = f"inception_{name}/output"
        if name in ("3b", "4e"):
            text += pool(f"pool_{name}", bottom, 3, 2)
            bottom = f"pool_{name}"
        if train and name in ("4a", "4d"):
            text += auxiliary("loss1" if name == "4a" else "loss2", bottom)
    text += pool("pool5", bottom, 7, 1, "AVE") + in_place("pool5", "Dropout", "dropout_param { dropout_ratio: 0.4 }")
    text += dense("loss3/classifier", "pool5", 1000)
    end = layer("loss3", "SoftmaxWithLoss", "loss3/classifier label", "loss_weight: 1")
    return text + (end if train else layer("prob", "Softmax", "loss3/classifier"))


def auxiliary(name: str, bottom: str) -> str:
    return (
        pool(f"{name}/ave_pool", bottom, 5, 3, "AVE")
        + conv(f"{name}/conv", f"{name}/ave_pool", 128, 1)
        + dense(f"{name}/fc", f"{name}/conv", 1024, relu=True, dropout=0.7)
        + dense(f"{name}/classifier", f"{name}/fc", 1000)
        + layer(name, "SoftmaxWithLoss", f"{name}/classifier label", "loss_weight: 0.3")
    )


def vgg16() -> str:
    """As published: in the V1 format, its input named by the network."""
    text = 'name: "VGG_ILSVRC_16_layers"\ninput: "data"\ninput_dim: 10 input_dim: 3 input_dim: 224 input_dim: 224\n'
    bottom = "data"

    def old(name: str, kind: str, options: str = "", top: str = "") -> str:
        return f'layers {{ bottom: "{bottom}" top: "{top or name}" name: "{name}" type: {kind} {options} }}\n'

    for stage, (width, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for index in range(1, depth + 1):
            name = f"conv{stage}_{index}"
            text += old(name, "CONVOLUTION", f"convolution_param {{ num_output: {width} pad: 1 kernel_size: 3 }}")
            bottom = name
            text += old(f"relu{stage}_{index}", "RELU", top=bottom)
        text += old(f"pool{stage}", "POOLING", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
        bottom = f"pool{stage}"
    for name, width in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000)):
        text += old(name, "INNER_PRODUCT", f"inner_product_param {{ num_output: {width} }}")
        bottom = name
        if name != "fc8":
            text += old(f"relu{name[2]}", "RELU", top=name)
            text += old(f"drop{name[2]}", "DROPOUT", "dropout_param { dropout_ratio: 0.5 }", top=name)
    return text + old("prob", "SOFTMAX")


def normed(name: str, bottom: str, outputs: int, kernel: int, relu: bool, **more: object) -> str:
    text = conv(name, bottom, outputs, kernel, relu=False, bias_term="false", **more)
    text += in_place(name, "BatchNorm", "batch_norm_param { use_global_stats: true }")
    text += in_place(name, "Scale", "scale_param { bias_term: true }")
    return text + in_place(name, "ReLU") if relu else text


def resnet50() -> str:
    text = 'name: "ResNet-50"\n' + data(1, 3, 224, 224)
    text += normed("conv1", "data", 64, 7, True, pad=3, stride=2) + pool("pool1", "conv1", 3, 2)
    bottom = "pool1"
    for stage, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
        for index in range(depth):
            at = f"res{stage}{'abcdef'[index]}"
            stride = 2 if index == 0 and stage > 2 else 1
            shortcut = bottom
            if index == 0:
                text += normed(f"{at}_branch1", bottom, 4 * width, 1, False, stride=stride)
                shortcut = f"{at}_branch1"
            text += normed(f"{at}_branch2a", bottom, width, 1, True, stride=stride)
            text += normed(f"{at}_branch2b", f"{at}_branch2a", width, 3, True, pad=1)
            text += normed(f"{at}_branch2c", f"{at}_branch2b", 4 * width, 1, False)
            text += layer(at, "Eltwise", f"{shortcut} {at}_branch2c") + in_place(at, "ReLU")
            bottom = at
    text += pool("pool5", bottom, 7, 1, "AVE") + dense("fc1000", "pool5", 1000)
    return text + layer("prob", "Softmax", "fc1000")


# ----------------------------------------------------------------------------------------------------------- tests


class Known(NamedTuple):
    text: Callable[[], str]
    parameters: int
    multiply_adds: int | None  # of one image
    shapes: dict[str, tuple[int, ...]]


KNOWN = {
    "lenet": Known(lenet, 431_080, 2_293_000, {"pool1": (20, 12, 12), "pool2": (50, 4, 4), "prob": (10,)}),
    "alexnet": Known(
        lambda: 'name: "AlexNet"\n' + alexnet(True), 60_965_224, 724_406_816,
        {"conv1": (96, 55, 55), "pool2": (256, 13, 13), "pool5": (256, 6, 6), "prob": (1000,)},
    ),
    "caffenet": Known(
        lambda: 'name: "CaffeNet"\n' + alexnet(False), 60_965_224, 724_406_816,
        {"norm1": (96, 27, 27), "norm2": (256, 13, 13), "pool5": (256, 6, 6), "prob": (1000,)},
    ),
    "googlenet": Known(
        googlenet, 6_998_552, 1_582_671_872,
        {"pool2": (192, 28, 28), "inception_3b/output": (480, 28, 28), "pool_4e": (832, 7, 7), "prob": (1000,)},
    ),
    "googlenet train_val": Known(
        lambda: googlenet(train=True), 13_378_280, None,
        {"loss1/ave_pool": (512, 4, 4), "loss2/ave_pool": (528, 4, 4), "pool5": (1024, 1, 1)},
    ),
    "vgg16": Known(
        vgg16, 138_357_544, 15_470_264_320,
        {"pool1": (64, 112, 112), "pool5": (512, 7, 7), "prob": (1000,)},
    ),
    # 25,557,032 weights of convolutions, scales and fc1000; with each BatchNorm its mean, variance and factor.
    "resnet50": Known(
        resnet50, 25_557_032 + 2 * 26_560 + 53, None,
        {"pool1": (64, 56, 56), "res3d": (512, 28, 28), "res5c": (2048, 7, 7), "prob": (1000,)},
    ),
}  # fmt: skip


def network(name: str) -> NetParameter:
    return parse_text(KNOWN[name].text(), NetParameter(), strict=True)


def single(net: NetParameter) -> dict[str, tuple[int, ...]]:
    """The shape of the network's input for one image."""
    ((top, shape),) = [item for item in summarize(net).inputs.items() if item[0] == "data"]
    return {top: (1, *shape[1:])}


def random_weights(net: NetParameter, input_shapes=None) -> dict[str, list[np.ndarray]]:
    """Weights of the size that keeps a signal alive, tiled from one block of random numbers."""
    block = np.random.default_rng(0).standard_normal((1 << 16) + 1).astype(np.float32)
    weights: dict[str, list[np.ndarray]] = {}
    for row in trace(select_phase(net, "TEST"), input_shapes):
        blobs = []
        for index, shape in enumerate(row.blob_shapes):
            if row.type == "BatchNorm":
                blob = np.full(shape, (0.0, 2.0, 1.0)[index], np.float32)
            elif row.type == "Scale" or len(shape) == 1:
                blob = np.full(shape, 0.0 if index else 0.7, np.float32)
            else:
                blob = np.resize(block, shape) * np.float32((2 / np.prod(shape[1:])) ** 0.5)
            blobs.append(blob)
        if blobs:
            weights[row.name] = blobs
    return weights


@pytest.mark.parametrize("name", KNOWN)
def test_shapes_and_published_counts(name):
    net = network(name)
    assert parse_text(to_text(net), NetParameter()) == net
    assert upgrade(parse_text(to_text(upgrade(net)), NetParameter())) == upgrade(net)
    summary = summarize(net, "TRAIN" if "train" in name else "TEST")
    tops = {top: shape for row in summary.layers for top, shape in zip(row.tops, row.top_shapes, strict=True)}
    assert {top: tops[top][1:] for top in KNOWN[name].shapes} == KNOWN[name].shapes
    assert summary.parameters == KNOWN[name].parameters
    if KNOWN[name].multiply_adds:
        batch = summary.inputs["data"][0]
        assert summary.multiply_adds == batch * KNOWN[name].multiply_adds


@pytest.mark.parametrize("name", [name for name in KNOWN if "train" not in name])
def test_weights_and_torch(name, tmp_path):
    net = network(name)
    shapes = single(net)
    weights = random_weights(net, shapes)
    assert sum(blob.size for blobs in weights.values() for blob in blobs) == KNOWN[name].parameters
    if name in ("lenet", "googlenet", "resnet50"):  # the others hold hundreds of megabytes, see the slow test
        save_weights(weights, tmp_path / "net.caffemodel", upgrade(net))
        weights = load_weights(tmp_path / "net.caffemodel")
        (tmp_path / "net.caffemodel").unlink()
    module = to_torch(net, weights, input_shapes=shapes)
    with torch.no_grad():
        probabilities = module(torch.randn(*shapes["data"], generator=torch.Generator().manual_seed(0)))
    assert probabilities.shape == (1, *KNOWN[name].shapes["prob"])
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-5)
    assert probabilities.max() < 1
    if name not in ("vgg16", "alexnet", "caffenet"):
        again = weights_of(module)
        assert [blob.shape for blobs in weights.values() for blob in blobs] == [
            blob.shape for layer_name in weights for blob in again[layer_name]
        ]


def test_googlenet_trains_with_three_losses():
    net = network("googlenet train_val")
    weights = random_weights(net)
    module = to_torch(net, weights, phase="TRAIN")
    assert sorted(module.meta["caffe"]["loss_weights"].values()) == pytest.approx([0.3, 0.3, 1])
    assert len(weights) == 64


@pytest.mark.parametrize("name", ["lenet", "googlenet", "resnet50"])
def test_opencv_computes_the_same(name):
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("this OpenCV reads no Caffe files")
    net = network(name)
    found = verify(net, random_weights(net, single(net)), "opencv", input_shapes=single(net))
    assert found.passed, str(found)
    compared = [top.top for top in found.tops if top.relative is not None]
    assert "prob" in compared and len(compared) == len(found.tops)


def old_bytes(net: NetParameter, weights: dict[str, list[np.ndarray]]) -> Iterator[bytes | memoryview]:
    """The network with its weights as Caffe wrote it in the days of V1: four sizes for each blob."""
    yield wire.field(1, net.name.encode())
    for old in net.layers:
        blobs = []
        for blob in weights.get(old.name, []):
            blobs.append(list(blob_pieces(blob.reshape((1,) * (4 - blob.ndim) + blob.shape))))
        head = old.SerializeToString()
        lengths = [sum(memoryview(piece).nbytes for piece in pieces) for pieces in blobs]
        heads = [wire.head(6, length) for length in lengths]
        yield wire.head(2, len(head) + sum(lengths) + sum(map(len, heads))) + head
        for before, pieces in zip(heads, blobs, strict=True):
            yield before
            yield from pieces


def test_a_small_v1_network_from_v1_bytes(tmp_path):
    """VGG-16 with an eighth of its channels: text and bytes of V1."""
    text = vgg16()
    for width in (4096, 512, 256, 128, 64):
        text = text.replace(f"num_output: {width} ", f"num_output: {width // 16} ")
    check_v1(parse_text(text, NetParameter()), tmp_path)


@pytest.mark.slow
def test_vgg16_from_v1_bytes(tmp_path):
    check_v1(network("vgg16"), tmp_path)


def check_v1(net, folder):
    shapes = single(net)
    weights = random_weights(net, shapes)
    with (folder / "net.caffemodel").open("wb") as file:
        file.writelines(old_bytes(net, weights))
    found = verify(net, folder / "net.caffemodel", (net, weights), input_shapes=shapes)
    (folder / "net.caffemodel").unlink()
    assert found.passed and found.blobs == 32
    assert max(top.difference for top in found.tops) == 0
