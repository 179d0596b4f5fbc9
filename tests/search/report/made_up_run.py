"""A made-up search for the page: accuracies rise with latency, some runs are noisy, one failed."""

from __future__ import annotations

import random

from search.report.page import Row, stages_of
from search.spaces import parse_space

SPACE = parse_space("s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32")
FAILED = 8


def made_up_rows(count: int = 30, spread: float | None = 0.004) -> list[Row]:
    rng = random.Random(1)
    rows = []
    for number in range(1, count + 1):
        architecture = SPACE.sample(rng)
        width = sum(sum(stage.widths) for stage in architecture.stages)
        accuracy = None if number == FAILED else 0.82 + 0.14 * (1 - 2.7 ** (-width / 200)) + rng.gauss(0, 0.006)
        rows.append(
            Row(
                number,
                str(architecture),
                0.2 + width / 400 + 0.1 * rng.random(),
                accuracy,
                runs=2,
                spread=spread if accuracy is not None else None,
                seconds=100.0 * number,
                stages=stages_of(architecture),
                files=[("deploy.prototxt", f"networks/{architecture}/deploy.prototxt")],
            )
        )
    trained = [row for row in rows if row.accuracy is not None]
    for row in trained:
        row.boundary = not any(
            other.latency_ms <= row.latency_ms and other.accuracy >= row.accuracy
            for other in trained
            if other is not row
        )
    return rows
