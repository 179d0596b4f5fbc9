"""Tiered Pruning in a folder: ended at any point it goes on to the same networks, others are refused by name."""

from __future__ import annotations

import math
import shutil
import signal
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from converters import load_weights, to_torch
from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError, FileError, FormatError, UnsupportedError
from prototxt_gen.generator.networks import generate
from search.latency import LatencyTable
from search.spaces.tiered import Pick
from search.study import loop, tiered
from search.study.loop import run_worker
from search.study.storage import join_study
from search.study.tiered import FoundNetwork, found_words, read_found, run_tiered
from search.training import beginning
from search.training.dataset import Dataset
from search.training.training import evaluate
from tests.search.latency.fake_engines import FakeEngine
from tests.search.study import quick
from tests.search.study.small_tiered_search import (
    GOALS,
    LATENCIES,
    TABLE,
    before_it_is_told,
    in_network,
    in_search,
    left_in,
    place,
    search_in,
    told,
)
from tests.search.training.bars import bars
from tests.search.training.small_tiered_training import DATA, RULES, SETTINGS, SPACE

forked = pytest.mark.skipif(sys.platform != "linux", reason="the processes are forked")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run for two goals that nothing ended."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    heard: list[FoundNetwork] = []
    search_in(folder, goals=GOALS, told=heard.append)
    assert [one.goal for one in heard] == list(GOALS)
    return folder


