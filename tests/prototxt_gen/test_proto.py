"""The Caffe language: its schema, its two spellings of field 148, fingerprints, and life beside other caffe_pb2."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.errors import FileError, FormatError, UnsupportedError
from prototxt_gen.fingerprints import fingerprint
from prototxt_gen.generator.networks import generate
from prototxt_gen.proto import MESSAGES, NetParameter, compile_schema
from prototxt_gen.text import parse_text, read_prototxt, to_text, write_prototxt

ROOT = Path(__file__).parents[2]
SOURCE = resources.files("prototxt_gen").joinpath("caffe.proto").read_text("utf-8")
FILE = compile_schema(SOURCE, "caffe.proto")
INTERP_HERE = 20148
# What the SSD fork adds to the language: (number, label, type, default, packed) by field, by message.
SSD = {
    "LayerParameter": {
        "permute_param": (202, "optional", "PermuteParameter", None, False),
        "norm_param": (206, "optional", "NormalizeParameter", None, False),
    },
    "PermuteParameter": {"order": (1, "repeated", "uint32", None, False)},
    "NormalizeParameter": {
        "across_spatial": (1, "optional", "bool", "true", False),
        "scale_filler": (2, "optional", "FillerParameter", None, False),
        "channel_shared": (3, "optional", "bool", "true", False),
        "eps": (4, "optional", "float", np.float32(1e-10), False),
    },
}

# ------------------------------------------------------------------------------------------------------------ schema


def _default(kind: str, spelled: str) -> object:
    if kind in ("float", "double"):
        return np.float32(spelled)
    return int(spelled) if kind.startswith(("int", "uint")) else spelled


def _schema_row(field: dict) -> tuple:
    kind = field["type"]
    default = _default(kind, field["default"]) if "default" in field else None
    return (field["number"], field["label"], kind, default, field.get("packed", False))


def _compiled_row(field: descriptor_pb2.FieldDescriptorProto) -> tuple:
    label = descriptor_pb2.FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()
    kind = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    kind = field.type_name.removeprefix(".caffe.") or kind
    default = _default(kind, field.default_value) if field.HasField("default_value") else None
    return (field.number, label, kind, default, field.options.packed)


@pytest.fixture(scope="session")
def schema(reference):
    """BVLC's messages with the additions of the forks, {message: {field: row}}; interp_param under our number."""
    bvlc = json.loads((reference / "schema" / "bvlc_caffe_1.0.json").read_text("utf-8"))
    fork = json.loads((reference / "schema" / "release_fork_differences.json").read_text("utf-8"))
    messages = {
        name: {field["name"]: _schema_row(field) for field in fields} for name, fields in bvlc["messages"].items()
    }
    for name, change in fork["messages"].items():
        messages.setdefault(name, {}).update(
            {field["name"]: _schema_row(field) for field in change["added_or_changed"]}
        )
    for name, fields in SSD.items():
        messages.setdefault(name, {}).update(fields)
    assert messages["LayerParameter"]["interp_param"][0] == messages["LayerParameter"]["clip_param"][0] == 148
    messages["LayerParameter"]["interp_param"] = (INTERP_HERE, *messages["LayerParameter"]["interp_param"][1:])
    return {"messages": messages, "enums": bvlc["enums"]}


def test_messages_are_those_of_caffe_and_its_forks(schema):
    assert {message.name for message in FILE.message_type} == set(schema["messages"])


@pytest.mark.parametrize("message", FILE.message_type, ids=lambda message: message.name)
def test_fields_numbers_types_labels_defaults_and_packing(schema, message):
    assert {field.name: _compiled_row(field) for field in message.field} == schema["messages"][message.name]


def test_enums(schema):
    enums = {enum.name: enum for enum in FILE.enum_type}
    enums |= {f"{message.name}.{enum.name}": enum for message in FILE.message_type for enum in message.enum_type}
    found = {name: {value.name: value.number for value in enum.value} for name, enum in enums.items()}
    assert found == schema["enums"]


