"""What is trained next and when a search ends: seeds, confirmation, known results, rules of stopping."""

import statistics

import pytest

from prototxt_gen.errors import ArchitectureError, FileError, FormatError
from search.strategies.ending import Ending
from search.study.known import KnownResult, read_known
from search.study.stopping import Stops, Unchanged
from search.study.storage import join_study
from search.study.trainings import ENDED, FAILED, TRAINED, Row
from tests.search.study import quick


def rows_of(folder) -> list:
    study = join_study(folder / "study.db")
    try:
        return study.read().rows
    finally:
        study.close()


def trained(row_code, latency, accuracy, run=0, state=TRAINED):
    return Row(row_code, run, state, 1, None, 0, 0.0, 0, 1, latency, accuracy, None, None, None, None)


def test_each_candidate_is_trained_with_so_many_seeds(tmp_path):
    log = tmp_path / "log"
    search = quick.search_in(tmp_path, quick.Quick(log), seeds=3, trials=4)
    begun = [line.split()[1:3] for line in log.read_text().splitlines() if line.startswith("begun")]
    codes = list(dict.fromkeys(code for code, _ in begun))
    # The study's seed is 3; the seeds of a candidate come one after another.
    assert begun == [[code, str(seed)] for code in codes for seed in (3, 4, 5)] and len(codes) == 4
    for one in search.trained():
        runs = search.runs_of(one.architecture)
        assert len(runs) == one.runs == 3 and one.accuracy == pytest.approx(statistics.mean(runs))


def test_what_is_asked_differently_is_refused(tmp_path):
    quick.search_in(tmp_path, quick.Quick(tmp_path / "log"), trials=1)
    for changes, named in (
        ({"seeds": 2}, "seeds: was 1, is 2"),
        ({"margin": 0.0}, "margin: was infinite, is 0.0"),
        ({"margin": None}, "margin: was infinite, is measured"),
        ({"strategy": "additive"}, "strategy: was uniform, is additive"),
    ):
        with pytest.raises(FormatError, match=named):
            quick.search_in(tmp_path, quick.Quick(tmp_path / "log"), **changes)


def test_the_boundary_is_confirmed_by_other_seeds(tmp_path):
    log = tmp_path / "log"
    first = quick.search_in(tmp_path, quick.Quick(log), trials=8)
    assert {one.runs for one in first.trained()} == {1}
    search = quick.search_in(tmp_path, quick.Quick(log), trials=8, confirm=2)
    assert {one.runs for one in search.boundary()} == {3}
    again = [line.split()[1:3] for line in log.read_text().splitlines() if line.startswith("begun")][8:]
    assert {seed for _, seed in again} == {"4", "5"}
    # No others but those that were on the boundary at some time.
    assert {code for code, _ in again} <= {str(one.architecture) for one in (*first.boundary(), *search.trained())}
    assert len(again) == 2 * len({code for code, _ in again}) < 2 * 8


def test_candidates_end_it(tmp_path):
    assert len(quick.search_in(tmp_path, quick.Quick(tmp_path / "log"), trials=3).trained()) == 3
    assert len(quick.search_in(tmp_path, quick.Quick(tmp_path / "log"), trials=5).trained()) == 5


def test_time_ends_it(tmp_path):
    search = quick.search_in(tmp_path, quick.Quick(tmp_path / "log"), hours=1e-9)
    assert search.trained() == []
    assert len(quick.search_in(tmp_path, quick.Quick(tmp_path / "log"), hours=1).trained()) == len(quick.ALL)


def test_a_boundary_that_does_not_change_ends_it(tmp_path):
    log = tmp_path / "log"
    best = max(quick.ALL, key=len)

    class Falling(quick.Quick):
        """The first is the best and the fastest there is."""

        def __call__(self, net, seed, report):
            super().__call__(net, seed, report)
            return 0.9 - 0.01 * self.begun

    search = quick.search_in(tmp_path, Falling(log), patience=3)
    rows = rows_of(tmp_path)
    changed = Unchanged()
    rounds = []
    for row in rows:
        changed.tell(row)
        rounds.append(changed.rounds)
    assert rounds[-1] == 3 and 3 not in rounds[:-1] and len(search.trained()) < len(quick.ALL), best
    # The rule holds for the same search when it goes on.
    assert len(quick.search_in(tmp_path, Falling(log), patience=3).trained()) == len(rows)


