"""JSON from others: what is taken, and what is one fault."""

import math

import pytest

from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.json_files import read_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
        ('{"a": {"b": 1}, "c": {"b": 1}}', {"a": {"b": 1}, "c": {"b": 1}}),
        ("9" * 5000, math.inf),
        ("-" + "9" * 400, -math.inf),
        ("1e999", math.inf),
    ],
)
def test_values(tmp_path, text, value):
    (tmp_path / "a.json").write_text(text)
    assert read_json(tmp_path / "a.json", "a table") == value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a table: Expecting value"),
        (b'{"a": 1', "not a table: Expecting ',' delimiter"),
        (b'{"a": 1, "b": 2, "a": 3}', "not a table: the name 'a' is there twice"),
        (b'[{"b": {"c": 1, "c": 1}}]', "the name 'c' is there twice"),
        (b"[" * 100_000, "not a table: it is nested too deeply"),
        (b'{"a":' * 100_000, "it is nested too deeply"),
        (bytes(range(256)), "not a table: "),
        (b"\xff\xfe\xff", "not a table: "),
    ],
)
def test_what_is_no_json(tmp_path, data, said):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(FormatError, match=said) as fault:
        read_json(tmp_path / "a.json", "a table")
    assert str(fault.value).startswith(f"{tmp_path / 'a.json'}: ")


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        read_json(tmp_path, "a table")
