"""The engine rknn where its toolkit is not there: what it refuses. tests/toolchains/test_rknn2.py runs the toolkit."""

from __future__ import annotations

import sys

import pytest

from converters.engines import make_engine
from converters.engines.rknn import PYTHON
from prototxt_gen.errors import CaffeError, MissingEnvironmentError, UnsupportedError


def test_without_its_environment_it_says_how_to_make_one(monkeypatch):
    monkeypatch.delenv(PYTHON, raising=False)
    with pytest.raises(MissingEnvironmentError, match=r"^engine rknn: needs RKNN-Toolkit2 .*docs/engines\.md"):
        make_engine("rknn")


def test_a_python_without_the_toolkit_is_refused(monkeypatch):
    monkeypatch.setenv(PYTHON, sys.executable)
    with pytest.raises(UnsupportedError, match="RKNN-Toolkit2 failed: ModuleNotFoundError: No module named 'rknn'"):
        make_engine("rknn")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (
            {"device": "cuda"},
            "device: found 'cuda', expected rk3562 or rk3566 or rk3568 or rk3576 or rk3588 or rv1126b or rv1103",
        ),
        ({"precision": "bfloat16"}, r"precision: found 'bfloat16' \(on rk3588\), expected float16 or int8"),
        ({"device": "RV1106"}, r"precision: found 'float32' \(on rv1106\), expected int8$"),
        ({"precision": "float32", "device": "RK1808"}, "device: found 'RK1808'"),
    ],
)
def test_what_it_does_not_have_is_refused_by_name(monkeypatch, option, said):
    monkeypatch.setenv(PYTHON, sys.executable)
    with pytest.raises(UnsupportedError, match=f"^engine rknn: {said}"):
        make_engine("rknn", **option)


def test_int8_asks_for_its_calibration(monkeypatch):
    monkeypatch.setenv(PYTHON, sys.executable)
    with pytest.raises(CaffeError, match="engine rknn: precision int8: found no calibration"):
        make_engine("rknn", precision="int8", device="rv1106")
