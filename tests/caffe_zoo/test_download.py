"""Fetching weights: what is checked, what is remembered, and what a failure leaves."""

from __future__ import annotations

import errno
import hashlib
import http.client
import http.server
import shutil
import socket
import ssl
import sys
import threading
import types
import urllib.request

import pytest

from caffe_zoo import create_model
from caffe_zoo.cards import card
from caffe_zoo.cli import main
from caffe_zoo.download import cache_folder, cached, fetch, released_file
from prototxt_gen import CaffeError, FileError
from prototxt_gen.errors import NotInstalledError


@pytest.fixture
def server(df1):
    """A server on this machine: /ID gives the file, /page a page, /cut breaks off; the rest is missing."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = df1.read_bytes()
            if self.path == "/page":
                content = b"\n<!DOCTYPE html><html>Quota exceeded</html>"
            elif self.path not in ("/cut", f"/{card('df1').weights[0].google_drive_id}"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:5000] if self.path == "/cut" else content)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def from_server(address, page=None):
    """A downloader that asks the server on this machine, whatever proxy the environment names."""

    def download(drive_id, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{address}/{page or drive_id}", timeout=5) as answer, path.open("wb") as part:
            shutil.copyfileobj(answer, part)

    return download


def never(drive_id, path):
    raise AssertionError("a download, though none is needed")


def test_a_download_is_checked_and_its_digest_recorded(cache, server, df1):
    path = fetch("df1", download=from_server(server))
    assert path == cache / "df1.caffemodel" and path.read_bytes() == df1.read_bytes()
    digest = hashlib.sha256(df1.read_bytes()).hexdigest()
    assert (cache / "df1.caffemodel.sha256").read_text() == f"{digest}  df1.caffemodel\n"
    assert sorted(entry.name for entry in cache.iterdir()) == ["df1.caffemodel", "df1.caffemodel.sha256"]
    assert fetch("df1", download=never) == cached("df1") == path


def test_content_that_changed_is_an_error(cache, df1):
    path = fetch("df1", df1)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for again in (lambda: fetch("df1", download=never), lambda: cached("df1")):
        with pytest.raises(CaffeError, match=r"df1\.caffemodel: its content is not what it was: found sha256 \w{64}, "):
            again()
    path.unlink()

    def changed(drive_id, part):
        part.write_bytes(content)

    with pytest.raises(CaffeError, match="not what it was"):
        fetch("df1", download=changed)
    assert not path.exists()


def test_a_file_of_the_users_own(cache, df1, tmp_path):
    own = tmp_path / "mine.caffemodel"
    own.write_bytes(df1.read_bytes())
    assert fetch("df1", own, download=never).read_bytes() == own.read_bytes()
    with pytest.raises(CaffeError, match=r"nowhere\.caffemodel: cannot be read: No such file"):
        fetch("df1", tmp_path / "nowhere.caffemodel")


def test_a_file_put_there_by_hand_is_checked_and_remembered(cache, df1):
    cache.mkdir()
    shutil.copy(df1, cache / "df1.caffemodel")
    fetch("df1", download=never)
    assert (cache / "df1.caffemodel.sha256").is_file()


def test_weights_of_another_network_are_refused(cache, df1):
    with pytest.raises(CaffeError, match=r"df1\.caffemodel: not the weights of df2: .*res3\.4\.conv1"):
        fetch("df2", df1)
    assert not any(cache.iterdir())


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("missing", "cannot be downloaded from Google Drive .*: HTTP Error 404"),
        ("page", "found a web page, expected a caffemodel"),
        ("cut", "df1.caffemodel as downloaded: not the weights of df1"),
    ],
)
def test_a_failed_download_is_one_error_and_leaves_nothing(cache, server, page, message):
    with pytest.raises(CaffeError, match=message) as caught:
        fetch("df1", download=from_server(server, page))
    assert "\n" not in str(caught.value)
    assert not any(cache.iterdir())


def test_an_unreachable_server(cache):
    with pytest.raises(CaffeError, match=r"cannot be downloaded .*refused.*--from FILE"):
        fetch("df1", download=from_server("http://127.0.0.1:1"))
    with pytest.raises(CaffeError, match="nothing arrived"):
        fetch("df1", download=lambda drive_id, path: None)
    assert not any(cache.iterdir())


class MaxRetryError(Exception):
    """As urllib3's: it names objects of the library, and has the reason in a field."""

    def __init__(self, reason):
        super().__init__("HTTPSConnectionPool(host='drive.example', port=443): Max retries exceeded with url: /uc?id=1")
        self.reason = reason


