"""A search by Tiered Pruning: it ends with one network, and goes on from any point as if nothing had happened.

`every=0` writes a file after each step; otherwise, in a training of seconds, only what removes something does.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from converters.pytorch.module import to_torch
from prototxt_gen.errors import ArchitectureError, CaffeError, FileError, FormatError, TrainingError
from prototxt_gen.generator.networks import generate
from search.training.averaging import take_statistics
from search.training.dataset import Dataset
from search.training.schedule import Schedule
from search.training.tiered import (
    HISTORY,
    STOCHASTIC,
    Tiered,
    split,
)
from search.training.tiered_history import read_history
from search.training.training import evaluate
from tests.search.training.bars import bars
from tests.search.training.small_tiered_training import (
    DATA,
    GOAL,
    RULES,
    SETTINGS,
    SPACE,
    TIMES,
    as_new,
    left_by,
    picks_of,
    searched,
)

WHOLE = ["warm-up"] * 4 + ["search"] * 16


class Ended(Exception):  # noqa: N818 (nothing went wrong)
    pass


@pytest.fixture(scope="module")
def folder_alone(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("alone")


@pytest.fixture(scope="module")
def alone(folder_alone) -> Any:
    """A search that nothing ended: the supernet, the structure, all that it comes to, what it reported."""
    told: list[tuple[str, float]] = []
    net, structure = searched(folder_alone, report=lambda *event: told.append(event))
    return net, structure, left_by(net, structure, folder_alone), told


@pytest.fixture
def folder(alone, folder_alone, tmp_path) -> Path:
    """A copy of what it left."""
    for name in (STOCHASTIC, HISTORY):
        (tmp_path / name).write_bytes((folder_alone / name).read_bytes())
    return tmp_path


def test_it_ends_with_one_network(alone):
    net, structure, left, _ = alone
    picks = picks_of(structure)
    assert structure.done
    assert [len(layer.prunodes) for layer in structure.layers] == [0 if pick is None else 1 for pick in picks]
    assert net.expected_latency(TIMES).item() == left["history"][-1]["latency"] == TIMES.predict(picks)
    assert abs(TIMES.predict(picks) / GOAL - 1) < 0.3, "after 8 decisions"
    for share in net.shares():
        assert set(share.flatten().tolist()) <= {0.0, 1.0}


def test_the_network_computes_what_the_supernet_does(alone):
    net, structure, _, _ = alone
    picks = picks_of(structure)
    parts = split(DATA.with_mean((104.0, 117.0, 123.0)), SETTINGS)
    take_statistics(net.path(picks), [parts.statistics.images(range(32), None)])
    network = to_torch(generate(SPACE.of_picks(picks), input_shape=SPACE.input_shape), net.weights_of(picks))
    images = DATA.held_out.images(range(50), None)
    with torch.inference_mode():
        assert torch.allclose(network.eval()(images), net(images, net.shares_of(picks)), rtol=0, atol=1e-5)
    assert evaluate(network, DATA.with_mean((104.0, 117.0, 123.0)).held_out) > 0.5  # by chance it is a third


def test_shares_of_the_whole_are_reported_in_order(alone):
    told = alone[3]
    assert [words for words, _ in told] == WHOLE
    assert [share for _, share in told] == [step / len(WHOLE) for step in range(1, len(WHOLE) + 1)]


def test_the_history_has_a_line_for_each_decision(alone, folder_alone):
    net, structure, _, _ = alone
    head, lines = read_history(folder_alone / HISTORY)
    assert (head["space"], head["goal"]) == (str(SPACE), GOAL)
    assert head["layers"] == [
        {"candidates": [str(one) for one in layer.candidates], "optional": layer.optional} for layer in SPACE.layers
    ]
    assert [line["step"] for line in lines] == [*range(6, 21, 2)]
    assert [line["progress"] for line in lines] == [done / 16 for done in range(2, 17, 2)]
    assert [line["temperature"] for line in lines] == [SETTINGS.temperature(line["progress"]) for line in lines]
    assert all(line["loss"] > 0 and line["step_ms"] > 0 for line in lines)
    assert all(before["seconds"] <= after["seconds"] for before, after in pairwise(lines))
    assert (lines[-1]["parameters"], lines[-1]["multiply_adds"]) == net.size()
    # Multiply-adds need not: a block may become wider before it is frozen.
    parameters = [line["parameters"] for line in lines]
    assert parameters == sorted(parameters, reverse=True)
    assert lines[-1]["saved_bytes"] < lines[0]["saved_bytes"]
    events = [event for line in lines for event in line["events"]]
    assert {"moved", "frozen", "block removed"} <= {kind for kind, *_ in events}
    for layer, left in zip(structure.layers, lines[-1]["layers"], strict=True):
        assert left["gone"] == layer.gone
        assert left["bypass"] is None
        assert [one["small"] for one in left["candidates"].values()] == [
            one.small_width for one in layer.prunodes.values()
        ]


def ended_after(events: int, how: Callable[[], None]) -> Callable[[str, float], None]:
    """A report that does something at that event."""
    left = iter(range(events - 1, -1, -1))

    def report(stage: str, share: float) -> None:
        if next(left) == 0:
            how()

    return report


def end() -> None:
    raise Ended


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ended_again_and_again(folder: Path, events: int, **more: Any) -> tuple[Any, int]:
    """What a search comes to that is ended after every so many events, and how often it was."""
    ends = 0
    while True:
        try:
            return searched(folder, report=ended_after(events, end), **more), ends
        except Ended:
            ends += 1


def test_ended_again_and_again_it_comes_out_as_one_left_alone(alone, tmp_path):
    """After every third step, so in the warm-up, between decisions, and just behind some of them."""
    (net, structure), ends = ended_again_and_again(tmp_path, 3, every=0)
    assert ends == len(WHOLE) // 3
    assert left_by(net, structure, tmp_path) == alone[2]


@pytest.mark.slow
def test_ended_after_each_single_step(alone, tmp_path):
    (net, structure), ends = ended_again_and_again(tmp_path, 1, every=0)
    assert ends == len(WHOLE)
    assert left_by(net, structure, tmp_path) == alone[2]


def test_ended_just_behind_a_removal_it_goes_on_there(alone, tmp_path):
    """Nothing else writes a file; steps that no file has are done again, and so are their lines of the history."""
    lines = alone[2]["history"][1:]
    removals = [
        line["step"] for line in lines if {kind for kind, *_ in line["events"]} - {"moved", "narrowed"} and line["step"]
    ]
    assert len(removals) > 3
    at = 0
    for first, second in pairwise(removals):
        with pytest.raises(Ended):  # at the removal itself, the next time one step behind it
            searched(tmp_path, report=ended_after(first - at, end))
        with pytest.raises(Ended):
            searched(tmp_path, report=ended_after(1, end))
        assert torch.load(tmp_path / STOCHASTIC, weights_only=True)["step"] == first
        at = first
        if second == removals[3]:
            break
    net, structure = searched(tmp_path)
    assert left_by(net, structure, tmp_path) == alone[2]


def _killed(folder: Path, events: int, write: int, before: bool) -> None:
    """Searches until it is killed: at an event, or at its write of that number, before the file has its name or not."""
    torch.set_num_threads(1)
    replaced, count = Path.replace, 0

    def replace_(path: Path, target: Any) -> Path:
        nonlocal count
        count += 1
        if count == write and before:
            kill()
        result = replaced(path, target)
        if count == write:
            kill()
        return result

    Path.replace = replace_  # type: ignore[method-assign, assignment]
    searched(folder, report=ended_after(events, kill), every=0)


@pytest.mark.slow
def test_killed_it_goes_on(alone, tmp_path):
    """By SIGKILL: in the warm-up, in the search, before and after a file has its name, with a line half written."""
    ends = [(3, 0, False), (99, 1, True), (99, 3, True), (4, 0, False), (99, 3, False), (2, 0, False), (99, 4, True)]
    for events, write, before in ends:
        process = get_context("fork").Process(target=_killed, args=(tmp_path, events, write, before))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        with (tmp_path / HISTORY).open("ab") as file:
            file.write(b'{"step": 9')
    net, structure = searched(tmp_path)
    assert left_by(net, structure, tmp_path) == alone[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == [HISTORY, STOCHASTIC], "and leaves nothing behind"


def test_a_finished_search_is_read_and_nothing_is_trained(alone, folder):
    told: list[Any] = []
    net, structure = searched(folder, report=lambda *event: told.append(event))
    assert not told
    assert structure.done
    assert left_by(net, structure, folder) == alone[2]


def test_searches_for_several_goals_share_a_warm_up(alone, tmp_path):
    warm = tmp_path / "warm-up.pt"
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for made in folders:
        made.mkdir()
    # The first one is ended behind the warm-up, before anything is in its own folder but the first line.
    with pytest.raises(Ended):
        searched(folders[0], 0.15, warm=warm, report=ended_after(5, end))
    told: list[Any] = []
    net, structure = searched(folders[1], warm=warm, report=lambda *event: told.append(event))
    assert [words for words, _ in told] == WHOLE[4:]
    assert left_by(net, structure, folders[1]) == alone[2]
    written = warm.read_bytes()
    assert ended_again_and_again(folders[0], 15, goal=0.15, warm=warm)[1] == 1
    assert warm.read_bytes() == written
    with pytest.raises(FormatError, match=r"warm-up\.pt: begun with other settings: hard: was False, is True$"):
        searched(folders[2], settings=replace(SETTINGS, hard=True), warm=warm)
    warm.write_bytes(written[:1000])
    with pytest.raises(FormatError, match=r"warm-up\.pt: "):
        searched(folders[2], warm=warm)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"settings": replace(SETTINGS, weight=2.0, hard=True)},
            r"hard: was False, is True; weight: was 1\.0, is 2\.0",
        ),
        ({"settings": replace(SETTINGS, schedule=replace(SETTINGS.schedule, base_lr=0.2))}, r"base_lr: was 0\.1, is 0"),
        ({"space": replace(SPACE, granularity=8)}, "space: was g4_.*, is g4_.*"),
        ({"data": replace(DATA, identity="others")}, "data: was bars, is others"),
        ({"goal": 0.19}, r"goal: was 0\.2, is 0\.19"),
        ({"times": replace(TIMES, base=TIMES.base + 1)}, "times: was [0-9a-f]{16}, is [0-9a-f]{16}"),
        ({"structure": as_new(replace(RULES, lead=0.2))}, r"rules: lead: was 0\.\d+, is 0\.2"),
    ],
    ids=["settings", "schedule", "space", "data", "goal", "times", "rules"],
)
def test_a_folder_of_another_search_is_refused(folder, change, told):
    if "space" in change:  # with its own layers and latencies
        layers = tuple(
            one._replace(
                blocks={
                    maker: tuple(taken[: len(layer.widths)] for taken in blocks) for maker, blocks in one.blocks.items()
                },
                widths=layer.widths,
            )
            for one, layer in zip(TIMES.layers, change["space"].layers, strict=True)
        )
        change = {**change, "times": replace(TIMES, layers=layers), "structure": as_new(space=change["space"])}
        told += "; times: was .*"
    with pytest.raises(FormatError, match=rf"stochastic\.pt: begun with other settings: .*{told}"):
        searched(folder, **change)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_supernet_that_is_cut_short_is_refused_by_name(folder, share):
    data = (folder / STOCHASTIC).read_bytes()
    (folder / STOCHASTIC).write_bytes(data[: int(share * len(data))])
    with pytest.raises(FormatError, match=r"stochastic\.pt: "):
        searched(folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "another"}, "found format 'another'"),
        ({"step": 900}, "step 900 of 20"),
        ({"structure": {}}, "found a state that is not one of these layers"),
        ({"weights": {}}, "weights are not those of a supernet of g4_"),
        ({"logits": {}}, r"logits: found \{\}"),
        ({"optimizer": {}}, "not what a training wrote"),
        ({"architecture": None}, "not what a training wrote"),
        ({"history": {"seconds": "long"}}, "not what a training wrote"),
    ],
)
def test_a_supernet_of_something_else_is_refused_by_name(folder, change, told):
    torch.save({**torch.load(folder / STOCHASTIC, weights_only=True), **change}, folder / STOCHASTIC)
    with pytest.raises(FormatError, match=rf"stochastic\.pt: .*{told}"):
        searched(folder)


def _without(number: int) -> Callable[[list[str]], list[str]]:
    return lambda lines: lines[:number] + lines[number + 1 :]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda lines: [], "found no 'dongfeng tiered history 1'"),
        (lambda lines: lines[:-1], "found 7 decisions up to step 20, expected 8: .*not of the training beside it"),
        (_without(5), "found 7 decisions up to step 20, expected 8"),
        (lambda lines: [*lines[:4], "{ no JSON\n", *lines[5:]], "line 5: not JSON"),
        (lambda lines: [*lines[:4], "[]\n", *lines[5:]], r"line 5: found '\[\]', expected a decision"),
        (lambda lines: ['{"format": "another"}\n', *lines[1:]], "found no 'dongfeng tiered history 1'"),
        (
            lambda lines: [json.dumps({**json.loads(lines[0]), "goal": 7}) + "\n", *lines[1:]],
            "of another search: found g4_.* at 7 ms, expected g4_.* at 0.2 ms",
        ),
        (None, "found 0 decisions up to step 20, expected 8"),
    ],
    ids=["empty", "short", "gap", "no JSON", "no decision", "another file", "another goal", "missing"],
)
def test_a_history_that_does_not_belong_to_the_supernet_is_refused(folder, damage, told):
    path = folder / HISTORY
    if damage is None:
        path.unlink()
    else:
        path.write_text("".join(damage(path.read_text().splitlines(keepends=True))))
    with pytest.raises(FormatError, match=rf"history\.jsonl: {told}"):
        searched(folder)


def test_a_last_line_half_written_is_left_out(alone, folder):
    path = folder / HISTORY
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:50])
    assert left_by(*searched(folder), folder) == alone[2]
    assert path.read_bytes() == whole


def test_a_full_disk(tmp_path):
    """Files of this process may be of 10 kB: the history has room, the supernet has not."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(FileError, match=r"stochastic\.pt: cannot be written: File too large"):
            searched(tmp_path, every=0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, limits[1]))
        with pytest.raises(FileError, match=r"history\.jsonl: cannot be written: File too large"):
            searched(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert [path.name for path in tmp_path.iterdir()] == [HISTORY]


@pytest.mark.parametrize("warm_up", [0.0, 0.5])
def test_a_search_that_diverges_is_told_and_not_kept(tmp_path, warm_up):
    wild = replace(SETTINGS, schedule=replace(SETTINGS.schedule, base_lr=1e30), warm_up=warm_up)
    with pytest.raises(TrainingError, match=r"network stochastic supernet: .* at step \d+: the training diverged"):
        searched(tmp_path, settings=wild, every=0)
    state = tmp_path / STOCHASTIC
    assert not state.exists() or torch.load(state, weights_only=True)["step"] < 3


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": replace(SETTINGS.schedule, epochs=1, precision="mixed")},
        {"schedule": replace(SETTINGS.schedule, epochs=1, channels_last=True, label_smoothing=0.1), "hard": True},
        {"joined": "product", "exponent": 0.1, "warm_up": 0.0},
    ],
    ids=["mixed", "channels last, hard", "product, without warm-up"],
)
def test_ways_of_searching_end_with_a_network_and_go_on_anywhere(change, tmp_path):
    short = replace(SETTINGS, schedule=replace(SETTINGS.schedule, epochs=1), warm_up=0.25)
    settings = replace(short, **change)
    folders = [tmp_path / name for name in ("alone", "ended")]
    for made in folders:
        made.mkdir()
    net, structure = searched(folders[0], settings=settings)
    assert structure.done
    gone_on, ends = ended_again_and_again(folders[1], 5, every=0, settings=settings)
    assert ends > 0
    assert left_by(*gone_on, folders[1]) == left_by(net, structure, folders[0])


