"""Layer names as module paths and back: `res2.1.conv1` nests; what a path cannot hold is escaped by %."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote, unquote

from torch import fx

_EMPTY = "%"
_REPEATED = re.compile(r"%~\d+$")


def module_paths(names: Sequence[str]) -> list[str]:
    """A path for each layer name, all different; `layer_name` gives the name back.

    A dot nests modules: `res2.1.conv1` is in `1`, which is in `res2`. Escaped as %xx (UTF-8, in hexadecimal) are

    1. %, quotes, backslashes and characters that cannot be printed;
    2. a dot at either end of a name or beside another dot (`.a`, `a..b`), and a dot after the name of another layer,
       because the module of a layer does not contain those of others;
    3. the first letter of a part that is an attribute of every module (`forward`, `training`, `graph`) or a keyword of
       Python (`in`, `None`), which torch.fx would write into its code unchanged.

    The second and third layer of the same name get %~2 and %~3 at the end; the empty name becomes %.
    """
    leaves = set(names)
    seen: dict[str, int] = {}
    paths = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        path = _path(name, leaves)
        paths.append(path if seen[name] == 1 else f"{path}%~{seen[name]}")
    return paths


def layer_name(path: str) -> str:
    """The layer name that `module_paths` made the path of."""
    path = _REPEATED.sub("", path)
    return "" if path == _EMPTY else unquote(path)


def _path(name: str, leaves: set[str]) -> str:
    if not name:
        return _EMPTY
    pieces = [""]
    for index, character in enumerate(name):
        if character != ".":
            pieces[-1] += character if character.isprintable() and character not in "%\"'\\" else quote(character, "")
        elif 0 < index < len(name) - 1 and "." not in (name[index - 1], name[index + 1]) and name[:index] not in leaves:
            pieces.append("")
        else:
            pieces[-1] += "%2E"
    return ".".join(f"%{ord(piece[0]):02X}{piece[1:]}" if piece in _reserved() else piece for piece in pieces)


@lru_cache
def _reserved() -> frozenset[str]:
    return frozenset([*dir(fx.GraphModule({}, fx.Graph())), *keyword.kwlist])
