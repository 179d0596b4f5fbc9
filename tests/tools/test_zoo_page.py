"""docs/zoo.md is what the cards say today."""

from __future__ import annotations

from caffe_zoo import list_models
from tools.zoo_page import PATH, page


def test_the_page_is_current():
    assert PATH.read_text("utf-8") == page(), "run: make pages"


def test_every_network_is_in_it():
    text = page()
    for name in list_models():
        assert f"| `{name}` |" in text
    assert "746.7 M" in text and "top-1 69.78%" in text
