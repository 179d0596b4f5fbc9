"""Weights: the boundary has them, nothing else has."""

import pytest

from converters.pytorch.module import to_torch
from converters.weights import load_weights
from prototxt_gen.errors import FileError
from prototxt_gen.generator.networks import generate
from search.report.boundary import write_report
from search.study.known import KnownResult
from search.study.storage import join_study
from search.training.trainer import Training
from search.training.training import evaluate
from tests.filling import fill_weights
from tests.search.study import quick


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


def with_weights(log, smaller_is_better=False):
    """A quick trainer that hands out weights, too."""

    class Giving(quick.Quick):
        def __call__(self, net, seed, report):
            accuracy = super().__call__(net, seed, report)
            return Training(1 - accuracy if smaller_is_better else accuracy, fill_weights(net))

    return Giving(log)


def kept(folder) -> dict[str, list[str]]:
    return {path.name: sorted(file.name for file in path.iterdir()) for path in (folder / "networks").iterdir()}


def test_of_several_runs_the_most_accurate_ones_weights_stay(tmp_path):
    search = quick.search_in(tmp_path, with_weights(tmp_path / "log"), trials=6, seeds=2, confirm=1)
    expected = {}
    for one in search.boundary():
        runs = search.runs_of(one.architecture)
        best = max(range(3), key=lambda run: (runs[run], -run))
        expected[str(one.architecture)] = ["weights.caffemodel" if best == 0 else f"weights.run{best}.caffemodel"]
    assert kept(tmp_path) == expected


def test_a_network_that_comes_back_without_weights_is_trained_once_more(tmp_path):
    """It was beaten in its first run; then another run of what had beaten it was bad."""
    log = tmp_path / "log"
    trainer = with_weights(log, smaller_is_better=True)
    quick.search_in(tmp_path, trainer, trials=6)
    rows = {row.architecture: row for row in read(tmp_path)}
    beaten = next(row for row in rows.values() if row.weights is None)
    worse = [
        KnownResult(row.architecture, 0.0, "a bad run")
        for row in rows.values()
        if row.latency <= beaten.latency and row.accuracy >= beaten.accuracy and row is not beaten
    ]
    begun = len(quick.lines(log, "begun"))
    search = quick.search_in(tmp_path, trainer, trials=6, known=worse)
    again = quick.lines(log, "begun")[begun:]
    assert beaten.architecture in {str(one.architecture) for one in search.boundary()} and beaten.architecture in again
    for one in search.boundary():
        assert any(name.startswith("weights") for name in kept(tmp_path)[str(one.architecture)])


def test_another_machines_weights_are_not_missed_here(tmp_path):
    """A study that several folders share: each keeps its own."""
    storage = tmp_path / "shared.db"
    quick.search_in(tmp_path / "one", with_weights(tmp_path / "log"), trials=2, storage=str(storage))
    search = quick.search_in(tmp_path / "two", with_weights(tmp_path / "log"), trials=5, storage=str(storage))
    there = [path.name for folder in ("one", "two") for path in (tmp_path / folder / "networks").iterdir()]
    assert {str(one.architecture) for one in search.boundary()} <= set(there)
    found = write_report(search, tmp_path / "two", None)
    for network in found:
        assert (network.caffemodel is None) == (not weights_in(tmp_path / "two", network.code))


def weights_in(folder, code) -> list[str]:
    return [name for name in kept(folder)[code] if name.startswith("weights")]


def read(folder) -> list:
    study = join_study(folder / "study.db")
    try:
        return study.read().rows
    finally:
        study.close()
