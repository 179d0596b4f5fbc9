"""Training a supernet: it learns, answers row by row, and goes on from any point as if nothing had happened."""

from __future__ import annotations

from dataclasses import replace

from search.training.one_shot import train_one_shot
from tests.search.training.small_ponas import DATA, SETTINGS, SPACE, Rows


def test_it_learns_and_every_row_is_told():
    rows = Rows()
    train_one_shot(SPACE, DATA, rows, replace(SETTINGS, schedule=replace(SETTINGS.schedule, epochs=5)))
    assert rows.done
    assert len(rows.told) == 4 + 2
    assert min(rows.told.values()) > 0.5  # by chance it is a third
