"""Caffe text in every spelling that people and forks use."""

from __future__ import annotations

import re
import warnings

import pytest

from prototxt_gen import NetParameter, SolverParameter, read_prototxt, read_solver, solver
from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.generator.networks import generate
from prototxt_gen.text import UnknownFieldWarning, parse_text, unknown_fields, write_prototxt

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


NUMBERS = """
layer { slice_param { axis: %s } }
layer { power_param { power: %s } }
layer { convolution_param { num_output: %s } }
layer { convolution_param { bias_term: %s } }
layer { pooling_param { pool: %s } }
"""


@pytest.mark.parametrize(
    ("place", "spelling", "value"),
    [
        # What Caffe read of each (upgrade_net_proto_text).
        (0, "- 1", -1),
        (0, "-\n1", -1),
        (0, "-\t#\n # -2\n 1", -1),
        (0, "- 0x1F", -31),
        (0, "-010", -8),
        (0, "-2147483648", -(2**31)),
        (1, "- 0.5", -0.5),
        (1, "- # c\n .5", -0.5),
        (1, "- inf", float("-inf")),
        (1, "-infinity", float("-inf")),
        (1, "1.5F", 1.5),
        (1, "1.e2", 100),
        (1, "1e400", float("inf")),
        (2, "0X10", 16),
        (3, "00", False),
        (3, "01", True),
        (3, "0x1", True),
        (3, "0X0", False),
        (3, "f", False),
        (4, "0x1", 1),
    ],
)
def test_numbers_as_caffe_reads_them(place, spelling, value):
    values = ["1", "1", "1", "true", "MAX"]
    values[place] = spelling
    one, two, three, four, five = parsed(NUMBERS % tuple(values)).layer
    found = [
        one.slice_param.axis,
        two.power_param.power,
        three.convolution_param.num_output,
        four.convolution_param.bias_term,
        five.pooling_param.pool,
    ]
    assert found[place] == value


def test_numbers_of_a_list_as_caffe_reads_them():
    net = parsed('layer { loss_weight: [1, - 2, # -\n 3, -\n4] propagate_down: [true, 00, 0x1] name: "- 1 01" }')
    assert list(net.layer[0].loss_weight) == [1, -2, 3, -4]
    assert list(net.layer[0].propagate_down) == [True, False, True]
    assert net.layer[0].name == "- 1 01"


@pytest.mark.parametrize("number", ["- - 1", "--1", "-", "- name", "- -1", "-- 1", "- 2147483649", "09"])
def test_numbers_that_caffe_refuses_too(number):
    with pytest.raises(FormatError, match="1:"):
        parsed(f"layer {{ slice_param {{ axis: {number} }} }}")


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
        parse_text("".join(f"x{index}: 1\n" for index in range(100)) + "name: 'n'", NetParameter())


# ------------------------------------------------------------------------------------- another message, another format

SOLVER = 'net: "train.prototxt"\nbase_lr: 0.1\nlr_policy: "fixed"\n'


@pytest.mark.parametrize("text", [SOLVER, "debug_info: true\n" + SOLVER, SOLVER + "of_a_fork { a: 1 }", "type: 'Adam'"])
def test_a_solver_is_no_network(tmp_path, text):
    path = tmp_path / "solver.prototxt"
    path.write_text(text)
    with pytest.raises(
        FormatError, match=r"solver.prototxt: found a solver \((net|type) in line \d\), expected a network"
    ):
        read_prototxt(path)


@pytest.mark.parametrize("text", ['name: "n" layer { }', "debug_info: true layer { }", "layers { type: RELU } a: 1"])
def test_a_network_is_no_solver(tmp_path, text):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"net.prototxt: found a network \(\w+ in line 1\), expected a solver"):
        read_solver(path)


@pytest.mark.parametrize(("read", "wanted"), [(read_prototxt, "a network"), (read_solver, "a solver")])
def test_a_text_without_a_known_field_is_neither(tmp_path, read, wanted):
    path = tmp_path / "labels.prototxt"
    path.write_text('item { name: "cat" label: 1 }\nitem { name: "dog" label: 2 }')
    with pytest.raises(
        FormatError, match=r"labels.prototxt: found item \(line 1\), .* expected the fields of " + wanted
    ):
        read(path)


@pytest.mark.parametrize("text", ["", "# a comment\n", "\n"])
def test_an_empty_file_is_an_empty_network_and_an_empty_solver_as_for_caffe(tmp_path, text):
    path = tmp_path / "empty.prototxt"
    path.write_text(text)
    assert read_prototxt(path) == NetParameter()
    assert read_solver(path) == SolverParameter()


def test_a_solver_is_read_and_written(tmp_path):
    path = tmp_path / "solver.prototxt"
    write_prototxt(solver(lr_policy="step", gamma=0.1, stepsize=5), path)
    assert read_solver(path) == solver(lr_policy="step", gamma=0.1, stepsize=5)
    path.write_text(SOLVER + "of_a_fork: 1")
    with pytest.warns(UnknownFieldWarning, match=r"solver.prototxt: unknown fields: of_a_fork \(line 4\)"):
        assert read_solver(path).net == "train.prototxt"


