"""The Caffe language: its schema, its two spellings of field 148, fingerprints, and life beside other caffe_pb2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2

from prototxt_gen.proto import MESSAGES, LayerParameter, Message, fields_of, set_fields
from tools.reference_facts import default, digest
from tools.truths import SCHEMA

ROOT = Path(__file__).parents[2]
SOURCE = resources.files("prototxt_gen").joinpath("caffe.proto").read_text("utf-8")
DESCRIPTOR = resources.files("prototxt_gen").joinpath("caffe.desc").read_bytes()
(FILE,) = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR).file
TRUTH = json.loads(SCHEMA.read_text("utf-8"))
INTERP_HERE, INTERP_THERE = 20148, 148
# What the SSD fork and forks for YOLO add to the language: (number, label, type, default, packed) by field and message.
ADDED = {
    "LayerParameter": {
        "permute_param": [202, "optional", "PermuteParameter", None, False],
        "norm_param": [206, "optional", "NormalizeParameter", None, False],
        # Forks do not agree on a number: this is ours.
        "upsample_param": [20160, "optional", "UpsampleParameter", None, False],
    },
    "UpsampleParameter": {"scale": [1, "optional", "int32", 1, False]},
    "PermuteParameter": {"order": [1, "repeated", "uint32", None, False]},
    "NormalizeParameter": {
        "across_spatial": [1, "optional", "bool", "true", False],
        "scale_filler": [2, "optional", "FillerParameter", None, False],
        "channel_shared": [3, "optional", "bool", "true", False],
        "eps": [4, "optional", "float", float(np.float32(1e-10)), False],
    },
}

# ------------------------------------------------------------------------------------------------------------ schema


def _row(field: descriptor_pb2.FieldDescriptorProto) -> list[object]:
    """Number, label, type, default, packing."""
    label = descriptor_pb2.FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()
    kind = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    kind = field.type_name.removeprefix(".caffe.") or kind
    spelled = default(kind, field.default_value) if field.HasField("default_value") else None
    return [field.number, label, kind, spelled, field.options.packed]


def _rows_of_forks(message: str) -> list[str]:
    return [*TRUTH["fork"].get(message, {"fields": []})["fields"], *ADDED.get(message, {})]


def test_messages_are_those_of_caffe_and_its_forks():
    assert {message.name for message in FILE.message_type} == {*TRUTH["messages"], *TRUTH["fork"], *ADDED}


@pytest.mark.parametrize("message", FILE.message_type, ids=lambda message: message.name)
def test_fields_numbers_types_labels_defaults_and_packing(message):
    """tests/truths/schema.json has the digests of BVLC's rows and of those that the release's fork adds."""
    rows = {field.name: _row(field) for field in message.field}
    assert {name: rows[name] for name in ADDED.get(message.name, {})} == ADDED.get(message.name, {})
    if message.name == "LayerParameter":
        assert rows["interp_param"][0] == INTERP_HERE
        assert rows["clip_param"][0] == INTERP_THERE
        rows["interp_param"][0] = INTERP_THERE
    if message.name in TRUTH["fork"]:
        added = TRUTH["fork"][message.name]
        assert digest({name: rows[name] for name in added["fields"]}) == added["rows"]
    forks = _rows_of_forks(message.name)
    bvlc = {name: row for name, row in rows.items() if name not in forks}
    assert (digest(bvlc) if bvlc else None) == TRUTH["messages"].get(message.name), bvlc


def test_enums():
    enums = {enum.name: enum for enum in FILE.enum_type}
    enums |= {f"{message.name}.{enum.name}": enum for message in FILE.message_type for enum in message.enum_type}
    found = {name: digest({value.name: value.number for value in enum.value}) for name, enum in enums.items()}
    assert found == TRUTH["enums"]


# ------------------------------------------------------------------------------------- what is made of caffe.proto


def test_descriptor_and_stub_are_current():
    pytest.importorskip("grpc_tools.protoc")
    command = [sys.executable, str(ROOT / "tools" / "compile_proto.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


MISTAKES = """
from prototxt_gen.proto import LayerParameter, NetParameter, SolverParameter

