"""Tensors of every type and place as arrays; contents that do not fit, and external data, are refused by name."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from converters.onnx.models.tensors import array_of, single  # noqa: E402
from prototxt_gen.errors import FileError, FormatError, UnsupportedError  # noqa: E402

KINDS = [
    "FLOAT",
    "FLOAT16",
    "BFLOAT16",
    "DOUBLE",
    "INT8",
    "UINT8",
    "INT16",
    "UINT16",
    "INT32",
    "INT64",
    "UINT32",
    "UINT64",
    "BOOL",
]


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_type(kind, raw):
    whole = kind.startswith(("INT", "UINT", "BOOL"))
    numbers = np.array([[0, 1, 3], [7, 1, 120]]) if whole else np.array([[0, 1, -3], [0.5, 2.0**-20, 1e4]])
    tensor = helper.make_tensor("t", getattr(TensorProto, kind), numbers.shape, numbers.flatten().tolist())
    if raw:
        array = numpy_helper.to_array(tensor)
        tensor = helper.make_tensor("t", getattr(TensorProto, kind), numbers.shape, array.tobytes(), raw=True)
    assert tensor.HasField("raw_data") is raw
    found = array_of(tensor, None, "t")
    wanted = numpy_helper.to_array(tensor)
    assert found.dtype == (np.float32 if kind.endswith("FLOAT16") else wanted.dtype)
    np.testing.assert_array_equal(found, wanted.astype(found.dtype))


@pytest.mark.parametrize("kind", ["STRING", "COMPLEX64", "FLOAT8E4M3FN", "INT4", "UNDEFINED"])
def test_other_types_are_refused(kind):
    with pytest.raises(UnsupportedError, match=f"^type {kind}, which no blob"):
        array_of(TensorProto(data_type=getattr(TensorProto, kind), dims=[1]), None, "t")


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"dims": [-1]}, "t: found shape .-1,., expected no negative size"),
        ({"dims": [2**40]}, "t: found shape .1099511627776,., expected at most 2147483647 numbers"),
        ({"dims": [2**62] * 9, "raw_data": b"1234"}, "expected at most"),
        ({"dims": [1] * 33}, "t: found 33 axes, expected at most 32"),
        ({"dims": [2**28], "raw_data": b"1234"}, "t: found 4 bytes, expected 1073741824 for shape .268435456,."),
        ({"dims": [2**28], "float_data": [1.0]}, "t: found 1 numbers, expected 268435456"),
        ({"dims": [2], "int64_data": [1, 2]}, "t: found 0 numbers, expected 2"),
    ],
)
def test_numbers_that_do_not_fit_the_shape_allocate_nothing(fields, message):
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=message):
            array_of(TensorProto(data_type=TensorProto.FLOAT, **fields), None, "t")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def external(location, *, shape=(3,), **entries):
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "home"
    (home / "deep").mkdir(parents=True)
    data = np.arange(5, dtype=np.float32).tobytes()
    for path in (home / "data.bin", home / "deep" / "data.bin", tmp_path / "data.bin"):
        path.write_bytes(data)
    return home


@pytest.mark.parametrize("location", ["data.bin", "deep/data.bin", "deep/../data.bin"])
@pytest.mark.parametrize("entries", [{}, {"offset": 4}, {"offset": 8, "length": 12, "checksum": "x"}])
def test_external_data(folder, location, entries):
    found = array_of(external(location, **entries), folder, "t")
    np.testing.assert_array_equal(found, np.arange(3) + entries.get("offset", 0) // 4)


@pytest.mark.parametrize(
    "location",
    ["", "../data.bin", "deep/../../data.bin", "/etc/passwd", "/dev/zero", "a\0b", "link", "folder/data.bin"],
)
def test_external_data_outside_the_folder_are_refused(folder, location):
    (folder / "link").symlink_to(folder.parent / "data.bin")
    (folder / "folder").symlink_to(folder.parent)
    with pytest.raises(FileError, match=r"^t: external data: found location .*, expected a file inside "):
        array_of(external(location), folder, "t")


def test_a_model_through_a_link_still_has_its_folder(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert array_of(external("data.bin"), tmp_path / "link", "t").size == 3


@pytest.mark.parametrize(
    "tensor, error, message",
    [
        (external("none.bin"), FileError, "no such file"),
        (external("deep"), FileError, "no such file"),
        (external("pipe"), FileError, "no such file"),
        (external("data.bin", shape=(6,)), FileError, "found 20 bytes, expected 24: the file is cut short"),
        (external("data.bin", shape=(2**30,)), FileError, "cut short"),
        (external("data.bin", offset=12), FileError, "cut short"),
        (external("data.bin", offset=2**63), FileError, "cut short"),
        (external("data.bin", length=8), FormatError, "length: found 8, expected 12"),
        (external("data.bin", offset="-4"), FormatError, "offset: found '-4', expected a number of bytes"),
        (external("data.bin", offset="9" * 4000), FormatError, "offset: found"),
    ],
)
def test_external_data_that_do_not_fit_allocate_nothing(folder, tensor, error, message):
    os.mkfifo(folder / "pipe")
    tracemalloc.start()
    try:
        with pytest.raises(error, match=rf"^t: external data.*{message}"):
            array_of(tensor, folder, "t")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_external_data_of_a_model_in_memory_are_refused():
    with pytest.raises(
        FileError, match=r"^t: its data are in the file 'data\.bin', but a model in memory has no folder"
    ):
        array_of(external("data.bin"), None, "t")


def test_numbers_as_blobs_hold_them():
    assert single(np.array([1.1, np.inf, np.nan])).dtype == np.float32
    assert single(np.array(3)).shape == ()
    np.testing.assert_array_equal(single(np.array([True, False])), [1, 0])
    np.testing.assert_array_equal(single(np.array([2**24, -(2**62)])), [2**24, -(2.0**62)])


@pytest.mark.parametrize("number", [2**24 + 1, -(2**53) - 1, 2**63 - 1, 1e39, -1e300])
def test_numbers_that_float32_cannot_hold_are_refused(number):
    with pytest.raises(UnsupportedError, match="Caffe's blobs are float32"):
        single(np.array([0, number]))
