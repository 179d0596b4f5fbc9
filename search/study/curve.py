"""The curve of a training that runs, held against those of the finished ones: whether it need not go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from search.strategies.ending import Curves, Ending
from search.study.storage import StoredStudy
from search.study.trainings import TRAINED, Key, Row
from search.training.trainer import EndedEarly


@dataclass
class Curve:
    """A candidate's training: `looks` are its accuracies so far, by share, `ended` says in words that it was ended.

    `needed` is the best accuracy of the trained networks that are no slower. Without a rule nothing is looked at.
    """

    code: str
    rule: Ending | None
    known: Curves
    needed: float | None
    looks: dict[float, float] = field(default_factory=dict)
    ended: str | None = None

    @classmethod
    def of(
        cls,
        key: Key,
        rule: Ending | None,
        study: StoredStudy,
        rows: Sequence[Row],
        latency: Callable[[str], float],
    ) -> Curve:
        """Of a training that begins now, `rows` being those of the study. Only a candidate's first run is ended.

        The others are there to know the spread of a run, which those that end well alone would not tell.
        """
        known = Curves()
        if rule is None or key.run != 0:
            return cls(key.architecture, None, known, None)
        # What others have was expected, not measured.
        measured = [row for row in rows if row.state == TRAINED and (row.run < 0 or row.source is None)]
        looks = study.looks()
        faster: dict[str, list[float]] = {}
        own = latency(key.architecture)
        for row in measured:
            assert row.accuracy is not None and row.latency is not None, row
            if passed := looks.get(Key(row.architecture, row.run)):
                known.add({share: passed[share] for share in rule.looks if share in passed}, row.accuracy)
            if row.latency <= own and row.architecture != key.architecture:
                faster.setdefault(row.architecture, []).append(row.accuracy)
        needed = max((sum(runs) / len(runs) for runs in faster.values()), default=None)
        return cls(key.architecture, rule, known, needed)

    def look(self, share: float, accuracy: float | None) -> None:
        """Takes in what a training reports. EndedEarly when it cannot reach the boundary any more."""
        if self.rule is None or accuracy is None:
            return
        # The first report at or after a look counts as it.
        reached = [look for look in self.rule.looks if look <= share + 1e-9 and look not in self.looks]
        for look in reached:
            self.looks[look] = accuracy
        if share < 1 and reached and self.rule.hopeless(self.known, reached[-1], accuracy, self.needed, self.code):
            self.ended = f"ended early, at {share:.0%} of its training: the accuracy is expected"
            raise EndedEarly

    def expected(self) -> float:
        """The final accuracy that is expected of a training that was ended at its last look."""
        look = max(self.looks)
        expected = self.known.expected(look, self.looks[look])
        assert expected is not None  # it was ended, so others are finished
        return expected
