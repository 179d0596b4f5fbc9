"""Reading any bytes or text ends in a result or a CaffeError, in bounded time and memory."""

from __future__ import annotations

import struct
import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.pytorch.module import to_torch
from converters.weights import load_weights, save_weights
from converters.weights.caffemodel import read_caffemodel, write_caffemodel
from converters.weights.dialects import change_dialect, read_network
from converters.weights.mean import load_mean
from converters.weights.solver_state import read_solver_state
from converters.weights.upgrading import upgrade_caffemodel
from prototxt_gen import NetParameter, generate, wire
from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.errors import CaffeError, FormatError, NetworkError
from prototxt_gen.layers import LAYERS
from prototxt_gen.passes.merging import merge_batchnorm
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import MESSAGES
from prototxt_gen.summary import summarize
from prototxt_gen.text import parse_text, read_prototxt, to_text
from tests.work import at_most

READERS = {
    "weights": load_weights,
    "structure": lambda path: to_text(upgrade(read_network(path))),
    "protobuf": lambda path: to_binary(from_binary(path.read_bytes())),
    "upgrade": lambda path: upgrade_caffemodel(path, path.with_name("out.caffemodel")),
    "bvlc": lambda path: change_dialect(path, path.with_name("out.caffemodel"), "bvlc"),
    "release": lambda path: change_dialect(path, path.with_name("out.caffemodel"), "release"),
    "mean": load_mean,
    "solver state": read_solver_state,
    "text": read_prototxt,
}
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def survives(read, *arguments):
    """The result, or None after a CaffeError; any other exception fails the test."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read(*arguments)
    except CaffeError as fault:
        assert str(fault)
        return None


def seed() -> bytes:
    """A small network with weights of every spelling, in the current format and in the older ones."""
    values = struct.pack("<3f", 1, 2, 3)
    shape = wire.field(7, wire.field(1, bytes([3])))
    sizes = b"".join(wire.number(number, size) for number, size in enumerate((1, 1, 1, 3), 1))
    blobs = (
        shape + wire.field(5, values),
        sizes + b"".join(b"\x2d" + values[at : at + 4] for at in (0, 4, 8)),
        shape + wire.field(8, struct.pack("<3d", 1, 2, 3)),
    )
    current = [wire.field(100, wire.field(1, b"fc") + wire.field(2, b"InnerProduct") + wire.field(7, b)) for b in blobs]
    old = [wire.field(2, wire.field(4, b"fc") + wire.field(6, blob)) for blob in blobs]
    oldest = [wire.field(2, wire.field(1, wire.field(1, b"fc") + wire.field(50, blob))) for blob in blobs]
    interp = parse_text('layer { name: "up" type: "Interp" interp_param { height: 3 } }', NetParameter())
    return to_binary(generate("s4-8_b8_c5"))[:300] + b"".join([*current, *old, *oldest, to_binary(interp, "release")])


SEED = seed()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The seed with pieces cut out, doubled, or overwritten."""
    data = bytearray(SEED)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 20))
        data[at : at + length] = draw(st.binary(max_size=20))
    return bytes(data)


@pytest.mark.parametrize("reader", READERS)
@quick
@given(data=st.one_of(st.binary(max_size=300), damaged()))
def test_bytes(tmp_path, reader, data):
    (tmp_path / "file.caffemodel").write_bytes(data)
    survives(READERS[reader], tmp_path / "file.caffemodel")


@quick
@given(data=damaged())
def test_weights_that_are_read_are_written_and_read_back(tmp_path, data):
    (tmp_path / "in.caffemodel").write_bytes(data)
    found = survives(read_caffemodel, tmp_path / "in.caffemodel") or {}
    write_caffemodel(found, tmp_path / "out.caffemodel")
    again = read_caffemodel(tmp_path / "out.caffemodel")
    for name, blobs in again.items():
        for before, after in zip(found[name], blobs, strict=True):
            np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("suffix", [".caffemodel.h5", ".safetensors"])
