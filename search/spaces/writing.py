"""A space's networks written out: into folders, into a tar file, into a stream. A stopped run is gone on with.

What is written first says which space it is, in which form (`space.yaml`); with anything else in that place nothing is
written. A network's place never changes: ranges of places may be written by several runs, and into one folder.

Folders: `CODE.prototxt`. Where a space has more than a thousand networks, a thousand lie in a folder, named by the
digits of their places: the network at place 1234567 is `001/234/CODE.prototxt`. Each file is written beside its place
and renamed, so that one that is there is whole.

Tar: the same names. The file is `NAME.part` until it is whole; what a killed run left at its end is cut off.
"""

from __future__ import annotations

import io
import os
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO

from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.files import read_bytes, reason, write_bytes
from prototxt_gen.generator.arguments import Form
from search.spaces.documents import space_text
from search.spaces.space import Space
from search.spaces.texts import Network, Texts

#: So many networks lie in a folder.
IN_A_FOLDER = 1000

DESCRIPTION = "space.yaml"
_BLOCK = 512
_PART = ".part"
_LEFT_AFTER = 60.0


class Writing:
    """A range of a space's places, `start` to `stop` - 1, to be written in a form.

    `progress` is called with how many networks were written or found since the last call. IndexError for places outside
    the space; ArchitectureError as `Texts`.
    """

    def __init__(
        self,
        space: Space,
        start: int = 0,
        stop: int | None = None,
        form: Form = "deploy",
        merged: bool = False,
        progress: Callable[[int], object] = lambda number: None,
    ) -> None:
        self.space = space
        self.start, self.stop = start, space.count() if stop is None else stop
        if not 0 <= self.start <= self.stop <= space.count():
            raise IndexError(f"places {self.start} to {self.stop} of a space of {space.count()}")
        self._texts = Texts(space, form, merged)
        self._progress = progress
        self._run = uuid.uuid4().hex
        how = f"# Its networks in the form {form}{', with batch norm merged' if merged else ''}.\n"
        self._description = (how + space_text(space)).encode()
        # All digits of a place but the last three name folders, three digits each.
        self._digits = -(-len(str(space.count() - 1)) // 3) * 3

    def into_stream(self, stream: BinaryIO | IO[bytes]) -> None:
        """Writes the prototxts one after another, each below a comment with its place and its code."""
        for place, network in self._networks(self.start, self.stop):
            stream.write(b"# %d %s\n%s" % (place, network.code.encode(), network.text))
            self._progress(1)
        stream.flush()

    def into_folder(self, folder: str | os.PathLike[str]) -> int:
        """Writes what is not there yet, one file a network; returns how many were.

        FileError where it cannot be written, FormatError where the folder is another space's.
        """
        top = Path(folder)
        try:
            top.mkdir(parents=True, exist_ok=True)
            self._describe(top)
            return sum(self._write_some(top, begin) for begin in self._folders())
        except OSError as fault:
            if isinstance(fault, FileError):
                raise
            raise FileError(f"{fault.filename or top}: cannot be written: {reason(fault)}") from fault

    def _describe(self, top: Path) -> None:
        description = top / DESCRIPTION
        if not description.exists():
            if any(top.iterdir()):
                raise FormatError(f"{top}: found a folder with other files, expected a new one or one of this space")
            write_bytes(description, self._description)
        elif read_bytes(description) != self._description:
            raise FormatError(f"{description}: found another space or form, expected {self.space}")

    def _folders(self) -> Iterator[int]:
        """The place at which each folder's share of the range begins."""
        begin = self.start
        while begin < self.stop:
            yield begin
            begin += IN_A_FOLDER - begin % IN_A_FOLDER

    def _write_some(self, top: Path, begin: int) -> int:
        """Writes the rest of the folder of a place, as far as the range goes."""
        end = min(self.stop, begin + IN_A_FOLDER - begin % IN_A_FOLDER)
        folder = top / self._folder(begin)
        folder.mkdir(parents=True, exist_ok=True)
        there = _whole_files(folder)
        first = begin - begin % IN_A_FOLDER
        if len(there) == min(self.space.count(), first + IN_A_FOLDER) - first:
            self._progress(end - begin)
            return 0
        written = 0
        # Several runs may write into one folder.
        temporary = f"{folder}/.{self._run}{_PART}"
        try:
            for _, network in self._networks(begin, end):
                name = f"{network.code}.prototxt"
                if name not in there:
                    _write_new(temporary, f"{folder}/{name}", network.text)
                    written += 1
                self._progress(1)
        finally:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
        return written

    def into_tar(self, path: str | os.PathLike[str]) -> int:
        """Writes a tar file; returns how many networks were not in it yet.

        FileError where it cannot be written; FormatError where the file, whole or begun, is of another space or range.
        """
        target = Path(path)
        part = target.with_name(f"{target.name}{_PART}")
        try:
            if target.exists():
                with target.open("rb") as found:
                    there, _ = self._members(found, target)
                if there != self.stop - self.start:
                    raise FormatError(f"{target}: found {there:,} networks, expected {self.stop - self.start:,}")
                self._progress(there)
                return 0
            with part.open("r+b" if part.exists() else "w+b") as file:
                written = self._write_tar(file, part)
            part.replace(target)
            return written
        except OSError as fault:
            if isinstance(fault, FileError):
                raise
            raise FileError(f"{target}: cannot be written: {reason(fault)}") from fault

    def _write_tar(self, file: BinaryIO | IO[bytes], part: Path) -> int:
        there, end = self._members(file, part)
        self._progress(there)
        file.seek(end)
        file.truncate()
        if not end:
            file.write(_member(DESCRIPTION, self._described()))
        for place, network in self._networks(self.start + there, self.stop):
            file.write(_member(self._name(place, network), network.text))
            self._progress(1)
        # The end of an archive: two empty blocks, in whole records.
        file.write(bytes(2 * _BLOCK))
        file.write(bytes(-file.tell() % tarfile.RECORDSIZE))
        file.flush()
        os.fsync(file.fileno())
        return self.stop - self.start - there

    def _described(self) -> bytes:
        """What a tar file begins with: its range, too, since its members are counted."""
        return self._description + f"# Places {self.start} to {self.stop - 1}.\n".encode()

    def _members(self, file: BinaryIO | IO[bytes], path: Path) -> tuple[int, int]:
        """How many networks a file holds whole, and where the last of them ends; 0 for an empty file."""
        size = file.seek(0, io.SEEK_END)
        description = _member(DESCRIPTION, self._described())
        file.seek(0)
        begun = file.read(len(description))
        if begun != description:
            if size < len(description) and description.startswith(begun):
                return 0, 0
            raise FormatError(
                f"{path}: found another space, form or range, expected places {self.start} to "
                f"{self.stop - 1} of {self.space}"
            )
        number, end = 0, len(description)
        while True:
            behind = _end_of_member(file, end, size)
            if behind is None:
                return number, end
            number, end = number + 1, behind

    def _networks(self, start: int, stop: int) -> Iterator[tuple[int, Network]]:
        """The networks at the places start..stop - 1, with their places."""
        place = start
        for vectors in self.space.vectors(start, stop):
            for vector in vectors:
                yield place, self._texts.of(vector)
                place += 1

    def _folder(self, place: int) -> str:
        digits = str(place).zfill(self._digits)[:-3]
        return "/".join(digits[index : index + 3] for index in range(0, len(digits), 3))

    def _name(self, place: int, network: Network) -> str:
        folder = self._folder(place)
        return f"{folder}/{network.code}.prototxt" if folder else f"{network.code}.prototxt"


def _whole_files(folder: Path) -> set[str]:
    """The names of the files of a folder. Empty ones are none: a machine that lost its power may leave such."""
    with os.scandir(folder) as entries:
        found = {entry.name: entry.stat() for entry in entries if entry.is_file()}
    for name, state in found.items():
        # A file is being written for less than a second: this one is of a run that was killed.
        if name.endswith(_PART) and time.time() - state.st_mtime > _LEFT_AFTER:
            with suppress(FileNotFoundError):
                (folder / name).unlink()
    return {name for name, state in found.items() if name.endswith(".prototxt") and state.st_size}


def _write_new(temporary: str, target: str, text: bytes) -> None:
    # Path objects would take a tenth of the time.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        written = os.write(descriptor, text)
        while written < len(text):
            written += os.write(descriptor, text[written:])
    finally:
        os.close(descriptor)
    os.replace(temporary, target)  # noqa: PTH105


def _member(name: str, data: bytes) -> bytes:
    """A file in a tar, of the same bytes at any time and for anybody."""
    encoded = name.encode()
    if len(encoded) > tarfile.LENGTH_NAME:
        # The name is a member of its own, before the file.
        info = tarfile.TarInfo(name)
        info.size = len(data)
        header = info.tobuf(tarfile.GNU_FORMAT)
    else:
        header = _header(encoded, len(data))
    return header + data + bytes(-len(data) % _BLOCK)


def _header(name: bytes, size: int) -> bytes:
    """What TarInfo.tobuf makes, which takes longer than a network's text."""
    octal = b"%011o" % size
    checksum = _CHECKSUM + sum(name) + sum(octal)
    return b"".join([name, bytes(100 - len(name)), _OWNER, octal, _TIME, b"%06o\0 " % checksum, _REST])


def _template() -> tuple[bytes, bytes, bytes, int]:
    """The parts of a header that are the same for all files, and the sum of their bytes."""
    info = tarfile.TarInfo("")
    blank = info.tobuf(tarfile.GNU_FORMAT)
    owner, moment, rest = blank[100:124], blank[135:148], blank[156:]
    # The checksum is taken with blanks in its own place (POSIX.1-1988, ustar).
    return owner, moment, rest, sum(owner) + sum(moment) + sum(rest) + 8 * ord(" ")


_OWNER, _TIME, _REST, _CHECKSUM = _template()


def _end_of_member(file: BinaryIO | IO[bytes], begin: int, size: int) -> int | None:
    """Where the member ends that begins there; None where there is no whole one."""
    while begin + _BLOCK <= size:
        file.seek(begin)
        header = file.read(_BLOCK)
        try:
            found = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            return None
        begin += _BLOCK + -(-found.size // _BLOCK) * _BLOCK
        # A name of more than a hundred characters is a member of its own before.
        if found.type != tarfile.GNUTYPE_LONGNAME:
            return begin if begin <= size else None
    return None
