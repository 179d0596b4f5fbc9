"""PONAS in a folder: ended at any point it goes on to the same table and networks, and others are refused by name."""

from __future__ import annotations

import json
import math
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from prototxt_gen.errors import ArchitectureError, FileError, FormatError, UnsupportedError
from search.strategies.accuracy_table import AccuracyTable
from search.study import ponas
from search.study.known import read_known
from search.study.loop import read_question, run_search, run_worker
from search.study.ponas import run_ponas
from search.study.storage import join_study
from search.training import inheriting
from search.training.dataset import Dataset
from search.training.one_shot import EVALUATIONS, SUPERNET
from tests.search.study import quick
from tests.search.study.small_ponas_search import (
    NETWORKS,
    SCHEDULE,
    TABLE,
    at_the_table,
    entries,
    in_network,
    in_stage,
    search_in,
    told,
)
from tests.search.training.small_ponas import DATA, SETTINGS, SPACE, bars

forked = pytest.mark.skipif(sys.platform != "linux", reason="the processes are forked")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, Any]:
    """A search that nothing ended."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, search_in(folder)


@pytest.fixture
def with_table(finished, tmp_path) -> Path:
    """A folder as it is before the first network is trained."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("accuracy.json", "ponas.json", SUPERNET, EVALUATIONS):
        (folder / name).write_bytes((finished[0] / name).read_bytes())
    return folder


def test_the_table_and_where_it_is_from(finished):
    folder, _ = finished
    table = AccuracyTable.load(folder / "accuracy.json")
    assert table.space == str(SPACE)
    assert [row.layer for row in table.rows] == ["layer 2", "layer 3", "layer 4"]
    assert [row.candidates for row in table.rows] == [("e3", "k5e3"), ("e2", "e2q"), ("e3", "k5e3")]
    evaluated = json.loads((folder / EVALUATIONS).read_text())["told"]
    own = table.provenance
    assert own["networks evaluated"] == len(evaluated)
    assert (own["processes"], own["device"], own["seconds"] > 0) == (1, "cpu", True)
    assert own["settings"]["data"] == "bars" and own["settings"]["mean"] == [104.0, 117.0, 123.0]
    assert own["settings"].items() >= SETTINGS.settings().items()
    assert own["versions"]["torch"] == torch.__version__
    log = (folder / "ponas.log").read_text()
    assert "begins: " in log and "row 2 of 3" in log and f"from {len(evaluated)} networks evaluated" in log


def test_what_the_table_says_is_beside_what_was_seen(finished):
    folder, search = finished
    table = entries(folder)
    assert len(search.trained()) == NETWORKS
    for one in search.trained():
        loss = sum(
            losses[number] for losses, number in zip(table.losses, SPACE.choices_of(one.architecture), strict=True)
        )
        assert one.foretold == pytest.approx(float(table.expected(loss)))
        assert one.expected is None and one.runs == 1
    # The boundary is of what was seen.
    boundary = search.boundary()
    assert [one.accuracy for one in boundary] == sorted(one.accuracy for one in boundary)
    assert max(one.accuracy for one in search.trained()) == boundary[-1].accuracy


def test_again_it_is_read_and_nothing_is_trained(finished, monkeypatch):
    folder, search = finished
    monkeypatch.setattr(ponas, "train_one_shot", None)
    monkeypatch.setattr(inheriting, "train", None)
    assert search_in(folder).trained() == search.trained()
    assert run_ponas(SPACE, DATA, folder, SETTINGS) == AccuracyTable.load(folder / "accuracy.json")


def test_more_networks_go_on_with_the_same_supernet(finished, with_table):
    _, search = finished
    assert search_in(with_table, trials=1).trained() == search.trained()[:1]
    assert search_in(with_table, trials=NETWORKS).trained() == search.trained()


OTHER_SETTINGS = replace(SETTINGS, schedule=replace(SETTINGS.schedule, seed=3), row_lr=0.5)


@pytest.mark.parametrize("file", ["accuracy.json", "ponas.json"], ids=["made", "begun"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": OTHER_SETTINGS}, r"row_lr: was 0\.02, is 0\.5; seed: was 0, is 3"),
        ({"space": replace(SPACE, stem=(4,))}, f"space: was {SPACE}, is m4_"),
        ({"data": Dataset("others", ("0", "1", "2"), bars(136, 2), bars(50, 1))}, "data: was bars, is others"),
        ({"keep": "best"}, "keep: was median, is best"),
        ({"estimate": "mean"}, "estimate: was fit, is mean"),
    ],
    ids=["settings", "space", "data", "keep", "estimate"],
)
def test_what_differs_from_the_beginning_is_told(finished, tmp_path, file, change, said):
    (tmp_path / file).write_bytes((finished[0] / file).read_bytes())
    with pytest.raises(FormatError, match=rf"{file}: (made|begun) with other settings: {said}"):
        run_ponas(**{"space": SPACE, "data": DATA, "out": tmp_path, "settings": SETTINGS, **change})


