"""The strategy `listed`: the networks of a list, in that order, and no others.

What chose them was another search, such as Tiered Pruning (search/study/tiered.py), or a person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError
from search.spaces.vectors import Vectors
from search.strategies.accuracy_table import AccuracyTable
from search.strategies.candidates import Candidates
from search.strategies.chooser import Chooser
from search.strategies.space_candidates import SpaceCandidates
from search.strategies.unpruned import Unpruned


class Listed(Chooser):
    """The networks of these codes, one after the other.

    ArchitectureError lists those that are not in the space, or outside the interval or the limits of the search.
    """

    name = "listed"

    def __init__(self, candidates: Candidates, seed: int = 0, networks: Sequence[str] = ()) -> None:
        super().__init__(candidates, seed)
        whole = candidates.whole if isinstance(candidates, Unpruned) else candidates
        if not networks or not isinstance(whole, SpaceCandidates):
            raise ArchitectureError(f"strategy {self.name}: found no list of networks, expected codes of the space")
        faults, found = [], []
        for code in dict.fromkeys(networks):
            architecture = parse_architecture(code)
            if architecture not in whole.space:
                faults.append(f"{code} is not in the space")
                continue
            vector = whole.space.encode(architecture)
            if not whole.contains(vector[None])[0]:
                faults.append(f"{code} is outside the interval or the limits")
            found.append(vector)
        if faults:
            raise ArchitectureError(f"strategy {self.name}: {'; '.join(faults)}")
        self.listed: Vectors = np.array(found, dtype=np.uint8)

    @classmethod
    def of(
        cls, candidates: Candidates, seed: int, accuracies: AccuracyTable | None, networks: Sequence[str] = ()
    ) -> Listed:
        if accuracies is not None:
            raise ArchitectureError(f"strategy {cls.name}: found a table of accuracies, which it does not read")
        return cls(candidates, seed, networks)

    def ask(self, number: int, training: Vectors) -> Vectors:
        results = self.results
        taken = {row.tobytes() for part in (results.vectors, results.failed, training) for row in np.asarray(part)}
        left = [row for row in self.listed if row.tobytes() not in taken and self.candidates.contains(row[None])[0]]
        return np.array(left[:number], dtype=np.uint8).reshape(-1, self.candidates.length)
