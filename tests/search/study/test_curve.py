"""Trainings that are ended early: none that belongs on the boundary, every one flagged, and the study knows why."""

import math

import pytest

from prototxt_gen.errors import FormatError
from prototxt_gen.summary import summarize
from search.spaces import BackboneSpace
from search.strategies.ending import Ending
from search.study.loop import run_worker
from search.study.storage import finished_trainings, join_study
from search.training.trainer import EndedEarly
from tests.search.study import quick

SPACE = BackboneSpace(((1, 3), (1, 2)), (4, 8, 12, 16), stem=(4, 4), classes=3, input_shape=(1, 3, 16, 16))
# A risk of one in ten is known after nine trainings.
ENDING = Ending(risk=0.1)


class Learning:
    """Networks that learn at one pace; every other one is much worse than its size says."""

    identity = "learning"
    classes = 3

    def __init__(self):
        self.finished, self.ended = [], []

    def __call__(self, net, seed, report):
        costs = summarize(net)
        bad = costs.parameters % 2 == 0
        final = 0.5 + math.log(costs.multiply_adds) / 40 - (0.3 if bad else 0.0)
        try:
            report(0.25, 0.0)
            report(0.5, 1 - (1 - final) * (1.5 + seed % 2 / 10))
            report(1.0, final)
        except EndedEarly:
            self.ended.append(net.name)
            raise
        self.finished.append(net.name)
        return final


def search_in(folder, trainer, **changes):
    given = {"space": SPACE, "table": quick.table(SPACE), "trials": 26, "ending": ENDING}
    return quick.search_in(folder, trainer, **(given | changes))


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    folder, trainer = tmp_path_factory.mktemp("ended") / "run", Learning()
    return folder, trainer, search_in(folder, trainer)


def rows_of(folder):
    study = join_study(folder / "study.db")
    try:
        return study.read().rows, study.looks()
    finally:
        study.close()


def test_bad_trainings_are_ended_and_the_boundary_is_the_same(ended, tmp_path):
    _, trainer, search = ended
    assert len(trainer.ended) >= 3 and len(trainer.finished) >= 9
    whole = search_in(tmp_path / "whole", Learning(), ending=None)
    assert [one.architecture for one in search.boundary()] == [one.architecture for one in whole.boundary()]
    # Uniform drawing without pruning asks for the same candidates, whatever their accuracies.
    assert [one.architecture for one in search.trained()] == [one.architecture for one in whole.trained()]
    finals = {str(one.architecture): one.accuracy for one in whole.trained()}
    for one in search.trained():
        # All learn at one pace, so that the expected accuracy is the true one.
        assert one.accuracy == pytest.approx(finals[str(one.architecture)], abs=1e-6)


def test_what_was_ended_says_so_and_is_no_result_for_others(ended):
    folder, trainer, _ = ended
    rows, looks = rows_of(folder)
    flagged = {row.architecture for row in rows if row.source is not None}
    assert flagged == set(trainer.ended)
    assert {row.source for row in rows} - {None} == {"ended early, at 50% of its training: the accuracy is expected"}
    assert all(row.weights is None for row in rows)
    assert {key.architecture for key in looks} == {row.architecture for row in rows}
    assert all(list(curve) == [0.5] for curve in looks.values())
    _, known = finished_trainings(folder / "study.db")
    assert {code for code, _ in known} == set(trainer.finished)


def test_the_rule_belongs_to_the_study(ended):
    folder, _, _ = ended
    with pytest.raises(FormatError, match=r"ending: was \{.*'risk': 0.1,.*\}, is None"):
        search_in(folder, Learning(), ending=None)
    with pytest.raises(FormatError, match=r"ending: was \{.*\}, is \{'risk': 0\.05,"):
        search_in(folder, Learning(), ending=Ending(risk=0.05))


def test_gone_on_with_it_ends_as_one_left_alone(ended, tmp_path):
    _, trainer, search = ended
    parts = [Learning(), Learning()]
    search_in(tmp_path / "run", parts[0], trials=16)
    again = search_in(tmp_path / "run", parts[1])
    assert again.trained() == search.trained()
    assert [*parts[0].ended, *parts[1].ended] == trainer.ended


def test_workers_that_join_follow_the_rule_too(tmp_path):
    search_in(tmp_path / "run", Learning(), trials=14)
    more = Learning()
    study = join_study(tmp_path / "run" / "study.db")
    study.asked = study.asked | {"trials": 26}
    study.close()
    run_worker(tmp_path / "run" / "study.db", more, tmp_path / "other")
    assert more.ended and more.finished


def test_other_seeds_of_a_candidate_are_never_ended(tmp_path):
    trainer = Learning()
    search_in(tmp_path / "run", trainer, seeds=2, trials=16)
    rows, _ = rows_of(tmp_path / "run")
    assert trainer.ended and {row.run for row in rows if row.source is not None} == {0}
