"""Small files in every spelling that Caffe has had, made from our own numbers, in place of files that Caffe wrote.

BVLC Caffe 1.0 itself has saved the networks of tests/truths/layers, to the bytes that `saved` gives, and has run the
old spellings here, to the same numbers (tools/truths.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe_zoo.cards import CARDS
from converters import save_weights
from prototxt_gen import NetParameter, generate, read_prototxt, select_phase, stock_weights, to_stock, write_prototxt
from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.binary import to_binary
from prototxt_gen.passes.splits import insert_splits
from prototxt_gen.proto import BlobProto
from prototxt_gen.text import parse_text
from prototxt_gen.wire import field
from tests.filling import Array, fill_weights
from tests.released import NETWORKS, architecture
from tools.reference_facts import REFERENCE

TRUTHS = Path(__file__).resolve().parent / "truths"
FAMILIES = tuple(sorted(path.stem for path in (TRUTHS / "layers").glob("*.prototxt")))
TEST = 1  # Phase in caffe.proto
LEARNING = ("activations", "arithmetic", "convolution", "dense", "normalization", "recurrent")


def family(name: str) -> NetParameter:
    """A network with every layer type of a family, as we write it."""
    return read_prototxt(TRUTHS / "layers" / f"{name}.prototxt")


def family_weights(name: str) -> dict[str, list[Array]]:
    """Weights of the family's network in stock Caffe's words."""
    net = family(name)
    return fill_weights(net) | stock_weights(net)


def saved(net: NetParameter) -> NetParameter:
    """A network of phase TEST without its weights as Caffe saves it: splits, phase and what layers set themselves."""
    net = insert_splits(select_phase(net, "TEST"))
    net.ClearField("state")
    net.name = net.name  # Caffe writes an empty name too
    for layer in net.layer:
        if not layer.HasField("phase"):
            layer.phase = TEST
        if layer.type.endswith("Loss") and not layer.loss_weight:
            layer.loss_weight.append(1)
        if layer.type == "BatchNorm" and not layer.param:
            for _ in range(3):
                layer.param.add(lr_mult=0)
    return net


# ------------------------------------------------------------------------------------- one network in five spellings

V2 = """
name: "spelled"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 7 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 decay_mult: 1 }
        param { lr_mult: 2 decay_mult: 0 }
        convolution_param { num_output: 6 bias_term: true pad: 2 kernel_size: 3 group: 2 stride: 2 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "norm" type: "LRN" bottom: "pool" top: "norm" lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 } }