@quick
@given(at=st.integers(0, 3000), piece=st.binary(max_size=12))
def test_files_of_other_formats(tmp_path, suffix, at, piece):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"whole{suffix}"
    if not path.exists():
        save_weights({"conv": [np.ones((2, 3), np.float32), np.ones(2, np.float32)]}, path)
    data = bytearray(path.read_bytes())
    data[at % len(data) : at % len(data) + len(piece)] = piece
    (tmp_path / f"damaged{suffix}").write_bytes(data)
    survives(load_weights, tmp_path / f"damaged{suffix}")


# ------------------------------------------------------------------------------------------- headers that promise much


def promising(size: int) -> dict[str, bytes]:
    """Files of a few bytes in which a blob has `size` numbers, one file for each way to say so."""
    shape = wire.field(7, wire.field(1, wire.varint(size)))
    sizes = b"".join(wire.number(number, edge) for number, edge in enumerate((1, 1, 1, size), 1))
    split = wire.field(7, wire.field(1, wire.varint(1 << 20) + wire.varint(max(1, size >> 20))))
    four = wire.field(5, b"\0\0\x80\x3f")
    blobs = {
        "shape": shape,
        "shape and a number": shape + four,
        "two axes": split + four,
        "old sizes": sizes + four,
        "old sizes, double": sizes + wire.field(8, bytes(8)),
        "data": b"\x2a" + wire.varint(4 * size),
        "data and shape": shape + b"\x2a" + wire.varint(4 * size),
    }
    return {name: wire.field(100, wire.field(1, b"a") + wire.field(7, blob)) for name, blob in blobs.items()}


@pytest.mark.parametrize("size", [1 << 31, 1 << 40, 1 << 62])
@pytest.mark.parametrize("promise", promising(1))
@pytest.mark.parametrize("reader", ["weights", "structure", "upgrade", "bvlc"])
def test_a_header_that_promises_much_allocates_nothing(tmp_path, size, promise, reader):
    path = tmp_path / "file.caffemodel"
    path.write_bytes(promising(size)[promise])
    tracemalloc.start()
    try:
        found = survives(READERS[reader], path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert reader in ("structure", "bvlc") or not found


@pytest.mark.parametrize("length", [1 << 31, 1 << 40, (1 << 64) - 1])
@pytest.mark.parametrize("head", [b"\x0a", b"\x12", b"\xa2\x06", b"\xa2\x06\x90\x4e\x3a", b"\x2a"])
@pytest.mark.parametrize("reader", READERS)
def test_a_length_beyond_the_file_allocates_nothing(tmp_path, reader, head, length):
    (tmp_path / "file.caffemodel").write_bytes(head + wire.varint(length) + b"some")
    tracemalloc.start()
    try:
        assert survives(READERS[reader], tmp_path / "file.caffemodel") is None
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_name_that_is_no_text_is_named(tmp_path):
    (tmp_path / "net.caffemodel").write_bytes(wire.field(100, wire.field(2, b"Re\xffLU")))
    with pytest.raises(FormatError, match=r"net\.caffemodel: layer: type: found b'Re\\xffLU', expected text in UTF-8"):
        read_network(tmp_path / "net.caffemodel")
    (tmp_path / "net.caffemodel").write_bytes(wire.field(3, b"\xf9") + wire.field(2, wire.field(4, b"\xff")))
    with pytest.raises(FormatError, match="UTF-8"):
        read_network(tmp_path / "net.caffemodel")


# ------------------------------------------------------------------------------------------------------------- text

WORDS = sorted({name for message in MESSAGES.values() for name in message.DESCRIPTOR.fields_by_name})
VALUES = ["0", "1", "-1", "3", ".5", "1e9", "nan", "4294967295", "true", "MAX", "TEST", '"x"', '"y"', "''", "'a' \"b\""]
SIGNS = ["{", "}", "<", ">", "[", "]", ":", ",", ";", "#", "\n", " ", '"', "'", "\\", "-", "\0", "ü", "\ufeff"]


@settings(quick, max_examples=200)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS + VALUES + SIGNS), max_size=40).map(" ".join)))
def test_text(text):
    net = survives(parse_text, text, NetParameter())
    if net is not None:
        survives(upgrade, net)
        survives(summarize, net)


