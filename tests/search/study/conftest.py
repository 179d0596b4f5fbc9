"""The small search, and one that nothing disturbed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.search.study import postgres as postgres_here
from tests.search.study.small_search import relax


@pytest.fixture(scope="package")
def small() -> ModuleType:
    """The module small_search.py of this folder."""
    spec = importlib.util.spec_from_file_location("small_search", Path(__file__).parent / "small_search.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="package")
def undisturbed(small, tmp_path_factory) -> Path:
    """The folder of a search that ended by itself."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    small.search_in(folder)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_here.Server]:
    """A PostgreSQL on loopback."""
    if (reason := postgres_here.missing()) is not None:
        pytest.skip(reason)
    with postgres_here.server() as started:
        yield started


@pytest.fixture(scope="package", autouse=True)
def _quick_files() -> Iterator[None]:
    """Databases that need not survive a crash of the machine."""
    event.listen(Engine, "connect", relax)
    yield
    event.remove(Engine, "connect", relax)