layer { name: "ip" type: "InnerProduct" bottom: "norm" top: "ip"
        inner_product_param { num_output: 5 bias_term: true } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
V1 = """
name: "spelled"
input: "data" input_dim: 2 input_dim: 4 input_dim: 7 input_dim: 9
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 blobs_lr: 2 weight_decay: 1
         weight_decay: 0
         convolution_param { num_output: 6 bias_term: true pad: 2 kernel_size: 3 group: 2 stride: 2 } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layers { name: "norm" type: LRN bottom: "pool" top: "norm" lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 } }
layers { name: "ip" type: INNER_PRODUCT bottom: "norm" top: "ip"
         inner_product_param { num_output: 5 bias_term: true } }
layers { name: "prob" type: SOFTMAX bottom: "ip" top: "prob" }
"""
V0 = """
name: "spelled"
input: "data" input_dim: 2 input_dim: 4 input_dim: 7 input_dim: 9
layers { layer { name: "padding" type: "padding" pad: 2 } bottom: "data" top: "padded" }
layers { layer { name: "conv" type: "conv" num_output: 6 biasterm: true kernelsize: 3 group: 2 stride: 2
                 blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 } bottom: "padded" top: "conv" }
layers { layer { name: "relu" type: "relu" } bottom: "conv" top: "conv" }
layers { layer { name: "pool" type: "pool" pool: AVE kernelsize: 3 stride: 2 } bottom: "conv" top: "pool" }
layers { layer { name: "norm" type: "lrn" local_size: 3 alpha: 0.5 beta: 0.75 } bottom: "pool" top: "norm" }
layers { layer { name: "ip" type: "innerproduct" num_output: 5 biasterm: true } bottom: "norm" top: "ip" }
layers { layer { name: "prob" type: "softmax" } bottom: "ip" top: "prob" }
"""
# The text and how its weights are spelled.
SPELLINGS = {
    "v2": (V2, "v2"),
    "v1": (V1, "v1"),
    "v0": (V0, "v0"),
    "v1_text_v2_binary": (V1, "v2"),
    "four_sizes": (V2, "four sizes"),
    "chunked_floats": (V2, "chunks"),
}


def spelled_network() -> NetParameter:
    """The network of every spelling, in the current one."""
    return parse_text(V2, NetParameter())


def _four_sizes(blob: Array) -> BlobProto:
    num, channels, height, width = (1,) * (4 - blob.ndim) + blob.shape
    return BlobProto(num=num, channels=channels, height=height, width=width, data=blob.ravel().tolist())


def _old_binary(text: str, weights: dict[str, list[Array]]) -> bytes:
    """Layers of V0 or V1 with their blobs, whose sizes are always four."""
    net = parse_text(text, NetParameter())
    for layer in net.layers:
        inner = layer.layer if layer.HasField("layer") else layer
        for blob in weights.get(inner.name, []):
            inner.blobs.append(_four_sizes(blob))
    return to_binary(net)


def _chunked(blob: Array) -> bytes:
    """A blob whose packed floats come in three pieces, the second of them empty."""
    data, at = blob.tobytes(), 4 * (blob.size // 3)
    shape = b"".join(b"\x08" + bytes([size]) for size in blob.shape)
    return field(5, data[:at]) + field(7, shape) + field(5, b"") + field(5, data[at:])


def write_spelling(name: str, folder: Path) -> Path:
    """Writes NAME.prototxt and NAME.caffemodel; returns the path of the caffemodel."""
    text, kind = SPELLINGS[name]
    net = spelled_network()
    weights = fill_weights(net)
    path = folder / f"{name}.caffemodel"
    path.with_suffix(".prototxt").write_text(text, "utf-8")
    if kind == "v2":
        save_weights(weights, path, saved(net))
    elif kind in ("v1", "v0"):
        path.write_bytes(_old_binary(text, weights))
    elif kind == "four sizes":
        for layer in net.layer:
            for blob in weights.get(layer.name, []):
                layer.blobs.append(_four_sizes(blob))
        path.write_bytes(to_binary(net))
    else:
        layers = [
            field(100, layer.SerializeToString() + b"".join(field(7, _chunked(b)) for b in weights.get(layer.name, [])))
            for layer in net.layer
        ]
        path.write_bytes(b"".join(layers))
    return path


def write_family(name: str, folder: Path) -> Path:
    """Writes NAME.prototxt, in stock Caffe's words, and NAME.caffemodel as Caffe saves it; returns its path."""
    net = to_stock(family(name))
    path = folder / f"{name}.caffemodel"
    write_prototxt(net, path.with_suffix(".prototxt"))
    save_weights(family_weights(name), path, saved(net))
    return path


# -------------------------------------------------------------------------------------------------- whole networks

# Names of weights_manifest.json and of the zoo, or codes; and sizes at which an Interp is a small matrix in stock
# words.
WHOLE = {
    "df1": (64, 96),
    "df1_mergebn": (64, 96),
    "df2a": (64, 64),
    "df-lite_seg_mergebn": (64, 128),
    "df1seg": (64, 128),
    "df2seg1_mergebn": (64, 64),
    "ponas_a": (64, 64),
    # Drawn from the space `ponas-small`, batch norm as it stands and merged.
    "m16_i1.16e1_i24k5e2q-e1q_i48e1-k5e4_i64e1-e2q_h128_c34": (32, 32),
    "m16_i1.16e1_i24e4-k5e2q_i48e2-k5e4q_i64k5e4q-e2q_h128_c34_mergebn": (32, 32),
    # Drawn from the space `tiered-small`, with fused blocks that add their input and that do not.
    "g16_f24h24-h32_i48h96-k5h128x2_i64k5h128-k5h312_h128_c34": (32, 32),
    "g16_i24k5h56_f1.24h64_i48k5h64-k5h152-k5h160_i64h264-h104_h128_c34_mergebn": (32, 32),
}


def whole(name: str) -> NetParameter:
    """One of WHOLE as a deploy file, for a small image."""
    merged = name.endswith("_mergebn")
    if name in NETWORKS:
        known: str | Backbone | Decoder = architecture(name)
    else:
        known = CARDS[name].architecture if name in CARDS else name.removesuffix("_mergebn")
    return generate(known, input_shape=(1, 3, *WHOLE[name]), merged=merged)


def write_whole(name: str, folder: Path) -> Path:
    """Writes NAME.prototxt, in stock Caffe's words, and NAME.caffemodel; returns its path."""
    net = whole(name)
    path = folder / f"{name}.caffemodel"
    write_prototxt(to_stock(net), path.with_suffix(".prototxt"))
    save_weights(fill_weights(net) | stock_weights(net), path, to_stock(net))
    return path


def thinned(numbers: Array) -> Array:
    """Every 16th score of hundreds of classes, or those of every 16th place in both directions of a map."""
    if numbers.ndim == 4:
        return numbers[:, :, ::16, ::16]
    return numbers[:, ::16] if numbers.shape[1] > 100 else numbers


# ------------------------------------------------------------------------------------ the same names for all of them

OURS = tuple(f"layers/{name}" for name in LEARNING)
OURS_SPELLED = tuple(f"spelled/{name}" for name in SPELLINGS)


def in_reference(*names: str) -> list[object]:
    """Names of files in the reference, for parametrize; without a reference one case that is skipped."""
    skipped = pytest.mark.skip("no ../shared/reference beside this checkout")
    return list(names) if REFERENCE.is_dir() else [pytest.param("", id="reference", marks=skipped)]


def caffe_file(name: str, folder: Path) -> Path:
    """A .caffemodel beside its .prototxt: ours (layers/, spelled/ and whole/NAME) are written to the folder."""
    kind, _, stem = name.partition("/")
    ours = {"layers": write_family, "spelled": write_spelling, "whole": write_whole}
    if kind in ours:
        return ours[kind](stem, folder)
    return REFERENCE / f"{name}.caffemodel"