@pytest.mark.slow
@pytest.mark.parametrize("goal", [0.11, 0.14, 0.28])
def test_goals_are_met(goal):
    _, structure = searched(goal=goal)
    assert abs(TIMES.predict(picks_of(structure)) / goal - 1) < 0.3


@pytest.mark.parametrize(
    ("joined", "exponent", "expected"),
    [
        ("goal", 1.0, lambda loss, share: loss + 3 * abs(math.log(share))),
        ("goal", 2.0, lambda loss, share: loss + 3 * math.log(share) ** 2),
        ("sum", 0.6, lambda loss, share: loss + 3 * share**0.6),
        ("product", 0.07, lambda loss, share: loss * share**0.07),
    ],
)
@pytest.mark.parametrize("share", [0.2, 1.0, 1.1, 50.0])
def test_losses_by_their_formulas(joined, exponent, expected, share):
    settings = Tiered(joined=joined, exponent=exponent, weight=3.0)
    latency = torch.tensor(share, dtype=torch.float64, requires_grad=True)
    loss = settings.loss(torch.tensor(0.7, dtype=torch.float64), latency)
    assert loss.item() == pytest.approx(expected(0.7, share))
    loss.backward()
    slope = (expected(0.7, share + 1e-6) - expected(0.7, share - 1e-6)) / 2e-6
    if share != 1:
        assert float(latency.grad) == pytest.approx(slope, rel=1e-4)
    assert math.isfinite(latency.grad)


