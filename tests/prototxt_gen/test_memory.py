"""Memory of activations: by hand, against a simulation that follows the definition, against PyTorch's own storages."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from caffe_zoo.cards import card
from converters.pytorch.module import to_torch
from prototxt_gen.generator.networks import generate
from prototxt_gen.layers.layer_types import count
from prototxt_gen.memory import activations, caffe_memory
from prototxt_gen.proto import NetParameter
from prototxt_gen.summary import summarize
from prototxt_gen.text import parse_text
from prototxt_gen.trace import trace
from tests.released import FACTS, architecture


def test_df1_by_hand() -> None:
    """Merged, ReLUs in place: the first map, 112x112 of 32 channels, beside the second, 56x56 of 64."""
    summary = summarize(generate(architecture("df1"), merged=True))
    assert summary.peak_memory == 4 * (112 * 112 * 32 + 56 * 56 * 64) == 2_408_448
    assert summary.peak_layer == "conv2"
    image, first = 4 * 3 * 224 * 224, 4 * 32 * 112 * 112
    assert summary.activations.alive[:3] == (image, image + first, first)
    # With batch norm, whose tops are new blobs, the first map is there twice.
    apart = summarize(generate(architecture("df1")))
    assert (apart.peak_memory, apart.peak_layer) == (4 * 2 * 112 * 112 * 32, "conv1/bn")


def test_df1_seg_by_hand() -> None:
    """The scores of 19 classes at the image's size beside those at an eighth of it."""
    summary = summarize(generate(architecture("df1seg"), merged=True))
    assert summary.peak_memory == 4 * 19 * (1024 * 2048 + 128 * 256) == 161_873_920
    assert summary.peak_layer == "Decoder_score.up8"
    # Without the last enlargement: the first map of the encoder beside its second.
    without = summarize(generate(architecture("df1seg").replace("_u8", ""), merged=True))
    assert without.peak_memory == 4 * (32 * 512 * 1024 + 64 * 256 * 512) == 100_663_296
    assert without.peak_layer == "conv2"
    # The maps that the decoder takes up again wait: of 64 channels at an eighth, of 128 at a sixteenth.
    waiting = 4 * (64 * 128 * 256 + 128 * 64 * 128)
    alive = dict(zip((row.name for row in without.layers), without.activations.alive, strict=True))
    assert alive["res4.2.conv2"] == waiting + 3 * 4 * 256 * 32 * 64


@pytest.mark.parametrize(("number_bytes", "peak"), [(4, 2_408_448), (2, 1_204_224), (1, 602_112)])
def test_numbers_of_other_sizes(number_bytes: int, peak: int) -> None:
    assert activations(summarize(generate(architecture("df1"), merged=True)).layers, number_bytes).peak == peak


