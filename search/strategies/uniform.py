"""The paper's way of choosing: one of the candidates neither trained nor pruned, all equally likely (POP, section 3.3).

What is pruned is not this strategy's business: it is given candidates without those (see strategies/unpruned.py).
"""

from __future__ import annotations

import random

import numpy as np

from search.spaces.vectors import Vectors
from search.strategies.chooser import Chooser


class Uniform(Chooser):
    """Candidates neither trained, failed nor in training, drawn evenly."""

    name = "uniform"

    def ask(self, number: int, training: Vectors) -> Vectors:
        results = self.results
        taken = np.concatenate([results.vectors, results.failed, np.asarray(training, np.uint8)])
        rng = random.Random(f"{self.seed} {results.runs.sum() + len(results.failed)}")
        return self.candidates.draw(rng, number, taken)
