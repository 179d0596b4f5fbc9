"""Caffe text in every spelling that people and forks use."""

from __future__ import annotations

import re
import warnings

import pytest

from prototxt_gen import NetParameter, read_prototxt
from prototxt_gen.errors import FormatError
from prototxt_gen.text import UnknownFieldWarning, parse_text

PLAIN = """
name: "n"
layer {
  name: "c"
  type: "Convolution"
  bottom: "x"
  top: "y"
  convolution_param { num_output: 16 bias_term: true kernel_size: 3 kernel_size: 5 weight_filler { std: 0.5 } }
  include { phase: TEST }
}
layer { name: "p" type: "Pooling" bottom: "y" top: "z" pooling_param { pool: AVE } loss_weight: 1 loss_weight: 0.25 }
"""


def parsed(text: str) -> NetParameter:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return parse_text(text, NetParameter())


def spelled(*changes: tuple[str, str]) -> str:
    text = PLAIN
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


SPELLINGS = {
    "one line": (("\n", " "),),
    "no blanks": ((": ", ":"), (" {", "{"), ("{ ", "{"), (" }", "}")),
    "a colon before a brace": ((" {", ": {"),),
    "angle brackets": ((" {", " <"), ("}", ">")),
    "single quotes": (('"', "'"),),
    "strings in pieces": (('"Convolution"', '"Conv" \n  \'olution\''),),
    "escapes": (('"Convolution"', r'"Conv\x6flutio\156"'),),
    "commas": (('"x"\n', '"x",\n'), ("num_output: 16 ", "num_output: 16, ")),
    "semicolons": (('"x"\n', '"x";\n'), ("num_output: 16 ", "num_output: 16; ")),
    "lists": (("kernel_size: 3 kernel_size: 5", "kernel_size: [3, 5]"), ("loss_weight: 1 loss_weight: 0.25",
                                                                         "loss_weight: [1, 0.25]")),
    "a list of messages": (("include { phase: TEST }", "include [{ phase: TEST }]"),),
    "enums by number": (("AVE", "1"), ("TEST", "1")),
    "true as t": (("true", "t"),),
    "true as 1": (("true", "1"),),
    "True": (("true", "True"),),
    "hexadecimal": (("num_output: 16", "num_output: 0x10"),),
    "octal": (("num_output: 16", "num_output: 020"),),
    "a float without its zero": (("0.5", ".5"), ("0.25", ".25")),
    "a float of C": (("0.5", "0.5f"), ("loss_weight: 1 ", "loss_weight: 1.f ")),
    "an exponent": (("0.5", "5e-1"), ("0.25", "25E-2")),
    "comments": (("layer {", "layer { # name: 'no'\n  ## }\n"), ("16", "16 #\n")),
    "carriage returns": (("\n", "\r\n"),),
    "tabs and form feeds": ((" ", "\t\f"),),
    "a byte order mark": (('\nname: "n"', '\ufeffname: "n"'),),
    "no end of line": (("\n}\nlayer", "\n}layer"), ("0.25 }\n", "0.25 }")),
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spelling_changes_nothing(spelling):
    text = spelled(*SPELLINGS[spelling])
    assert text != PLAIN
    assert parsed(text) == parsed(PLAIN)


# --------------------------------------------------------------------------------------------------- fields of forks


@pytest.mark.parametrize(
    "field",
    [
        "fork: 3",
        "fork: -3;",
        "fork: - 3",
        "fork: .5,",
        "fork: -inf",
        "fork: MAX",
        "fork: \"a # no comment\" '}' # a comment }\n",
        "fork: [1, 2, 3]",
        "fork: []",
        "fork { }",
        "fork: { }",
        "fork < a: 1 >",
        "fork { a: 1 b { c: [1, 2] d: 'x' } }",
        "fork: [{ a: 1 }, { a: 2 b: [{ c: 3 }] }]",
        "fork [<a: 1>]",
        "fork: [{ a: -1 }, <b: -inf>]",
        "fork { name: 'inner' layer { name: 'deeper' } }",
        "fork { " * 5000 + "}" * 5000,
        "fork: " + "[" * 5000 + "]" * 5000,
    ],
    ids=lambda field: field[:40],
)
@pytest.mark.parametrize("place", ['name: "c"\n', "num_output: 16", "phase: TEST", 'name: "n"\n'])
def test_a_field_of_a_fork_is_named_and_left_out(field, place):
    text = PLAIN.replace(place, f"{field} {place} {field}\n", 1)
    with pytest.warns(UnknownFieldWarning, match=r"^<text>: unknown fields: [\w.]*fork \(line \d+\), ") as caught:
        assert parse_text(text, NetParameter()) == parsed(PLAIN)
    assert len(caught) == 1
    with pytest.raises(FormatError, match="unknown fields: "):
        parse_text(text, NetParameter(), strict=True)


def test_where_they_are_is_told():
    text = 'a: 1\nlayer {\n  type: "X" b {\n}\n layer {}\n param { c: 2 lr_mult: 3 }\n}\n'
    text += 'layers: [{ d: 1 }, { e: "\\"" }]\n'
    with pytest.warns(UnknownFieldWarning) as caught:
        net = parse_text(text, NetParameter(), "net.prototxt")
    named = "a (line 1), layer.b (line 3), layer.layer (line 5), layer.param.c (line 6), layers.d (line 8), layers.e"
    assert str(caught[0].message) == f"net.prototxt: unknown fields: {named} (line 8)"
    assert (net.layer[0].param[0].lr_mult, len(net.layers)) == (3, 2)


def test_many_of_them_are_counted():
    with pytest.warns(UnknownFieldWarning, match=r"x19 \(line 20\) and 80 more$"):
        parse_text("".join(f"x{index}: 1\n" for index in range(100)), NetParameter())


# ---------------------------------------------------------------------------------------------------------- no text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layer { fork: 1 name: 3 }", "1:23"),  # places stay where they were
        ("layer { fork: 1 }\nlayer {\n", "2:7"),
        ("layer { fork 3 }", "no field named"),
        ("layer { fork: }", "no field named"),
        ("layer { fork: { }", "1:7"),
        ("layer { fork: [1 }", "no field named"),
        ("fork: 1 } layer { }", "1:9"),
        ("layer { fork: [1 } }", "no field named"),
        ("layer { fork: { a: 1 > }", "no field named"),
        ("layer { fork: { ? } }", "no field named"),
        ("layer { name: 'a' name: 'b' }", "multiple"),
        ("layer { pooling_param { pool: LARGEST } }", "LARGEST"),
        ("layer { pooling_param { pool: 9 } }", "9"),
        ("layer { convolution_param { num_output: -1 } }", "-1"),
        ("layer { convolution_param { num_output: 1.5 } }", "1.5"),
        ("layer { convolution_param { num_output: 4294967296 } }", "4294967296"),
        ("layer { name: 'no end }", "1:15"),
        ("layer { name: no_quotes }", "no_quotes"),
        ("layer { name: '\\xff' }", "parse string"),
        ("// a comment of another language", "1:1"),
        ("layer { convolution_param { num_output: " + "9" * 5000 + " } }", ""),
        ("\x00", "1:1"),
        ("<html>", "1:1"),
    ],
)
def test_what_is_no_caffe_text_is_refused_with_its_place(text, said):
    with warnings.catch_warnings(), pytest.raises(FormatError, match=f"net: .*{re.escape(said)}"):
        warnings.simplefilter("error")
        parse_text(text, NetParameter(), "net")