class ProxyError(Exception):
    pass


class FileURLRetrievalError(Exception):
    pass


class AnsweredError(Exception):
    """As requests' HTTPError."""

    response = types.SimpleNamespace(status_code=503)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            MaxRetryError(ProxyError("Unable to connect to proxy", OSError("Tunnel connection failed"))),
            "check HTTPS_PROXY",
        ),
        (ConnectionError(MaxRetryError(socket.gaierror(-3, "Temporary failure"))), "is this machine online?"),
        (MaxRetryError(ssl.SSLError("CERTIFICATE_VERIFY_FAILED")), "the server's certificate was not accepted"),
        (MaxRetryError(TimeoutError("<urllib3.Connection object at 0x7f>: timed out")), "no answer came in time"),
        (MaxRetryError(ConnectionResetError(104, "reset by peer")), "the connection failed or broke off"),
        (http.client.IncompleteRead(b"x" * 9), "the connection broke off"),
        (FileURLRetrievalError("Cannot retrieve the public link of the file.\n\n\tYou may ..."), "asked for too often"),
        (AnsweredError("503 Server Error for url: https://drive.example"), "HTTP Error 503 came instead of the file"),
        (RuntimeError("something else"), "the download failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_fault_of_the_network_is_told_in_our_words(cache, capsys, monkeypatch, fault, sentence):
    def download(**arguments):
        raise fault

    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(download=download))
    assert main(["fetch", "df1"]) == 2
    said = capsys.readouterr().err
    assert sentence in said and "`--from FILE` takes a file that you have" in said and said.count("\n") == 1
    assert not any(word in said for word in ("Pool", "retries", "object at", "drive.example", "public link", "else"))
    with pytest.raises(CaffeError) as caught:
        main(["fetch", "df1", "--traceback"])
    assert caught.value.__cause__ is fault


def test_a_full_disk_is_no_fault_of_the_network(cache):
    def download(drive_id, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(FileError, match=r"df1\.caffemodel: cannot be written: No space left on device"):
        fetch("df1", download=download)
    assert not any(cache.iterdir())


def test_an_interruption_leaves_nothing(cache):
    def interrupted(drive_id, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("df1", download=interrupted)
    assert not any(cache.iterdir())


def test_gdown_is_asked_for_the_released_id(cache, df1, monkeypatch):
    asked = {}

    def download(**arguments):
        asked.update(arguments)
        shutil.copy(df1, arguments["output"])

    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(download=download))
    fetch("df1")
    assert asked["id"] == "1yA9DLSy3PEMQD3R92vKr6CEaOJ0NrOVm"


def test_without_gdown_the_extra_is_named(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'dongfeng\[download\]'"):
        fetch("df1")


def test_what_was_never_fetched_tells_how(cache):
    with pytest.raises(CaffeError, match=r"df1\.caffemodel: no such file; `dongfeng fetch df1` downloads it"):
        cached("df1")
    assert not cache.exists()


def test_names_of_files():
    assert released_file("df1").name == released_file("df1.caffemodel").name == "df1.caffemodel"
    with pytest.raises(CaffeError, match="the release has no weights of df-lite; give a file of your own by --weights"):
        released_file("df-lite")
    with pytest.raises(CaffeError, match="no released weights 'df1_mergebn', expected one of: df1"):
        released_file("df1_mergebn")
    with pytest.raises(CaffeError, match="no network 'df9' in the zoo"):
        released_file("df9")


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("DONGFENG_CACHE", str(tmp_path / "a"))
    assert cache_folder() == tmp_path / "a"
    monkeypatch.delenv("DONGFENG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dongfeng"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-2:] == (".cache", "dongfeng")


def test_a_network_without_upsampling_takes_the_weights_of_the_one_with_it(cache, weights_file):
    """So does `create_model`; the file has the fork's bytes, as the released one."""
    assert released_file("df1seg_d8").name == "df1seg.caffemodel"
    assert released_file("df1seg_mergebn").merged and released_file("df-lite_seg_d8").merged
    path = fetch("df1seg_mergebn", weights_file("df1seg_mergebn", "release"))
    assert path.name == "df1seg_mergebn.caffemodel"
    create_model("df1seg_d8", path, input_size=(64, 128))
