"""The made-up networks of a space that nobody lists are what their file says: like real tables in what matters."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search.strategies.hypervolume import hypervolume
from search.strategies.order import precedes

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_neighbours_follow_the_order_mostly_and_distant_pairs_nearly_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import made_up_networks

    assert made_up_networks.SPACE.count() > 10**12
    # For speed: a shallower space, fewer usual candidates, a coarser boundary that is not climbed to its end.
    space = replace(made_up_networks.SPACE, depths=((1, 8),) * 3)
    for name, value in (("SPACE", space), ("USUAL", 300), ("BINS", 20), ("ROUNDS", 8)):
        monkeypatch.setattr(made_up_networks, name, value)
    networks = made_up_networks.MadeUpNetworks()
    for name in ("made_up_networks", "made_up"):
        sys.modules.pop(name, None)
    rows = networks.candidates.sample(random.Random(0), 400)
    truth = networks.truth_of(rows)
    assert ((truth > 0.3) & (truth < 0.9)).all()
    follows = []
    for row, steps in zip(rows[:60], networks.candidates.neighbours_of(rows[:60]), strict=True):
        larger = precedes(row, steps)
        follows += ((networks.truth_of(steps) >= networks.truth_of(row[None])) == larger).tolist()
    assert 0.65 < np.mean(follows) < 0.9
    distant = [truth[precedes(rows, row)] <= accuracy for row, accuracy in zip(rows, truth, strict=True)]
    assert np.concatenate(distant).mean() > 0.98
    runs = [networks.run_of(rows[0], random.Random(seed)) - truth[0] for seed in range(200)]
    assert np.std(runs) == pytest.approx(0.0015, rel=0.2) and abs(np.mean(runs)) < 0.0005
    # Evenly drawn ones have far less than the best boundary that is known.
    drawn = hypervolume(networks.candidates.costs(rows), truth, networks.reference)
    assert 0.2 * networks.whole < drawn < 0.95 * networks.whole
