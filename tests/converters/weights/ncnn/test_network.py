"""ncnn's files: PL1A-Seg computes ncnn's scores, every layer type what ncnn computes, and bad files are named."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from converters import load_weights, save_weights, to_torch
from converters.weights.ncnn import caffe_interp, read_ncnn
from converters.weights.ncnn.param_file import TYPES, read_layers
from prototxt_gen import (
    CaffeError,
    FileError,
    FormatError,
    NetworkError,
    UnsupportedError,
    read_prototxt,
    to_text,
    write_prototxt,
)
from prototxt_gen.trace import trace

FRAMES = ("frame001", "frame120", "frame240", "frame300", "frame420", "frame540")
SCORE, LABELS = "207", "217"


@pytest.fixture(scope="module")
def pl1a(reference: Path):
    return read_ncnn(reference / "pl1a" / "pl1a_seg.ncnn.param.bin", reference / "pl1a" / "pl1a_seg.ncnn.bin")


@pytest.fixture(scope="module")
def expected(reference: Path):
    return np.load(reference / "pl1a" / "expected.npz")


def frame(reference: Path, name: str) -> torch.Tensor:
    pixels = np.asarray(Image.open(reference / "pl1a" / f"{name}.png").convert("RGB"), np.float32)[:, :, ::-1]
    scaled = (pixels - np.float32((103.94, 116.78, 123.68))) * np.float32(0.008)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)[None]))


def run(net, weights, image: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.no_grad():
        result = to_torch(net, weights, outputs=[SCORE, LABELS])(image)
    return {name: top[0].numpy() for name, top in result.items()}


# PL1A-Seg


def test_pl1a_has_the_layers_that_its_description_lists(reference: Path) -> None:
    described = json.loads((reference / "pl1a" / "layers.json").read_text())
    layers = read_layers(reference / "pl1a" / "pl1a_seg.ncnn.param.bin")
    assert [(layer.type, layer.bottoms, layer.tops) for layer in layers] == [
        (layer["type"], [str(blob) for blob in layer["bottom"]], [str(blob) for blob in layer["top"]])
        for layer in described
    ]
    sizes = [(layer.whole(6, 0), layer.whole(7, 1)) for layer in layers if "onvolution" in layer.type]
    assert sizes == [
        (layer["weight_data_size"], layer.get("group", 1)) for layer in described if "weight_data_size" in layer
    ]


def test_pl1a_has_no_splits_and_names_by_type_and_place(pl1a) -> None:
    net, weights = pl1a
    assert net.name == "pl1a_seg"
    assert len(net.layer) == 198 - 5
    assert [layer.name for layer in net.layer[:3]] == ["Input_0", "ConvolutionDepthWise_1", "Convolution_2"]
    assert {layer.type for layer in net.layer if layer.name in weights} == {"Convolution", "Deconvolution"}
    assert sum(blob.size for blobs in weights.values() for blob in blobs) * 4 + 79 * 4 == 1480176


@pytest.mark.parametrize("name", FRAMES)
def test_pl1a_gives_ncnn_s_scores_and_labels(pl1a, expected, reference: Path, name: str) -> None:
    found = run(*pl1a, frame(reference, name))
    np.testing.assert_allclose(found[SCORE], expected[f"{name}.score"], rtol=0, atol=1e-3)
    assert np.array_equal(found[LABELS].argmax(0), expected[f"{name}.up2_labels"])


def test_ncnn_s_interp_stays_visible_until_it_is_turned_into_caffe_s(pl1a, reference: Path) -> None:
    net, _ = pl1a
    before = to_text(net)
    changed = caffe_interp(net)
    assert to_text(net) == before and before.count('type: "InterpHalfPixel"') == 4
    assert [layer.type for layer in changed.layer if "Interp" in layer.type] == ["Interp"] * 4
    sizes = [row.top_shapes for row in trace(net)]
    assert sizes == [row.top_shapes for row in trace(changed)]
    folder = reference / "pl1a"
    at_once, _ = read_ncnn(folder / "pl1a_seg.ncnn.param.bin", folder / "pl1a_seg.ncnn.bin", as_caffe=True)
    assert to_text(at_once) == to_text(changed)


def through_files(net, weights, folder: Path):
    write_prototxt(net, folder / "pl1a.prototxt")
    save_weights(weights, folder / "pl1a.caffemodel", net)
    return read_prototxt(folder / "pl1a.prototxt"), load_weights(folder / "pl1a.caffemodel")


def test_with_caffe_s_interp_97_to_98_of_100_labels_are_ncnn_s(pl1a, expected, reference: Path, tmp_path: Path) -> None:
    net, weights = pl1a
    net, weights = through_files(caffe_interp(net), weights, tmp_path)
    same = [
        run(net, weights, frame(reference, name))[SCORE].argmax(0) == expected[f"{name}.score"].argmax(0)
        for name in FRAMES
    ]
    assert 0.97 <= np.mean(same) <= 0.98


def test_ncnn_s_interp_goes_through_prototxt_and_caffemodel(pl1a, tmp_path: Path) -> None:
    net, weights = pl1a
    again, loaded = through_files(net, weights, tmp_path)
    assert to_text(again) == to_text(net)
    assert all(np.array_equal(a, b) for name in weights for a, b in zip(weights[name], loaded[name], strict=True))


# One layer at a time, against what ncnn itself computed


class Numbers:
    """The same numbers in every run: what the answers in ncnn_answers.json were computed from."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(20190609)

    def floats(self, count: int, low: float = -1.0, high: float = 1.0) -> bytes:
        return self.random.uniform(low, high, count).astype("<f4").tobytes()

    def marked(self, count: int) -> bytes:
        return bytes(4) + self.floats(count)

    def half(self, count: int) -> bytes:
        data = self.random.uniform(-1, 1, count).astype("<f2").tobytes()
        return struct.pack("<I", 0x01306B47) + data + bytes(-len(data) % 4)


