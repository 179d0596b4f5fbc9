"""Addresses of databases, and their faults: in one line, without the password."""

import socket

import pytest

from caffe_zoo.cli import main
from prototxt_gen.errors import FileError, FormatError, NotInstalledError
from search.study.database import Database, address_of, shown
from tests.search.study import postgres as here
from tests.search.study import quick

SECRET = "s3cret:/@%"  # noqa: S105 (of nothing)
QUOTED = "s3cret%3A%2F%40%25"


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ("runs/x/study.db", "runs/x/study.db"),
        ("sqlite:///runs/x/study.db", "runs/x/study.db"),
        ("postgresql://me@db/search", "postgresql://me@db/search"),
        (f"postgresql://me:{QUOTED}@db:5433/search?sslmode=require", "postgresql://me@db:5433/search"),
        (f"postgres://me:{QUOTED}@db/search", "postgresql://me@db/search"),
        (f"postgresql+psycopg2://db/search?user=me&password={QUOTED}", "postgresql://db/search"),
    ],
)
def test_an_address_is_told_without_its_password(storage, told):
    assert shown(address_of(storage)) == told


@pytest.mark.parametrize(
    ("storage", "named"),
    [
        (f"mysql://me:{SECRET}@db/search", "expected postgresql://"),
        (f"postgresql+asyncpg://me:{QUOTED}@db/search", "expected postgresql://"),
        (f"postgresql://me:{SECRET}@db:port/search", "found no address"),
        ("sqlite://", "or a file"),
        ("sqlite:///:memory:", "or a file"),
        ("://", "found no address"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(storage, named):
    with pytest.raises(FormatError, match=named) as raised:
        address_of(storage)
    assert "s3cret" not in str(raised.value)


def test_an_unreachable_host_is_one_line():
    pytest.importorskip("psycopg2")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        address = f"postgresql://me:{QUOTED}@127.0.0.1:{taken.getsockname()[1]}/search"
        with pytest.raises(FileError, match=r"cannot be read or written: connection .*refused") as raised:
            Database(address_of(address))
    assert "s3cret" not in str(raised.value) and "\n" not in str(raised.value)


def test_a_wrong_password_is_one_line(postgres, tmp_path, capsys):
    words = ["--storage", postgres.url(password=SECRET), "--out", str(tmp_path / "run")]
    assert main(["search", "worker", *words]) == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("dongfeng search worker: postgresql://searcher@127.0.0.1:")
    assert "password authentication failed" in line
    assert "s3cret" not in printed.err + printed.out and not (tmp_path / "run").exists()


def test_the_password_is_in_no_file_and_no_table(postgres, tmp_path):
    storage = postgres.anew()
    quick.begun_in(storage, tmp_path / "run", quick.Quick(tmp_path / "log"))
    kept = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    schema = storage.rpartition("%3D")[2]
    for table in ("study_user_attributes", "trial_user_attributes", "dongfeng_studies", "dongfeng_trainings"):
        kept += str(postgres.run(f"TABLE {schema}.{table}")).encode()
    assert here.PASSWORD.encode() not in kept and b"%3Ac%2Fd" not in kept


def test_without_a_driver_the_error_says_what_to_install(monkeypatch):
    import sqlalchemy.dialects.postgresql.psycopg2 as dialect

    def missing(cls):
        raise ImportError("No module named 'psycopg2'")

    monkeypatch.setattr(dialect.PGDialect_psycopg2, "import_dbapi", classmethod(missing))
    with pytest.raises(NotInstalledError, match=r"pip install 'dongfeng\[postgres\]'"):
        Database(address_of("postgresql+psycopg2://me@db/search"))


def test_a_lost_connection_is_waited_for(postgres):
    """Cut while it is used, and while it is not."""
    from sqlalchemy import text

    database = Database(address_of(postgres.anew()))
    begun = []

    def work():
        with database.engine.connect() as connection:
            begun.append(connection.execute(text("SELECT pg_backend_pid()")).scalar())
            if len(begun) == 1:
                postgres.cut()
            return connection.execute(text("SELECT 7")).scalar()

    assert database.run(work) == 7 and len(begun) == 2
    postgres.cut()
    assert database.run(work) == 7 and len(set(begun)) == 3
    database.close()


def test_what_waiting_does_not_mend_is_told_at_once(postgres):
    from sqlalchemy import text

    database = Database(address_of(postgres.anew()))
    begun = []

    def work():
        begun.append(1)
        with database.engine.connect() as connection:
            connection.execute(text("SELECT * FROM nowhere"))

    with pytest.raises(FileError, match='relation "nowhere" does not exist'):
        database.run(work)
    assert len(begun) == 1
    database.close()
