"""The tools that these tests run, each where a variable of the environment names its Python."""

from __future__ import annotations

import pytest

from converters.engines import make_engine
from converters.engines.rknn import RKNNEngine
from prototxt_gen.errors import NotInstalledError


@pytest.fixture(scope="session")
def rknn() -> RKNNEngine:
    """RKNN-Toolkit2 for the RK3588."""
    try:
        engine = make_engine("rknn")
    except NotInstalledError as fault:
        pytest.skip(str(fault))
    assert isinstance(engine, RKNNEngine)
    return engine