POWER = 'layer {{ name: "{1}" type: "Power" bottom: "{0}" top: "{1}" }}\n'
RELU = 'layer {{ name: "{0}/relu" type: "ReLU" bottom: "{0}" top: "{0}" }}\n'
# Layers over x of 10 numbers: how many are alive while each layer runs, and in all pieces together.
SHARED = {
    "a chain": (POWER.format("x", "a") + POWER.format("a", "b"), [10, 20, 20], 30),
    "in place": (POWER.format("x", "a") + RELU.format("a"), [10, 20, 10], 20),
    "an output waits": (POWER.format("x", "a") + POWER.format("x", "b"), [10, 10, 20, 30], 30),
    "a view": (
        POWER.format("x", "a") + 'layer { name: "f" type: "Flatten" bottom: "a" top: "f" }' + POWER.format("f", "b"),
        [10, 20, 10, 20], 30,
    ),
    "a view keeps its bottom": (
        'layer { name: "f" type: "Flatten" bottom: "x" top: "f" }'
        'layer { name: "s" type: "Reduction" bottom: "x" top: "s" }' + POWER.format("f", "b"),
        [10, 10, 10, 11, 21], 21,
    ),
    "a smaller top in place": (
        POWER.format("x", "a") + 'layer { name: "m" type: "ArgMax" bottom: "a" top: "a" }' + POWER.format("a", "b"),
        [10, 20, 10, 11], 21,
    ),
    "two inputs are there from the first layer": (
        POWER.format("x", "a") + 'layer { name: "y" type: "Input" top: "y" input_param { shape { dim: 1 dim: 10 } } }'
        'layer { name: "s" type: "Eltwise" bottom: "a" bottom: "y" top: "s" }', [20, 30, 20, 30], 40,
    ),
    "a Parameter is a weight": (
        'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 1 dim: 10 } } }'
        'layer { name: "s" type: "Eltwise" bottom: "x" bottom: "p" top: "s" }', [10, 10, 20], 20,
    ),
    "Silence": (
        POWER.format("x", "a") + 'layer { name: "q" type: "Silence" bottom: "a" }', [10, 20, 10], 20,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SHARED)
def test_what_is_alive(case, net_of) -> None:
    layers, alive, held = SHARED[case]
    summary = summarize(net_of(layers, x=(1, 10)))
    assert summary.activations.alive == tuple(4 * numbers for numbers in alive)
    assert (summary.peak_memory, summary.activations.held) == (4 * max(alive), 4 * held)


def test_a_network_without_layers() -> None:
    summary = summarize(NetParameter())
    assert (summary.peak_memory, summary.peak_layer) == (0, "")
    assert "peak memory of activations: 0 bytes" in str(summary)


def test_what_caffe_has_in_use(net_of) -> None:
    """A piece for x, c and n each; two arrays for BatchNorm, one for the Scale in place; weights."""
    layers = (
        'layer { name: "c" type: "Convolution" bottom: "x" top: "c"'
        " convolution_param { num_output: 4 kernel_size: 1 bias_term: false } }"
        'layer { name: "n" type: "BatchNorm" bottom: "c" top: "n" }'
        'layer { name: "s" type: "Scale" bottom: "n" top: "n" scale_param { bias_term: true } }'
    )
    summary = summarize(net_of(layers, x=(1, 2, 5, 5)))
    assert caffe_memory(summary.layers) == 4 * ((50 + 100 + 100) + (200 + 100) + (8 + 9 + 8))


@pytest.mark.parametrize("name", FACTS["imagenet"])
def test_what_the_release_reports_is_this_and_half_to_one_gigabyte(name: str) -> None:
    """So much is left for CUDA and cuDNN in all twelve figures, though the figures themselves differ fourteenfold."""
    for key, shape in (("gpu_mem_mb_224_b50", (50, 3, 224, 224)), ("gpu_mem_mb_1024_b1", (1, 3, 1024, 1024))):
        rows = summarize(generate(card(name).architecture, input_shape=shape)).layers
        assert 450 < FACTS["imagenet"][name][key] - caffe_memory(rows) / 2**20 < 990


@st.composite
def networks(draw: st.DrawFn) -> str:
    """The text of a network whose layers take any earlier blobs; blobs have few shapes, so that many fit together."""
    shapes: dict[str, tuple[int, ...]] = {}
    unread: set[str] = set()
    lines: list[str] = []

    def add(kind: str, bottoms: Iterable[str], options: str = "", tops: Iterable[str] | None = None) -> list[str]:
        name = f"l{len(lines)}"
        named = [name] if tops is None else list(tops)
        words = "".join(f' bottom: "{bottom}"' for bottom in bottoms) + "".join(f' top: "{top}"' for top in named)
        lines.append(f'layer {{ name: "{name}" type: "{kind}"{words} {options} }}')
        unread.difference_update(bottoms)
        unread.update(named)
        return named

    def blob(of: Iterable[str]) -> str:
        return draw(st.sampled_from(sorted(of)))

    for number in range(draw(st.integers(1, 2))):
        shapes[f"x{number}"] = (1, 4, 2 + number, 2)
        add("Input", (), f"input_param {{ shape {{ dim: 1 dim: 4 dim: {2 + number} dim: 2 }} }}", [f"x{number}"])
    kinds = ["Power", "place", "Eltwise", "Concat", "Slice", "Split", "Flatten", "Reshape", "conv", "Silence", "max"]
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=14)):
        bottom = blob(shapes)
        shape = shapes[bottom]
        if kind == "place":  # only on a blob that nobody else takes
            if unread & set(shapes):
                add("ReLU", [chosen := blob(unread & set(shapes))], tops=[chosen])
        elif kind == "max":
            if wide := [name for name in unread & set(shapes) if len(shapes[name]) == 4]:
                add("ArgMax", [chosen := blob(wide)], tops=[chosen])
                shapes[chosen] = (1, 1, 1)
        elif kind in ("Eltwise", "Concat"):
            like = [name for name in shapes if shapes[name] == shape]
            others = draw(st.lists(st.sampled_from(like), min_size=kind == "Eltwise", max_size=2))
            (top,) = add(kind, [bottom, *others])
            shapes[top] = shape if kind == "Eltwise" else (1, shape[1] * (1 + len(others)), *shape[2:])
        elif kind in ("Slice", "Split"):
            tops = [f"t{len(lines)}_{part}" for part in range(draw(st.sampled_from([1, 2])))]
            if kind == "Slice" and shape[1] % len(tops):
                continue
            add(kind, [bottom], tops=tops)
            part = shape if kind == "Split" else (1, shape[1] // len(tops), *shape[2:])
            shapes.update(dict.fromkeys(tops, part))
        elif kind == "Reshape":
            if count(shape) % 2 == 0:
                (top,) = add(kind, [bottom], "reshape_param { shape { dim: 1 dim: 2 dim: -1 } }")
                shapes[top] = (1, 2, count(shape) // 2)
        elif kind == "Flatten":
            (top,) = add(kind, [bottom])
            shapes[top] = (1, count(shape))
        elif kind == "conv":
            if len(shape) == 4:
                (top,) = add("Convolution", [bottom], "convolution_param { num_output: 6 kernel_size: 1 }")
                shapes[top] = (1, 6, *shape[2:])
        elif kind == "Silence":
            add(kind, [bottom], tops=())
        else:
            (top,) = add(kind, [bottom])
            shapes[top] = shape
    return "\n".join(lines)


def simulated(net: NetParameter) -> list[int]:
    """Bytes alive while each layer runs, straight from the definition: for every layer, every piece is asked.

    The network has no Splits but those written; blobs are looked up by name, and a piece knows who touches it.
    """
    touched: list[set[int]] = []  # by piece, the layers that take or write it
    sizes: list[int] = []
    outside: set[int] = set()
    piece_of: dict[str, int] = {}
    open_tops: set[str] = set()
    rows = trace(net)
    for place, row in enumerate(rows):
        for bottom in row.bottoms:
            touched[piece_of[bottom]].add(place)
            open_tops.discard(bottom)
        shares = row.type in ("Split", "Flatten", "Reshape")
        shares |= row.type in ("Concat", "Slice") and (len(row.bottoms), len(row.tops)) == (1, 1)
        for top, shape in zip(row.tops, row.top_shapes, strict=True):
            if top not in row.bottoms:  # in place, the name keeps its piece
                if shares:
                    piece_of[top] = piece_of[row.bottoms[0]]
                else:
                    piece_of[top] = len(sizes)
                    sizes.append(4 * count(shape))
                    touched.append(set())
                if row.type == "Input":
                    outside.add(piece_of[top])
            touched[piece_of[top]].add(place)
            open_tops.add(top)
    kept = {piece_of[name] for name in open_tops}
    return [
        sum(
            size
            for piece, size in enumerate(sizes)
            if (piece in outside or min(touched[piece]) <= place) and (piece in kept or max(touched[piece]) >= place)
        )
        for place in range(len(rows))
    ]


@given(networks())
@settings(max_examples=150, deadline=None)
def test_any_network_as_the_definition_says(text: str) -> None:
    net = parse_text(text, NetParameter())
    expected = simulated(net)
    assert list(activations(trace(net)).alive) == expected  # the layers as they are written
    summary = summarize(net)  # and with Caffe's Splits, which take no memory
    written = {layer.name for layer in net.layer}
    found = zip(summary.layers, summary.activations.alive, strict=True)
    assert [alive for row, alive in found if row.name in written] == expected
    assert summary.peak_memory == max(expected) <= summary.activations.held <= summary.memory


class Storages(TorchDispatchMode):
    """Counts the bytes of all storages that operators make, and the most that were alive at once."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.now = self.peak = 0
        weights = [*module.parameters(), *module.buffers()]
        self.known: dict[int, Any] = {weight.untyped_storage()._cdata: None for weight in weights}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.known:
                    self.now += storage.nbytes()
                    self.peak = max(self.peak, self.now)
                    gone = weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
                    self.known[storage._cdata] = gone
        return result

    def _gone(self, key: int, size: int) -> None:
        self.now -= size
        del self.known[key]


def peak_in_torch(net: NetParameter, shape: tuple[int, ...]) -> int:
    module = to_torch(net).eval()
    with torch.no_grad(), Storages(module) as storages:
        module(torch.zeros(shape))
    return storages.peak


def peak_with_the_image_kept(net: NetParameter) -> int:
    """PyTorch's caller holds the image to the end; so does a network that has it as an output, too."""
    kept = NetParameter()
    kept.CopyFrom(net)
    kept.layer.add(name="kept", type="Split", bottom=["data"], top=["kept"])
    return summarize(kept).peak_memory


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("name", ["df1", "df1seg", "pl1a_seg", "resnet50", "ponas_a"])
def test_pytorch_has_as_much_alive_to_the_byte(name: str, merged: bool) -> None:
    shape = (1, 3, 64, 128)
    net = generate(card(name).architecture, input_shape=shape, merged=merged)
    assert peak_in_torch(net, shape) == peak_with_the_image_kept(net)


def test_pytorch_has_the_indices_of_a_max_pooling_beside() -> None:
    shape = (1, 3, 64, 128)
    net = generate(card("resnet18").architecture, input_shape=shape, merged=True)
    indices = 8 * 64 * 16 * 32
    assert peak_in_torch(net, shape) == peak_with_the_image_kept(net) + indices