def test_rounds_are_counted_from_the_last_change():
    unchanged = Unchanged()
    told = []
    for row in (
        trained("a", 2.0, 0.5),
        trained("b", 3.0, 0.4),  # beaten
        trained("b", 3.0, None, state=FAILED),
        trained("c", 1.0, 0.3),  # faster
        trained("a", 2.0, 0.1, run=1),  # its mean is now c's
        trained("known", 0.5, 0.2, run=-1),
    ):
        unchanged.tell(row)
        told.append(unchanged.rounds)
    assert told == [0, 1, 2, 0, 0, 0]


def test_rules_that_make_no_sense():
    with pytest.raises(ArchitectureError, match=r"trials: found 0, .*; patience: found 0, .*; confirm: found -1"):
        Stops(trials=0, patience=0, confirm=-1)


def test_known_results_come_first_and_are_not_trained(tmp_path):
    log = tmp_path / "log"
    codes = sorted(quick.ALL)[:3]
    known = [KnownResult(code, 0.9, "paper") for code in codes] + [KnownResult("s4-4_b64_b64_c3", 0.9, "too wide")]
    search = quick.search_in(tmp_path, quick.Quick(log), known=known)
    assert sorted(quick.lines(log, "begun")) == sorted(quick.ALL - set(codes))
    assert [str(one.architecture) for one in search.trained()][:3] == codes
    assert {row.source for row in rows_of(tmp_path) if row.run < 0} == {"paper"}
    assert [
        trial.user_attrs["source"]
        for trial in quick.shown(tmp_path / "study.db", "COMPLETE")
        if trial.user_attrs["run"] < 0
    ] == ["paper"] * 3
    # Once more, and a new one, as a second run.
    more = quick.search_in(tmp_path, quick.Quick(log), known=[*known, KnownResult(codes[0], 0.7, "csv")])
    assert more.trained()[0].accuracy == pytest.approx(0.8) and len(more.trained()) == len(quick.ALL)


def test_what_is_known_is_trained_here_to_confirm_it_and_only_then(tmp_path):
    log = tmp_path / "log"
    code = min(quick.ALL, key=lambda code: (len(code), code))  # the smallest: nothing is faster
    known = [KnownResult(code, 0.6, "paper")]
    first = quick.search_in(tmp_path, quick.Quick(log), trials=3, known=known)
    assert code in {str(one.architecture) for one in first.boundary()} and code not in quick.lines(log, "begun")
    search = quick.search_in(tmp_path, quick.Quick(log), trials=3, confirm=2, known=known)
    assert {one.runs for one in search.boundary()} == {3}
    assert quick.lines(log, "begun").count(code) == 2
    runs = search.runs_of(next(one.architecture for one in search.trained() if str(one.architecture) == code))
    assert runs[0] == 0.6 and len(runs) == 3
    # It is none of the three that the search trained, and is not begun like one of them when the search goes on.
    more = quick.search_in(tmp_path, quick.Quick(log), trials=4, known=known)
    assert len(more.trained()) == 5 and quick.lines(log, "begun").count(code) == 2


def test_what_is_known_and_fails_here_is_tried_once(tmp_path):
    log = tmp_path / "log"
    code = min(quick.ALL, key=lambda code: (len(code), code))  # the smallest: nothing is faster

    class Failing(quick.Quick):
        def __call__(self, net, seed, report):
            accuracy = super().__call__(net, seed, report)
            if net.name == code:
                raise RuntimeError("not this one")
            return accuracy

    search = quick.search_in(tmp_path, Failing(log), trials=3, confirm=2, known=[KnownResult(code, 0.99, "paper")])
    assert quick.lines(log, "begun").count(code) == 1
    assert [one.accuracy for one in search.boundary() if str(one.architecture) == code] == [0.99]