@st.composite
def layers(draw: st.DrawFn) -> NetParameter:
    """A layer of any type with any of its options set to numbers that somebody might write, and to others."""
    edges = st.sampled_from([0, 1, 2, 3, 5, 2**31 - 1])
    shapes = st.lists(edges, max_size=5)
    net = NetParameter()
    kind = draw(st.sampled_from(sorted(LAYERS)))
    source = net.layer.add(name="data", type="Input", top=["x", "y", "z"])
    for _ in range(3):
        source.input_param.shape.add(dim=draw(shapes))
    layer = net.layer.add(name="layer", type=kind)
    layer.bottom.extend(draw(st.lists(st.sampled_from("xyz"), max_size=3)))
    layer.top.extend(draw(st.lists(st.sampled_from("xuvw"), max_size=3)))
    wanted = "convolution" if "onvolution" in kind or kind == "Im2col" else kind.lower()
    for field in layer.DESCRIPTOR.fields:
        if field.name.replace("_", "").removesuffix("param") in (wanted, "loss", "transform"):
            options = {option.name: option for option in field.message_type.fields}
            for name in draw(st.lists(st.sampled_from(sorted(options)), max_size=4, unique=True)):
                set_option(getattr(layer, field.name), options[name], draw)
    return net


def set_option(options, option, draw):
    kinds = {
        option.TYPE_BOOL: st.booleans(),
        option.TYPE_FLOAT: st.sampled_from([0.0, -1.0, 0.5, 2.0, float("nan")]),
        option.TYPE_DOUBLE: st.just(0.5),
        option.TYPE_STRING: st.just("s"),
        option.TYPE_UINT32: st.sampled_from([0, 1, 2, 3, 7, 2**32 - 1]),
        option.TYPE_INT32: st.sampled_from([-(2**31), -1, 0, 1, 2, 7, 2**31 - 1]),
        option.TYPE_INT64: st.sampled_from([-1, 0, 1, 2, 2**62]),
    }
    if option.type == option.TYPE_ENUM:
        values = st.sampled_from([value.number for value in option.enum_type.values])
    elif option.type in kinds:
        values = kinds[option.type]
    else:  # a shape or a filler
        inner = getattr(options, option.name)
        inner.SetInParent() if hasattr(inner, "SetInParent") else inner.add()
        return
    if hasattr(getattr(options, option.name), "append"):
        getattr(options, option.name).extend(draw(st.lists(values, max_size=3)))
    else:
        setattr(options, option.name, draw(values))


@settings(quick, max_examples=400)
@given(net=layers())
def test_layers_of_any_options(net):
    with at_most(20_000):
        assert parse_text(to_text(net), NetParameter(), strict=True) == net or "nan" in to_text(net)
        for phase in ("TEST", "TRAIN"):
            found = survives(summarize, net, phase)
            assert found is None or str(found)
        survives(merge_batchnorm, net)


# ------------------------------------------------------------------------------------------- found by random networks


@pytest.mark.parametrize("shape", [(2,), (2, 4), (2, 4, 3)])
def test_resizing_takes_a_map_of_fewer_axes_as_caffe_does_or_refuses_it(shape):
    dims = " ".join(f"dim: {size}" for size in shape)
    text = f'layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }} layer {{ name: "up" '
    options = 'bottom: "x" top: "y" interp_param { height: 3 width: 2 } }'
    net = parse_text(f'{text} type: "Interp" {options}', NetParameter())
    y = to_torch(net)(torch.ones(shape))
    assert tuple(y.shape) == summarize(net).outputs["y"]
    assert torch.equal(y, torch.ones_like(y))
    with pytest.raises(NetworkError, match="4 axes"):
        to_torch(parse_text(f'{text} type: "InterpHalfPixel" {options}', NetParameter()))
