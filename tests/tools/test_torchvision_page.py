"""docs/torchvision.md: every network that torchvision lists is in it, and the figures are what the page says."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tools.torchvision_models import build, load_torchvision, names
from tools.torchvision_page import PATH, convert, page

PAGE = PATH.read_text("utf-8")
ROWS = re.findall(r"^\| `(\w+)`(.*?) \| (\d+)x\d+ \| (\d+) \| (\S+) \| (\S+) \| (\S+) \|$", PAGE, re.MULTILINE)
REFUSED = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)

needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed"
)


@pytest.fixture(scope="module")
def torchvision():
    module, library = load_torchvision()
    yield module
    del library


@needs_torchvision
def test_every_network_is_in_it(torchvision):
    listed = [name for group in names(torchvision).values() for name in group]
    assert sorted(listed) == sorted([*(row[0] for row in ROWS), *(name for name, *_ in _refused())])


def _refused():
    return [(name, why) for name, why in REFUSED if name not in {row[0] for row in ROWS}]


def test_what_becomes_caffe_is_the_same_to_rounding():
    assert len(ROWS) >= 60
    for name, mark, _, layers, ours, caffes, _ in ROWS:
        assert not mark and int(layers) > 10, name
        assert float(ours) <= 1e-4, name
        assert caffes == "-" or float(caffes) <= 1e-4, name


def test_only_attention_layer_norm_and_gelu_are_refused():
    for name, why in _refused():
        assert re.match(r"(vit|swin|maxvit|convnext)", name), name
        assert re.search(r"Gelu|MatMul|LayerNormalization", why), name


def test_a_page_from_results():
    results = {
        "a": {
            "name": "a",
            "result": "bvlc",
            "size": 96,
            "layers": 12,
            "difference": 1e-6,
            "caffe": 2e-6,
            "seconds": 3.0,
        },
        "b": {
            "name": "b",
            "result": "refused",
            "why": "B: Caffe cannot do 1 node exactly:\nnode 'n' (Gelu): no erf [b]",
        },
    }
    text = page({"classification": ["a"], "segmentation": ["b"]}, results, "0")
    assert "| `a` | 96x96 | 12 | 1.0e-06 | 2.0e-06 | 3.0 |\n" in text and "| `b` | Gelu: no erf |\n" in text


@pytest.mark.slow
@needs_torchvision
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"])
def test_a_network_is_converted(torchvision, name):
    pytest.importorskip("onnxscript")
    found = convert(name, None)
    assert found["result"] == "bvlc" and found["difference"] <= 1e-4


@needs_torchvision
def test_networks_are_the_same_every_time(torchvision):
    (one, data), (other, again) = (build(torchvision, "squeezenet1_1") for _ in range(2))
    assert (data == again).all() and not one.training
    assert all((one.state_dict()[key] == value).all() for key, value in other.state_dict().items())
