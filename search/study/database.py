"""Where a study is kept: a database's address, told without its password, and its faults in one line.

A study lies in a file of SQLite, or in PostgreSQL for many machines. Passwords are in no message, file or study: an
address is told without them, and what a driver says is searched for them. They may be left out of the address, too:
PostgreSQL's own ways (PGPASSWORD, ~/.pgpass) hold.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from prototxt_gen.errors import CaffeError, FileError, FormatError, NotInstalledError

T = TypeVar("T")

#: Seconds after which a lost connection is given up. A database may be restarted while networks train for hours.
PATIENCE = 600.0

_DRIVERS = {"postgresql": ("psycopg2", "psycopg")}
# SQLite lets one process write at a time; each is done in milliseconds, unless the disk is very slow.
_SQLITE_WAITS = 60.0
# Seconds. A machine that is gone without a word is noticed within a minute or so.
_POSTGRESQL = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": "dongfeng search",
}


def address_of(storage: str | os.PathLike[str]) -> URL:
    """The address of a database: `postgresql://user@host/database`, `sqlite:///study.db`, or the path of a file.

    FormatError for an address that is none, or one of another kind of database: without its password.
    """
    text = os.fspath(storage)
    if isinstance(storage, Path) or "://" not in text:
        return URL.create("sqlite", database=text)
    scheme = text.partition("://")[0]
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as fault:
        # What is wrong with it may be a character of the password.
        expected = "expected scheme://user@host:port/database, special characters of a password as %XX"
        raise FormatError(f"storage {scheme}://...: found no address, {expected}") from fault
    kind, _, driver = url.drivername.partition("+")
    if kind == "postgres":
        url, kind = url.set(drivername=f"postgresql{'+' if driver else ''}{driver}"), "postgresql"
    known = (kind == "sqlite" and not driver) or (driver in ("", *_DRIVERS.get(kind, ())) and kind in _DRIVERS)
    if not known or (kind == "sqlite" and url.database in (None, "", ":memory:")):
        raise FormatError(
            f"storage {shown(url)}: expected postgresql://user@host/database, or a file: sqlite:///FILE or its path"
        )
    if kind in _DRIVERS and not driver:
        # Of SQLAlchemy's versions, one takes psycopg2 and another psycopg.
        there = [name for name in _DRIVERS[kind] if find_spec(name) is not None]
        url = url.set(drivername=f"{kind}+{(there or list(_DRIVERS[kind]))[0]}")
    return url


def shown(url: URL) -> str:
    """An address as it may be told: a file's path, or the address without password and options."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return URL.create(url.get_backend_name(), url.username, None, url.host, url.port, url.database).render_as_string()


class Database:
    """An open database. `run` does its work and names its faults; `engine` and `storage` are for that work alone."""

    def __init__(self, url: URL) -> None:
        """Connects, and makes Optuna's tables where there are none.

        FileError when the database cannot be reached or used, FormatError when it is of another version of Optuna.
        """
        self.url = url
        self.name = shown(url)
        self.is_file = url.get_backend_name() == "sqlite"
        self.storage: RDBStorage = self._told(self._connected)
        self.engine: Engine = self.storage.engine

    def run(self, work: Callable[[], T], patience: float = PATIENCE, stop: threading.Event | None = None) -> T:
        """What `work` gives. When the connection is lost it is done again, for `patience` seconds or until `stop`.

        So work must come to the same when it is done twice: a connection may be lost just after a change was made.
        FileError when the database cannot be read or written.
        """
        end, pause = time.monotonic() + patience, 0.1
        while True:
            try:
                return self._told(work)
            except FileError as fault:
                if not _is_lost(fault.__cause__) or self.is_file or time.monotonic() + pause > end:
                    raise
            if stop is None:
                time.sleep(pause)
            elif stop.wait(pause):
                raise FileError(f"{self.name}: the connection is lost")
            pause = min(2 * pause, 10.0)

    def close(self) -> None:
        """Ends all connections."""
        self.storage.remove_session()
        self.engine.dispose()

    def _connected(self) -> RDBStorage:
        arguments: dict[str, Any] = (
            {"timeout": _SQLITE_WAITS}
            if self.is_file
            else {name: value for name, value in _POSTGRESQL.items() if name not in self.url.query}
        )
        options = {"connect_args": arguments, "pool_pre_ping": not self.is_file}
        address = self.url.render_as_string(hide_password=False)
        try:
            return racing(lambda: RDBStorage(address, engine_kwargs=options))
        except RuntimeError as fault:
            # The database is of another version of Optuna, whose message says which one and what to do.
            raise FormatError(f"{self.name}: {fault}") from fault

    def _told(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except CaffeError:
            raise
        except ImportError as fault:
            driver = self.url.get_dialect().driver
            package = "psycopg2-binary" if driver == "psycopg2" else driver
            raise NotInstalledError(package, "postgres", f"storage {self.name}") from fault
        except (optuna.exceptions.OptunaError, SQLAlchemyError, json.JSONDecodeError) as fault:
            # Optuna says of every fault of the database that data may be invalid; the fault itself is behind it.
            cause = fault.__cause__ or fault if isinstance(fault, optuna.exceptions.OptunaError) else fault
            lines = str(getattr(cause, "orig", None) or cause).strip().splitlines()
            reason = self._without_password(lines[0] if lines else type(cause).__name__)
            raise FileError(f"{self.name}: the study cannot be read or written: {reason}") from cause

    def _without_password(self, text: str) -> str:
        secrets = [self.url.password, *(self.url.query.get(name) for name in ("password", "sslpassword"))]
        for secret in secrets:
            if isinstance(secret, str) and secret:
                text = text.replace(secret, "***")
        return text


def racing(make: Callable[[], T]) -> T:
    """What `make` gives, which makes tables where they are missing: another process may do the same at this moment."""
    for attempt in range(10):
        try:
            return make()
        except (ProgrammingError, IntegrityError, InternalError):
            if attempt == 9:
                raise
            time.sleep(0.1 * (attempt + 1))
    raise AssertionError("unreachable")


def _is_lost(fault: BaseException | None) -> bool:
    """Whether it may be well again later: the connection was lost, or the server is starting or stopping."""
    if not isinstance(fault, DBAPIError):
        return False
    code = getattr(fault.orig, "pgcode", None) or getattr(fault.orig, "sqlstate", None)
    again = code is None or code.startswith(("08", "40", "57P")) or code == "53300"
    return fault.connection_invalidated or (isinstance(fault, OperationalError | InterfaceError) and again)