def test_protoc_reads_the_file_as_we_do(tmp_path):
    protoc = pytest.importorskip("grpc_tools.protoc")
    (tmp_path / "caffe.proto").write_text(SOURCE, "utf-8")
    out = tmp_path / "set"
    assert protoc.main(["protoc", f"-I{tmp_path}", f"--descriptor_set_out={out}", "caffe.proto"]) == 0
    (theirs,) = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file

    def rows(file):
        return [
            (message.name, [(field.name, *_compiled_row(field)) for field in message.field], list(message.enum_type))
            for message in file.message_type
        ]

    assert rows(FILE) == rows(theirs)
    assert list(FILE.enum_type) == list(theirs.enum_type)
    assert FILE.package == theirs.package


# ------------------------------------------------------------------------------- one process with another caffe_pb2

# What BVLC's own caffe_pb2 does at import: its messages go into the default pool, under the package name caffe.
CAFFE_PB2 = """
from google.protobuf import descriptor_pool
from google.protobuf.internal import builder
DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(bytes.fromhex({data!r}))
builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, "caffe_pb2", globals())
"""
BOTH = """
{imports}
theirs = caffe_pb2.NetParameter(name="n")
theirs.layer.add(name="c", type="Clip").clip_param.min = -1
theirs.layer[0].clip_param.max = 1
assert not hasattr(theirs.layer[0], "interp_param")
ours = prototxt_gen.binary.from_binary(theirs.SerializeToString())
assert ours.layer[0].clip_param.max == 1 and type(ours) is not type(theirs)
ours.layer.add(name="i", type="Interp").interp_param.zoom_factor = 8
back = caffe_pb2.NetParameter.FromString(prototxt_gen.binary.to_binary(ours))
assert [layer.name for layer in back.layer] == ["c", "i"]
assert prototxt_gen.text.parse_text(str(theirs), prototxt_gen.proto.NetParameter()).layer[0].clip_param.min == -1
"""


def _run(code: str, *folders: Path, **environment: str) -> None:
    path = os.pathsep.join(map(str, [*folders, ROOT]))
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def _bvlc_source() -> str:
    return "".join(line for line in SOURCE.splitlines(keepends=True) if "// fork" not in line)


@pytest.mark.parametrize(
    "imports",
    [
        "import caffe_pb2, prototxt_gen.proto, prototxt_gen.text, prototxt_gen.binary",
        "import prototxt_gen.proto, prototxt_gen.text, prototxt_gen.binary, caffe_pb2",
    ],
)
@pytest.mark.parametrize("made_by", ["protoc", "hand"])
@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_another_caffe_pb2_lives_in_the_same_process(tmp_path, imports, made_by, implementation):
    if made_by == "protoc":
        protoc = pytest.importorskip("grpc_tools.protoc")
        (tmp_path / "caffe.proto").write_text(_bvlc_source(), "utf-8")
        assert protoc.main(["protoc", f"-I{tmp_path}", f"--python_out={tmp_path}", "caffe.proto"]) == 0
    else:
        data = compile_schema(_bvlc_source(), "caffe.proto").SerializeToString().hex()
        (tmp_path / "caffe_pb2.py").write_text(CAFFE_PB2.format(data=data), "utf-8")
    _run(BOTH.format(imports=imports), tmp_path, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=implementation)


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_implementations_of_protobuf_agree(implementation):
    entry = json.loads((ROOT / "weights_manifest.json").read_text("utf-8"))["networks"]["df1"]
    _run(
        "from google.protobuf.internal import api_implementation\n"
        "from prototxt_gen import generate, generate_text, solver\n"
        "from prototxt_gen.binary import *\nfrom prototxt_gen.fingerprints import *\nfrom prototxt_gen.proto import *\nfrom prototxt_gen.text import *\n"
        f"assert api_implementation.Type() == {implementation!r}\n"
        f"net = generate({entry['architecture']!r}, 'release')\n"
        f"assert fingerprint(net) == {entry['fingerprint']!r}\n"
        f"assert to_text(net) == generate_text({entry['architecture']!r}, 'release')\n"
        "assert parse_text(to_text(net), NetParameter()) == net == from_binary(to_binary(net))\n"
        "clip = NetParameter(); clip.layer.add(name='i', type='Interp').interp_param.height = 3\n"
        "assert from_binary(to_binary(clip, 'release')) == clip\n"
        "assert solver(lr_policy='step', gamma=0.1, stepsize=5).stepsize == 5\n",
        PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=implementation,
    )