@pytest.fixture
def searched(finished, tmp_path) -> Path:
    """The folder before the first network is trained."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns("study.db", "networks", ".*"))
    return folder


def test_each_goal_has_a_network_in_the_space_at_its_latency(finished):
    for one in left_in(finished)["found"]:
        architecture = parse_architecture(one.architecture)
        assert architecture in SPACE and parse_architecture(one.searched) in SPACE
        assert one.predicted == TABLE.predict(architecture, SPACE.input_shape)
        assert one.goal * 0.995 <= one.predicted <= one.goal
        assert (one.measured, one.remark) == (None, "")
        # Layers and blocks are those that were searched; only inner widths are others.
        kinds = [
            [pick and pick.candidate for pick in SPACE.picks_of(parse_architecture(code))]
            for code in (one.architecture, one.searched)
        ]
        assert kinds[0] == kinds[1]


def test_what_lies_in_the_folder(finished):
    codes = [one.architecture for one in left_in(finished)["found"]]
    assert set(told(finished)) == set(codes) and len(set(codes)) == 2
    assert {path.parent.name for path in finished.glob("networks/*/weights.caffemodel")} == set(codes)
    assert {path.name for path in finished.glob("tiered/*")} == {"0.6ms", "0.4ms"}
    for folder in finished.glob("tiered/*"):
        assert {path.name for path in folder.iterdir()} == {"found.json", "history.jsonl", "stochastic.pt"}
    assert (place(finished)["stage"], place(finished)["share"]) == ("done", 1.0)
    log = (finished / "tiered.log").read_text()
    assert log.count("begins: ") == 1 and "0.6 ms, warm-up: " not in log.split("0.4 ms, ", 1)[1]
    for one in left_in(finished)["found"]:
        assert found_words(one) in log
    for share in (25, 50, 75, 100):
        assert log.count(f": {share} %") == 2


def test_a_network_begins_with_its_weights_in_the_supernet(finished):
    """They know the images already, and are trained on from there; anew it would begin elsewhere."""
    for one in left_in(finished)["found"]:
        net = generate(parse_architecture(one.architecture), input_shape=SPACE.input_shape)
        weights = load_weights(finished / "beginnings" / f"{one.architecture}.caffemodel", net)
        data = DATA.with_mean(tuple(place(finished)["settings"]["mean"]))
        assert evaluate(to_torch(net, weights), data.held_out) > 0.5, "one of three by chance"


def test_again_all_is_read_and_nothing_is_trained(finished, monkeypatch):
    before = left_in(finished)
    monkeypatch.setattr(tiered, "train_tiered", None)
    monkeypatch.setattr(beginning, "train", None)
    heard: list[FoundNetwork] = []
    search_in(finished, goals=GOALS, told=heard.append)
    assert left_in(finished) == before
    assert sorted(heard) == sorted(before["found"])


def test_weights_that_were_lost_are_handed_out_again(searched, finished, monkeypatch):
    """By the supernet that lies there, for the network that was found: nothing lands anew."""
    lost = next(searched.glob("beginnings/*"))
    lost.unlink()
    monkeypatch.setattr(tiered, "_landed", None)
    run_tiered(SPACE, DATA, searched, TABLE, GOALS, SETTINGS, RULES)
    assert lost.read_bytes() == (finished / "beginnings" / lost.name).read_bytes()


OTHER_SETTINGS = replace(SETTINGS, schedule=replace(SETTINGS.schedule, seed=3), weight=0.5)


@pytest.mark.parametrize("file", ["tiered.json", "tiered/0.6ms/found.json"], ids=["begun", "made"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": OTHER_SETTINGS}, r"seed: was 0, is 3; weight: was 1\.0, is 0\.5"),
        ({"rules": replace(RULES, momentum=0.25)}, r"rules: momentum: was 0\.5, is 0\.25"),
        ({"space": replace(SPACE, stem=(8,))}, f"space: was {SPACE}, is g8_"),
        ({"data": Dataset("others", ("0", "1", "2"), bars(172, 2), bars(50, 1))}, "data: was bars, is others"),
        ({"goals": (0.6, 0.5)}, r"goals: was \[0\.6, 0\.4\], is \[0\.6, 0\.5\]"),
        ({"tolerance": 0.1}, r"tolerance: was 0\.03, is 0\.1"),
        ({"knots": 5}, "knots: was None, is 5"),
    ],
    ids=["settings", "rules", "space", "data", "goals", "tolerance", "knots"],
)
def test_what_differs_from_the_beginning_is_told(finished, tmp_path, file, change, said):
    target = tmp_path / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes((finished / file).read_bytes())
    asked = {"space": SPACE, "data": DATA, "goals": GOALS, "settings": SETTINGS, "rules": RULES, **change}
    table = quick.table(asked["space"])
    with pytest.raises(FormatError, match=rf"{file}: (made|begun) with other settings: {said}"):
        run_tiered(out=tmp_path, table=table, **asked)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{}", "KeyError: 'format'"), ('{"format": "a table"}', "found format 'a table'|format 'a table', expected")],
)
def test_a_file_of_something_else_is_no_network(tmp_path, text, said):
    (tmp_path / "found.json").write_text(text)
    with pytest.raises(FormatError, match=said):
        read_found(tmp_path / "found.json")


@pytest.mark.parametrize(
    ("goals", "said"),
    [
        (
            (0.05, 0.5),
            r"no network of the space takes 0\.05 ms: the fastest takes 0\.125997 ms, g4_.*, the slowest 0\.",
        ),
        ((0.5, 3.0, 7.0), r"takes 3, 7 ms: .* the slowest 0\.956095 ms, g4_f"),
        ((math.nan,), "takes nan ms"),
        ((), r"goals \[\], tolerance 0\.03: expected goals in ms"),
        ((0.5, 0.50000001), "some are the same to six digits"),
    ],
)
def test_goals_that_cannot_be_are_told_before_anything_is_trained(tmp_path, goals, said):
    with pytest.raises(ArchitectureError, match=said):
        search_in(tmp_path, goals=goals)
    assert not (tmp_path / "tiered.json").exists() and not (tmp_path / "tiered").exists()


def test_a_device_that_is_not_there_is_told_first(tmp_path):
    for run in (
        lambda: search_in(tmp_path, device="cuda:77"),
        lambda: run_tiered(SPACE, DATA, tmp_path, TABLE, GOALS, device="cuda:77"),
    ):
        with pytest.raises(UnsupportedError, match="device 'cuda:77': PyTorch cannot train there"):
            run()


class Device(FakeEngine):
    """An engine that takes so many times what the table says of a network; `seen` are the networks it ran."""

    def __init__(self, factor: float) -> None:
        super().__init__(self._ms, TABLE.target)
        self.factor, self.seen = factor, []

    def _ms(self, net) -> float:
        if net.name not in self.seen:
            self.seen.append(net.name)
        return self.factor * TABLE.predict(parse_architecture(net.name), SPACE.input_shape)


#: A network of four layers, in the middle of its widths.
PICKS = [Pick(0, layer.widths[len(layer.widths) // 2]) for layer in SPACE.layers]


def landed(goal: float, engine, tolerance: float = 0.03) -> FoundNetwork:
    found = tiered._landed(SPACE, TABLE, LATENCIES, PICKS, goal, tolerance, engine)
    assert isinstance(found, FoundNetwork)
    return found


@pytest.mark.parametrize("factor", [1.2, 0.8, 1.0])
def test_a_device_that_is_off_the_table_is_met_within_three_percent(factor):
    device = Device(factor)
    found = landed(0.36, device)
    assert found.measured == pytest.approx(factor * found.predicted)
    assert abs(found.measured / 0.36 - 1) <= 0.03 and found.remark == ""
    assert len(device.seen) == (1 if factor == 1 else 2), "the ratio is known after one measurement"
    assert device.seen[-1] == found.architecture


@pytest.mark.parametrize("factor", [1.2, 1.0])
@pytest.mark.parametrize(("goal", "end"), [(0.9, max), (0.14, min)])
def test_a_goal_that_no_widths_meet_has_the_nearest_network_and_a_remark(goal, end, factor):
    """These layers take 0.147 to 0.505 ms by the table; the search ended with others than the goal needs."""
    found = landed(goal, Device(factor))
    widest = [end(layer.widths) for layer in SPACE.layers]
    assert [pick.inner for pick in SPACE.picks_of(parse_architecture(found.architecture))] == widest
    assert found.remark.startswith(f"it misses the goal by {abs(found.measured / goal - 1):.1%}: {found.searched}: ")
    assert "found no inner widths of its layers that take" in found.remark
    assert found.remark in found_words(found)


def test_a_table_that_says_too_much_of_a_goal_does_not_keep_the_device_from_it():
    """By the table the goal is out of reach; the device is slower, and there it is not."""
    found = landed(0.55, Device(1.2))
    assert found.remark == "" and abs(found.measured / 0.55 - 1) <= 0.03


def test_without_an_engine_the_table_decides():
    found = landed(0.36, None)
    assert (found.measured, found.remark) == (None, "") and 0.995 * 0.36 <= found.predicted <= 0.36
    assert "measured" not in found_words(found)


def test_the_engine_of_the_table_measures_in_the_search(searched):
    """The search is done; what was found of it is lost."""
    for path in searched.glob("tiered/*/found.json"):
        path.unlink()
    found = run_tiered(SPACE, DATA, searched, TABLE, GOALS, SETTINGS, RULES, engine=Device(1.2))
    assert [one.goal for one in found] == list(GOALS)
    for one in found:
        assert abs(one.measured / one.goal - 1) <= 0.03 and one.remark == ""
        assert one == read_found(tiered.goal_folder(searched, one.goal) / "found.json")


@pytest.mark.slow
def test_from_nothing_to_networks_on_an_engine(tmp_path, monkeypatch):
    """Blocks at some widths are measured, others interpolated; more measured widths than at first are refused."""
    monkeypatch.setattr(loop, "SPREAD", 10.0)

    def middle(table):
        assert any("interpolated between" in remark for remark in table.remarks())
        overview = tiered.Overview(SPACE, table)
        return [(overview.fastest.ms + overview.slowest.ms) / 2]

    options = {"table": None, "engine": "torch", "goals": middle, "scratch": True}
    search_in(tmp_path, knots=3, **options)
    (found,) = left_in(tmp_path)["found"]
    assert found.measured is not None and found.measured > 0
    assert place(tmp_path)["settings"]["knots"] == 3
    table = (tmp_path / "latency.json").read_bytes()
    correction = LatencyTable.load(tmp_path / "latency.json").correction
    assert correction is not None
    with pytest.raises(FormatError, match=r"tiered\.json: begun with other settings: knots: was 3, is 5; choose"):
        search_in(tmp_path, knots=5, **options)
    assert (tmp_path / "latency.json").read_bytes() == table
    search_in(tmp_path, knots=3, **options)
    assert (tmp_path / "latency.json").read_bytes() == table


def test_from_scratch_no_weights_are_taken_on(searched, finished):
    """The training is that of any network; the study knows nothing of the weights that lie there."""
    search = search_in(searched, goals=GOALS, scratch=True)
    study = join_study(searched / "study.db")
    assert "begun" not in study.settings and study.settings["networks"] == [
        one.architecture for one in sorted(left_in(finished)["found"], key=lambda one: -one.goal)
    ]
    study.close()
    assert len(search.trained()) == 2 and told(searched) != told(finished)
    with pytest.raises(FormatError, match=r"begun: was None, is \{"):
        search_in(searched, goals=GOALS)


def dies(folder: Path, arm) -> int:
    """Runs the search in a process of its own, which something kills; its exit status."""

    def work() -> None:
        arm()
        search_in(folder, goals=GOALS)

    process = get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


@forked
def test_killed_in_every_phase_it_ends_as_one_left_alone(finished, tmp_path):
    """By SIGKILL, one after another in the same folder."""
    for phase in (in_search(1, 0.7), before_it_is_told(1), in_search(2, 0.5), in_network(2)):
        assert dies(tmp_path, phase) == -signal.SIGKILL
    search_in(tmp_path, goals=GOALS)
    assert left_in(tmp_path) == left_in(finished)
    assert (tmp_path / "tiered.log").read_text().count("goes on after") == 4
    assert not list(tmp_path.rglob("*.part")) and not (tmp_path / "tiered" / "warm-up.pt").exists()


def test_a_worker_needs_the_weights_that_the_networks_begin_with(finished, searched, tmp_path):
    """It is told which files, and trains into a folder of its own."""
    storage, other = searched / "study.db", tmp_path / "other"
    search_in(searched, goals=GOALS, trials=1)
    study = join_study(storage)
    study.asked = {"trials": 2}
    study.close()
    first, second = sorted(path.name for path in searched.glob("beginnings/*"))
    with pytest.raises(FileError) as missing:
        run_worker(storage, DATA, other)
    for name in (first, second):
        assert f"{other}/beginnings/{name}" in str(missing.value)
    assert "they are in the folder that the search began in" in str(missing.value)
    shutil.copytree(searched / "beginnings", other / "beginnings")
    run_worker(storage, DATA, other, keep="all")
    assert told(searched) == told(finished)
    assert len(list(other.glob("networks/*/weights.caffemodel"))) == 1
    (other / "beginnings" / first).write_bytes((searched / "beginnings" / second).read_bytes())
    with pytest.raises(FormatError, match=r"begun with other settings: begun: was \{.*\}, is \{"):
        run_worker(storage, DATA, other)


@pytest.mark.slow
def test_machines_that_share_a_server_and_no_disk(postgres, finished, searched, tmp_path):
    storage = postgres.anew()
    search_in(searched, goals=GOALS, storage=storage, trials=1)
    study = join_study(storage)
    assert set(study.settings["begun"]) == {path.stem for path in searched.glob("beginnings/*")}
    study.asked = {"trials": 2}
    study.close()
    folder = tmp_path / "worker"
    with pytest.raises(FileError, match=r"beginnings/g4_.*\.caffemodel.*: not there"):
        run_worker(storage, DATA, folder)
    shutil.copytree(searched / "beginnings", folder / "beginnings")
    found = run_worker(storage, DATA, folder, keep="all")
    assert {str(one.architecture): one.accuracy for one in found.trained()} == told(finished)
    assert len(list(folder.glob("networks/*/weights.caffemodel"))) == 1
