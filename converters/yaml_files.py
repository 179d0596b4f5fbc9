"""YAML files that people write: read field by field, and every fault named by its line, all in one error.

A caller says which fields a mapping has and how each is read (`Field`); a `Reader` walks the nodes of the file, keeps
the faults, and `check` raises them. Nothing is built that the file asks for by a tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import yaml

from prototxt_gen.errors import FormatError

# Files are small; lists in them are short.
_MOST_ITEMS = 1000
_MOST_BYTES = 1_000_000


class Field(NamedTuple):
    """How a field is read, and whether it must be there."""

    read: Read
    required: bool = False


class Reader:
    """Reads the nodes of one file and keeps the faults. `root` is the outermost node."""

    def __init__(self, text: bytes, source: str, what: str) -> None:
        """FormatError where the text is no YAML, is empty or too large; `what` says what it should be: "a space"."""
        self._source, self._what = source, what
        self._faults: list[tuple[int, str]] = []
        if len(text) > _MOST_BYTES:
            raise self._error(f"{len(text):,} bytes, expected at most {_MOST_BYTES:,}")
        try:
            self._loader = yaml.SafeLoader(text)
            self.root = self._loader.get_single_node()
        except (yaml.YAMLError, RecursionError, ValueError) as fault:
            deep = isinstance(fault, RecursionError)
            raise self._error("it is nested too deeply" if deep else " ".join(str(fault).split())) from fault
        if self.root is None:
            raise self._error("it is empty")

    def _error(self, told: str) -> FormatError:
        return FormatError(f"{self._source}: not {self._what}: {told}")

    def fault(self, node: Any, path: str, told: str) -> None:
        """Keeps a fault; `path` names the field, as in "stages[0].depth"."""
        self._faults.append((node.start_mark.line + 1, f"line {node.start_mark.line + 1}: {path}: {told}"))

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """Faults met inside are not kept: for looking ahead at what is read in its turn."""
        kept = [*self._faults]
        yield
        self._faults = kept

    def check(self) -> None:
        """FormatError with all faults, in the order of their lines."""
        if self._faults:
            raise self._error("; ".join(told for _, told in sorted(self._faults)))

    def mapping(self, node: Any, path: str, fields: Mapping[str, Field]) -> dict[str, Any]:
        """The fields of a mapping that are there; others, missing ones and those that stand twice are faults."""
        found: dict[str, Any] = {}
        if not self.is_mapping(node):
            self.fault(node, path or "the file", f"found {self.shown(node)}, expected {', '.join(fields)}")
            return found
        met = set()
        for name, key, value in self.entries(node):
            at = f"{path}.{name[:60]}" if path else name[:60]
            if name not in fields:
                self.fault(key, at, f"is no field, expected one of {', '.join(fields)}")
            elif name in met:
                self.fault(key, at, "is there twice")
            else:
                met.add(name)
                found[name] = fields[name].read(self, value, at)
        missing = [name for name, field in fields.items() if field.required and name not in met]
        if missing:
            self.fault(node, path or "the file", f"has no {', no '.join(missing)}")
        return found

    def named(self, node: Any, path: str, read: Read) -> dict[str, Any]:
        """A mapping whose names are the writer's own; each value is read by `read`."""
        found: dict[str, Any] = {}
        if not self.is_mapping(node):
            self.fault(node, path, f"found {self.shown(node)}, expected names, each with a value")
            return found
        if len(node.value) > _MOST_ITEMS:
            self.fault(node, path, f"found {len(node.value)} names, expected at most {_MOST_ITEMS}")
            return found
        for name, key, value in self.entries(node):
            at = f"{path}.{name[:60]}"
            if name in found:
                self.fault(key, at, "is there twice")
            else:
                found[name] = read(self, value, at)
        return found

    def entries(self, node: Any) -> list[tuple[str, Any, Any]]:
        """The entries of a mapping: a name, "?" for what is none, its node, the value's node."""
        return [(key.value if isinstance(key, yaml.ScalarNode) else "?", key, value) for key, value in node.value]

    def items(self, node: Any, path: str, read: Read, least: int = 1) -> tuple[Any, ...]:
        """The items of a list, each read in its turn."""
        if not self.is_list(node):
            self.fault(node, path, f"found {self.shown(node)}, expected a list")
            return ()
        if not least <= len(node.value) <= _MOST_ITEMS:
            self.fault(node, path, f"found {len(node.value)} items, expected {least} to {_MOST_ITEMS}")
            return ()
        return tuple(read(self, item, f"{path}[{number}]") for number, item in enumerate(node.value))

    def scalar(self, node: Any, path: str, kind: type, expected: str) -> Any:
        """A value of this kind; None where it is of another one."""
        value = self.value(node)
        if type(value) is not kind:
            self.fault(node, path, f"found {self.shown(node)}, expected {expected}")
            return None
        return value

    def value(self, node: Any) -> Any:
        """The number, text, flag or date that stands there; None for an empty one and for anything else."""
        if not isinstance(node, yaml.ScalarNode):
            return None
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            return None

    def is_list(self, node: Any) -> bool:
        """Whether a list stands there."""
        return isinstance(node, yaml.SequenceNode)

    def is_mapping(self, node: Any) -> bool:
        """Whether a mapping stands there."""
        return isinstance(node, yaml.MappingNode)

    def is_scalar(self, node: Any) -> bool:
        """Whether a single value stands there."""
        return isinstance(node, yaml.ScalarNode)

    def is_text(self, node: Any) -> bool:
        """Whether a text stands there: no number, flag or date."""
        return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str"

    def shown(self, node: Any) -> str:
        """What stands there, in a few words."""
        if isinstance(node, yaml.ScalarNode):
            return repr(node.value[:60])
        return "a mapping" if self.is_mapping(node) else "a list"


#: How a value is read: from the reader, its node and its path. It gives None after a fault.
Read: TypeAlias = Callable[[Reader, Any, str], Any]
