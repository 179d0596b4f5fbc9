"""The names of `caffe_zoo`: all there, and none brings torch before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import caffe_zoo


@pytest.mark.parametrize("name", caffe_zoo.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    found = getattr(caffe_zoo, name)
    assert found.__name__ == name and found.__module__.startswith("caffe_zoo.") and found.__doc__


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="'caffe_zoo' has no attribute 'segmnet'"):
        _ = caffe_zoo.segmnet


def test_names_and_cards_do_not_wait_for_torch():
    code = (
        "import sys; from caffe_zoo import card, create_model, list_models, load_network; card(list_models()[0]); "
        "assert not {'torch', 'optuna', 'PIL', 'search'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
