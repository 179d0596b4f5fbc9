"""Round trips of every network that BVLC Caffe answered for: text, every format of weights, torch, the command."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_zoo.cli import main
from converters import load_weights, save_weights, to_torch, weights_of
from converters.formats import read_weights, write_weights
from converters.weights.dialects import read_network
from converters.weights.upgrading import upgrade_caffemodel
from prototxt_gen import NetParameter, fingerprint, read_prototxt, to_text, write_prototxt
from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.text import parse_text
from tests.caffe_files import FAMILIES, OURS_SPELLED, WHOLE, caffe_file, in_reference
from tools.reference_facts import REFERENCE

# Of the whole networks those that are small.
OURS = [*(f"layers/{name}" for name in FAMILIES), *OURS_SPELLED, *(f"whole/{name}" for name in WHOLE if name[0] == "m")]
# Of the reference, folder/name without the suffix.
NETS, WEIGHTS = (
    sorted(
        path.relative_to(REFERENCE).with_suffix("").as_posix()
        for folder in folders
        for path in (REFERENCE / folder).glob(pattern)
    )
    for folders, pattern in (
        (("conformance", "legacy", "release/prototxt"), "*.prototxt"),
        (("conformance", "legacy"), "*.caffemodel"),
    )
)


@pytest.fixture
def path(name, tmp_path):
    """The path of a .caffemodel beside its .prototxt."""
    (tmp_path / "files").mkdir()
    return caffe_file(name, tmp_path / "files")


def each(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", [*OURS, *in_reference(*names)])


def same(one: dict, other: dict) -> None:
    assert list(one) == list(other)
    for name, blobs in one.items():
        for before, after in zip(blobs, other[name], strict=True):
            np.testing.assert_array_equal(np.asarray(before).ravel(), np.asarray(after).ravel())


@each(NETS)
def test_text_net_text(path, tmp_path):
    net = read_prototxt(path.with_suffix(".prototxt"), strict=True)
    assert parse_text(to_text(net), NetParameter(), strict=True) == net
    write_prototxt(net, tmp_path / "net.prototxt")
    again = read_prototxt(tmp_path / "net.prototxt")
    assert to_text(again) == to_text(net)
    assert fingerprint(again) == fingerprint(net)


@each(NETS)
def test_text_binary_text(path):
    net = read_prototxt(path.with_suffix(".prototxt"))
    assert from_binary(to_binary(net)) == net
    if not any(layer.HasField("clip_param") for layer in net.layer):
        assert from_binary(to_binary(net, "release")) == net


@each(NETS)
def test_upgrading_is_done_once(path):
    current = upgrade(read_prototxt(path.with_suffix(".prototxt")))
    assert upgrade(current) == current
    assert upgrade(parse_text(to_text(current), NetParameter())) == current


@each(WEIGHTS)
@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5", ".safetensors", ".pt"])
def test_weights_format_weights(path, suffix, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    net = read_prototxt(path.with_suffix(".prototxt"))
    weights = read_weights(path, net)
    write_weights(weights, tmp_path / f"net{suffix}", net)
    again = read_weights(tmp_path / f"net{suffix}", net)
    if suffix != ".pt":
        same(weights, again)
        return
    # A state_dict has no factor of BatchNorm's statistics: they come back divided by it.
    for layer in upgrade(net).layer:
        if layer.type == "BatchNorm" and layer.name in weights:
            mean, variance, factor = weights[layer.name]
            weights[layer.name] = [mean / factor, variance / factor, np.ones(1)]
    assert list(weights) == list(again)
    for name, blobs in weights.items():
        for before, after in zip(blobs, again[name], strict=True):
            np.testing.assert_allclose(after, before, rtol=2e-7)


@each(WEIGHTS)
def test_bytes_bytes(path, tmp_path):
    """Caffe's own files: without a network, and with the structure that they state themselves."""
    weights = load_weights(path)
    save_weights(weights, tmp_path / "names.caffemodel")
    same(load_weights(tmp_path / "names.caffemodel"), weights)
    save_weights(weights, tmp_path / "whole.caffemodel", read_network(path))
    same(load_weights(tmp_path / "whole.caffemodel"), weights)
    upgrade_caffemodel(path, tmp_path / "new.caffemodel")
    same(load_weights(tmp_path / "new.caffemodel"), weights)
    assert not read_network(tmp_path / "new.caffemodel").layers


@each(WEIGHTS)
def test_net_torch_weights(path):
    net = read_prototxt(path.with_suffix(".prototxt"))
    once = weights_of(to_torch(net, load_weights(path, net)))
    twice = weights_of(to_torch(net, once))
    same(once, twice)
    for name, blobs in load_weights(path, net).items():
        assert [blob.size for blob in blobs] == [blob.size for blob in once[name]]


@each(WEIGHTS)
def test_the_commands_leave_files_that_agree(path, tmp_path, capsys):
    old = [str(path.with_suffix(".prototxt")), str(path)]
    new = [str(tmp_path / "new.prototxt"), str(tmp_path / "new.caffemodel")]
    assert main(["upgrade", *old, "-o", *new]) == 0
    assert main(["verify", *new, "--against", *old]) == 0
    assert "agrees with" in capsys.readouterr().out