def none(numbers: Numbers) -> bytes:
    return b""


# Layers behind `Input data 0 1 data 0=10 1=9 2=3` with the top `o`, and their weights.
CASES: dict[str, tuple[str, Callable[[Numbers], bytes]]] = {
    "convolution": (
        "Convolution c 1 1 data o 0=6 1=3 11=5 3=2 4=1 14=2 5=1 6=270",
        lambda n: n.marked(270) + n.floats(6),
    ),
    "convolution, float16": ("Convolution c 1 1 data o 0=5 1=1 5=0 6=15", lambda n: n.half(15)),
    "convolution, ReLU": ("Convolution c 1 1 data o 0=6 1=3 4=1 5=1 6=162 9=1", lambda n: n.marked(162) + n.floats(6)),
    "convolution, leaky": ("Convolution c 1 1 data o 0=6 1=3 5=0 6=162 9=2 -23310=1,0.2", lambda n: n.marked(162)),
    "convolution, clip": ("Convolution c 1 1 data o 0=6 1=3 5=0 6=162 9=3 -23310=2,-0.5,1.5", lambda n: n.marked(162)),
    "convolution, sigmoid": ("Convolution c 1 1 data o 0=6 1=3 2=2 4=2 6=162 9=4", lambda n: n.marked(162)),
    "convolution, depthwise": (
        "ConvolutionDepthWise c 1 1 data o 0=3 1=3 3=2 4=1 5=1 6=27 7=3",
        lambda n: n.marked(27) + n.floats(3),
    ),
    "convolution, groups": (
        "Convolution a 1 1 data a 0=8 1=1 6=24\nConvolutionDepthWise c 1 1 a o 0=4 1=3 4=1 6=144 7=2",
        lambda n: n.marked(24) + n.marked(144),
    ),
    "deconvolution": ("Deconvolution c 1 1 data o 0=5 1=4 3=2 4=1 5=1 6=240", lambda n: n.marked(240) + n.floats(5)),
    "deconvolution, groups": (
        "Convolution a 1 1 data a 0=4 1=1 6=12\nDeconvolutionDepthWise c 1 1 a o 0=6 1=3 3=2 6=108 7=2",
        lambda n: n.marked(12) + n.marked(108),
    ),
    "deconvolution, depthwise": (
        "DeconvolutionDepthWise c 1 1 data o 0=3 1=4 3=2 4=1 6=48 7=3",
        lambda n: n.marked(48),
    ),
    "inner product": ("InnerProduct c 1 1 data o 0=7 1=1 2=1890 9=1", lambda n: n.marked(1890) + n.floats(7)),
    "batch norm": ("BatchNorm c 1 1 data o 0=3 1=0.01", lambda n: n.floats(6) + n.floats(3, 0.5, 2) + n.floats(3)),
    "scale": ("Scale c 1 1 data o 0=3 1=1", lambda n: n.floats(6)),
    "scale without bias": ("Scale c 1 1 data o 0=3", lambda n: n.floats(3)),
    "scale by a bottom": (
        "Split s 1 2 data a b\nPooling p 1 1 a p 0=1 4=1\nInnerProduct i 1 1 p i 0=3 2=9\nScale c 2 1 b i o 0=-233",
        lambda n: n.marked(9),
    ),
    "bias": ("Bias c 1 1 data o 0=3", lambda n: n.floats(3)),
    "PReLU": ("PReLU c 1 1 data o 0=3", lambda n: n.floats(3)),
    "PReLU, shared": ("PReLU c 1 1 data o 0=1", lambda n: n.floats(1)),
    "ReLU": ("ReLU c 1 1 data o", none),
    "ReLU, leaky": ("ReLU c 1 1 data o 0=1.000000e-01", none),
    "clip": ("Clip c 1 1 data o 0=-0.5 1=0.5", none),
    "sigmoid": ("Sigmoid c 1 1 data o", none),
    "tanh": ("TanH c 1 1 data o", none),
    "absolute": ("AbsVal c 1 1 data o", none),
    "BNLL": ("BNLL c 1 1 data o", none),
    "ELU": ("ELU c 1 1 data o 0=0.7", none),
    "swish": ("Swish c 1 1 data o", none),
    "threshold": ("Threshold c 1 1 data o 0=0.3", none),
    "exp": ("Exp c 1 1 data o 0=2.0 1=0.5 2=1.0", none),
    "log": ("AbsVal a 1 1 data a\nLog c 1 1 a o 0=2.0 1=0.5 2=1.0", none),
    "power": ("Power c 1 1 data o 0=2.0 1=0.5 2=1.0", none),
    "maximum, rounded up": ("Pooling c 1 1 data o 0=0 1=3 2=2", none),
    "maximum, padded": ("Pooling c 1 1 data o 0=0 1=3 2=2 3=1", none),
    "maximum, rounded down": ("Pooling c 1 1 data o 0=0 1=3 11=2 2=2 5=1", none),
    "mean, rounded up": ("Pooling c 1 1 data o 0=1 1=3 2=2", none),
    "mean, rounded down": ("Pooling c 1 1 data o 0=1 1=2 2=2 5=1", none),
    "mean, padding counted": ("Pooling c 1 1 data o 0=1 1=3 2=2 3=1 5=1 6=1", none),
    "mean, whole map": ("Pooling c 1 1 data o 0=1 4=1", none),
    "mean, kernel of the map": ("Pooling c 1 1 data o 0=1 1=10 11=9 2=10 12=9", none),
    "interp to a size": ("Interp c 1 1 data o 0=2 3=17 4=13", none),
    "interp to a smaller size": ("Interp c 1 1 data o 0=2 3=4 4=7", none),
    "interp by a factor": ("Interp c 1 1 data o 0=2 1=2.0 2=2.0", none),
    "interp by half": (
        "Pooling p 1 1 data p 0=0 1=2 11=2 2=1 5=1\nInterp i 1 1 p i 0=2 3=8 4=10\nInterp c 1 1 i o 0=2 1=0.5 2=0.5",
        none,
    ),
    "interp with aligned corners": ("Interp c 1 1 data o 0=2 3=17 4=13 6=1", none),
    "interp from a vector": ("Pooling p 1 1 data p 0=1 4=1\nInterp c 1 1 p o 0=2 3=4 4=5", none),
    "slice of channels": ("Slice s 1 2 data a b -23300=2,1,-233\nConcat c 2 1 b a o", none),
    "slice of rows": ("Slice s 1 3 data a b e -23300=3,-233,-233,-233 1=1\nConcat c 3 1 e a b o 0=1", none),
    "slice of columns": ("Slice s 1 2 data a b -23300=2,3,-233 1=2\nConcat c 2 1 b a o 0=2", none),
    "split": ("Split s 1 2 data a b\nReLU r 1 1 a r\nEltwise c 2 1 r b o 0=1", none),
    "product": ("Split s 1 2 data a b\nReLU r 1 1 a r\nEltwise c 2 1 r b o 0=0", none),
    "maximum of two": ("Split s 1 2 data a b\nPower r 1 1 a r 1=-0.5\nEltwise c 2 1 r b o 0=2", none),
    "weighted sum": ("Split s 1 2 data a b\nReLU r 1 1 a r\nEltwise c 2 1 r b o 0=1 -23301=2,0.5,-2.0", none),
    "binary sum": ("Split s 1 2 data a b\nReLU r 1 1 a r\nBinaryOp c 2 1 r b o 0=0", none),
    "binary difference": ("Split s 1 2 data a b\nReLU r 1 1 a r\nBinaryOp c 2 1 r b o 0=1", none),
    "binary product": ("Split s 1 2 data a b\nReLU r 1 1 a r\nBinaryOp c 2 1 r b o 0=2", none),
    "binary maximum": ("Split s 1 2 data a b\nPower r 1 1 a r 1=-0.5\nBinaryOp c 2 1 r b o 0=4", none),
    "plus a number": ("BinaryOp c 1 1 data o 0=0 1=1 2=1.5", none),
    "minus a number": ("BinaryOp c 1 1 data o 0=1 1=1 2=1.5", none),
    "times a number": ("BinaryOp c 1 1 data o 0=2 1=1 2=1.5", none),
    "softmax": ("Softmax c 1 1 data o 0=0 1=1", none),
    "softmax of rows": ("Softmax c 1 1 data o 0=1 1=1", none),
    "softmax of columns": ("Softmax c 1 1 data o 0=2 1=1", none),
    "shuffle": ("Convolution a 1 1 data a 0=6 1=1 6=18\nShuffleChannel c 1 1 a o 0=3", lambda n: n.marked(18)),
    "LRN": ("LRN c 1 1 data o 0=0 1=3 2=0.5 3=0.75", none),
    "LRN with k": ("LRN c 1 1 data o 0=0 1=3 2=0.5 3=0.75 4=2.0", none),
    "LRN within channels": ("LRN c 1 1 data o 0=1 1=3 2=0.5 3=0.75", none),
    "MVN": ("MVN c 1 1 data o 0=1 1=0 2=0.001", none),
    "MVN across": ("MVN c 1 1 data o 0=1 1=1 2=0.001", none),
    "MVN, mean only": ("MVN c 1 1 data o 0=0 1=0", none),
    "dropout": ("Dropout c 1 1 data o", none),
    "dropout with a factor": ("Dropout c 1 1 data o 0=0.5", none),
    "flatten": ("Flatten c 1 1 data o", none),
    "reshape": ("Reshape c 1 1 data o 0=5 1=-1 2=3", none),
    "reshape, copied sizes": ("Reshape c 1 1 data o 0=0 1=-1 2=0", none),
    "reshape to two axes": ("Reshape c 1 1 data o 0=27 1=-1", none),
    "reshape to one axis": ("Reshape c 1 1 data o 0=-1", none),
    "crop": ("Split s 1 2 data a b\nPooling p 1 1 a p 0=0 1=3 2=2\nCrop c 2 1 b p o 0=2 1=3", none),
    **{f"permute {order}": (f"Permute c 1 1 data o 0={order}", none) for order in range(6)},
}  # fmt: skip
IMAGE = np.random.default_rng(5).uniform(-2, 2, (3, 9, 10)).astype(np.float32)
ANSWERS = Path(__file__).parent / "ncnn_answers.json"