def test_temperatures_fall_evenly_by_their_logarithms():
    settings = Tiered(temperatures=(8.0, 0.5))
    assert [settings.temperature(progress) for progress in (0.0, 0.25, 0.5, 0.75, 1.0)] == [8, 4, 2, 1, 0.5]


def test_images_are_parted():
    parts = split(DATA, SETTINGS)
    assert [len(part) for part in parts] == [129, 43, 32]
    everything = DATA.train.images(range(172), None)

    def found(part: Any) -> set[int]:
        rows = {image.numpy().tobytes(): index for index, image in enumerate(everything)}
        return {rows[image.numpy().tobytes()] for image in part.images(range(len(part)), None)}

    weights, architecture, statistics = map(found, parts)
    assert weights | architecture == set(range(172))
    assert not weights & architecture
    assert statistics < weights


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"warm_up": -1, "architecture_images": 1, "architecture_rate": 0},
            "warm_up: found -1, .*architecture_images: found 1, .*architecture_rate: found 0, expected more than 0",
        ),
        (
            {"temperatures": (1, 2), "weight": math.inf, "statistics_images": 1},
            r"temperatures: found \(1, 2\), .*weight: found inf, .*statistics_images: found 1, expected at least 2",
        ),
        ({"temperatures": (1, 1, 1)}, r"temperatures: found \(1, 1, 1\), expected two above 0"),
        ({"joined": "difference"}, "joined: found difference, expected one of goal, sum, product"),
        ({"exponent": 0.5}, "exponent: found 0.5, expected at least 1"),
        ({"joined": "sum", "exponent": 0}, "exponent: found 0, expected more than 0"),
        ({"weight": math.nan}, "weight: found nan"),
        ({"schedule": Schedule(ema=0.9)}, "schedule: ema: found 0.9, expected 0"),
    ],
)
def test_settings_out_of_their_range_are_named_all_at_once(fields, told):
    with pytest.raises(CaffeError, match=f"^tiered training: {told}"):
        Tiered(**fields)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"data": Dataset("few", ("0", "1"), bars(24, 0), bars(3, 1))},
            "3 classes, the images have 2; images to train on: 18 for weights and 6 for the architecture, "
            "expected a batch of 16 of each",
        ),
        ({"goal": 0.09}, "goal: found 0.09 ms, expected 0.095 to 0.3705, the fastest network to the slowest"),
        ({"goal": 0.4}, "goal: found 0.4 ms, expected 0.095 to 0.3705"),
        ({"goal": math.nan}, "goal: found nan ms"),
    ],
    ids=["images", "fast", "slow", "nan"],
)
def test_what_does_not_suit_is_refused(change, told):
    with pytest.raises(ArchitectureError, match=f"^tiered training: .*{told}"):
        searched(**change)


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Ended):
        searched(every=0, report=ended_after(6, end))
    assert not list(tmp_path.iterdir())
