"""The command as a person types it, and files to give it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from caffe_zoo.cli import main
from converters import save_weights, to_torch, weights_of
from prototxt_gen import NetParameter, generate, write_prototxt
from prototxt_gen.binary import to_binary
from prototxt_gen.text import parse_text

#: Networks in Caffe's old formats.
OLD = {
    "V0": """
name: "old" input: "data" input_dim: 1 input_dim: 1 input_dim: 6 input_dim: 6
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "padded" }
layers { layer { name: "conv" type: "conv" num_output: 2 kernelsize: 3 } bottom: "padded" top: "conv" }
layers { layer { name: "ip" type: "innerproduct" num_output: 3 } bottom: "conv" top: "ip" }
""",
    "V1": """
name: "old" input: "data" input_dim: 1 input_dim: 1 input_dim: 6 input_dim: 6
layers { name: "conv" type: CONVOLUTION convolution_param { num_output: 2 kernel_size: 3 pad: 1 } bottom: "data"
         top: "conv" blobs_lr: 1 blobs_lr: 2 }
layers { name: "ip" type: INNER_PRODUCT inner_product_param { num_output: 3 } bottom: "conv" top: "ip" }
""",
}
SEGMENTATION = """
name: "seg"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "up" type: "Interp" bottom: "conv" top: "up" interp_param { zoom_factor: 2 } }
"""


@pytest.fixture
def run(capsys) -> Callable[..., str]:
    """Runs a command line; gives what it prints on both streams."""

    def run(*arguments: object, status: int = 0) -> str:
        assert main([str(argument) for argument in arguments]) == status
        printed = capsys.readouterr()
        return printed.out + printed.err

    return run


@pytest.fixture
def fault(capsys) -> Callable[..., str]:
    """Runs a wrong command line; gives the one line that it leaves on standard error."""

    def fault(*arguments: object) -> str:
        assert main([str(argument) for argument in arguments]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        return printed.err

    return fault


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    """A small generated network with weights: paths of its prototxt and caffemodel."""
    net = generate("s4-8_b8_b8_b8-16_c5", input_shape=(1, 3, 32, 32))
    write_prototxt(net, tmp_path / "net.prototxt")
    save_weights(weights_of(to_torch(net)), tmp_path / "net.caffemodel", net)
    return tmp_path / "net.prototxt", tmp_path / "net.caffemodel"


@pytest.fixture
def old_pair(tmp_path) -> Callable[[str], tuple[Path, Path, dict]]:
    """Makes the text and a .caffemodel in an old format, with four sizes for every blob; gives the weights, too."""

    def make(version: str) -> tuple[Path, Path, dict]:
        net = parse_text(OLD[version], NetParameter())
        weights = weights_of(to_torch(net))
        (tmp_path / "old.prototxt").write_text(OLD[version])
        for old in net.layers:
            inner = old.layer if old.HasField("layer") else old
            for blob in weights.get(inner.name, ()):
                sizes = (1,) * (4 - blob.ndim) + blob.shape
                inner.blobs.add(
                    data=blob.ravel(), **dict(zip(("num", "channels", "height", "width"), sizes, strict=True))
                )
        (tmp_path / "old.caffemodel").write_bytes(to_binary(net))
        return tmp_path / "old.prototxt", tmp_path / "old.caffemodel", weights

    return make


@pytest.fixture
def segmentation_pair(tmp_path) -> tuple[Path, Path]:
    """A tiny network with an Interp, a layer that only forks have, and its weights."""
    net = parse_text(SEGMENTATION, NetParameter())
    (tmp_path / "seg.prototxt").write_text(SEGMENTATION)
    save_weights(weights_of(to_torch(net)), tmp_path / "seg.caffemodel", net)
    return tmp_path / "seg.prototxt", tmp_path / "seg.caffemodel"
