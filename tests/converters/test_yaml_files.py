"""YAML files: fields read by their kinds, every fault with its line in one error."""

import pytest

from converters.yaml_files import Field, Reader
from prototxt_gen.errors import FormatError


def text(reader, node, path):
    return reader.scalar(node, path, str, "a text")


def number(reader, node, path):
    return reader.scalar(node, path, int, "a whole number")


FIELDS = {
    "name": Field(text, required=True),
    "sizes": Field(lambda reader, node, path: reader.items(node, path, number)),
    "more": Field(lambda reader, node, path: reader.named(node, path, number)),
}


def read(content: str):
    reader = Reader(content.encode(), "own.yaml", "a box")
    found = reader.mapping(reader.root, "", FIELDS)
    reader.check()
    return found


def test_fields_of_their_kinds():
    assert read("name: a\nsizes: [1, 2]\nmore: {x: 3}") == {"name": "a", "sizes": (1, 2), "more": {"x": 3}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "own.yaml: not a box: it is empty"),
        ("a: [", "own.yaml: not a box: while parsing"),
        ("a: " + "[" * 2000, "own.yaml: not a box: it is nested too deeply"),
        ("\x00", "own.yaml: not a box: "),
        ("#" * 1_000_001, "own.yaml: not a box: 1,000,001 bytes, expected at most 1,000,000"),
        ("[1]", "line 1: the file: found a list, expected name, sizes, more"),
        ("sizes: [1]", "line 1: the file: has no name"),
        ("name: 7", "line 1: name: found '7', expected a text"),
        ("name: a\nname: b", "line 2: name: is there twice"),
        ("name: a\nsize: 2", "line 2: size: is no field, expected one of name, sizes, more"),
        ("name: a\nsizes: 2", "line 2: sizes: found '2', expected a list"),
        ("name: a\nsizes: []", "line 2: sizes: found 0 items, expected 1 to 1000"),
        ("name: a\nsizes:\n- 1\n- {}", r"line 4: sizes\[1\]: found a mapping, expected a whole number"),
        ("name: a\nmore: [1]", "line 2: more: found a list, expected names, each with a value"),
        ("name: a\nmore: {x: 1, x: 2}", "line 2: more.x: is there twice"),
        ("name: !!python/object/apply:os.system [ls]", "line 1: name: found a list, expected a text"),
        ("name: !!int ab", "line 1: name: found 'ab', expected a text"),
        ("7: 7\nname: b\nsizes: x", "line 1: 7: is no field.*; line 3: sizes: found 'x'"),
    ],
)
def test_faults_name_file_line_and_field(content, said):
    with pytest.raises(FormatError, match=said):
        read(content)