@pytest.mark.parametrize("run", [search_in, lambda folder, device: run_ponas(SPACE, DATA, folder, device=device)])
def test_a_device_that_is_not_there_is_told_first(tmp_path, run):
    with pytest.raises(UnsupportedError, match="device 'cuda:77': PyTorch cannot train there"):
        run(tmp_path / "run", device="cuda:77")
    assert not list(tmp_path.glob("run/*.json"))


def test_limits_that_no_network_meets_are_told_before_anything_is_trained(tmp_path):
    with pytest.raises(ArchitectureError, match="no architecture's latency is at most"):
        search_in(tmp_path, interval=(0.0, 1e-6))
    with pytest.raises(ArchitectureError, match="parameters: found at most 7, but the least"):
        search_in(tmp_path, limits={"parameters": 7})
    assert not (tmp_path / SUPERNET).exists() and not (tmp_path / "ponas.json").exists()


def dies(folder: Path, arm: Callable[[], None]) -> int:
    """Runs the search in a process of its own, which something kills; its exit status."""

    def work() -> None:
        arm()
        search_in(folder)

    process = get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


@forked
def test_killed_in_every_phase_it_ends_as_one_left_alone(finished, tmp_path):
    """By SIGKILL, one after another in the same folder."""
    phases = [
        in_stage("first path", 0.5),
        in_stage("meta training", 0.4),
        in_stage("row 1 of 3", 0.5),
        in_stage("row 1 of 3, networks evaluated", 0.5),
        in_stage("row 2 of 3", 0.9),
        at_the_table,
        in_network(1),
        in_network(2),
    ]
    lost = []
    for phase in phases:
        before = len(json.loads(path.read_text())["told"]) if (path := tmp_path / EVALUATIONS).exists() else 0
        assert dies(tmp_path, phase) == -signal.SIGKILL
        after = len(json.loads(path.read_text())["told"]) if path.exists() else 0
        lost.append(before - after)
    assert max(lost) <= 0, "no evaluation is lost"
    search = search_in(tmp_path)
    folder, alone = finished
    assert entries(tmp_path) == entries(folder)
    assert search.trained() == alone.trained() and told(tmp_path) == told(folder)
    assert (tmp_path / "ponas.log").read_text().count("goes on") >= 5
    left = [path.name for path in tmp_path.rglob("*.part")]
    assert not left


