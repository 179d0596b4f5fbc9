"""Files of targets: those in the package, and the user's own, which may begin with one of the package's.

docs/targets.md explains the form.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from converters.targets.expressions import Expression
from converters.targets.target import Fields, Row, Rule, Source, Target
from prototxt_gen.errors import CaffeError
from prototxt_gen.files import read_bytes

_DATA = Path(__file__).parent / "data"


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
        return _target(_document(_DATA / f"{text}.yaml"), text)
    if not text.endswith((".yaml", ".yml")):
        raise CaffeError(f"target: found {text!r}, expected one of {', '.join(list_targets())}, or a .yaml file")
    document = _document(Path(text))
    if based := document.pop("extends", None):
        document = _extended(_document(_DATA / f"{based}.yaml"), document)
    return _target(document, Path(text).stem)


def _document(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(read_bytes(path)))


def _extended(base: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A document with another's entries in the place of its own, or beside them."""
    made = {**base, **{key: value for key, value in more.items() if key not in ("sources", "layers", "rules")}}
    made["sources"] = {**base.get("sources", {}), **more.get("sources", {})}
    made["layers"] = [*base.get("layers", []), *more.get("layers", [])]
    made["rules"] = [*base.get("rules", []), *more.get("rules", [])]
    return made


def _target(document: Mapping[str, Any], name: str) -> Target:
    sources = {key: Source(key, **{**value, "date": str(value["date"]), "version": str(value["version"])})
               for key, value in document["sources"].items()}  # fmt: skip
    rows = {}
    for group in document["layers"]:
        for kind in group["types"]:
            rows[kind] = Row(kind, group["runs"], sources[group["source"]], group.get("note", ""))
    rules = tuple(
        Rule(
            types=tuple(rule["types"]),
            needs=Expression(str(rule["needs"])),
            otherwise=rule["otherwise"],
            field=rule["field"],
            allowed=str(rule["allowed"]),
            source=sources[rule["source"]],
            when=Expression(str(rule["when"])) if "when" in rule else None,
            acts_as=rule.get("acts_as", {}),
            off_by=rule.get("off_by", ""),
        )
        for rule in document.get("rules", [])
    )
    fields = document.get("fields", {})
    return Target(
        name=name,
        title=document["title"],
        version=str(document["version"]),
        date=str(document["date"]),
        about=document.get("about", ""),
        rows=rows,
        rules=rules,
        fields=Fields(
            fields.get("numbers", {}),
            tuple(fields.get("lacks", ())),
            sources[fields["source"]] if "source" in fields else None,
        ),
        others=sources[document["others"]],
        sources=sources,
    )
