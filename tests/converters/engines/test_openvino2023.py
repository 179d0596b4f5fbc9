"""The engine openvino2023 where OpenVINO 2023.3 is not there: what it refuses. tests/toolchains runs the tool."""

from __future__ import annotations

import sys

import pytest

from converters.engines import make_engine
from converters.engines.openvino2023 import PYTHON
from prototxt_gen.errors import MissingEnvironmentError, UnsupportedError


def test_without_its_environment_it_says_how_to_make_one(monkeypatch):
    monkeypatch.delenv(PYTHON, raising=False)
    with pytest.raises(MissingEnvironmentError, match=r"^engine openvino2023: needs OpenVINO 2023.*docs/engines\.md"):
        make_engine("openvino2023")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"device": "gpu"}, "device: found 'gpu', expected cpu"),
        ({"precision": "bfloat16"}, "precision: found 'bfloat16', expected float32"),
    ],
)
def test_what_it_does_not_have_is_refused_by_name(monkeypatch, option, said):
    monkeypatch.setenv(PYTHON, sys.executable)
    with pytest.raises(UnsupportedError, match=f"^engine openvino2023: {said}"):
        make_engine("openvino2023", **option)
