"""Files of targets: those in the package, and the user's own, which may begin with one of the package's.

docs/targets.md explains the form. All faults of a file are told at once, with their lines.

A user's file that says `extends: rknn2` is that target with corrections. Its rows stand in the place of the base's rows
for the same types, its sources beside the base's. Its rules are added; one with the `id` of a rule of the base corrects
that: fields that it leaves out are the base's, but the source is its own; with `drop: true` the rule goes. Title,
version, date and the source of `others` may be left out. A rule that states no id is called by its first type and the
last word of its field, as in "Pooling.kernel_size", a second one such "Pooling.kernel_size.2"; "*" is "every".

Fields of layers: BVLC Caffe 1.0's are known to a target unless `fields.lacks` names them. Private ones, which only
forks of Caffe have, are known where `fields.numbers` or `fields.knows` names them or the message that they are in, and
where the target runs a type that reads them: a row for Interp is enough for `interp_param`.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache, lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from converters.targets.expressions import Expression
from converters.targets.facts import EVERY, NETWORK, fact_names
from converters.targets.fields import assigned, has_path
from converters.targets.target import Fields, Row, Rule, Source, Target
from converters.yaml_files import Field, Read, Reader
from prototxt_gen.errors import CaffeError, FormatError
from prototxt_gen.files import read_bytes
from prototxt_gen.layers import LAYERS

_DATA = Path(__file__).parent / "data"
_KINDS = ("document", "code", "run", "notes", "judgement")
_RUNS = ("accelerated", "cpu", "refused")
_OTHERWISE = ("refused", "silent", "cpu")
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][\w.-]{0,99}", re.ASCII)
_MOST_CHARACTERS = 1000
_LARGEST_NUMBER = 2**29 - 1
# Stands for a source that a rule at fault does not have.
_UNSAID = Source("", "", "judgement", "", "")


@lru_cache(maxsize=1)
def list_targets() -> tuple[str, ...]:
    """The names of the targets in the package."""
    return tuple(sorted(path.stem for path in _DATA.glob("*.yaml")))


def read_target(name: str | os.PathLike[str]) -> Target:
    """A target of the package by its name, or the one in a YAML file of the user's own.

    CaffeError for a name that is neither lists those that there are; FileError when a file cannot be read; FormatError
    lists everything that is wrong in it, with its lines.
    """
    text = os.fspath(name)
    if text in list_targets():
        return _packaged(text)
    if not text.endswith((".yaml", ".yml")):
        raise CaffeError(f"target: found {text!r}, expected one of {', '.join(list_targets())}, or a .yaml file")
    return _File(read_bytes(text), text, Path(text).stem).target()


@cache
def _packaged(name: str) -> Target:
    path = _DATA / f"{name}.yaml"
    return _File(read_bytes(path), os.fspath(path), name, may_extend=False).target()


class _File:
    """One file of a target, being read: its reader, the target that it extends, the sources met so far."""

    def __init__(self, text: bytes, source: str, name: str, may_extend: bool = True) -> None:
        self._reader = Reader(text, source, "a target")
        self._name, self._may_extend = name, may_extend
        self._base: Target | None = None
        self._sources: dict[str, Source] = {}
        self._rules: dict[str, Rule] = {}

    def target(self) -> Target:
        """The target; FormatError lists all faults."""
        reader, root = self._reader, self._reader.root
        # What others refer to is read first, wherever it stands.
        values = {name: value for name, _, value in reader.entries(root)} if reader.is_mapping(root) else {}
        if self._may_extend and "extends" in values:
            self._base = self._extended(reader, values["extends"], "extends")
        if self._base is not None:
            self._sources = dict(self._base.sources)
            self._rules = {rule.id: rule for rule in self._base.rules}
        if "sources" in values:
            self._sources |= _quietly(reader, lambda: self._read_sources(reader, values["sources"], "sources"))
        own = "extends" not in values
        found = reader.mapping(
            root,
            "",
            {
                **({"extends": Field(lambda *_: None)} if self._may_extend else {}),
                "title": Field(_text, own),
                "version": Field(_text, own),
                "date": Field(_date, own),
                "about": Field(_text),
                "sources": Field(self._read_sources, own),
                "others": Field(self._source, own),
                "layers": Field(self._layers, own),
                "rules": Field(self._read_rules),
                "fields": Field(self._fields),
            },
        )
        reader.check()
        base = self._base
        return Target(
            name=self._name,
            **{
                said: found.get(said, getattr(base, said, ""))
                for said in ("title", "version", "date", "about", "others")
            },
            rows={**(base.rows if base else {}), **found.get("layers", {})},
            rules=tuple(self._rules.values()),
            fields=found.get("fields") or (base.fields if base else Fields()),
            sources=self._sources,
        )

    def _extended(self, reader: Reader, node: Any, path: str) -> Target | None:
        name = reader.scalar(node, path, str, "the name of a target")
        if name is not None and name not in list_targets():
            reader.fault(node, path, f"found {name[:60]!r}, expected one of {', '.join(list_targets())}")
            return None
        return None if name is None else _packaged(name)

    def _read_sources(self, reader: Reader, node: Any, path: str) -> dict[str, Source]:
        fields = {
            "text": Field(_text, required=True),
            "kind": Field(_one_of(_KINDS), required=True),
            "version": Field(_text, required=True),
            "date": Field(_date, required=True),
            "excerpt": Field(_flag),
        }

        def read(reader: Reader, node: Any, at: str) -> Source | None:
            found = reader.mapping(node, at, fields)
            if any(found.get(name) is None for name in ("text", "kind", "version", "date")):
                return None
            return Source(at.removeprefix(f"{path}."), **found)

        found = reader.named(node, path, read)
        return {key: source or Source(key, "", "judgement", "", "") for key, source in found.items()}

    def _source(self, reader: Reader, node: Any, path: str) -> Source | None:
        key = _text(reader, node, path)
        if key is not None and key not in self._sources:
            told = ", ".join(self._sources) or "none, so that one must be added to `sources`"
            reader.fault(node, path, f"found {key[:60]!r}, expected the name of a source: {told}")
        return self._sources.get(key) if key is not None else None

    def _layers(self, reader: Reader, node: Any, path: str) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        fields = {
            "types": Field(_types, required=True),
            "runs": Field(_one_of(_RUNS), required=True),
            "source": Field(self._source, required=True),
            "note": Field(_text),
        }

        def read(reader: Reader, node: Any, at: str) -> None:
            found = reader.mapping(node, at, fields)
            for kind in found.get("types") or ():
                if kind in rows:
                    reader.fault(node, f"{at}.types", f"{kind} is in a row before, expected it in one row")
                elif kind in (EVERY, NETWORK):
                    reader.fault(node, f"{at}.types", f"found {kind!r}, expected types of layers")
                elif found.get("runs") is not None and found.get("source") is not None:
                    rows[kind] = Row(kind, found["runs"], found["source"], found.get("note") or "")

        reader.items(node, path, read, least=1 if self._base is None else 0)
        return rows

    def _read_rules(self, reader: Reader, node: Any, path: str) -> None:
        fields: dict[str, Field] = {
            "id": Field(_word),
            "drop": Field(_flag),
            "types": Field(_types),
            "when": Field(_expression),
            "needs": Field(_expression),
            "otherwise": Field(_one_of(_OTHERWISE)),
            "field": Field(_text),
            "allowed": Field(_text),
            "acts_as": Field(lambda reader, node, path: reader.named(node, path, _setting)),
            "off_by": Field(_text),
            "source": Field(self._source),
        }
        met: set[str] = set()
        own = dict[str, Rule]()

        def read(reader: Reader, node: Any, at: str) -> None:
            found = reader.mapping(node, at, fields)
            if not reader.is_mapping(node):
                return
            name = found.get("id") or ""
            if name and name in met:
                reader.fault(node, f"{at}.id", f"{name} is the id of a rule before")
            met.add(name)
            old = self._rules.get(name) if name else None
            if found.pop("drop", False):
                if old is None:
                    reader.fault(node, f"{at}.drop", "expected the id of a rule of the target that the file extends")
                else:
                    del self._rules[name]
                if found.keys() - {"id", "source"}:
                    reader.fault(node, at, "is dropped, expected no field but id and source")
                return
            needed = ("source",) if old else ("types", "needs", "otherwise", "field", "allowed", "source")
            missing = [field for field in needed if field not in found]
            if missing:
                reader.fault(node, at, f"has no {', no '.join(missing)}")
            if missing or None in found.values():
                # What can be said of the rest is said in the same go.
                rest = {field: value for field, value in found.items() if value is not None}
                if "off_by" in found:
                    rest.setdefault("off_by", "at fault itself")
                if old or ("types" in rest and "otherwise" in rest):
                    unsaid = {"needs": Expression("True"), "field": "", "allowed": "", "source": _UNSAID}
                    self._check_rule(reader, node, at, replace(old, **rest) if old else Rule(**{**unsaid, **rest}))
                return
            made = replace(old, **found) if old else Rule(**found)
            self._check_rule(reader, node, at, made)
            if old:
                self._rules[name] = made
            else:
                name = name or _own_name(made, {*self._rules, *own})
                own[name] = replace(made, id=name)

        reader.items(node, path, read, least=0)
        self._rules |= own

    def _check_rule(self, reader: Reader, node: Any, path: str, rule: Rule) -> None:
        """Faults of a rule as a whole: what it asks of its types, what it says that they act as."""
        if NETWORK in rule.types and (len(rule.types) > 1 or rule.acts_as):
            reader.fault(node, f"{path}.types", f"found {NETWORK} beside others, expected it alone, without acts_as")
            return
        if rule.otherwise == "silent" and not (rule.acts_as or rule.off_by):
            reader.fault(node, path, "is silent and has neither acts_as nor off_by: what are the numbers off by?")
        if rule.otherwise != "silent" and (rule.acts_as or rule.off_by):
            reader.fault(node, path, f"has acts_as or off_by and is {rule.otherwise}, expected them of silent ones")
        expressions = {"when": rule.when, "needs": rule.needs}
        expressions |= {f"acts_as.{key}": value for key, value in rule.acts_as.items() if isinstance(value, Expression)}
        for kind in rule.types:
            known = fact_names(kind)
            for field, expression in expressions.items():
                strange = sorted(expression.names - known) if expression is not None and known is not None else []
                if strange:
                    expected = f"no fact of {_subject(kind)}, expected one of {', '.join(sorted(known or ()))}"
                    reader.fault(node, f"{path}.{field}", f"{', '.join(strange)}: {expected}")
            for key, value in rule.acts_as.items():
                head = key.partition(".")[0]
                if kind in LAYERS and head not in ("type", *LAYERS[kind].options):
                    own = ", ".join(("type", *LAYERS[kind].options))
                    reader.fault(node, f"{path}.acts_as.{key[:60]}", f"no field of {kind}, expected one of {own}")
                elif not isinstance(value, Expression):
                    try:
                        assigned(key, value)
                    except FormatError as fault:
                        reader.fault(node, f"{path}.acts_as.{key[:60]}", str(fault))

    def _fields(self, reader: Reader, node: Any, path: str) -> Fields | None:
        known = {
            "numbers": Field(lambda reader, node, path: reader.named(node, path, _field_number)),
            "knows": Field(lambda reader, node, path: reader.items(node, path, _word, least=0)),
            "lacks": Field(lambda reader, node, path: reader.items(node, path, _lacked, least=0)),
            "source": Field(self._source, required=True),
        }
        found = reader.mapping(node, path, known)
        source = found.get("source")
        if source is None or None in (*found.get("knows", ()), *found.get("lacks", ())):
            return None
        base = self._base.fields if self._base else Fields()
        numbers = {**base.numbers, **(found.get("numbers") or {})}
        same = [name for name in numbers if "." not in name]
        if len({numbers[name] for name in same}) < len(same):
            reader.fault(node, f"{path}.numbers", "two fields have one number")
        for name in found.get("numbers") or {}:
            if not _WORD.fullmatch(name):
                reader.fault(node, f"{path}.numbers", f"found {name[:60]!r}, expected a field such as upsample_param")
        named = {*(found.get("numbers") or ()), *found.get("knows", ())}
        for name in sorted(named & {*found.get("lacks", ())}):
            reader.fault(node, f"{path}.lacks", f"{name} is among the fields that it has, too")
        lacks = {name: one for name, one in base.lacks.items() if name not in named}
        lacks |= dict.fromkeys(found.get("lacks", ()), source)
        kept = {name: number for name, number in numbers.items() if name not in found.get("lacks", ())}
        knows = dict.fromkeys(name for name in (*base.knows, *found.get("knows", ())) if name not in lacks)
        return Fields(kept, lacks, source, tuple(knows))


def _own_name(rule: Rule, taken: Collection[str]) -> str:
    """The id of a rule that states none."""
    kind = "every" if rule.types[0] == EVERY else rule.types[0]
    plain = ".".join([kind, "-".join(re.findall(r"[\w-]+", rule.field.rpartition(".")[2]))])
    names = (plain if number == 1 else f"{plain}.{number}" for number in count(1))
    return next(name for name in names if name not in taken)


def _subject(kind: str) -> str:
    return {NETWORK: "a network", EVERY: "every layer"}.get(kind, kind)


def _quietly(reader: Reader, read: Callable[[], dict[str, Source]]) -> dict[str, Source]:
    """What `read` gives; its faults are kept when the same is read in its turn."""
    with reader.unheard():
        return read()


def _text(reader: Reader, node: Any, path: str) -> str | None:
    """A text as it stands there: 2.10 is no number."""
    value = " ".join(node.value.split()) if reader.is_scalar(node) and reader.value(node) is not None else ""
    if not value:
        reader.fault(node, path, f"found {reader.shown(node)}, expected a text")
        return None
    if len(value) > _MOST_CHARACTERS or not value.isprintable():
        reader.fault(node, path, f"found {len(value)} characters, expected at most {_MOST_CHARACTERS}, all printable")
        return None
    return value


def _word(reader: Reader, node: Any, path: str) -> str | None:
    value = _text(reader, node, path)
    if value is not None and not _WORD.fullmatch(value):
        reader.fault(node, path, f"found {value[:60]!r}, expected a word of letters, digits, '_', '-', '.'")
        return None
    return value


def _kind(reader: Reader, node: Any, path: str) -> str | None:
    """A layer type, "*" or "network"."""
    return EVERY if reader.is_text(node) and node.value == EVERY else _word(reader, node, path)


def _types(reader: Reader, node: Any, path: str) -> tuple[str, ...] | None:
    found = reader.items(node, path, _kind)
    if len(set(found)) < len(found):
        twice = next(kind for index, kind in enumerate(found) if kind in found[:index])
        reader.fault(node, path, f"{twice} is there twice")
    return found if found and None not in found else None


def _flag(reader: Reader, node: Any, path: str) -> Any:
    return reader.scalar(node, path, bool, "true or false")


def _one_of(words: tuple[str, ...]) -> Read:
    def read(reader: Reader, node: Any, path: str) -> str | None:
        value = node.value if reader.is_scalar(node) else None
        if value not in words:
            reader.fault(node, path, f"found {reader.shown(node)}, expected one of {', '.join(words)}")
            return None
        return str(value)

    return read


def _date(reader: Reader, node: Any, path: str) -> str | None:
    """YYYY, YYYY-MM or YYYY-MM-DD, a day that there is."""
    value = node.value.strip() if reader.is_scalar(node) else ""
    match = _DATE.fullmatch(value)
    try:
        if match is None:
            raise ValueError(value)
        datetime.date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        reader.fault(node, path, f"found {reader.shown(node)}, expected a date: YYYY, YYYY-MM or YYYY-MM-DD")
        return None
    return str(value)


def _expression(reader: Reader, node: Any, path: str) -> Expression | None:
    text = _text(reader, node, path)
    try:
        return None if text is None else Expression(text)
    except FormatError as fault:
        reader.fault(node, path, str(fault))
        return None


def _setting(reader: Reader, node: Any, path: str) -> Any:
    """A value of a field; a text that begins with "=" is computed from the layer's facts."""
    if reader.is_list(node):
        return list(reader.items(node, path, _setting, least=0))
    if reader.is_text(node) and node.value.startswith("="):
        try:
            return Expression(node.value[1:].strip())
        except FormatError as fault:
            reader.fault(node, path, str(fault))
            return None
    value = reader.value(node)
    is_empty = reader.is_scalar(node) and node.value in ("", "~", "null")
    if not is_empty and type(value) not in (bool, int, float, str):
        reader.fault(node, path, f"found {reader.shown(node)}, expected a value of the field, or null")
    return value


def _field_number(reader: Reader, node: Any, path: str) -> Any:
    value = reader.scalar(node, path, int, "a field's number")
    if value is not None and not 1 <= value <= _LARGEST_NUMBER:
        reader.fault(node, path, f"found {reader.shown(node)}, expected 1 to {_LARGEST_NUMBER:,}")
    return value


def _lacked(reader: Reader, node: Any, path: str) -> str | None:
    """A field that layers have here; others cannot be met, so a target lacks them in any case."""
    value = _word(reader, node, path)
    if value is not None and not has_path(value):
        reader.fault(node, path, f"found {value[:60]!r}, which is no field of a layer here, as in clip_param")
        return None
    return value