def write_case(folder: Path, lines: str, weights: bytes) -> tuple[Path, Path]:
    layers = ["Input data 0 1 data 0=10 1=9 2=3", *lines.split("\n")]
    blobs = {word for layer in layers for word in layer.split()[4:] if "=" not in word}
    text = "\n".join(["7767517", f"{len(layers)} {len(blobs)}", *layers, ""])
    (folder / "case.param").write_text(text)
    (folder / "case.bin").write_bytes(weights)
    return folder / "case.param", folder / "case.bin"


def digest(output: np.ndarray) -> list[float]:
    """Three numbers in which every value of the output counts, each with another weight."""
    signs = np.random.default_rng(3).uniform(-1, 1, (3, output.size))
    return [float(value) for value in signs @ output.reshape(-1).astype(np.float64)]


@pytest.mark.parametrize("case", CASES)
def test_a_layer_computes_what_ncnn_computed(case: str, tmp_path: Path) -> None:
    lines, weights = CASES[case]
    net, arrays = read_ncnn(*write_case(tmp_path, lines, weights(Numbers())))
    with torch.no_grad():
        found = to_torch(net, arrays, outputs=["o"])(torch.from_numpy(IMAGE)[None]).numpy()
    answer = json.loads(ANSWERS.read_text())[case]
    assert [size for size in found.shape if size > 1] == [size for size in answer["shape"] if size > 1]
    np.testing.assert_allclose(digest(found), answer["digest"], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_answers_are_ncnn_s(tmp_path: Path) -> None:
    ncnn = pytest.importorskip("ncnn", reason="pip install ncnn")
    answers = {case: ncnn_answer(ncnn, tmp_path, *CASES[case]) for case in CASES}
    stored = json.loads(ANSWERS.read_text())
    assert stored.keys() == answers.keys()
    for case, answer in answers.items():
        assert stored[case]["shape"] == answer["shape"], case
        np.testing.assert_allclose(stored[case]["digest"], answer["digest"], rtol=1e-4, atol=1e-4, err_msg=case)


def ncnn_answer(ncnn, folder: Path, lines: str, weights: Callable[[Numbers], bytes]) -> dict[str, list]:
    param, bin_ = write_case(folder, lines, weights(Numbers()))
    net = ncnn.Net()
    for option in ("vulkan_compute", "fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{option}", False)
    assert net.load_param(str(param)) == 0 and net.load_model(str(bin_)) == 0
    extractor = net.create_extractor()
    image = IMAGE.copy()
    extractor.input("data", ncnn.Mat(image).clone())  # the clone has ncnn's own alignment, which Slice relies on
    status, output = extractor.extract("o")
    assert status == 0
    array = np.array(output)
    return {"shape": list(array.shape), "digest": digest(array)}


def binary(path: Path) -> bytes:
    """A text file's layers as a binary file: floats where the text has a point."""
    header, counts, *lines = path.read_text().splitlines()
    out = struct.pack("<3i", int(header), *map(int, counts.split()))
    blobs: dict[str, int] = {}
    for line in lines:
        kind, _, bottoms, tops, *words = line.split()
        names, values = words[: int(bottoms) + int(tops)], words[int(bottoms) + int(tops) :]
        out += struct.pack("<3i", TYPES.index(kind), int(bottoms), int(tops))
        out += b"".join(struct.pack("<i", blobs.setdefault(name, len(blobs))) for name in names)
        for value in values:
            key, _, text = value.partition("=")
            out += struct.pack("<i", int(key))
            out += b"".join(
                struct.pack("<f" if "." in t else "<i", float(t) if "." in t else int(t)) for t in text.split(",")
            )
        out += struct.pack("<i", -233)
    return out


@pytest.mark.parametrize("case", CASES)
def test_both_forms_of_a_file_mean_the_same(case: str, tmp_path: Path) -> None:
    lines, weights = CASES[case]
    text, bin_ = write_case(tmp_path, lines, weights(Numbers()))
    (tmp_path / "case.param.bin").write_bytes(binary(text))
    nets = []
    for path in (text, tmp_path / "case.param.bin"):
        net, arrays = read_ncnn(path, bin_)
        nets.append(
            [(layer.type, len(layer.top), [a.tolist() for a in arrays.get(layer.name, [])]) for layer in net.layer]
        )
        for layer in net.layer:
            layer.ClearField("name")
            del layer.bottom[:], layer.top[:]
        nets[-1].append(to_text(net))
    assert nets[0] == nets[1]


# What is not done, and what is wrong


def read_text(folder: Path, lines: str, weights: bytes = b"", **options):
    return read_ncnn(*write_case(folder, lines, weights), **options)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Convolution c 1 1 data o 0=6 1=3 6=162 8=1", "int8"),
        ("Convolution c 1 1 data o 0=6 1=3 4=-233 6=162", "SAME"),
        ("Convolution c 1 1 data o 0=6 1=3 4=1 15=0 6=162", "at the end"),
        ("Convolution c 1 1 data o 0=6 1=3 6=162 9=5", "activation 5"),
        ("Convolution c 1 1 data o 0=6 1=3 6=0 19=1", "another bottom"),
        ("Convolution c 1 1 data o 0=6 1=3 6=162 18=1.5", "parameters [18]"),
        ("Deconvolution c 1 1 data o 0=6 1=3 6=162 20=5", "parameters [20]"),
        ("Pooling c 1 1 data o 0=1 1=3 2=2 3=1", "as_caffe=True"),
        ("Pooling c 1 1 data o 0=0 1=3 5=2", "mode 2"),
        ("Pooling c 1 1 data o 0=0 7=1 8=3", "size of its output"),
        ("Interp c 1 1 data o 0=1 1=2.0 2=2.0", "bilinear"),
        ("Interp c 1 1 data o 0=2 1=1.5 2=1.5", "scale 1.5"),
        ("Concat c 1 1 data o 0=-1", "from the end"),
        ("Softmax c 1 1 data o 0=1", "axis 1"),
        ("Reshape c 1 1 data o 0=0 1=-1", "copied size"),
        ("Eltwise c 1 1 data o 0=3", "operation 3"),
        ("Crop c 1 1 data o 3=4 4=4 5=3", "second bottom"),
        ("YoloDetectionOutput c 1 1 data o", "no layer of Caffe"),
    ],
)
def test_what_caffe_cannot_say_is_refused_by_name(line: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as fault:
        read_text(tmp_path, line)
    assert reason in str(fault.value) and "layer 1" in str(fault.value) and "'c'" in str(fault.value)


def test_all_refusals_come_at_once_and_before_weights(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"3 layers are not supported.*Gemm 'g'.*Padding 'p'.*int8"):
        read_text(tmp_path, "Gemm g 1 1 data a\nPadding p 1 1 a b\nInnerProduct i 1 1 b o 0=1 2=2 8=1")


@pytest.mark.parametrize(
    ("mark", "length", "kind"),
    [(0x000D4B38, 164, "int8 numbers"), (0x0002C056, 648, "to be used as int8"), (256, 1188, "places in a table")],
)
def test_quantized_weights_are_refused_by_name_all_at_once(mark: int, length: int, kind: str, tmp_path: Path) -> None:
    line = "Convolution {0} 1 1 {1} {0} 0=6 1=3 4=1 6={2}"
    lines = "\n".join([line.format("a", "data", 162), line.format("b", "a", 324), line.format("c", "b", 324)])
    quantized = struct.pack("<I", mark) + bytes(length)
    plain = bytes(4 + 324 * 4)
    with pytest.raises(UnsupportedError, match=f"1 arrays are quantized.*'a'.*{kind}"):
        read_text(tmp_path, lines, quantized + plain + plain)
    with pytest.raises(UnsupportedError, match=f"2 arrays are quantized.*'a'.*{kind}.*'c'"):
        read_text(tmp_path, f"{lines[: lines.rindex('b c')]}b c 0=6 1=1 6=162 14=0", quantized + plain + quantized)


def test_as_caffe_takes_caffe_s_padded_mean(tmp_path: Path) -> None:
    net, weights = read_text(tmp_path, "Pooling c 1 1 data o 0=1 1=3 2=1 3=1", as_caffe=True)
    ones = torch.ones(1, 3, 9, 10)
    assert to_torch(net, weights)(ones)[0, 0, 0, 0] == pytest.approx(4 / 9)


def test_an_interp_by_half_of_an_odd_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"case\.param: .*shrink_factor"):
        read_text(tmp_path, "Interp c 1 1 data o 0=2 1=0.5 2=0.5")