@pytest.mark.parametrize("package", ["prototxt_gen", "prototxt_gen.generator.networks", "prototxt_gen.proto"])
def test_importing_does_not_import_torch(package):
    _run(f"import {package}, sys; assert not {{'torch', 'h5py', 'PIL', 'optuna'}} & set(sys.modules)")


# --------------------------------------------------------------------------------------------------------- field 148

BOTH_NAMES = """
layer { name: "clip" type: "Clip" bottom: "data" top: "clip" clip_param { min: -1 max: 2 } }
layer { name: "up" type: "Interp" bottom: "clip" top: "up" interp_param { height: 3 width: 5 pad_end: -1 } }
layer { name: "mix" type: "ShuffleChannel" bottom: "up" top: "mix" shuffle_channel_param { group: 2 } }
"""


def test_text_takes_both_names_of_148():
    net = parse_text(BOTH_NAMES, NetParameter())
    assert (net.layer[0].clip_param.min, net.layer[0].clip_param.max) == (-1, 2)
    assert (net.layer[1].interp_param.height, net.layer[1].interp_param.width) == (3, 5)
    assert net.layer[2].shuffle_channel_param.group == 2
    assert parse_text(to_text(net), NetParameter()) == net
    assert from_binary(to_binary(net)) == net


def test_bvlc_bytes_carry_clip_in_148_and_no_interp_there():
    net = parse_text(BOTH_NAMES, NetParameter())
    clip, interp, _ = _layers_as_written(to_binary(net))
    assert clip.HasField("clip_param")
    assert not interp.HasField("clip_param")


def test_release_bytes_carry_interp_in_148():
    net = parse_text(BOTH_NAMES, NetParameter())
    del net.layer[0]
    before = to_binary(net)
    data = to_binary(net, "release")
    interp, _ = _layers_as_written(data)
    # As bytes of BVLC's schema: a Clip that lacks its required numbers, what stock Caffe stops at.
    assert interp.HasField("clip_param")
    assert not interp.clip_param.IsInitialized()
    assert not interp.HasField("interp_param")
    assert from_binary(data) == net
    assert fingerprint(from_binary(data)) == fingerprint(net)
    assert to_binary(net) == before  # the argument is left as it was


def test_an_interp_without_numbers_is_none_the_less_an_interp():
    net = parse_text('layer { name: "up" type: "Interp" interp_param { } }', NetParameter())
    assert from_binary(to_binary(net, "release")) == net


def test_release_bytes_cannot_hold_a_clip():
    with pytest.raises(UnsupportedError, match=re.escape("layers ['clip']")):
        to_binary(parse_text(BOTH_NAMES, NetParameter()), "release")


def test_files_of_both_dialects_are_read_alike(reference, unpacked):
    """The fork's own bytes name the same Interp layers as the released text."""
    text = read_prototxt(reference / "release" / "prototxt" / "df1seg_mergebn.prototxt")
    binary = from_binary(unpacked("nets/df1seg_mergebn.fork.caffemodel").read_bytes())
    found = {layer.name: layer.interp_param for layer in binary.layer if layer.HasField("interp_param")}
    assert found
    wanted = {layer.name: [n.interp_param for n in text.layer if n.name == layer.name] for layer in binary.layer}
    assert all(param in wanted[name] for name, param in found.items())
    assert not any(layer.HasField("clip_param") for layer in binary.layer)


