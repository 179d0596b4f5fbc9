"""Who is dead: of other machines, who is silent for too long."""

from search.study.heartbeat import Watch
from search.study.lock import alive
from search.study.trainings import FREE, TRAINED, TRAINING, Row


def row(worker, beat, state=TRAINING, grace=10.0):
    return Row("a", 0, state, 1, worker, beat, grace, 0, None, None, None, None, None, None, None)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_beat_that_does_not_change_for_the_grace_period(tmp_path):
    clock = Clock()
    watch = Watch(tmp_path, "me", clock)
    assert watch.look([row("other", 3)]) == []
    clock.now = 9.0
    assert watch.look([row("other", 4)]) == []
    clock.now = 18.0
    assert watch.look([row("other", 4)]) == []
    clock.now = 19.1
    assert watch.look([row("other", 4)]) == [row("other", 4)]


def test_its_own_grace_period_counts(tmp_path):
    clock = Clock()
    watch = Watch(tmp_path, "me", clock)
    rows = [row("quick", 1, grace=1.0), row("slow", 1, grace=100.0)]
    watch.look(rows)
    clock.now = 50.0
    assert watch.look(rows) == rows[:1]


def test_only_what_is_in_training_and_of_others(tmp_path):
    clock = Clock()
    watch = Watch(tmp_path, "me", clock)
    rows = [row("me", 1), row("done", 1, TRAINED), row(None, 0, FREE)]
    watch.look(rows)
    clock.now = 50.0
    assert watch.look(rows) == []


def test_while_the_database_was_away_nobody_could_beat(tmp_path):
    clock = Clock()
    watch = Watch(tmp_path, "me", clock)
    watch.look([row("other", 1)])
    clock.now = 50.0
    watch.blind()
    assert watch.look([row("other", 1)]) == []
    clock.now = 61.0
    assert watch.look([row("other", 1)]) != []


def test_of_the_own_folder_the_system_says_so(tmp_path):
    watch = Watch(tmp_path, "me", Clock())
    with alive(tmp_path, "other"):
        assert watch.look([row("other", 1)]) == []
    # It has ended and said so.
    assert watch.look([row("other", 1)]) == []