def test_an_interp_of_ncnn_stays_one_in_our_files_until_it_is_turned_into_caffe_s(tmp_path: Path) -> None:
    lines = "Convolution c 1 1 data c 0=6 1=3 6=162\nInterp i 1 1 c o 0=2 3=17 4=13"
    param, bin_ = write_case(tmp_path, lines, Numbers().marked(162))
    net, weights = read_ncnn(param, bin_)
    before = to_text(net)
    assert [layer.type for layer in net.layer][2:] == ["InterpHalfPixel"]
    again, loaded = through_files(net, weights, tmp_path)
    assert to_text(again) == before
    assert all(np.array_equal(a, b) for a, b in zip(weights["c"], loaded["c"], strict=True))
    changed = caffe_interp(net)
    assert to_text(net) == before and [layer.type for layer in changed.layer][2:] == ["Interp"]
    assert to_text(read_ncnn(param, bin_, as_caffe=True)[0]) == to_text(changed)


def test_caffe_interp_keeps_the_size_that_a_factor_gives(tmp_path: Path) -> None:
    net, _ = read_text(tmp_path, "Interp c 1 1 data o 0=2 1=2.0 2=2.0")
    assert trace(caffe_interp(net))[-1].top_shapes == ((1, 3, 18, 20),)
    larger = caffe_interp(net, {"data": (1, 3, 4, 5)})
    assert (larger.layer[1].interp_param.height, larger.layer[1].interp_param.width) == (8, 10)


