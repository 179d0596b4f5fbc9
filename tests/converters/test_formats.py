"""Weights from one kind of file to another, checked against their network, without torch but for PyTorch's files."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from converters import read_weights, save_weights, write_weights
from prototxt_gen import FileError, WeightsError, write_prototxt

DENSE = 'layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 2 } }\n'
UP = (
    'layer { name: "up" type: "Deconvolution" bottom: "x" top: "up" convolution_param { num_output: 2 group: 2'
    ' kernel_size: 4 stride: 2 pad: 1 bias_term: false weight_filler { type: "bilinear" } } }\n'
)
IDLE = (
    'layer { name: "i" type: "InnerProduct" bottom: "x" top: "i" inner_product_param { num_output: 2 } }\n'
    'layer { name: "q" type: "Silence" bottom: "i" }\n'
)
WEIGHTS = {"a": [np.arange(36, dtype=np.float32).reshape(2, 18), np.float32([1, 2])]}


@pytest.mark.parametrize("suffix", [".caffemodel", ".h5", ".pt"])
@pytest.mark.parametrize("source", [".caffemodel", ".h5"])
def test_weights_travel(source, suffix, net_of, tmp_path):
    net = net_of(DENSE + UP, x=(1, 2, 3, 3))
    save_weights(WEIGHTS, tmp_path / f"old{source}")
    weights = read_weights(tmp_path / f"old{source}", net)
    assert list(weights) == ["a", "up"] and weights["up"][0].shape == (2, 1, 4, 4)
    write_weights(weights, tmp_path / f"new{suffix}", net)
    again = read_weights(tmp_path / f"new{suffix}", net)
    for name, blobs in weights.items():
        for one, other in zip(blobs, again[name], strict=True):
            np.testing.assert_array_equal(one, other)


def test_faults_name_the_file(net_of, tmp_path):
    save_weights({"a": [np.ones((3, 18)), np.ones(2)], "z": [np.ones(1)]}, tmp_path / "w.h5")
    fault = r"w\.h5: weights do not fit network .*blob 0: found shape \(3, 18\), expected \(2, 18\); layer 'z': in the"
    with pytest.raises(WeightsError, match=fault):
        read_weights(tmp_path / "w.h5", net_of(DENSE, x=(1, 2, 3, 3)))


def test_a_layer_that_no_output_needs_may_be_absent(net_of, tmp_path):
    """Caffe leaves it to its filler; where it is there it has to fit, as in Caffe."""
    net = net_of(DENSE + IDLE, x=(1, 2, 3, 3))
    save_weights(WEIGHTS, tmp_path / "w.caffemodel")
    assert list(read_weights(tmp_path / "w.caffemodel", net)) == ["a"]
    save_weights({**WEIGHTS, "i": [np.ones(1), np.ones(2)]}, tmp_path / "w.caffemodel")
    with pytest.raises(WeightsError, match="layer 'i'"):
        read_weights(tmp_path / "w.caffemodel", net)


def test_caffes_own_formats_need_no_torch(net_of, tmp_path):
    net = net_of(DENSE + UP, x=(1, 2, 3, 3))
    write_prototxt(net, tmp_path / "net.prototxt")
    save_weights(WEIGHTS, tmp_path / "old.caffemodel")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from converters import read_weights, write_weights\n"
        "from prototxt_gen import read_prototxt\n"
        "net = read_prototxt('net.prototxt')\n"
        "write_weights(read_weights('old.caffemodel', net), 'new.h5', net)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
    assert set(read_weights(tmp_path / "new.h5", net)) == {"a", "up"}


@pytest.mark.parametrize("name", ["w.caffemodel", "w.h5", "w.safetensors", "w.pt"])
def test_a_full_disk_leaves_the_old_file_and_ends_in_one_line(name, net_of, tmp_path):
    """A limit on the size of files stands in for a full disk: the system refuses the same calls."""
    resource = pytest.importorskip("resource")
    if name == "w.safetensors":
        pytest.importorskip("safetensors")
    net = net_of(DENSE.replace("num_output: 2", "num_output: 2000"), x=(1, 2, 3, 3))
    weights = {"a": [np.ones((2000, 18), np.float32), np.ones(2000, np.float32)]}
    (tmp_path / name).write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    try:
        with pytest.raises(FileError) as fault:
            write_weights(weights, tmp_path / name, net)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(fault.value) == f"{tmp_path / name}: cannot be written: File too large"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"old")]
