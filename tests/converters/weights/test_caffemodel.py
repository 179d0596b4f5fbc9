"""Every way in which a .caffemodel may spell its blobs, and every way in which it may be damaged."""

from __future__ import annotations

import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.weights import load_weights
from converters.weights.mean import save_mean
from prototxt_gen.binary import from_binary
from prototxt_gen.errors import CaffeError, FormatError
from prototxt_gen.proto import NetParameter
from prototxt_gen.wire import field, head, varint
from tests.caffe_files import caffe_file

VALUES = np.linspace(-1, 1, 24, dtype=np.float32)
SHAPE = field(7, field(1, varint(4) + varint(6)))
LEGACY = b"\x08\x01\x10\x01\x18\x04\x20\x06"
DOUBLES = VALUES.astype("<f8").tobytes()


def layer(blob: bytes, name: str = "a") -> bytes:
    return field(100, field(1, name.encode()) + field(2, b"InnerProduct") + field(7, blob))


def unpacked(tag: int, numbers: np.ndarray) -> bytes:
    return b"".join(bytes([tag]) + number.tobytes() for number in numbers)


SPELLINGS = {
    "packed": (field(5, VALUES.tobytes()) + SHAPE, (4, 6)),
    "shape first": (SHAPE + field(5, VALUES.tobytes()), (4, 6)),
    "in chunks": (field(5, VALUES[:5].tobytes()) + SHAPE + field(5, b"") + field(5, VALUES[5:].tobytes()), (4, 6)),
    "one field a number": (unpacked(0x2D, VALUES) + SHAPE, (4, 6)),
    "mixed": (
        field(5, VALUES[:7].tobytes()) + unpacked(0x2D, VALUES[7:9]) + field(5, VALUES[9:].tobytes()) + SHAPE,
        (4, 6),
    ),
    "long tags": (b"".join(b"\xad\x00" + number.tobytes() for number in VALUES) + SHAPE, (4, 6)),
    "doubles": (SHAPE + field(8, DOUBLES), (4, 6)),
    "doubles in chunks": (field(8, DOUBLES[:64]) + field(8, DOUBLES[64:]) + SHAPE, (4, 6)),
    "doubles one by one": (unpacked(0x41, VALUES.astype("<f8")) + SHAPE, (4, 6)),
    "doubles before floats": (field(5, bytes(96)) + field(8, DOUBLES) + SHAPE, (4, 6)),
    "diff": (field(6, bytes(96)) + unpacked(0x35, VALUES) + SHAPE + field(5, VALUES.tobytes()), (4, 6)),
    "double diff": (field(9, bytes(192)) + SHAPE + field(5, VALUES.tobytes()), (4, 6)),
    "four sizes": (LEGACY + field(5, VALUES.tobytes()), (1, 1, 4, 6)),
    "four sizes before shape": (SHAPE + LEGACY + field(5, VALUES.tobytes()), (1, 1, 4, 6)),
    "dims one by one": (field(7, b"\x08\x04\x08\x06") + field(5, VALUES.tobytes()), (4, 6)),
    "shape in two": (field(7, b"\x08\x04") + field(5, VALUES.tobytes()) + field(7, b"\x08\x06"), (4, 6)),
    "fields of forks": (
        b"\xa0\x06\x01" + field(200, b"?") + b"\xa3\x06\x08\x01\xa4\x06" + SHAPE + field(5, VALUES.tobytes()),
        (4, 6),
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_of_a_blob(name: str, tmp_path: Path) -> None:
    blob, shape = SPELLINGS[name]
    path = tmp_path / "w.caffemodel"
    path.write_bytes(layer(blob))
    (found,) = load_weights(path)["a"]
    assert found.shape == shape
    assert found.tobytes() == VALUES.tobytes()
    parsed = from_binary(layer(blob)).layer[0].blobs[0]
    assert found.ravel().tolist() == [np.float32(number) for number in (parsed.double_data or parsed.data)]


def test_millions_of_numbers_that_are_not_packed(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(1_000_003, np.float32)
    records = np.zeros(values.size, np.dtype([("tag", "u1"), ("value", "<f4")]))
    records["tag"], records["value"] = 0x2D, values
    path = tmp_path / "w.caffemodel"
    path.write_bytes(layer(field(7, field(1, varint(values.size))) + records.tobytes()))
    assert np.array_equal(load_weights(path)["a"][0], values)


def test_layers_of_every_age(tmp_path: Path) -> None:
    net = NetParameter(name="old")
    v1 = net.layers.add(name="v1", type=14)
    v0 = net.layers.add().layer
    v0.name, v0.type = "v0", "innerproduct"
    net.layers.add(name="bare")
    for owner, number in ((v1, 1.0), (v0, 2.0)):
        owner.blobs.add(num=1, channels=1, height=1, width=2, data=[number] * 2)
    path = tmp_path / "w.caffemodel"
    path.write_bytes(net.SerializeToString())
    found = load_weights(path)
    assert {name: blobs[0].tolist() for name, blobs in found.items()} == {"v1": [[[[1, 1]]]], "v0": [[[[2, 2]]]]}
    # Caffe: UpgradeV1Net drops `layer` where there are `layers`.
    path.write_bytes(net.SerializeToString() + layer(SPELLINGS["packed"][0]))
    assert load_weights(path).keys() == {"v0", "v1"}


def test_of_two_layers_of_one_name_the_later_counts(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    one, two = (field(5, struct.pack("<f", number)) + field(7, b"\x08\x01") for number in (1, 2))
    path.write_bytes(layer(one) + layer(one, "b") + layer(two) + field(100, field(1, b"b")))
    assert {name: blobs[0].tolist() for name, blobs in load_weights(path).items()} == {"a": [2], "b": [1]}


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    path.write_bytes(field(100, field(1, b"\xff\xfe") + field(7, field(5, bytes(4)))))
    assert load_weights(path).keys() == {"\\xff\\xfe"}


NEGATIVE = b"\xff" * 9 + b"\x01"
FAULTS = {
    "too few values": (field(5, bytes(92)) + SHAPE, r"blob 0: found 23 values, expected 24 for shape \(4, 6\)"),
    "too many values": (field(5, bytes(100)) + SHAPE, "found 25 values, expected 24"),
    "half a value": (field(5, bytes(95)) + SHAPE, "found 95 bytes, expected a multiple of 4"),
    "no shape": (field(5, bytes(96)), r"found 24 values, expected 1 for shape \(\)"),
    "negative size": (field(7, field(1, NEGATIVE)), r"found shape \(-1,\)"),
    "negative old size": (b"\x08" + NEGATIVE, r"found shape \(-1, 0, 0, 0\)"),
    "2^40 values": (field(7, field(1, varint(1 << 40))) + field(5, bytes(8)), "1099511627776"),
    "2^40 values in two": (field(7, field(1, varint(1 << 20) * 2)), "found shape"),
    "nothing of a large shape": (field(7, field(1, varint(1 << 20) + varint(1 << 20) + b"\0")), "found shape"),
    "too many axes": (field(7, field(1, b"\1" * 33)) + field(5, bytes(4)), "more than 32"),
    "too many axes one by one": (field(7, b"\x08\1" * 33) + field(5, bytes(4)), "more than 32"),
    "2^40 bytes": (head(5, 1 << 40), "but the message around it ends at"),
    "more than its layer": (head(5, 17) + bytes(8), "but the message around it ends at"),
    "numbers of another kind": (b"\x28\x01", "data: found a number, expected bytes"),
    "sizes of another kind": (field(1, b"?"), "width: found bytes, expected a number"),
    "shape of another kind": (b"\x38\x01", "shape: found a number"),
    "dims of another kind": (field(7, b"\x0d\0\0\0\0"), "dim: found 4 bytes"),
    "NVIDIA's numbers": (SHAPE + field(12, bytes(96)), "raw_data"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_blob_is_one_error_and_allocates_nothing(name: str, tmp_path: Path) -> None:
    blob, message = FAULTS[name]
    path = tmp_path / "w.caffemodel"
    path.write_bytes(layer(blob) + layer(b""))
    tracemalloc.start()
    tracemalloc.reset_peak()
    with pytest.raises(FormatError) as caught:
        load_weights(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert re.search(message, str(caught.value))
    assert str(caught.value).startswith(f"{path}: byte ")
    assert "layer 'a'" in str(caught.value) or "ends at" in str(caught.value)


def test_another_message_is_refused(tmp_path: Path) -> None:
    save_mean(np.ones((3, 5, 4)), tmp_path / "mean.binaryproto")
    with pytest.raises(FormatError, match="not a network"):
        load_weights(tmp_path / "mean.binaryproto")


@pytest.mark.parametrize("name", ["spelled/v2", "spelled/v1", "spelled/v0", "layers/normalization"])
def test_a_file_cut_anywhere_is_refused_where_protobuf_refuses_it(name: str, tmp_path: Path) -> None:
    data = caffe_file(name, tmp_path).read_bytes()
    path = tmp_path / "cut.caffemodel"
    for length in range(1, len(data)):
        path.write_bytes(data[:length])
        try:
            net = from_binary(data[:length])
        except FormatError:
            with pytest.raises(FormatError, match="byte "):
                load_weights(path)
        else:
            old = [one.layer if one.HasField("layer") else one for one in net.layers]
            assert len(load_weights(path)) == sum(bool(one.blobs) for one in (*net.layer, *old))


seeds = st.sampled_from([layer(blob) + layer(blob, "b") for blob, _ in (*SPELLINGS.values(), *FAULTS.values())])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(seeds))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(data)


@settings(max_examples=300, deadline=None)
@given(data=damaged() | st.binary(max_size=80))
def test_any_bytes_end_in_weights_or_an_error(data: bytes, tmp_path_factory) -> None:
    """And where protobuf takes the file too, it finds the same numbers in it."""
    path = tmp_path_factory.getbasetemp() / "any.caffemodel"
    path.write_bytes(data)
    try:
        found = load_weights(path)
    except CaffeError as fault:
        assert str(path) in str(fault)
        return
    try:
        net = from_binary(data)
        names = [one.name for one in (*net.layer, *net.layers)]
    except (FormatError, UnicodeDecodeError):  # a fault in what we skip
        return
    if not net.layers and len(set(names)) == len(names) and names == [name for name in names if name.isascii()]:
        expected = {one.name: [blob.double_data or blob.data for blob in one.blobs] for one in net.layer if one.blobs}
        assert found.keys() == expected.keys()
        for name, blobs in expected.items():
            for array, numbers in zip(found[name], blobs, strict=True):
                with np.errstate(over="ignore"):
                    assert np.array_equal(array.ravel(), np.array(numbers, np.float32), equal_nan=True)


def test_a_file_over_two_gigabytes(tmp_path: Path) -> None:
    """A gradient of 3 GB, as snapshot_diff leaves it, is stepped over; the file has a hole instead of it."""
    path = tmp_path / "w.caffemodel"
    huge = 3 << 30
    numbers = field(5, VALUES.tobytes()) + SHAPE
    blob = len(numbers) + len(head(6, huge)) + huge
    before = field(1, b"a")
    with path.open("wb") as file:
        file.write(
            head(100, len(before) + len(head(7, blob)) + blob) + before + head(7, blob) + numbers + head(6, huge)
        )
        file.seek(huge, 1)
        file.write(layer(numbers, "b"))
    found = load_weights(path)
    assert [found[name][0].tobytes() for name in ("a", "b")] == [VALUES.tobytes()] * 2