def test_an_input_of_open_size_waits_for_its_shape(tmp_path: Path) -> None:
    (tmp_path / "n.param").write_text("7767517\n2 2\nInput data 0 1 data\nReLU r 1 1 data o\n")
    (tmp_path / "n.bin").write_bytes(b"")
    net, weights = read_ncnn(tmp_path / "n.param", tmp_path / "n.bin")
    assert to_torch(net, weights, input_shapes={"data": (1, 3, 4, 4)})(torch.ones(1, 3, 4, 4)).shape == (1, 3, 4, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an ncnn network"),
        ("7767518\n1 1\n", "magic number 7767517"),
        ("7767517\n", "header"),
        ("7767517\n1\n", "header"),
        ("7767517\n2 1\nInput data 0 1 data\n", "layer count: found 1 layers, expected 2"),
        ("7767517\n1 1\nInput\n", "layer 0 .*numbers of bottoms and tops"),
        ("7767517\n1 1\nInput data 0 x data\n", "numbers of bottoms and tops"),
        ("7767517\n1 1\nInput data 0 9999999999 data\n", "expected 0 bottoms and 9999999999 tops"),
        ("7767517\n1 1\nInput data 0 1 data 0:5\n", "found '0:5', expected number=value"),
        ("7767517\n1 1\nInput data 0 1 data 99=5\n", "parameter number: found 99"),
        ("7767517\n1 1\nInput data 0 1 data 0=1.5\n", "parameter 0: found 1.5, expected an integer"),
        ("7767517\n1 1\nInput data 0 1 data -23300=3,1,2\n", "a length and that many numbers"),
        ("7767517\n1 1\nInput data 0 1 data 0=5 1=-233 2=3\n", "the first of which may be absent"),
        ("7767517\n2 2\nInput data 0 1 data\nReLU r 1 1 other o\n", "bottom 'other'"),
        ("7767517\n2 2\nInput data 0 1 data\nReLU r 1 1 data data\n", "top 'data'"),
        ("7767517\n2 2\nInput r 0 1 data\nReLU r 1 1 data o\n", "name: found that of layer 0"),
        ("7767517\n2 2\nInput a 0 1 data\nConvolution r 1 1 data o 0=0 1=1 6=4\n", "parameter 0: found 0"),
        ("7767517\n2 2\nInput a 0 1 data\nConvolution r 1 1 data o 0=3 1=1 6=4\n", "parameter 6: found 4 weights"),
    ],
)  # fmt: skip
def test_a_wrong_text_names_file_layer_and_field(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "n.param").write_text(text)
    (tmp_path / "n.bin").write_bytes(b"")
    with pytest.raises(FormatError, match=rf"n\.param: .*{message}"):
        read_ncnn(tmp_path / "n.param", tmp_path / "n.bin")