@forked
def test_a_full_disk_is_told_and_leaves_no_part_of_a_file(tmp_path):
    """Files of this process may be of 10 kB, which a supernet is not."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(FileError, match=r"supernet\.pt: cannot be written: File too large"):
            run_ponas(SPACE, DATA, tmp_path, SETTINGS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", ".beginning", "ponas.json", "ponas.log"}
    assert run_ponas(SPACE, DATA, tmp_path, SETTINGS).space == str(SPACE)


def test_a_worker_takes_the_supernet_from_its_folder_and_the_table_from_the_study(finished, with_table, tmp_path):
    """The weights that it trains lie in its folder."""
    _, search = finished
    storage, other = with_table / "study.db", tmp_path / "other"
    search_in(with_table, trials=1)
    study = join_study(storage)
    study.asked = {"trials": NETWORKS}
    study.close()
    with pytest.raises(FileError, match=r"other/supernet\.pt: there is none; it is the file of that name"):
        run_worker(storage, DATA, other)
    other.mkdir()
    (other / SUPERNET).write_bytes((with_table / SUPERNET).read_bytes())
    found = run_worker(storage, DATA, other, keep="all")
    assert found.trained() == search.trained()
    assert len(list(other.glob("networks/*/weights.caffemodel"))) == NETWORKS - 1


def test_a_worker_with_another_supernet_is_refused(finished, tmp_path):
    folder, _ = finished
    torch.save(others_supernet(folder / SUPERNET), tmp_path / SUPERNET)
    with pytest.raises(FormatError, match=r"begun with other settings: supernet: was [0-9a-f]{16}, is [0-9a-f]{16}$"):
        run_worker(folder / "study.db", DATA, tmp_path)


def others_supernet(path: Path) -> dict[str, Any]:
    """A supernet with other weights than the one in a file."""
    supernet = torch.load(path, weights_only=True)
    next(iter(supernet["weights"].values())).add_(1)
    return supernet


def test_machines_that_share_a_server_and_no_disk(postgres, finished, with_table, tmp_path, monkeypatch):
    """Workers, and the command itself elsewhere: they have the table from the server, the supernet as a file."""
    _, search = finished
    storage = postgres.anew()
    assert search_in(with_table, storage=storage, trials=1).trained() == search.trained()[:1]
    question = read_question(storage)
    assert question.accuracies == entries(with_table)
    study = join_study(storage)
    study.asked = {"trials": NETWORKS}
    study.close()
    monkeypatch.setattr(ponas, "train_one_shot", None)  # and nobody trains a supernet
    joining = {
        "worker": lambda folder: run_worker(storage, DATA, folder, keep="all"),
        "command": lambda folder: search_in(folder, storage=storage, trials=NETWORKS, keep="all"),
    }
    for name, join in joining.items():
        folder = tmp_path / name
        with pytest.raises(FileError, match=r"supernet\.pt: there is none; it is the file of that name"):
            join(folder)
        folder.mkdir(exist_ok=True)
        torch.save(others_supernet(with_table / SUPERNET), folder / SUPERNET)
        with pytest.raises(FormatError, match=r"supernet: was [0-9a-f]{16}, is [0-9a-f]{16}"):
            join(folder)
        (folder / SUPERNET).write_bytes((with_table / SUPERNET).read_bytes())
        assert join(folder).trained() == search.trained()
    # The worker trained what was left, into its own folder; the command found all trained.
    assert len(list((tmp_path / "worker").glob("networks/*/weights.caffemodel"))) == NETWORKS - 1
    assert not list((tmp_path / "command").glob("networks/*/weights.caffemodel"))
    assert {path.name for path in (tmp_path / "worker").iterdir()} == {SUPERNET, "networks", ".lock", ".workers"}


def test_a_study_of_another_kind_under_the_name_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    storage = str(tmp_path / "shared.db")
    pruning = {"table": TABLE, "schedule": SCHEDULE, "trials": 1, "storage": storage}
    run_search(SPACE, DATA, tmp_path / "pruning", strategy="uniform", **pruning)
    monkeypatch.setattr(ponas, "train_one_shot", None)
    with pytest.raises(FormatError, match=r"shared\.db: study 'search': found the strategy uniform, expected that"):
        search_in(tmp_path / "ponas", storage=storage)


def test_another_table_in_the_folder_is_refused_by_a_digest(finished, with_table):
    """A table is long; what is told of it is not."""
    (with_table / "study.db").write_bytes((finished[0] / "study.db").read_bytes())
    table = AccuracyTable.load(with_table / "accuracy.json")
    replace(table, best=table.best / 2).save(with_table / "accuracy.json")
    told = r"accuracy table: was one of \d+ characters, SHA-256 \w+, is one of"
    with pytest.raises(FormatError, match=told) as found:
        search_in(with_table)
    assert len(str(found.value)) < 600


def test_its_networks_are_known_results_for_a_search_by_pruning(finished, tmp_path):
    folder, search = finished
    known = read_known(folder)
    # A margin that prunes none, whatever the two came to.
    options = {"table": TABLE, "schedule": SCHEDULE, "margin": math.inf}
    seeded = run_search(SPACE, DATA, tmp_path, trials=1, known=known, **options)
    seen = {one.architecture: one.accuracy for one in seeded.trained()}
    assert seen.items() >= {(one.architecture, one.accuracy) for one in search.trained()}
    assert len(seen) == NETWORKS + 1


def test_the_strategy_needs_a_table_and_others_take_none(finished, tmp_path):
    table = entries(finished[0])
    options = {"table": TABLE, "schedule": SCHEDULE}
    with pytest.raises(ArchitectureError, match="strategy ponas: found no table of accuracies"):
        run_search(SPACE, DATA, tmp_path, strategy="ponas", **options)
    with pytest.raises(ArchitectureError, match="strategy uniform: found a table of accuracies, which it does not"):
        run_search(SPACE, DATA, tmp_path, strategy="uniform", accuracies=table, **options)
    other = replace(SPACE, stem=(4,))
    with pytest.raises(ArchitectureError, match=f"found a table of {SPACE}, expected one of m4_"):
        run_search(
            other, DATA, tmp_path, strategy="ponas", accuracies=table, table=quick.table(other), schedule=SCHEDULE
        )
