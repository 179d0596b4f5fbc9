"""Files of torch.export.save: what they hold is read, and nothing that stands in them runs."""

from __future__ import annotations

import io
import json
import pickle
import tempfile
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from converters.onnx.exported_programs import read_exported_program
from prototxt_gen.errors import CaffeError, FileError, FormatError, UnsupportedError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("mean", torch.ones(3, 1, 1))
        self.shift = torch.arange(4.0)

    def forward(self, x: torch.Tensor) -> dict[str, list[torch.Tensor]]:
        y = self.conv(x - self.mean)
        return {"out": [y, y[:, :, ::2] + self.shift[:, None, None]]}


X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
MARK = f"{tempfile.gettempdir()}/dongfeng-ran-what-stood-in-a-file"


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[nn.Module, dict[str, bytes]]:
    """A module, and the records of its file."""
    module = Net().eval()
    path = tmp_path_factory.mktemp("pt2") / "net.pt2"
    program = torch.export.export(module, (X,), dynamic_shapes={"x": {0: torch.export.Dim("batch")}})
    torch.export.save(program, path)
    with zipfile.ZipFile(path) as archive:
        return module, {name: archive.read(name) for name in archive.namelist()}


def write(records: dict[str, bytes], path: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in records.items():
            archive.writestr(name, data)
    return path


def test_a_program_computes_the_same(saved, tmp_path):
    module, records = saved
    program = read_exported_program(write(records, tmp_path / "again.pt2"))
    for found, expected in zip(program.module()(X)["out"], module(X)["out"], strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    stacks = [node.meta["nn_module_stack"] for node in program.graph.nodes if "conv2d" in str(node.target)]
    assert [path for path, _ in stacks[0].values()] == ["", "conv"]
    torch.testing.assert_close(program.example_inputs[0][0], X)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path(MARK),)  # type: ignore[return-value]


def changed(records: dict[str, bytes], name: str, change) -> dict[str, bytes]:
    """The records with a part of one's JSON changed."""
    key = next(key for key in records if key.endswith(name))
    data = json.loads(records[key])
    change(data)
    return records | {key: json.dumps(data).encode()}


def first_node(data):
    return data["graph_module"]["graph"]["nodes"][0]


def sizes(data):
    return data["graph_module"]["graph"]["tensor_values"]["x"]["sizes"]


def example(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


CODE = f"__import__('pathlib').Path('{MARK}').touch()"
MODEL, WEIGHTS = "models/model.json", "model_weights_config.json"
ATTACKS = {
    "an operator by any path": (MODEL, lambda data: first_node(data).update(target="torch.os.system")),
    "an operator of a builtin": (MODEL, lambda data: first_node(data).update(target="_operator.methodcaller")),
    "an operator that opens files": (
        MODEL, lambda data: first_node(data).update(target="torch.ops.aten.from_file.default"),
    ),
    "an operator of an extension": (MODEL, lambda data: first_node(data).update(target="#x:y")),
    "code as a size": (MODEL, lambda data: sizes(data)[0]["as_expr"].update(expr_str=CODE)),
    "an attribute as a size": (MODEL, lambda data: sizes(data)[0]["as_expr"].update(expr_str="Symbol.mro")),
    "a tower of powers": (MODEL, lambda data: sizes(data)[0]["as_expr"].update(expr_str="9**9**9**9")),
    "code as a name": (MODEL, lambda data: first_node(data).update(name=f"x={CODE}")),
    "code as an input's name": (
        MODEL, lambda data: data["graph_module"]["graph"]["inputs"][-1]["as_tensor"].update(name=f"x={CODE}"),
    ),
    "an enumeration to import": (
        MODEL, lambda data: data["graph_module"]["module_call_graph"][0]["signature"].update(
            out_spec=json.dumps([1, {"type": "builtins.dict", "context": '[{"__enum__": true, "fqn": "this:d"}]',
                                     "children_spec": []}])
        ),
    ),
    "a type of its own": (
        MODEL, lambda data: data["graph_module"]["module_call_graph"][0]["signature"].update(
            in_spec=json.dumps([1, {"type": "some.Type", "context": "null", "children_spec": []}])
        ),
    ),
    "an object": (MODEL, lambda data: first_node(data)["inputs"][0].update(arg={"as_custom_obj": {"name": "x"}})),
    "a graph in a graph": (MODEL, lambda data: first_node(data)["inputs"][0].update(arg={"as_graph": {"name": "x"}})),
    "pickled weights": (WEIGHTS, lambda data: data["config"]["conv.weight"].update(use_pickle=True)),
    "weights from elsewhere": (
        WEIGHTS, lambda data: data["config"]["conv.weight"].update(path_name="../models/model.json"),
    ),
    "a pickled object": (
        "model_constants_config.json",
        lambda data: data["config"]["shift"].update(path_name="opaque_obj_0", use_pickle=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_could_run_is_refused(saved, tmp_path, attack):
    name, change = ATTACKS[attack]
    path = write(changed(saved[1], name, change), tmp_path / "evil.pt2")
    with pytest.raises(UnsupportedError, match=r"evil\.pt2: .*(could run code|expected tuples|found )"):
        read_exported_program(path)
    assert not Path(MARK).exists()


@pytest.mark.parametrize("value", [((Evil(),), {}), Evil(), ((X,), {"y": X}), ((3,), {})], ids=range(4))
def test_example_inputs_are_plain_tensors(saved, tmp_path, value):
    name = next(name for name in saved[1] if "sample_inputs" in name)
    with pytest.raises(UnsupportedError, match="example inputs: "):
        read_exported_program(write(saved[1] | {name: example(value)}, tmp_path / "evil.pt2"))
    assert not Path(MARK).exists()


def test_guards_and_odd_letters_in_traces_do_not_come_along(saved, tmp_path):
    def change(data):
        data["guards_code"] = [CODE]
        first_node(data)["metadata"]["stack_trace"] += f"\r{CODE}\n\x85{CODE}"

    program = read_exported_program(write(changed(saved[1], MODEL, change), tmp_path / "net.pt2"))
    program.module()(X)
    str(program)
    assert not Path(MARK).exists()


def with_record(name: str, data: bytes = b""):
    return lambda records: {**records, f"{next(iter(records)).partition('/')[0]}/{name}": data}


STRANGE = {
    "a compiled library": with_record("data/aotinductor/model/model.so"),
    "another program": with_record("models/other.json", b"{}"),
    "weights of the old form": with_record("data/weights/model.pt"),
    "another folder": lambda records: {**records, "elsewhere/models/model.json": b"{}"},
    "no program": lambda records: {name: data for name, data in records.items() if not name.endswith(MODEL)},
    "no weights": lambda records: {name: data for name, data in records.items() if "weight_0" not in name},
    "other bytes than numbers": lambda records: {**records, next(n for n in records if "weight_0" in n): b""},
    "broken JSON": lambda records: {n: data[:-9] if n.endswith(MODEL) else data for n, data in records.items()},
    "deep JSON": lambda records: {n: b"[" * 100_000 if n.endswith(MODEL) else data for n, data in records.items()},
    "lists for dicts": lambda records: {n: b"[]" if n.endswith(WEIGHTS) else data for n, data in records.items()},
}


@pytest.mark.parametrize("case", STRANGE)
def test_other_archives(saved, tmp_path, case):
    with pytest.raises((FormatError, UnsupportedError), match=r"net\.pt2: "):
        read_exported_program(write(STRANGE[case](saved[1]), tmp_path / "net.pt2"))


def test_other_files(saved, tmp_path):
    path = tmp_path / "net.pt2"
    with pytest.raises(FileError, match=r"net\.pt2: No such file"):
        read_exported_program(path)
    for data in (b"", b"PK\x03\x04", pickle.dumps({}), b"x" * 100):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"net\.pt2: "):
            read_exported_program(path)
    torch.save(saved[0].state_dict(), path)
    with pytest.raises(FormatError, match="found no archive of the format pt2"):
        read_exported_program(path)
    with pytest.raises(FormatError, match="found packed records"):
        read_exported_program(write(saved[1], path, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("seed", range(12))
def test_broken_bytes_are_one_clear_error_or_a_program(saved, tmp_path, seed):
    draw = torch.Generator().manual_seed(seed)
    data = bytearray(write(saved[1], tmp_path / "net.pt2").read_bytes())
    for place in torch.randint(len(data), (int(torch.randint(1, 30, (1,), generator=draw)),), generator=draw):
        data[place] ^= int(torch.randint(1, 256, (1,), generator=draw))
    path = tmp_path / "broken.pt2"
    path.write_bytes(data[: len(data) - seed * 100 if seed % 3 == 0 else None])
    try:
        read_exported_program(path)
    except CaffeError as fault:
        assert str(fault).startswith(str(path)) and "\n" not in str(fault)