def test_every_cut_of_a_binary_network_is_named(tmp_path: Path) -> None:
    data, layers = binary(write_case(tmp_path, CASES["deconvolution, groups"][0], b"")[0]), 3
    for cut in range(len(data)):
        (tmp_path / "n.param.bin").write_bytes(data[:cut])
        with pytest.raises(FormatError, match=r"n\.param\.bin: "):
            read_layers(tmp_path / "n.param.bin")
    (tmp_path / "n.param.bin").write_bytes(data + bytes(4))
    with pytest.raises(FormatError, match=f"4 bytes behind the last of {layers} layers"):
        read_layers(tmp_path / "n.param.bin")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-4], r"layer 2 .*: weights: found 572 bytes at 104, expected 576"),
        (lambda data: data[:50], r"layer 1 \(Convolution .*\): weights: found 46 bytes at 4, expected 96"),
        (lambda data: b"", r"layer 1 .*weights: mark: found 0 bytes at 0, expected 4"),
        (lambda data: data + b"12345", "found 5 bytes behind the last layer's weights"),
    ],
)
def test_a_weight_file_of_another_length_is_named(change, message: str, tmp_path: Path) -> None:
    lines, weights = CASES["convolution, groups"]
    param, bin_ = write_case(tmp_path, lines, change(weights(Numbers())))
    with pytest.raises(FormatError, match=rf"case\.bin: .*{message}"):
        read_ncnn(param, bin_)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    param, _ = write_case(tmp_path, "ReLU r 1 1 data o", b"")
    with pytest.raises(FileError, match=r"none\.bin"):
        read_ncnn(param, tmp_path / "none.bin")
    with pytest.raises(FileError, match=r"none\.param"):
        read_ncnn(tmp_path / "none.param", tmp_path / "none.bin")


