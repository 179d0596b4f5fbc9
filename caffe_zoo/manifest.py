"""weights_manifest.json: the released networks' fingerprints and where their weights lie."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from prototxt_gen.errors import FileError, FormatError

NAME = "weights_manifest.json"


def manifest_path() -> Path:
    """Where the manifest lies: at the top of a checkout, or among the installed files of the distribution."""
    packages = Path(__file__).resolve().parent.parent
    # At the top of a checkout; and where `pip install --target` moves what its list of files has elsewhere.
    for place in (packages / NAME, packages / "share" / "dongfeng" / NAME):
        if place.is_file():
            return place
    from importlib import metadata  # takes longer to import than a checkout needs to find the file

    try:
        files = metadata.files("dongfeng") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == NAME and (path := Path(str(file.locate()))).is_file():
            return path.resolve()
    raise FileError(f"{NAME}: found neither beside the packages nor in the installed distribution `dongfeng`")


@cache
def read_manifest() -> dict[str, Any]:
    """The manifest: `networks` (architecture, fingerprint) by file stem, `weights` (network, Drive id) by file name.

    All callers share one object, which they must not change.
    """
    path = manifest_path()
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as fault:
        raise FormatError(f"{path}: not JSON: {fault}") from fault
    return content
