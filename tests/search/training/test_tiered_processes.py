"""A search by several processes: all decide the same, and come to the same, whether they were ended or not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from prototxt_gen.errors import CaffeError, FormatError
from search.training.processes import joined
from search.training.tiered import HISTORY, STOCHASTIC
from search.training.tiered_history import read_history
from tests.search.training.small_tiered_training import searched
from tests.search.training.together import started


def _search(rank: int, out: Path, folders: list[Path], events: int) -> None:
    """Searches, and saves all that it comes to but the history; ends at that event."""
    count = 0

    def report(stage: str, share: float) -> None:
        nonlocal count
        count += 1
        if count == events:
            os._exit(9)

    with joined("cpu") as (group, device):
        folder = folders[rank]
        try:
            net, structure = searched(folder, device=device, report=report, group=group, every=0)
        except CaffeError as fault:
            torch.save(str(fault), out / str(rank))
            return
        torch.save(
            (dict(net.named_parameters()), net.logits.state_dict(), structure.state(), structure.picks()),
            out / str(rank),
        )


def together(out: Path, folders: list[Path], events: int = 0, ended: int = 0) -> list[Any]:
    """What each of two processes comes to, or is told; all must end so."""
    processes = started(_search, out, folders, events)
    for process in processes:
        process.join()
        assert process.exitcode == ended
    return [] if ended else [torch.load(out / str(rank), weights_only=True) for rank in range(2)]


def same(one: Any, other: Any) -> bool:
    """To the last bit."""
    return one[2:] == other[2:] and all(
        mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
        for mine, theirs in zip(one[:2], other[:2], strict=True)
    )


def untimed(folder: Path) -> list[dict[str, Any]]:
    _, lines = read_history(folder / HISTORY)
    return [{name: value for name, value in line.items() if name not in ("seconds", "step_ms")} for line in lines]


def test_two_processes_come_to_the_same_whether_they_were_ended_or_not(tmp_path):
    folders = [tmp_path / name for name in ("first", "second", "ended")]
    for folder in folders:
        folder.mkdir()
    one, two = together(tmp_path, folders[:2])
    assert same(one, two)
    assert sorted(path.name for path in folders[0].iterdir()) == [HISTORY, STOCHASTIC]
    assert not list(folders[1].iterdir()), "the first one writes"
    # Batch norm sees half a batch in each of them, so that one process comes to nearly the same at first.
    (tmp_path / "alone").mkdir()
    searched(tmp_path / "alone")
    ours, alone = untimed(folders[0])[0], untimed(tmp_path / "alone")[0]
    assert ours["step"] == alone["step"]
    for name in ("loss", "latency"):
        assert ours[name] == pytest.approx(alone[name], rel=0.1)
        assert ours[name] != alone[name]
    # Just behind a decision.
    together(tmp_path, [folders[2]] * 2, 8, ended=9)
    again, _ = together(tmp_path, [folders[2]] * 2)
    assert same(one, again)
    assert untimed(folders[0]) == untimed(folders[2])
    with pytest.raises(FormatError, match="processes: was 2, is 1"):
        searched(folders[2])
    # What the first one refuses all refuse.
    (folders[2] / HISTORY).unlink()
    faults = together(tmp_path, [folders[2]] * 2)
    assert faults[0] == faults[1]
    assert "history.jsonl: found 0 decisions up to step 20, expected 8" in faults[0]
