"""Where the nodes of an ONNX file came from, as PyTorch's exporter writes it into them."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

_SCOPES = "pkg.torch.onnx.name_scopes"
_CLASSES = "pkg.torch.onnx.class_hierarchy"
_TRACE = "pkg.torch.onnx.stack_trace"
_LONGEST = 100_000
_SOURCE = re.compile(r'(?:File "|^)(?P<file>[^"\n]+)", line (?P<line>\d+)', re.MULTILINE)


@dataclass(frozen=True)
class Origin:
    """Where an exporter says a node came from: the path of its module, the operation there, the line of source.

    `call` is the exporter's own name of this run of the operation: nodes that have it in common make up one operation.
    """

    module: str = ""
    operation: str = ""
    source: str = ""
    call: str = ""


NOWHERE = Origin()
"""What is known of a node of which no exporter says anything."""


def origin_of(metadata: Mapping[str, str]) -> Origin:
    """Where PyTorch's exporter says a node came from, by the node's metadata; an empty Origin where it says nothing.

    `source` is the innermost line of code that is not PyTorch's own, or PyTorch's where there is no other.
    """
    scopes, classes = _texts(metadata.get(_SCOPES, "")), _texts(metadata.get(_CLASSES, ""))
    lines = [f"{found['file']}:{found['line']}" for found in _SOURCE.finditer(metadata.get(_TRACE, "")[:_LONGEST])]
    own = [line for line in lines if not re.search(r"[/\\]torch[/\\](nn|_|functional)", line)]
    source = (own or lines or [""])[-1]
    if not scopes:
        return Origin(source=source)
    called = scopes[-1]
    operation = re.match(r"[a-z_]+\.(\w+)", classes[-1]) if classes else None
    return Origin(
        scopes[-2] if len(scopes) > 1 else "",
        _plain_operation(operation[1] if operation else re.sub(r"_\d+$", "", called)),
        source,
        called,
    )


def _texts(text: str) -> list[str]:
    """A list of texts as Python writes it; empty where it is none."""
    try:
        found = ast.literal_eval(text[:_LONGEST]) if text else []
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    return [str(part) for part in found] if isinstance(found, (list, tuple)) else []


def _plain_operation(name: str) -> str:
    """An ATen operation as people call it: `_native_batch_norm_legit_no_training` is `batch_norm`."""
    name = re.sub(r"_with_indices|_legit(_no_training)?|(?<=.)_default$", "", name)
    return re.sub(r"^_?(native_)?", "", name).rstrip("_") or name
