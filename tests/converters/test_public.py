"""What `converters` offers, and that it loads no more than is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import converters


def loaded_by(code):
    """Which of the packages that are slow to import a fresh Python has after `code`."""
    program = f"{code}\nimport sys; print(*[name for name in ('torch', 'h5py', 'onnx', 'cv2') if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import converters",
        "import converters.weights",
        "import converters; converters.load_mean; converters.load_weights; converters.verify; converters.make_engine",
        "from converters import merge_batchnorm, read_ncnn, read_solver_state, upgrade_caffemodel",
        "from converters.engines import ENGINES; list(ENGINES)",
        "from converters import advise, check_target, for_target, list_targets, read_target; read_target('rknn2')",
    ],
)
def test_weights_bring_no_torch(code):
    assert loaded_by(code) == []


def test_torch_comes_when_it_is_asked_for():
    assert loaded_by("import converters; converters.to_torch") == ["torch"]


def test_every_name_is_there():
    assert set(converters.__all__) <= set(dir(converters))
    for name in converters.__all__:
        assert getattr(converters, name) is not None
    assert callable(converters.verify) and callable(converters.to_torch)
    with pytest.raises(AttributeError, match="module 'converters' has no attribute 'to_caffe2'"):
        converters.to_caffe2  # noqa: B018
