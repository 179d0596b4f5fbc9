"""Holding a search's folder, so that no second search uses it at the same time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prototxt_gen.errors import FileError
from prototxt_gen.files import reason
from search.study.folder import LOCK, make_folder


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Makes the folder and holds it until the process ends, in whatever way.

    FileError when the folder cannot be written or another process holds it. Windows has no such lock: nothing is held
    there.
    """
    make_folder(folder)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as fault:
        raise FileError(f"{folder}: cannot be written: {reason(fault)}") from fault
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise FileError(f"{folder}: another search is running there") from fault
        yield
    finally:
        os.close(handle)