def test_a_csv_of_known_results(tmp_path):
    path = tmp_path / "known.csv"
    path.write_text("\ufeffaccuracy,note,architecture\n0.5,mine,s4-4_b4_b4_c3\n1,,s4-4_b8_b8_c3\n0.25,,s4-4_b4_b4_c3\n")
    assert read_known(path) == [
        ("s4x2_b4_b4_c3", 0.5, "known.csv", None),
        ("s4x2_b8_b8_c3", 1.0, "known.csv", None),
        ("s4x2_b4_b4_c3", 0.25, "known.csv", None),
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "found columns none, expected architecture, accuracy"),
        ("architecture,top1\n", "found columns architecture, top1, expected architecture, accuracy"),
        (
            "architecture,accuracy\ns4-4_b4_b4_c3,73.2\nnothing,0.5\ns4-4_b4_b4_c3,\n",
            r"line 2: accuracy: found 73.2, expected 0 to 1; line 3: .*; line 4: could not convert",
        ),
    ],
)
def test_a_csv_that_is_none(tmp_path, text, named):
    path = tmp_path / "known.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=rf"known\.csv: {named}"):
        read_known(path)


def test_an_earlier_search_is_known(tmp_path):
    log = tmp_path / "log"
    first = quick.search_in(tmp_path / "first", quick.Quick(log), trials=5)
    known = read_known(tmp_path / "first")
    assert [one.accuracy for one in known] == [one.accuracy for one in first.trained()]
    search = quick.search_in(tmp_path / "second", quick.Quick(log), known=known)
    assert sorted(quick.lines(log, "begun")) == sorted(quick.ALL) and len(search.trained()) == len(quick.ALL)
    with pytest.raises(FileError, match=r"found no study\.db"):
        read_known(tmp_path)


def test_an_earlier_search_on_other_data_is_refused(tmp_path):
    known = [KnownResult(min(quick.ALL), 0.5, "run, an earlier search", "digits 32x32")]
    with pytest.raises(FormatError, match=r"other data: run, an earlier search: digits 32x32, expected"):
        quick.search_in(tmp_path, quick.Quick(tmp_path / "log"), known=known)


class Climbing(quick.Quick):
    """Reports half of its accuracy half-way."""

    def __call__(self, net, seed, report):
        final = quick.accuracy_of(net, 0)
        self._write("begun", net, seed)
        report(0.5, final / 2)
        report(1.0, final)
        self._write("ended", net, seed)
        return final


def test_trainings_without_hope_are_ended_early(tmp_path):
    """Accuracy falls with size here: the fastest network is the best, and all others lie below it."""
    log = tmp_path / "log"

    class Falling(Climbing):
        def __call__(self, net, seed, report):
            final = 1.2 - quick.accuracy_of(net, 0)
            self._write("begun", net, seed)
            report(0.5, final / 2)
            self._write("ended", net, seed)
            return final

    ending = Ending(risk=0.3, looks=(0.5,))
    search = quick.search_in(tmp_path, Falling(log), ending=ending)
    rows = rows_of(tmp_path)
    early = [row for row in rows if row.state == ENDED]
    assert early and len(early) + sum(row.state == TRAINED for row in rows) == len(quick.ALL)
    assert sorted(quick.lines(log, "ended")) == sorted(row.architecture for row in rows if row.state == TRAINED)
    boundary = {str(one.architecture) for one in search.boundary()}
    for row in early:
        assert row.looks is not None and row.architecture not in boundary
        # The rule's expectation, of trainings that all double their way: it knows errors, not accuracies.
        assert 0 < row.accuracy < 1
    assert {trial.user_attrs["architecture"] for trial in quick.shown(tmp_path / "study.db", "PRUNED")} == {
        row.architecture for row in early
    }
    # Gone on with, it is the same search; without the rule it is another one.
    assert quick.search_in(tmp_path, Falling(log), ending=ending).trained() == search.trained()
    with pytest.raises(FormatError, match=r"ending: was \{.*\}, is None"):
        quick.search_in(tmp_path, Falling(log))


def test_without_the_rule_none_is_ended(tmp_path):
    quick.search_in(tmp_path, Climbing(tmp_path / "log"))
    assert {row.state for row in rows_of(tmp_path)} == {TRAINED}
