"""The classes of photos, from Python."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffe_zoo import card, create_model
from caffe_zoo.classification import best, classify
from caffe_zoo.preprocess import preprocess
from prototxt_gen import CaffeError


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


def test_an_engine_that_is_not_there(df1, photo, monkeypatch):
    import sys

    with pytest.raises(CaffeError, match=r"engine: found 'tensorflow', expected one of .*onnxruntime, opencv, "):
        classify("df1", photo, df1, engine="tensorflow")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CaffeError, match=r"needs onnx(runtime)?, .*: pip install 'dongfeng\[onnx\]'"):
        classify("df1", photo, df1, engine="onnxruntime")
