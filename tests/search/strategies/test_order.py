"""The order against its definition: closure of narrowing one block and removing one block."""

import numpy as np
import pytest

from search.spaces import BackboneSpace
from search.strategies.order import non_dominated, precedes


def one_step_down(stages, fewest=1):
    """Every network with one block narrower by one width, or one block fewer."""
    for s, widths in enumerate(stages):
        for b in range(len(widths)):
            narrower = [*widths[:b], widths[b] - 1, *widths[b + 1 :]]
            if narrower[b] >= 1:
                yield (*stages[:s], tuple(narrower), *stages[s + 1 :])
            if len(widths) > fewest:
                yield (*stages[:s], (*widths[:b], *widths[b + 1 :]), *stages[s + 1 :])


def below(start):
    """Everything reachable by steps down, also through networks that are outside the space."""
    seen, waiting = {start}, [start]
    while waiting:
        for lower in one_step_down(waiting.pop()):
            if lower not in seen:
                seen.add(lower)
                waiting.append(lower)
    return seen


@pytest.mark.parametrize(("depths", "widths"), [(((1, 3),), 4), (((1, 2), (1, 3)), 3), (((1, 2), (1, 2), (1, 2)), 2)])
def test_order_equals_the_closure_of_single_steps(depths, widths):
    space = BackboneSpace(depths=depths, widths=tuple(8 * (i + 1) for i in range(widths)))
    architectures = list(space)
    stages = [tuple(tuple(w // 8 for w in stage.widths) for stage in a.stages) for a in architectures]
    vectors = np.stack([space.encode(a) for a in architectures])
    table = precedes(vectors[:, None], vectors[None, :])
    for y, start in enumerate(stages):
        reachable = below(start)
        assert [x in reachable for x in stages] == table[:, y].tolist()


def test_boundary_equals_its_definition():
    rng = np.random.default_rng(0)
    for _ in range(200):
        latencies = rng.integers(0, 6, 12).astype(float)
        accuracies = rng.integers(0, 6, 12).astype(float)
        beaten = [
            any(
                latencies[j] <= latencies[i]
                and accuracies[j] >= accuracies[i]
                and (latencies[j] < latencies[i] or accuracies[j] > accuracies[i])
                for j in range(12)
            )
            for i in range(12)
        ]
        found = non_dominated(latencies, accuracies)
        assert sorted(found.tolist()) == [i for i in range(12) if not beaten[i]]
        assert (np.diff(latencies[found]) >= 0).all()


def test_boundary_of_nothing_is_empty():
    assert non_dominated(np.array([]), np.array([])).size == 0
