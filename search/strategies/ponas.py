"""The progressive stage of PONAS: which networks are evaluated, row by row, and what table they make.

PONAS (arXiv 2003.05112) goes through the layers from the first. Those before are fixed to the block that was kept for
them, each candidate of the layer is evaluated with what stands behind, one of them is kept, and so on. Nothing here
knows what a network is: choices are numbers of candidates, so that the same rule works on a supernet and on tables of
networks that others have trained.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError
from search.strategies.additive_fit import POWERS, Entries, fit_rows

#: (n, rows): the number of the candidate of each row.
Choices: TypeAlias = NDArray[np.int64]

#: A network as it was seen: the row in progress then, and the number of the candidate of each row.
Seen: TypeAlias = tuple[int, tuple[int, ...]]

#: Which candidate of a row stays for the rows behind: the most accurate one, the one in the middle, or any.
Keep: TypeAlias = Literal["best", "median", "random"]
#: An entry is the mean of what was seen with it in its row; or it explains, with the others, all that was seen.
Estimate: TypeAlias = Literal["mean", "fit"]


class Ponas:
    """The progressive stage over rows of so many candidates each; `ask` and `tell` until `done`.

    `suffixes` networks stand behind each candidate of a row, the same for all, cut from as many networks drawn with
    `seed`: of every row, each candidate stands in equally many of them, as far as their number allows. `keep` and
    `estimate` are open in the paper: the defaults are what did best on networks that others trained (docs/ponas.md).

    ArchitectureError for rows without two candidates each, and for no suffix.
    """

    def __init__(
        self,
        rows: Sequence[int],
        *,
        suffixes: int,
        seed: int = 0,
        keep: Keep = "median",
        estimate: Estimate = "fit",
    ) -> None:
        self.rows = tuple(int(row) for row in rows)
        faults = (
            [f"rows: found {self.rows}, expected at least 2 candidates each"] if min(self.rows, default=0) < 2 else []
        )
        faults += [f"suffixes: found {suffixes}, expected at least 1"] if suffixes < 1 else []
        for name, value, kind in (("keep", keep, Keep), ("estimate", estimate, Estimate)):
            faults += (
                [f"{name}: found {value!r}, expected one of {', '.join(get_args(kind))}"]
                if value not in get_args(kind)
                else []
            )
        if faults:
            raise ArchitectureError(f"progressive stage: {'; '.join(faults)}")
        self.suffixes, self.seed, self.keep, self.estimate = suffixes, seed, keep, estimate
        rng = random.Random(f"{seed} suffixes")
        self._behind = np.array([_spread(row, suffixes, rng) for row in self.rows], dtype=np.int64).T
        self._drawn = random.Random(f"{seed} kept")
        self._kept: list[int] = []
        self._told: dict[Seen, float] = {}
        self._means: list[NDArray[np.float64]] = []

    @property
    def row(self) -> int:
        """The row in progress, counted from 0; the number of rows at the end."""
        return len(self._kept)

    @property
    def prefix(self) -> tuple[int, ...]:
        """What was kept for the rows before."""
        return tuple(self._kept)

    @property
    def done(self) -> bool:
        """Whether every row is filled."""
        return self.row == len(self.rows)

    def ask(self) -> Choices:
        """What is still to be evaluated for the row in progress, each network once; (0, rows) at the end.

        Networks of rows before are among it: these were trained since, and only what was seen of the same training can
        be compared.
        """
        wanted = [] if self.done else [one for one in self._wanted() if (self.row, one) not in self._told]
        return np.array(list(dict.fromkeys(wanted)), dtype=np.int64).reshape(-1, len(self.rows))

    def tell(self, choices: Choices, accuracies: Sequence[float]) -> None:
        """Enters accuracies in 0..1 of networks that were asked for, (n, rows) and (n,).

        ArchitectureError for others, and for accuracies that are none. A row that is whole is closed.
        """
        asked = {tuple(one) for one in self.ask().tolist()}
        for choice, accuracy in zip(np.asarray(choices).tolist(), accuracies, strict=True):
            if tuple(choice) not in asked or not 0 <= accuracy <= 1:
                raise ArchitectureError(
                    f"progressive stage: row {self.row}: found {choice} with accuracy {accuracy}, expected one of "
                    "those asked for, with an accuracy in 0 to 1"
                )
            self._told[self.row, tuple(choice)] = float(accuracy)
        while not self.done and not len(self.ask()):
            self._close()

    @property
    def told(self) -> dict[Seen, float]:
        """All that was told, in that order."""
        return dict(self._told)

    def entries(self) -> Entries:
        """What the table is made of; the rows must be whole, else ArchitectureError.

        In "mean" an entry is the mean of what was seen with it in its row, in "fit" it is as in `fit_rows`.
        """
        if not self.done:
            raise ArchitectureError(f"progressive stage: row {self.row} of {len(self.rows)} is not whole")
        if self.estimate == "mean":
            return Entries([means.tolist() for means in self._means], float(self._means[-1].max()), 1.0)
        return self.fitted()

    def fitted(self, powers: Sequence[float] = POWERS) -> Entries:
        """The entries that `fit_rows` finds with one of these powers for all that was told.

        Every two candidates of a row stand before the same networks, so their difference follows from what was told.
        """
        stages, choices = (np.array(one, dtype=np.int64) for one in zip(*self._told, strict=True))
        return fit_rows(self.rows, choices, np.array(list(self._told.values())), powers, stages)

    def _wanted(self) -> list[tuple[int, ...]]:
        return [(*self._kept, candidate, *behind) for candidate in range(self.rows[self.row]) for behind in self._after]

    @property
    def _after(self) -> list[list[int]]:
        found: list[list[int]] = self._behind[:, self.row + 1 :].tolist()
        return found

    def _close(self) -> None:
        seen = np.array([self._told[self.row, one] for one in self._wanted()]).reshape(
            self.rows[self.row], self.suffixes
        )
        means = seen.mean(axis=1)
        self._means.append(means)
        order = np.argsort(-means, kind="stable")
        place = {"best": 0, "median": (len(order) - 1) // 2, "random": self._drawn.randrange(len(order))}[self.keep]
        self._kept.append(int(order[place]))


def _spread(candidates: int, number: int, rng: random.Random) -> list[int]:
    """So many numbers of candidates in random order, each as often as the others as far as that is possible."""
    found: list[int] = []
    while len(found) < number:
        found += rng.sample(range(candidates), candidates)
    found = found[:number]
    rng.shuffle(found)
    return found
