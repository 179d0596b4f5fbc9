"""The released weights on this machine: fetched, checked against their network, and their digests remembered."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from caffe_zoo.cards import WeightsFile, card
from prototxt_gen.errors import CaffeError, FileError, FormatError, NotInstalledError
from prototxt_gen.files import reason, write_bytes

#: Takes a Google Drive id and the path of the file to write.
Download = Callable[[str, Path], None]

_CHUNK = 1 << 20

_FAULTS_OF_THE_DISK = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EROFS)

#: What a message says of a failed download, by a kind of exception in its chain; the most telling kind first.
_REASONS = {
    "FileURLRetrievalError": "Google Drive did not hand it out, as it does when a file was asked for too often; "
    "try again later, or download it in a browser",
    "ProxyError": "the proxy gave no connection; check HTTPS_PROXY",
    "gaierror": "the server's name was not found; is this machine online?",
    "NameResolutionError": "the server's name was not found; is this machine online?",
    "SSLError": "the server's certificate was not accepted; if a proxy has one of its own, name that file in "
    "REQUESTS_CA_BUNDLE",
    "Timeout": "no answer came in time; try again later",
    "TimeoutError": "no answer came in time; try again later",
    "ConnectionRefusedError": "the connection was refused; check the network, and HTTPS_PROXY if it needs one",
    "ConnectionError": "the connection failed or broke off; check the network, and HTTPS_PROXY if it needs one",
    "HTTPException": "the connection broke off; try again",
    "URLError": "there is no connection; check the network, and HTTPS_PROXY if it needs one",
}


def cache_folder() -> Path:
    """Where fetched weights lie: $DONGFENG_CACHE, or dongfeng in $XDG_CACHE_HOME, or ~/.cache/dongfeng."""
    if chosen := os.environ.get("DONGFENG_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dongfeng"


def released_file(name: str) -> WeightsFile:
    """The released file of a network (`df1`), or of one of its forms (`df1seg_mergebn`).

    The form with batch norm comes first, if it was released. CaffeError when nothing was released under the name.
    """
    network = name.removesuffix(".caffemodel").removesuffix("_mergebn")
    # A network without the last upsampling has the weights of the one with it.
    released = card(network).weights or card(network.removesuffix("_d8")).weights
    files = {file.name.removesuffix(".caffemodel"): file for file in released}
    if not files:
        raise CaffeError(f"the release has no weights of {network}; give a file of your own by --weights")
    wanted = name.removesuffix(".caffemodel")
    if wanted != network and wanted not in files:
        raise CaffeError(f"no released weights {wanted!r}, expected one of: {', '.join(files)}")
    return files.get(wanted) or next(iter(files.values()))


def cached(name: str) -> Path:
    """The path of a released file that was fetched before. Where it was not, FileError says how to get it.

    Nothing is downloaded. FormatError when its content is no longer what was recorded.
    """
    file = released_file(name)
    path = cache_folder() / file.name
    if not path.is_file():
        stem = file.name.removesuffix(".caffemodel")
        raise FileError(f"{path}: no such file; `dongfeng fetch {stem}` downloads it, or name a file with --weights")
    _check_digest(path, _digest(path), _known_digest(file, path))
    return path


def fetch(name: str, source: str | os.PathLike[str] | None = None, download: Download | None = None) -> Path:
    """The path of a released file in the cache folder: downloaded from the authors' Google Drive unless it is there.

    `source` is a file to take instead of a download. The file is read whole and checked against the network: names,
    number and shapes of all blobs. Then it gets its name, and its SHA-256 is written beside it (df1.caffemodel.sha256,
    as sha256sum reads it); from then on other content under this name is an error. A failure leaves what was there
    before.

    FileError for a file that cannot be downloaded or read, FormatError and WeightsError for one that is not this
    network's, NotInstalledError where gdown is missing.
    """
    file = released_file(name)
    folder = cache_folder()
    target = folder / file.name
    if source is None and target.is_file():
        known = _known_digest(file, target)
        digest = _digest(target)
        _check_digest(target, digest, known)
        if known is None:
            _check(target, file)
            _record(target, digest)
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
            part = Path(temporary) / file.name
            if source is not None:
                _copy(Path(source), part)
            else:
                _download(file, part, download or google_drive)
            _check(part, file, shown=source if source is not None else f"{file.name} as downloaded")
            digest = _digest(part)
            _check_digest(source if source is not None else target, digest, _known_digest(file, target))
            part.replace(target)
    except OSError as fault:
        if isinstance(fault, CaffeError):
            raise
        raise FileError(f"{target}: cannot be written: {reason(fault)}") from fault
    _record(target, digest)
    return target


def google_drive(drive_id: str, path: Path) -> None:
    """Downloads a file by gdown, through the proxy that HTTPS_PROXY names, if any."""
    try:
        import gdown
    except ImportError as fault:
        raise NotInstalledError("gdown", "download", "downloading (which --from FILE avoids)") from fault
    gdown.download(id=drive_id, output=str(path), quiet=False, use_cookies=False)


def _download(file: WeightsFile, part: Path, download: Download) -> None:
    where = f"{file.name}: cannot be downloaded from Google Drive (id {file.google_drive_id})"
    try:
        download(file.google_drive_id, part)
    except CaffeError:
        raise
    except Exception as fault:  # gdown and the packages below it raise exceptions of their own
        if isinstance(fault, OSError) and fault.errno in _FAULTS_OF_THE_DISK:
            raise
        raise FileError(f"{where}: {_reason(fault)}; `--from FILE` takes a file that you have") from fault
    if not part.is_file():
        raise FileError(f"{where}: nothing arrived; `--from FILE` takes a file that you have")


def _reason(fault: BaseException) -> str:
    """Why a download failed, in plain words: gdown, requests and urllib3 name objects of their own."""
    chain = _chain(fault)
    for link in chain:
        status = getattr(link, "code", None) or getattr(getattr(link, "response", None), "status_code", None)
        if isinstance(status, int):
            return f"HTTP Error {status} came instead of the file; try again later"
    kinds = {kind.__name__ for link in chain for kind in type(link).__mro__}
    return next((reason for kind, reason in _REASONS.items() if kind in kinds), "the download failed; try again later")


def _chain(fault: BaseException) -> list[BaseException]:
    """The fault and all its causes."""
    chain = [fault]
    for link in chain:
        inner = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
        chain += [other for other in inner if isinstance(other, BaseException) and other not in chain]
    return chain


def _copy(source: Path, part: Path) -> None:
    try:
        opened = source.open("rb")
    except OSError as fault:
        raise FileError(f"{source}: cannot be read: {reason(fault)}") from fault
    with opened, part.open("wb") as copy:
        shutil.copyfileobj(opened, copy)


def _check(path: Path, file: WeightsFile, shown: object = None) -> None:
    """FormatError or WeightsError unless the file holds this network's weights."""
    from converters.formats import read_weights
    from prototxt_gen.generator.networks import generate

    known = card(file.network)
    net = generate(known.architecture, input_shape=(1, 3, *known.preprocessing.crop), merged=file.merged)
    shown = path if shown is None else shown
    with path.open("rb") as opened:
        start = opened.read(64).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        raise FormatError(
            f"{shown}: found a web page, expected a caffemodel; Google Drive sends one when a file was asked for too "
            "often: try again later, or download it in a browser and give it with --from"
        )
    try:
        read_weights(path, net)
    except CaffeError as fault:
        raise type(fault)(f"{shown}: not the weights of {file.network}: {_without(fault, path)}") from fault


def _without(fault: CaffeError, path: Path) -> str:
    return str(fault).replace(f"{path}: ", "")


def _known_digest(file: WeightsFile, path: Path) -> str | None:
    """The SHA-256 that the release gives, or that was recorded beside the path; None where there is neither."""
    if file.sha256 is not None:
        return file.sha256
    try:
        words = _beside(path).read_text("ascii").split()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as fault:
        raise FileError(f"{_beside(path)}: cannot be read: {fault}") from fault
    if not words or len(words[0]) != 64 or set(words[0]) - set("0123456789abcdef"):
        raise FormatError(f"{_beside(path)}: found no SHA-256")
    return words[0]


def _check_digest(path: object, digest: str, known: str | None) -> None:
    if known is not None and digest != known:
        raise FormatError(
            f"{path}: its content is not what it was: found sha256 {digest}, expected {known}; if the change is wanted,"
            " delete the .sha256 file in the cache folder"
        )


def _record(target: Path, digest: str) -> None:
    write_bytes(_beside(target), f"{digest}  {target.name}\n".encode("ascii"))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
    except OSError as fault:
        raise FileError(f"{path}: cannot be read: {reason(fault)}") from fault
    return digest.hexdigest()
