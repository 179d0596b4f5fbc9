"""Training a supernet: it learns, answers row by row, and goes on from any point as if nothing had happened."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from converters.pytorch.module import to_torch
from prototxt_gen.errors import ArchitectureError, CaffeError, FileError, FormatError, TrainingError
from prototxt_gen.generator.networks import generate
from search.training import one_shot
from search.training.dataset import NOTHING, Dataset
from search.training.one_shot import (
    EVALUATIONS,
    SUPERNET,
    OneShot,
    inherited_weights,
    load_supernet,
    statistics_of,
    train_one_shot,
)
from search.training.schedule import Schedule
from search.training.supernet import Supernet
from search.training.training import evaluate
from tests.search.training.small_ponas import DATA, SETTINGS, SPACE, Rows, bars

LONGER = replace(SETTINGS, schedule=replace(SETTINGS.schedule, epochs=5))


class Ended(Exception):  # noqa: N818 (nothing went wrong)
    pass


def same(one: Supernet, other: Supernet) -> bool:
    own, others = one.state_dict(), other.state_dict()
    return own.keys() == others.keys() and all(torch.equal(own[name], others[name]) for name in own)


@pytest.fixture(scope="module")
def left_alone() -> tuple[Supernet, Rows, list[tuple[str, float]]]:
    """A training that nothing ended, what it told, and all that it reported."""
    rows, events = Rows(), list[tuple[str, float]]()
    net = train_one_shot(SPACE, DATA, rows, SETTINGS, report=lambda *event: events.append(event))
    return net, rows, events


def test_it_learns_and_every_row_is_told():
    rows = Rows()
    net = train_one_shot(SPACE, DATA, rows, LONGER)
    assert rows.done
    assert len(rows.told) == 4 + 2
    assert min(rows.told.values()) > 0.5  # by chance it is a third
    # The network that comes out of it is as good on images that neither stage has seen.
    weights = inherited_weights(net, rows.prefix, DATA, LONGER)
    chosen = to_torch(generate(SPACE.of_choices(rows.prefix), input_shape=SPACE.input_shape), weights)
    assert evaluate(chosen, DATA.with_mean((104.0, 117.0, 123.0)).held_out) > 0.5


def test_what_is_told_is_the_accuracy_of_the_chosen_network_on_images_held_out_of_training():
    """With a rate at which nothing moves, so that the last supernet is that of every row."""
    still = replace(SETTINGS, schedule=replace(SETTINGS.schedule, epochs=1, base_lr=1e-30), row_lr=1e-30)
    rows = Rows()
    net = train_one_shot(SPACE, DATA, rows, still)
    split = one_shot._split(DATA, still)
    assert len(split.held) == still.table_images
    assert len(split.trained) + len(split.held) == len(DATA.train)
    for choices, told in rows.told.items():
        chosen = generate(SPACE.of_choices(choices), input_shape=SPACE.input_shape)
        module = to_torch(chosen, inherited_weights(net, choices, DATA, still))
        assert evaluate(module, split.held) == told


def test_no_image_of_the_table_is_trained_on():
    seen: set[int] = set()

    def noted(indices, rng):
        seen.update(indices)
        return DATA.train.images(indices, rng)

    def stop(stage: str, share: float) -> None:
        if stage not in ("first path", "meta training"):
            raise Ended

    watched = replace(DATA, train=replace(DATA.train, images=noted))
    with pytest.raises(Ended):
        train_one_shot(SPACE, watched, Rows(), SETTINGS, report=stop)
    trained = set(seen)
    seen.clear()
    table = one_shot._split(watched, SETTINGS).held
    table.read(range(len(table)), None, NOTHING)
    assert len(seen) == SETTINGS.table_images
    assert len(trained) == len(DATA.train) - SETTINGS.table_images
    assert not trained & seen


def test_even_paths_meet_each_candidate_as_often_as_the_others():
    for even in (True, False):
        training = _training(replace(SETTINGS, even=even))
        drawn = [training._drawn(-1, step) for step in range(400)]
        pairs = {tuple(path) for path in drawn}
        assert len(pairs) == 8, "rows are drawn apart from each other"
        often = [sum(path[row] for path in drawn) for row in range(3)]
        assert (often == [200] * 3) == even
        assert all(150 < count < 250 for count in often)


def _training(settings: OneShot) -> Any:
    arguments = (None, "cpu", lambda *event: None, one_shot.ALONE, None, 60.0)
    return one_shot._Training(SPACE, DATA, Rows(), settings, *arguments)


def ended_at(events: int, folder: Path, how: Callable[[], None]) -> None:
    """Trains, and at that event does something that ends it; a file is written after every step."""
    count = 0

    def report(stage: str, share: float) -> None:
        nonlocal count
        count += 1
        if count == events:
            how()

    train_one_shot(SPACE, DATA, Rows(), SETTINGS, folder, report=report, every=0)


def end() -> None:
    raise Ended


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_ended_again_and_again_it_comes_out_as_one_left_alone(left_alone, tmp_path):
    """After every third event, so in each stage, between stages and between evaluations."""
    net, rows, events = left_alone
    ends = 0
    while True:
        try:
            ended_at(3, tmp_path, end)
            break
        except Ended:
            ends += 1
    assert ends > len(events) // 4
    again = Rows()
    gone_on = train_one_shot(SPACE, DATA, again, SETTINGS, tmp_path)
    assert again.told == rows.told
    assert again.prefix == rows.prefix
    assert same(gone_on, net)
    assert same(load_supernet(tmp_path / SUPERNET), net)


def _while_writing(number: int, before: bool) -> None:
    """Kills this process when it writes its file of that number, before the file has its name or after."""
    replaced, count = Path.replace, 0

    def replace_(path: Path, target: Any) -> Path:
        nonlocal count
        count += 1
        if count == number and before:
            kill()
        result = replaced(path, target)
        if count == number:
            kill()
        return result

    Path.replace = replace_  # type: ignore[method-assign, assignment]


def _killed(folder: Path, events: int, write: int, before: bool) -> None:
    torch.set_num_threads(1)
    if write:
        _while_writing(write, before)
    ended_at(events, folder, kill)


def test_killed_it_goes_on(left_alone, tmp_path):
    """By SIGKILL: in meta training, as a row is trained, among evaluations, before and after a file has its name."""
    net, rows, events = left_alone
    stages = [stage for stage, _ in events]
    first_row = stages.index("row 1 of 3") + 1
    evaluated = stages.index("row 1 of 3, networks evaluated") + 1
    assert 3 < first_row < evaluated
    # What is left to do is less from one to the next; events are counted from where it goes on.
    ends = [(3, 0, False), (0, 2, True), (first_row - 3, 0, False), (0, 2, False), (0, 3, True)]
    ends += [(2, 0, False)] * 8
    for events_, write, before in ends:
        process = get_context("fork").Process(target=_killed, args=(tmp_path, events_, write, before))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    again = Rows()
    assert same(train_one_shot(SPACE, DATA, again, SETTINGS, tmp_path), net)
    assert again.told == rows.told
    assert sorted(path.name for path in tmp_path.iterdir()) == [EVALUATIONS, SUPERNET], "and leaves nothing behind"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    train_one_shot(SPACE, DATA, Rows(), SETTINGS, folder)
    return folder


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    for name in (SUPERNET, EVALUATIONS):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    return tmp_path


def test_a_finished_training_is_read_and_nothing_is_trained(folder):
    rows, events = Rows(), []
    train_one_shot(SPACE, DATA, rows, SETTINGS, folder, report=lambda *event: events.append(event))
    assert rows.done
    assert not events


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": replace(SETTINGS, row_lr=0.5)}, r"row_lr: was 0\.02, is 0\.5$"),
        (
            {"settings": replace(SETTINGS, schedule=Schedule(epochs=3, batch_size=8))},
            r"batch_size: was 16, is 8; epochs: was 2, is 3$",
        ),
        ({"space": replace(SPACE, stem=(4,))}, r"space: was .*, is "),
        ({"data": replace(DATA, identity="others")}, "data: was bars, is others$"),
    ],
    ids=["settings", "schedule", "space", "data"],
)
def test_a_folder_of_another_training_is_refused(folder, change, told):
    asked = {"space": SPACE, "data": DATA, "rows": Rows(), "settings": SETTINGS, **change}
    with pytest.raises(FormatError, match=f"supernet.pt: begun with other settings: {told}"):
        train_one_shot(**asked, folder=folder)


@pytest.mark.parametrize("name", [SUPERNET, EVALUATIONS])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_files_that_are_cut_short_are_refused_by_name(folder, name, share):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(share * len(data))])
    with pytest.raises(FormatError, match=name):
        train_one_shot(SPACE, DATA, Rows(), SETTINGS, folder)


def test_files_that_do_not_belong_together_are_refused(folder):
    (folder / SUPERNET).unlink()
    with pytest.raises(FormatError, match=r"evaluations\.json: .*not of one training"):
        train_one_shot(SPACE, DATA, Rows(), SETTINGS, folder)


def test_evaluations_of_other_networks_are_refused(folder):
    document = json.loads((folder / EVALUATIONS).read_text())
    document["told"][0][0] = [9, 9, 9]
    (folder / EVALUATIONS).write_text(json.dumps(document))
    with pytest.raises(FormatError, match=r"evaluations\.json: .*\[9, 9, 9\].*not what is asked for now"):
        train_one_shot(SPACE, DATA, Rows(), SETTINGS, folder)


@pytest.mark.parametrize("change", [{"format": "another"}, {"weights": {}}, {"settings": {"space": "df"}}])
def test_a_file_that_is_no_supernet(folder, change):
    torch.save({**torch.load(folder / SUPERNET, weights_only=True), **change}, folder / SUPERNET)
    with pytest.raises(FormatError, match=r"supernet\.pt"):
        load_supernet(folder / SUPERNET)


def test_a_full_disk(tmp_path):
    """Files of this process may be of 10 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(FileError, match=r"supernet\.pt: cannot be written: File too large"):
            train_one_shot(SPACE, DATA, Rows(), SETTINGS, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert not list(tmp_path.iterdir())


def test_a_training_that_diverges_is_told_and_not_kept(tmp_path):
    wild = replace(SETTINGS, schedule=replace(SETTINGS.schedule, base_lr=1e30))
    with pytest.raises(TrainingError, match=r"network supernet, first path: .* at step \d+"):
        train_one_shot(SPACE, DATA, Rows(), wild, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [{"precision": "mixed"}, {"channels_last": True, "label_smoothing": 0.1}],
    ids=lambda change: "+".join(change),
)
def test_ways_of_training_learn(change):
    rows = Rows()
    train_one_shot(SPACE, DATA, rows, replace(LONGER, schedule=replace(LONGER.schedule, **change)))
    assert min(rows.told.values()) > 0.45


def test_rows_need_not_be_trained(tmp_path):
    for _ in range(2):
        rows = Rows()
        train_one_shot(SPACE, DATA, rows, replace(SETTINGS, row_epochs=0, first_epochs=0), tmp_path)
        assert rows.done


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"row_epochs": -1, "row_lr": 0, "suffixes": 0}, "row_epochs: found -1.*row_lr: found 0.*suffixes: found 0"),
        ({"table_images": 0, "statistics_images": 1}, "table_images: found 0.*statistics_images: found 1"),
        ({"first_epochs": float("inf")}, "first_epochs: found inf, expected 0 or more"),
        ({"schedule": Schedule(ema=0.9)}, "ema: found 0.9, expected 0"),
    ],
)
def test_settings_out_of_their_range_are_named_all_at_once(fields, told):
    with pytest.raises(CaffeError, match=told):
        OneShot(**fields)


def test_images_that_do_not_suit_are_refused():
    few = Dataset("few", ("0", "1"), bars(20, 0), bars(3, 1))
    with pytest.raises(ArchitectureError, match=r"3 classes, the images have 2; table_images: found 40, expected less"):
        train_one_shot(SPACE, few, Rows(), SETTINGS)


def test_statistics_come_from_whole_batches():
    odd = replace(SETTINGS, statistics_images=33)
    assert [len(batch) for batch in statistics_of(SPACE, DATA, odd).batches] == [16, 16]
