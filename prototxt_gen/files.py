"""Reading and writing files so that an interruption leaves the old file or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prototxt_gen.errors import FileError


def reason(fault: OSError) -> str:
    """Why the system refused, in its own few words: some libraries put long texts in their place."""
    return os.strerror(fault.errno) if fault.errno else str(fault)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The whole file. FileError names the path and the reason."""
    try:
        return Path(path).read_bytes()
    except OSError as fault:
        raise FileError(f"{os.fspath(path)}: cannot be read: {reason(fault)}") from fault


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside `path`; the file there gets the name `path` when the block ends well.

    When the block fails the temporary file is removed and the old file, if any, stays as it was. Faults of the
    disk (full, read-only, no such folder) become a FileError that names `path`.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        os.close(handle)
    except OSError as fault:
        raise FileError(f"{target}: cannot be written: {reason(fault)}") from fault
    temporary = Path(name)
    try:
        # mkstemp makes files private; the target should have the mode any newly made file has.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except OSError as fault:
        if isinstance(fault, FileError):
            raise
        raise FileError(f"{target}: cannot be written: {reason(fault)}") from fault
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes `data` under the name `path` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)
