"""Spaces as users name them: by a code, by the name of a space in the package, or by a YAML file."""

from __future__ import annotations

import os

from prototxt_gen.errors import ArchitectureError
from search.spaces.codes import parse_space_code
from search.spaces.documents import packaged_names, read_space
from search.spaces.space import Space


def parse_space(text: str | os.PathLike[str]) -> Space:
    """The space that a text stands for: a code, the name of a packaged space, or the path of a .yaml or .yml file.

    Codes: search/spaces/codes.py. Names: `packaged_names()`. Files: search/spaces/documents.py. ArchitectureError where
    it is none of these or says something wrong, FileError where the file cannot be read.
    """
    if not isinstance(text, str):
        return read_space(text)
    if text in packaged_names():
        return read_space(text)
    if text.endswith((".yaml", ".yml")):
        return read_space(text)
    try:
        return parse_space_code(text)
    except ArchitectureError as fault:
        if "_" in text:
            raise
        names = ", ".join(packaged_names())
        raise ArchitectureError(
            f"{fault}, or the name of a space ({names}), or the path of a file that ends in .yaml"
        ) from None