def _layers_as_written(data: bytes) -> list:
    """The layers as the bytes have them, before from_binary moves fields."""
    net = NetParameter()
    net.MergeFromString(data)
    return list(net.layer)


# ------------------------------------------------------------------------------------------------------ fingerprints

ONE = 'name: "n" layer { name: "d" type: "Dropout" dropout_param { dropout_ratio: 0.1 } include { phase: TEST } }'


@pytest.mark.parametrize(
    "same",
    [
        'layer { include { phase: TEST } dropout_param { dropout_ratio: 0.1 } type: "Dropout" name: "d" } name: "n"',
        ONE.replace(" ", "\n  # a comment\n"),
        ONE.replace("0.1", "0.100000001490116"),
        ONE.replace("0.1", "1e-1"),
        ONE.replace("0.1", "0.1f"),
        ONE.replace('"', "'"),
        ONE.replace("TEST", "1"),
        ONE.replace(" {", ": <").replace("}", ">"),
        ONE.replace('"d"', '"" "d"'),
        ONE.replace('"Dropout" ', '"Dropout", '),
        ONE.replace(" type", " blobs { data: 1 shape { dim: 1 } } type"),
    ],
)
def test_fingerprint_does_not_see_spelling_order_or_weights(same):
    assert same != ONE
    assert fingerprint(parse_text(same, NetParameter())) == fingerprint(parse_text(ONE, NetParameter()))


@pytest.mark.parametrize(
    "other",
    [
        ONE.replace("0.1", "0.10000001"),
        ONE.replace("TEST", "TRAIN"),
        ONE.replace('"d"', '"e"'),
        ONE.replace('name: "n" ', ""),
        ONE.replace("include { phase: TEST }", ""),
        ONE.replace("include", "exclude"),
        ONE.replace("phase: TEST", "phase: TEST min_level: 0"),
        ONE.replace("dropout_ratio: 0.1", ""),
        ONE + ' layer { name: "e" }',
        ONE.replace("layer", 'input: "x" layer'),
        ONE.replace("type", 'bottom: "x" type'),
        ONE.replace("type", 'top: "x" type'),
    ],
)
def test_fingerprint_sees_every_value_and_what_is_set(other):
    assert other != ONE
    assert fingerprint(parse_text(other, NetParameter())) != fingerprint(parse_text(ONE, NetParameter()))


def test_fingerprint_sees_the_order_of_layers_and_of_bottoms():
    pairs = [
        ('layer { name: "a" } layer { name: "b" }', 'layer { name: "b" } layer { name: "a" }'),
        ('layer { bottom: "a" bottom: "b" }', 'layer { bottom: "b" bottom: "a" }'),
        ('layer { name: "a" } layer { type: "b" }', 'layer { name: "a" type: "b" } layer { }'),
    ]
    for one, other in pairs:
        assert fingerprint(parse_text(one, NetParameter())) != fingerprint(parse_text(other, NetParameter()))


@settings(deadline=None)
@given(st.permutations(range(10)))
def test_fingerprint_survives_text_and_binary(order):
    net = generate("s8_b8_c4", "train_val")
    net.layer.sort(key=lambda layer: order[len(layer.name) % 10])
    assert fingerprint(parse_text(to_text(net), NetParameter())) == fingerprint(net)
    assert fingerprint(from_binary(to_binary(net))) == fingerprint(net)


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


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"layer { }"])
def test_bytes_that_are_no_network_are_refused(data):
    with pytest.raises(FormatError, match="model: not a binary NetParameter"):
        from_binary(data, "model")


def test_messages_are_reachable_by_name():
    assert set(MESSAGES) >= {"NetParameter", "BlobProto", "V1LayerParameter", "InterpParameter"}
