"""A .pt2 file of torch.export.save to its program, without running anything that stands in it.

torch.export.load of PyTorch 2.13 trusts its file. It unpickles weights and constants that the file marks so, and
example inputs that a safe load refuses; it evaluates sizes as Python (by sympy), looks operators up by any path from
`torch`, imports the modules of enumerations, pastes names and guards into generated code, and loads compiled libraries.
So the file is read here first:

1. A zip of plain records with one program; no compiled libraries, no pickles but the example inputs.
2. Every operator is one of ATen's or of a few of Python's; names are names; sizes are arithmetic; the structure of
   inputs and outputs is tuples, lists and dicts.
3. Example inputs are loaded with weights_only and written anew. Guards go, and of what each node says of its origin
   only printable text stays.
4. torch.export.load gets an archive written anew from that, and cannot read the file differently than it was read here.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.export import ExportedProgram

from prototxt_gen.errors import FileError, FormatError, UnsupportedError

_MODEL = "models/model.json"
_EXAMPLE = "data/sample_inputs/model.pt"
_CONFIGS = {
    "data/weights/model_weights_config.json": re.compile(r"weight_\d+"),
    "data/constants/model_constants_config.json": re.compile(r"tensor_\d+"),
}
_PAYLOAD = re.compile(r"data/(?:weights/weight|constants/tensor)_\d+")
_MARKS = re.compile(r"archive_format|archive_version|byteorder|version|\.data/(?:version|serialization_id)|extra/.*")
_KEPT_MARKS = {"archive_format": b"pt2", "archive_version": b"0", "byteorder": b"little", ".data/version": b"3\n"}

_OPERATORS = re.compile(
    r"torch\.ops\.aten\.(?!from_file\b)[A-Za-z_]\w*\.[A-Za-z_]\w*"
    r"|_operator\.(?:getitem|add|sub|mul|floordiv|truediv|mod|pow|neg|eq|ne|lt|le|gt|ge|and_|or_|not_)"
    r"|torch\.sym_(?:int|float|ite|max|min|not|sqrt|sum)|math\.(?:ceil|floor|trunc)",
    re.ASCII,
)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TEXT = re.compile(r"[\w.+\-/ ]*", re.ASCII)
_SIZE = re.compile(
    r"(?:(?!\*\*)[0-9+\-*/(), ]"
    r"|(?<![\w.])(?:[suz]\d+|Symbol|Integer|Rational|Add|Mul|Max|Min|Mod|PythonMod|FloorDiv|CeilDiv)(?!\w)"
    r"|'[suz]\d+'|(?<= )(?:integer|positive|nonnegative|nonzero)=(?:True|False))*",
    re.ASCII,
)
_STRUCTURES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
_LARGEST = 1 << 31

# What reading broken bytes may raise; zipfile says NotImplementedError of archives of a version that it does not know.
_BROKEN = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    NotImplementedError,
    zipfile.BadZipFile,
)


def read_exported_program(path: str | os.PathLike[str]) -> ExportedProgram:
    """The program in a .pt2 file that torch.export.save of PyTorch 2.9 or newer has written.

    FileError where the file cannot be read, FormatError where it is none or is broken; UnsupportedError names what in
    it could run code.
    """
    where = os.fspath(path)
    try:
        records = _records(where)
        archive = _written(_checked(records))
    except OSError as fault:
        raise FileError(f"{where}: {fault.strerror or fault}") from fault
    except (FormatError, UnsupportedError) as fault:
        raise type(fault)(f"{where}: {fault}") from fault
    except _BROKEN as fault:
        raise FormatError(f"{where}: found no program of torch.export.save ({fault})") from fault
    try:
        with quiet():
            program: ExportedProgram = torch.export.load(archive)
    except Exception as fault:
        reason = (str(fault).strip().splitlines() or [type(fault).__name__])[0]
        raise FormatError(f"{where}: PyTorch {torch.__version__} cannot load the program: {reason}") from fault
    return program


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of PyTorch's exporters, which say nothing to those who did not call them."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _records(path: str) -> dict[str, bytes]:
    """The records of the archive by name, without the folder that they are all in."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
            raise FormatError("found packed records, expected plain ones, as PyTorch writes them")
        roots = {entry.filename.partition("/")[0] for entry in entries}
        names = [entry.filename.partition("/")[2] for entry in entries]
        if len(roots) != 1 or len(set(names)) != len(names):
            raise FormatError("found records in several folders or of one name, expected those of torch.export.save")
        return {name: archive.read(entry) for name, entry in zip(names, entries, strict=True)}