def test_weights_that_do_not_fit_the_layer_before_are_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"case\.param: .*'c': found arrays of shapes"):
        read_text(tmp_path, "InnerProduct c 1 1 data o 0=2 2=10", bytes(44))


@pytest.mark.parametrize("field", [4, 8, 16, 20])
def test_counts_that_the_file_has_no_room_for_are_refused(field: int, tmp_path: Path) -> None:
    data = bytearray(binary(write_case(tmp_path, CASES["deconvolution, groups"][0], b"")[0]))
    data[field : field + 4] = struct.pack("<i", 2**31 - 1)
    (tmp_path / "n.param.bin").write_bytes(data)
    with pytest.raises(FormatError, match="2147483647"):
        read_layers(tmp_path / "n.param.bin")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=8), st.booleans())
def test_changed_bytes_give_our_errors_or_a_network(tmp_path: Path, place: int, piece: bytes, is_text: bool) -> None:
    lines, weights = CASES["deconvolution, groups"]
    text, bin_ = write_case(tmp_path, lines, weights(Numbers()))
    data = bytearray(text.read_bytes() if is_text else binary(text))
    place %= len(data)
    data[place : place + len(piece)] = piece
    (tmp_path / "changed.param").write_bytes(data)
    try:
        read_ncnn(tmp_path / "changed.param", bin_)
    except CaffeError as fault:
        assert "changed.param" in str(fault) or "case.bin" in str(fault)
