"""Who uses a search's folder: many workers together, one at its beginning; and which of them have ended.

The system gives a lock back when the process that holds it ends, in whatever way. So a lock says at once that a worker
of this machine is dead, where beats in the database would need their time. Windows has no such lock: nothing is held
there, and beats alone tell.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prototxt_gen.errors import FileError
from prototxt_gen.files import reason
from search.study.folder import BEGINNING, LOCK, WORKERS, make_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Makes the folder and shares it with other workers until the block or the process ends.

    FileError when the folder cannot be written, or when another process has it alone, as versions before 2 of a study
    have it.
    """
    make_folder(folder)
    with _opened(folder / LOCK, folder) as handle:
        if not _locked(handle, shared=True):
            raise FileError(f"{folder}: another search is running there")
        yield


@contextmanager
def beginning(folder: Path) -> Iterator[None]:
    """Holds the beginning of a search: one process measures, makes the study and upgrades it; the others wait."""
    with _opened(folder / BEGINNING, folder) as handle:
        _locked(handle, shared=False, wait=True)
        yield


@contextmanager
def alive(folder: Path, worker: str) -> Iterator[None]:
    """Marks a worker of this machine as alive in the folder, until the block or the process ends."""
    make_folder(folder / WORKERS)
    path = folder / WORKERS / worker
    with _opened(path, folder) as handle:
        _locked(handle, shared=False)
        os.write(handle, machine().encode())
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def has_died(folder: Path, worker: str) -> bool:
    """Whether a worker of this folder and machine has ended without a word. False where that cannot be known."""
    path = folder / WORKERS / worker
    with suppress(OSError):
        # Where a disk is shared, another machine's locks may not be seen.
        if fcntl is None or path.read_text() != machine():
            return False
        with _opened(path, folder) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


def forget(folder: Path, worker: str) -> None:
    """Removes the mark of a worker that has died."""
    with suppress(OSError):
        (folder / WORKERS / worker).unlink()


def machine() -> str:
    """What tells this machine, since it was started, from others."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return platform.node()


@contextmanager
def _opened(path: Path, folder: Path) -> Iterator[int]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as fault:
        raise FileError(f"{folder}: cannot be written: {reason(fault)}") from fault
    try:
        yield handle
    finally:
        os.close(handle)


def _locked(handle: int, shared: bool, wait: bool = False) -> bool:
    """Locks an open file until it is closed. False when another process has it; True where no locks are to be had."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
