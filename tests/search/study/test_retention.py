"""Weights: the boundary has them, nothing else has."""

import pytest

from converters.pytorch.module import to_torch
from converters.weights import load_weights
from prototxt_gen.errors import FileError
from prototxt_gen.generator.networks import generate
from search.training.training import evaluate


def test_only_the_boundary_has_weights_and_they_give_the_accuracies(small, undisturbed):
    again = small.search_in(undisturbed)
    boundary = again.boundary()
    assert {path.name for path in (undisturbed / "networks").iterdir()} == {str(one.architecture) for one in boundary}
    for architecture, _, accuracy, *_ in boundary:
        weights = load_weights(undisturbed / "networks" / str(architecture) / "weights.caffemodel")
        module = to_torch(generate(architecture, input_shape=small.SPACE.input_shape), weights)
        assert evaluate(module, small.made_up_data().held_out) == accuracy


def test_lost_weights_are_named(small, tmp_path):
    search = small.search_in(tmp_path, trials=2)
    code = str(search.boundary()[0][0])
    (tmp_path / "networks" / code / "weights.caffemodel").unlink()
    with pytest.raises(FileError, match=f"{code} is gone"):
        small.search_in(tmp_path)


def test_the_weights_of_all_candidates_stay_if_asked_for(small, tmp_path):
    search = small.search_in(tmp_path, trials=3, keep="all")
    codes = {str(trained.architecture) for trained in search.trained()}
    assert len(codes) == 3 and {path.name for path in (tmp_path / "networks").iterdir()} == codes
    assert all((tmp_path / "networks" / code / "weights.caffemodel").is_file() for code in codes)
    # Gone on with otherwise, the others go.
    again = small.search_in(tmp_path, trials=3)
    assert {path.name for path in (tmp_path / "networks").iterdir()} == {str(one[0]) for one in again.boundary()}