layer = LayerParameter(name="c", type="Pooling", bottom=["x"], include=[{"phase": "TEST"}])
layer.pooling_param.pool = layer.pooling_param.AVE
net = NetParameter(layer=[layer])
net.layer.add(name="r", type="ReLU", bottom=["x"]).top.append("x")
width: int = net.layer[0].convolution_param.kernel_size[0]

LayerParameter(tpye="x")  # Unexpected keyword argument "tpye"
layer.convolution_parm  # has no attribute "convolution_parm"
layer.tpye = "x"  # has no attribute "tpye"
net.layer.add(nmae="r")  # Unexpected keyword argument "nmae"
net.layer[0].pooling_param.kernal_size = 3  # has no attribute "kernal_size"
layer.name = 3  # expression has type "int", variable has type "str"
layer.pooling_param = layer.pooling_param  # Cannot assign to final attribute "pooling_param"
SolverParameter(base_lr="0.1")  # incompatible type "str"
"""


def test_misspelt_fields_fail_the_check_of_types(tmp_path):
    api = pytest.importorskip("mypy.api")
    (tmp_path / "mistakes.py").write_text(MISTAKES, "utf-8")
    options = ["--strict", "--follow-imports=silent", f"--cache-dir={tmp_path}", f"--config-file={ROOT}/pyproject.toml"]
    found, _, _ = api.run([*options, str(tmp_path / "mistakes.py")])
    wanted = {number: line.split("#")[1].strip() for number, line in enumerate(MISTAKES.split("\n"), 1) if "#" in line}
    told = {int(line.split(":")[1]): line for line in found.splitlines() if "mistakes.py:" in line and "error:" in line}
    assert told.keys() == wanted.keys(), found
    assert all(wanted[number] in told[number] for number in wanted)


def test_fields_are_described_as_the_descriptor_has_them():
    for message in FILE.message_type:
        fields = fields_of(MESSAGES[message.name])
        assert list(fields) == [field.name for field in message.field]
        for field, declared in zip(fields.values(), message.field, strict=True):
            kind = "" if field.kind == "message" else field.kind
            assert field.message is (None if kind else MESSAGES[declared.type_name.removeprefix(".caffe.")])
            assert bool(field.values) == (kind == "enum")
            assert (field.number, field.repeated) == (declared.number, _row(declared)[1] == "repeated")
    assert fields_of(LayerParameter)["phase"].values == {"TRAIN": 0, "TEST": 1}


def test_set_fields_are_in_the_order_of_their_numbers():
    layer = LayerParameter(type="ReLU", name="r", bottom=["x", "y"])
    layer.pooling_param.SetInParent()
    found = [(field.number, field.name, field.repeated, value) for field, value in set_fields(layer)]
    assert [number for number, *_ in found] == [1, 2, 3, 121]
    assert found[:3] == [(1, "name", False, "r"), (2, "type", False, "ReLU"), (3, "bottom", True, ["x", "y"])]
    assert all(isinstance(value, Message) for *_, value in found[3:])


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


def _bvlc_file() -> descriptor_pb2.FileDescriptorProto:
    """The descriptor without the fields that forks add."""
    forks = {line.split("=")[0].split()[-1] for line in SOURCE.splitlines() if "// fork" in line}
    file = descriptor_pb2.FileDescriptorProto.FromString(FILE.SerializeToString())
    for message in file.message_type:
        kept = [field for field in message.field if field.name not in forks]
        del message.field[:]
        message.field.extend(kept)
    return file


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
        data = _bvlc_file().SerializeToString().hex()
        (tmp_path / "caffe_pb2.py").write_text(CAFFE_PB2.format(data=data), "utf-8")
    _run(BOTH.format(imports=imports), tmp_path, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=implementation)


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_implementations_of_protobuf_agree(implementation):
    entry = json.loads((ROOT / "weights_manifest.json").read_text("utf-8"))["networks"]["df1"]
    _run(
        "from google.protobuf.internal import api_implementation\n"
        "from prototxt_gen import generate, generate_text, solver\n"
        "from prototxt_gen.binary import from_binary, to_binary\n"
        "from prototxt_gen.fingerprints import fingerprint\n"
        "from prototxt_gen.proto import NetParameter\n"
        "from prototxt_gen.text import parse_text, to_text\n"
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


def test_messages_are_reachable_by_name():
    assert set(MESSAGES) >= {"NetParameter", "BlobProto", "V1LayerParameter", "InterpParameter"}