def test_nesting_without_end_is_refused_quickly():
    for text in ("layer { " * 100_000, "fork { " * 100_000, "fork: [" * 100_000, "layer [" * 100_000):
        with pytest.raises(FormatError):
            parse_text(text, NetParameter())


# -------------------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "gbk", "utf-8-sig"])
def test_comments_may_be_in_any_encoding(tmp_path, encoding):
    comment = "卷积" if encoding == "gbk" else "für Größe"
    text = f'# {comment}\nlayer {{ name: "c # d" }} # {comment} }} "\n# {comment}'
    (tmp_path / "net.prototxt").write_bytes(text.encode(encoding))
    assert [layer.name for layer in read_prototxt(tmp_path / "net.prototxt").layer] == ["c # d"]


def test_names_are_utf_8(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_bytes('# ü\nlayer { name: "ü" }'.encode())
    assert read_prototxt(path).layer[0].name == "ü"
    path.write_bytes('# ü\nlayer { name: "ü" }'.encode("latin-1"))
    with pytest.raises(FormatError, match="byte 19 is not UTF-8"):
        read_prototxt(path)
    path.write_bytes("# ü\n layer { }".encode("utf-16"))
    with pytest.raises(FormatError, match="byte 0 is not UTF-8"):
        read_prototxt(path)