@pytest.mark.parametrize(
    "field",
    [
        "phase: TEST",
        "propagate_down: true",
        "batch_norm_param { }",
        "scale_param { axis: 1 }",
        "prelu_param { }",
        "reshape_param { shape { dim: 0 } }",
        "flatten_param { }",
        "crop_param { axis: 1 }",
        "input_param { shape { dim: 1 } }",
        "python_param { module: 'x' }",
        "clip_param { min: 0 max: 1 }",
    ],
)
@pytest.mark.parametrize("old", ["layers { type: CONVOLUTION %s }", "layers { layer { type: 'conv' %s } }"])
def test_layers_of_the_old_formats_have_no_fields_of_today(field, old):
    """Caffe: "Message type "caffe.V1LayerParameter" has no field named ..."."""
    name = field.split()[0].strip(":")
    with pytest.raises(
        FormatError, match=rf"net: layers\.(layer\.)?{name} \(line 2\): found a field of `layer`, the curr"
    ):
        parse_text("\n" + old % field, NetParameter(), "net")


def test_options_that_later_came_into_messages_of_the_old_format_are_read():
    net = parsed("layers { type: CONVOLUTION convolution_param { dilation: 2 axis: 1 } include { phase: TEST } }")
    assert list(net.layers[0].convolution_param.dilation) == [2]


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


@pytest.mark.parametrize("value", ["-" + " " * 100_000 + "'x'", "[" + "- " * 50_000 + "]", "[" + "-#\n" * 50_000 + "]"])
def test_a_minus_with_blanks_without_end_is_refused_quickly(value):
    with pytest.raises(FormatError, match="net: 1:2"):
        parse_text(f"layer {{ loss_weight: {value} }}", NetParameter(), "net")


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


# ------------------------------------------------------------------------------------------------------------- files


def test_files_are_written_and_read_back(tmp_path):
    net = generate("s8_b8_c4")
    write_prototxt(net, tmp_path / "net.prototxt")
    assert read_prototxt(tmp_path / "net.prototxt") == net
    assert [path.name for path in tmp_path.iterdir()] == ["net.prototxt"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"layer { name: }", "net.prototxt: 1:15"),
        (b'layer {\n  name: "a"\n  bottom: 3\n}', "net.prototxt: 3:11"),
        (b"layer {", "net.prototxt: "),
        (b'layer {\n name: "a"\n type: ', "net.prototxt: 3:8: the text ends within a message; is it incomplete?"),
        (b'layer {\n name: "a"\n', "net.prototxt: 2:8: the text ends within a message; is it incomplete?"),
        (b"\xff\x00\x01", "net.prototxt: not text: byte 0 is not UTF-8; is it a .caffemodel?"),
    ],
)
def test_text_that_is_none_is_refused_by_file_and_place(tmp_path, content, said):
    (tmp_path / "net.prototxt").write_bytes(content)
    with pytest.raises(FormatError, match=re.escape(said)):
        read_prototxt(tmp_path / "net.prototxt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=re.escape("none.prototxt: cannot be read: No such file")):
        read_prototxt(tmp_path / "none.prototxt")


UNKNOWN = {
    "one layer": ('layer { name: "a" pooling_param { ceil_mode: true } }', {"a": ("pooling_param.ceil_mode",)}),
    "messages": ('layer { name: "a" yolo { x: 1 } yolo { x: 2 } odd: [1, 2] }', {"a": ("yolo", "odd")}),
    "several layers": (
        'layer { name: "a" } layer { name: "b" x: 1 } state { y: 1 } z: 2 layer { name: "c" relu_param { w: 1 } }',
        {"b": ("x",), "": ("state.y", "z"), "c": ("relu_param.w",)},
    ),
    "a list of layers": (
        'layer: [{ name: "a" x: 1 }, { name: "b" relu_param { y: 1 } }] layer < name: "c" z: 1 >',
        {"a": ("x",), "b": ("relu_param.y",), "c": ("z",)},
    ),
    "V1": ('layers { name: "a" type: POOLING } layers { name: "b" x: 1 }', {"b": ("x",)}),
    "V0": ('layers { layer { name: "a" x: 1 } bottom: "b" y: 2 }', {"a": ("x", "y")}),
    "none": ('layer { name: "a" relu_param { negative_slope: 1 } }', {}),
    "an empty file": ("", {}),
}


@pytest.mark.parametrize(("text", "expected"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_fields_by_layer(tmp_path, text, expected):
    (tmp_path / "net.prototxt").write_text("\ufeff# a comment { \n" + text, "utf-8")
    assert unknown_fields(tmp_path / "net.prototxt") == expected