def _checked(records: Mapping[str, bytes]) -> dict[str, bytes]:
    """The records to load; FormatError and UnsupportedError for those that must not be."""
    if records.get("archive_format") != b"pt2" or _MODEL not in records:
        older = "serialized_exported_program.json" in records or _MODEL in records
        hint = "; PyTorch 2.9 and newer write it so" if older else ""
        raise FormatError(f"found no archive of the format pt2 with {_MODEL}{hint}")
    known = {_MODEL, _EXAMPLE, *_CONFIGS}
    strange = [name for name in records if not (name in known or _PAYLOAD.fullmatch(name) or _MARKS.fullmatch(name))]
    if strange:
        raise UnsupportedError(f"found {', '.join(sorted(strange)[:4])}: only programs and their tensors are read")
    made = dict(_KEPT_MARKS)
    for name, pattern in _CONFIGS.items():
        config = json.loads(records[name])
        _check_payloads(config, name, pattern, records)
        made[name] = records[name]
    made |= {name: data for name, data in records.items() if _PAYLOAD.fullmatch(name)}
    model = json.loads(records[_MODEL])
    made[_MODEL] = json.dumps(_clean(model, "")).encode()
    made[_EXAMPLE] = _examples(records.get(_EXAMPLE, b""))
    return made


def _check_payloads(config: Any, name: str, pattern: re.Pattern[str], records: Mapping[str, bytes]) -> None:
    folder = name.rpartition("/")[0]
    for tensor, payload in config["config"].items():
        if payload["use_pickle"] or not pattern.fullmatch(payload["path_name"]):
            raise UnsupportedError(
                f"{tensor}: stands in the file as a pickle, which could run code; only plain tensors on the CPU do not"
            )
        numbers = 1
        for size in payload["tensor_meta"]["sizes"]:
            numbers *= size["as_int"]
        data = records[f"{folder}/{payload['path_name']}"]
        if not 0 <= numbers <= _LARGEST or bool(numbers) != bool(data):
            raise FormatError(f"{tensor}: found {len(data)} bytes for {numbers} numbers")


def _clean(value: Any, key: str) -> Any:
    """A part of the program's JSON as it may be loaded; `key` says what it is."""
    if key in _RULES and isinstance(value, (str, list, dict)):
        return _RULES[key](value)
    if isinstance(value, dict):
        for inner in value:
            _fits(_TEXT, inner, "a name")
        return {inner: _clean(one, inner) for inner, one in value.items()}
    if isinstance(value, list):
        return [_clean(one, key if isinstance(one, (list, dict)) else "") for one in value]
    return _fits(_TEXT, value, "a text") if isinstance(value, str) else value


def _fits(pattern: re.Pattern[str], value: Any, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise UnsupportedError(f"found {str(value)[:60]!r} as {what}, which could run code")
    return value


def _origin(metadata: Any) -> dict[str, str]:
    """What a node says of where it came from."""
    kept = {name: metadata[name] for name in ("stack_trace", "nn_module_stack", "torch_fn") if name in metadata}
    return {
        name: "".join(letter for letter in text if letter.isprintable() or letter == "\n")
        for name, text in kept.items()
    }


def _structure(text: Any) -> str:
    """The structure of inputs or outputs, as torch.utils._pytree writes it."""
    version, tree = json.loads(text)
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        context = json.loads(part["context"]) if isinstance(part["context"], str) else part["context"]
        if part["type"] not in _STRUCTURES:
            raise UnsupportedError(f"found inputs or outputs in a {part['type']}, expected tuples, lists and dicts")
        for key in context or ():
            if not isinstance(key, int):
                _fits(_TEXT, key, "a key")
        waiting.extend(part["children_spec"])
    return json.dumps([version, tree])


def _refused(value: Any) -> Any:
    raise UnsupportedError("found a graph or an object within the program, which could run code")


_RULES: dict[str, Callable[[Any], Any]] = {
    "target": lambda value: _fits(_OPERATORS, value, "an operator"),
    "name": lambda value: _fits(_NAME, value, "a name"),
    "as_name": lambda value: _fits(_NAME, value, "a name"),
    "expr_str": lambda value: _fits(_SIZE, value, "a size"),
    "metadata": _origin,
    "in_spec": _structure,
    "out_spec": _structure,
    "guards_code": lambda value: [],
    "as_graph": _refused,
    "as_custom_obj": _refused,
    "as_operator": _refused,
}


def _examples(data: bytes) -> bytes:
    """The example inputs, tensors alone."""
    arguments: tuple[Any, ...] = ()
    if data:
        try:
            found = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
        except Exception as fault:
            raise UnsupportedError("example inputs: found a pickle that could run code") from fault
        arguments = found[0] if isinstance(found, tuple) and found else ()
        if found and (len(found) != 2 or found[1] or not all(isinstance(one, torch.Tensor) for one in arguments)):
            raise UnsupportedError("example inputs: found other than positional tensors")
    stream = io.BytesIO()
    torch.save((tuple(arguments), {}), stream)
    return stream.getvalue()


def _written(records: Mapping[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in records.items():
            archive.writestr(f"model/{name}", data)
    stream.seek(0)
    return stream
