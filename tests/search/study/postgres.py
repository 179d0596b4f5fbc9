"""A PostgreSQL of one's own, in a folder, on loopback; and why there is none."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER, PASSWORD, DATABASE = "searcher", "a@b:c/d?e#f%20", "search"
# Debian keeps a version's programs apart from the PATH.
_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def missing() -> str | None:
    """Why no server can be started here."""
    try:
        import psycopg2  # noqa: F401
    except ImportError:
        return "psycopg2 is not installed"
    if not hasattr(os, "getuid"):
        return "no PostgreSQL is started on Windows"
    if _program("initdb") is None or _program("postgres") is None:
        return "no PostgreSQL here: no initdb in /usr/lib/postgresql or on the PATH"
    if os.getuid() == 0 and (_account() is None or shutil.which("setpriv") is None):
        return "PostgreSQL does not run as root, and there is no account postgres, or no setpriv"
    return None


@contextmanager
def server() -> Iterator[Server]:
    """Starts a server with an empty database; it ends with the block, and its folder goes."""
    # Not in pytest's folder, which no other account can enter.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        (folder / "password").write_text(PASSWORD)
        if os.getuid() == 0:
            for path in (folder, folder / "password"):
                os.chown(path, _account().pw_uid, _account().pw_gid)
        _run("initdb", "-D", folder / "data", "-U", USER, "--auth=scram-sha-256", f"--pwfile={folder / 'password'}")
        process = None
        while process is None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            process = _started(folder, port)
        try:
            running = Server(port)
            running.run(f"CREATE DATABASE {DATABASE}", "postgres")
            yield running
        finally:
            # At once, leaving all as it is: it is thrown away.
            process.send_signal(signal.SIGQUIT)
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, port: int) -> subprocess.Popen | None:
    """A server that takes connections; None where somebody else has taken the port meanwhile."""
    # It is thrown away: nothing need survive a crash of the machine.
    options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    command = [*_account_words(), _program("postgres"), "-D", folder / "data", "-p", str(port), *options]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    # The last line that it writes of itself says so.
    while not (status := folder / "data" / "postmaster.pid").exists() or "ready" not in status.read_text():
        if process.poll() is not None:
            said = (folder / "log").read_text()
            if "could not bind" in said:
                return None
            raise RuntimeError(said)
        time.sleep(0.02)
    return process


class Server:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, password: str = PASSWORD, database: str = DATABASE) -> str:
        from sqlalchemy.engine import URL

        url = URL.create("postgresql", USER, password, "127.0.0.1", self.port, database)
        return url.render_as_string(hide_password=False)

    def run(self, statement: str, database: str = DATABASE) -> list[tuple]:
        """What a statement gives."""
        import psycopg2

        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, connect_timeout=10
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def cut(self) -> int:
        """Cuts all connections of searches; says how many."""
        found = self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dongfeng search'"
        )
        return len(found)

    def anew(self) -> str:
        """The address of a schema in which nothing is; a database each would take thousands of files."""
        name = f"search_{time.monotonic_ns()}"
        self.run(f"CREATE SCHEMA {name}")
        return f"{self.url()}?options=-csearch_path%3D{name}"


def _program(name: str) -> str | None:
    found = [str(place / name) for place in _PLACES if (place / name).exists()]
    return found[0] if found else shutil.which(name)


def _account():
    """The account postgres; None where there is none, or no accounts as Unix has them."""
    try:
        import pwd

        return pwd.getpwnam("postgres")
    except (ImportError, KeyError):
        return None


def _account_words() -> list[str]:
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={_account().pw_uid}", f"--regid={_account().pw_gid}", "--clear-groups", "--"]


def _run(program: str, *words: object) -> None:
    done = subprocess.run(
        [*_account_words(), _program(program), *map(str, words)], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
