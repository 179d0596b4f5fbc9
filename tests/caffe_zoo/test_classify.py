"""`classify`, from Python and as a person types it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from caffe_zoo import card, create_model
from caffe_zoo.classification import best, classify
from caffe_zoo.cli import main
from caffe_zoo.preprocess import preprocess
from converters import save_weights, to_torch, weights_of
from prototxt_gen import CaffeError, generate


@pytest.fixture
def df1(unpacked):
    """DF1's weights, as real Caffe wrote them."""
    return str(unpacked("nets/df1.caffemodel"))


@pytest.fixture
def photo(tmp_path):
    """A photo of nothing in particular."""
    path = tmp_path / "photo.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (280, 333, 3), np.uint8)).save(path)
    return path


def fault(capsys, *arguments):
    """The one line that a wrong command line leaves on standard error."""
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_the_five_best_are_the_networks(df1, photo, engine):
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    with torch.no_grad():
        logits = create_model("df1", df1)(torch.from_numpy(preprocess(photo, card("df1").preprocessing)))[0]
    expected = logits.softmax(0).topk(5)
    found = classify("df1", photo, df1, engine=engine)
    assert [index for index, _ in found] == expected.indices.tolist()
    np.testing.assert_allclose([share for _, share in found], expected.values.numpy(), rtol=1e-3)


def test_probabilities():
    assert best(np.log(np.array([1, 5, 2, 2], np.float32)), 3) == [
        (1, pytest.approx(0.5)),
        (2, pytest.approx(0.2)),
        (3, pytest.approx(0.2)),
    ]
    assert best(np.array([1e4, -1e4], np.float32)) == [(0, 1.0), (1, 0.0)]


def test_the_command_prints_names(capsys, df1, photo, tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"thing {index}\n" for index in range(1000)))
    assert main(["classify", "df1", str(photo), "--weights", df1, "--names", str(tmp_path / "names.txt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = classify("df1", photo, df1)
    assert lines == [f"{share:7.2%}  thing {index}" for index, share in expected]
    assert main(["classify", "df1", str(photo), str(photo), "--weights", df1]) == 0
    printed = capsys.readouterr().out
    assert printed.count(f"{photo}:\n") == 2 and f"class {expected[0][0]}\n" in printed


def test_weights_of_other_classes(capsys, photo, tmp_path):
    net = generate(str(card("df1").architecture).replace("c1000", "c7"))
    save_weights(weights_of(to_torch(net)), tmp_path / "seven.caffemodel", net)
    assert main(["classify", "df1", str(photo), "--weights", str(tmp_path / "seven.caffemodel"), "--classes", "7"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    message = fault(capsys, "classify", "df1", photo, "--weights", tmp_path / "seven.caffemodel")
    assert "'fc'" in message and "(7, 512)" in message and "(1000, 512)" in message


def test_faults_are_one_line(capsys, df1, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("DONGFENG_CACHE", str(tmp_path / "cache"))
    assert "`dongfeng fetch df1` downloads it" in fault(capsys, "classify", "df1", photo)
    assert "no network 'df9' in the zoo" in fault(capsys, "classify", "df9", photo, "--weights", df1)
    (tmp_path / "cut.png").write_bytes(photo.read_bytes()[:5000])
    assert "cut.png: cannot be read as an image" in fault(
        capsys, "classify", "df1", tmp_path / "cut.png", "--weights", df1
    )
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    assert "names.txt: found 2 lines, expected 1000" in fault(
        capsys, "classify", "df1", photo, "--weights", df1, "--names", tmp_path / "names.txt"
    )
    assert "df1.caffemodel: weights do not fit" in fault(capsys, "classify", "df2", photo, "--weights", df1)


def test_an_engine_that_is_not_there(df1, photo, monkeypatch):
    import sys

    with pytest.raises(CaffeError, match="engine: found 'tensorflow', expected one of onnxruntime, opencv, torch"):
        classify("df1", photo, df1, engine="tensorflow")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CaffeError, match=r"needs onnx(runtime)?, .*: pip install 'dongfeng\[onnx\]'"):
        classify("df1", photo, df1, engine="onnxruntime")
