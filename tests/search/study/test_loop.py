"""Searches that are killed, gone on with, and begun in folders that are no good."""

import multiprocessing
import signal
from types import SimpleNamespace

import pytest

from prototxt_gen import generate, summarize
from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError, FileError, FormatError, UnsupportedError
from search.latency import Entry, LatencyTable, space_parts
from search.report.boundary import boundary_table, write_report
from search.spaces import BackboneSpace, parse_space
from tests.search.study.small_search import die_at

SPACE = BackboneSpace(((1, 1),), (4, 8), stem=(4, 4), classes=3, input_shape=(1, 3, 16, 16))


def test_a_search_killed_again_and_again_ends_as_one_left_alone(small, tmp_path, undisturbed):
    folder = tmp_path / "run"
    # Processes of one that has imported all and has done nothing yet: torch alone takes seconds.
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload(["tests.search.study.ready"])
    # Which training dies counts from the start of its process.
    for place, training in (("training", 2), ("saved", 3), ("claimed", 1), ("none", 0)):
        process = fresh.Process(target=die_at, args=(folder, place, training))
        process.start()
        process.join()
        assert process.exitcode == (0 if place == "none" else -signal.SIGKILL)
    assert small.trials_of(folder, small.COMPLETE) == small.trials_of(undisturbed, small.COMPLETE)
    assert small.trials_of(folder, small.RUNNING) == []
    assert len(small.trials_of(folder, small.FAILED)) == 3
    codes = [code for code, _ in small.trials_of(folder, small.COMPLETE)]
    assert len(set(codes)) == small.TRIALS
    # One died in training, one when it was trained but not entered: they were trained again, no other was.
    trained = (tmp_path / "trained.txt").read_text().split()
    assert sorted(trained) == sorted([*codes, codes[1], codes[3]])
    for path in (undisturbed / "networks").rglob("*.caffemodel"):
        assert path.read_bytes() == (folder / path.relative_to(undisturbed)).read_bytes()
    assert sorted(path.name for path in (folder / "networks").iterdir()) == sorted(
        path.name for path in (undisturbed / "networks").iterdir()
    )


def test_more_trials_go_on_from_the_same_study(small, tmp_path, undisturbed):
    folder = tmp_path / "run"
    small.search_in(folder, trials=3)
    assert len(small.trials_of(folder, small.COMPLETE)) == 3
    small.search_in(folder)
    assert small.trials_of(folder, small.COMPLETE) == small.trials_of(undisturbed, small.COMPLETE)


def test_it_ends_when_nothing_is_left_to_train(small, tmp_path):
    space = BackboneSpace(((1, 1),), (4, 8), stem=(4, 4), classes=3, input_shape=(1, 3, 16, 16))
    counts = small.search_in(tmp_path, space=space, trials=100).counts()
    assert counts["trained"] + counts["pruned"] == counts["space"] == 2


def test_a_space_of_ponas_is_searched_and_gone_on_with(small, tmp_path):
    space = parse_space("m4_i4e1_i1.8e1-2q0-1_i8e2k3-5_c3_i3x16x16")
    small.search_in(tmp_path, space=space, trials=3)
    first = small.trials_of(tmp_path, small.COMPLETE)
    # The study knows its space by the code alone.
    small.search_in(tmp_path, space=parse_space(str(space)), trials=5)
    found = small.trials_of(tmp_path, small.COMPLETE)
    assert found[:3] == first and len({code for code, _ in found}) == 5
    assert all(parse_architecture(code) in space for code, _ in found)


def test_limits_are_met_by_all_that_is_trained(small, tmp_path):
    search = small.search_in(tmp_path, trials=100, limits={"parameters": 5000, "multiply-adds": (8000, 90_000)})
    whole = [summarize(generate(a, input_shape=small.SPACE.input_shape)) for a in small.SPACE]
    within = [costs for costs in whole if costs.parameters <= 5000 and 8000 <= costs.multiply_adds <= 90_000]
    counts = search.counts()
    assert counts["trained"] + counts["pruned"] == counts["in_interval"] == len(within) < len(whole)
    for trained in search.trained():
        costs = summarize(generate(trained.architecture, input_shape=small.SPACE.input_shape))
        assert costs.parameters <= 5000 and 8000 <= costs.multiply_adds <= 90_000


def test_limits_that_nothing_meets_are_told_before_any_work(small, tmp_path):
    with pytest.raises(ArchitectureError, match=r"limits: memory: found at most 1,000 bytes, but the least of the"):
        small.search_in(tmp_path / "run", limits={"memory": 1000})
    assert not (tmp_path / "run").exists()


def test_folders_that_are_no_good(small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file"):
        small.search_in(tmp_path / "file")
    with pytest.raises(FileError, match="file"):
        small.search_in(tmp_path / "file" / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "study.db").write_bytes(b"no database at all, but long enough to look at" * 100)
    with pytest.raises(FileError, match=r"study\.db: the study cannot be read or written: .*not a database"):
        small.search_in(tmp_path / "run")


def test_a_folder_of_any_name(small, tmp_path):
    folder = tmp_path / "a b%20?#ü"
    small.search_in(folder, trials=1)
    assert {"study.db", "latency.json", "networks"} <= {path.name for path in folder.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_images_of_other_classes_are_refused(small, tmp_path):
    space = BackboneSpace(small.SPACE.depths, small.SPACE.widths, stem=(4, 4), classes=10, input_shape=(1, 3, 16, 16))
    with pytest.raises(ArchitectureError, match="10 classes, the images have 3"):
        small.search_in(tmp_path / "run", space=space)
    assert not (tmp_path / "run").exists()


def test_latency_is_measured_by_pytorch_unless_told_otherwise(small, tmp_path):
    search = small.search_in(tmp_path, engine=None, trials=1)
    assert search.table.target["engine"] == "torch"


def made_up_table(factor: float = 1.0) -> LatencyTable:
    """A table of a device that is not here: more multiply-adds, more milliseconds."""
    entries = {
        key: Entry((1 + summarize(part.net).multiply_adds) / 1e5 * factor, (0.0, 0.0), 1, part.label)
        for key, part in space_parts(SPACE).items()
    }
    return LatencyTable({"engine": "trtexec", "device": "Orin"}, entries, call_ms=1e-6)


def test_with_a_table_nothing_is_measured(small, tmp_path):
    def load(net):
        raise AssertionError("a network was measured")

    table = made_up_table()
    engine = SimpleNamespace(target={"engine": "none"}, load=load)
    search = small.search_in(tmp_path / "run", space=SPACE, table=table, engine=engine, trials=1)
    kept = LatencyTable.load(tmp_path / "run" / "latency.json")
    assert (kept.target, kept.entries, kept.call_ms) == (table.target, table.entries, table.call_ms)
    ((architecture, latency, *_),) = search.trained()
    assert latency == table.predict(architecture, SPACE.input_shape)
    found = write_report(search, tmp_path / "run", None, small.made_up_data(), small.SCHEDULE)
    assert [network.latency_ms for network in found] == [{"predicted": round(latency, 6)}]
    assert "ms predicted" in boundary_table(found) and "measured" not in boundary_table(found)
    # The study's folder has the table: the same command without it goes on with it, one with another does not.
    small.search_in(tmp_path / "run", space=SPACE, engine=engine, trials=1)
    with pytest.raises(FormatError, match="begun with other settings: latency table: was"):
        small.search_in(tmp_path / "run", space=SPACE, table=made_up_table(2), engine=engine, trials=1)
    assert LatencyTable.load(tmp_path / "run" / "latency.json").entries == table.entries


def test_a_limit_of_energy_goes_by_the_table(small, tmp_path):
    table = made_up_table()
    with pytest.raises(UnsupportedError, match="energy: the latency table has none"):
        small.search_in(tmp_path / "run", space=SPACE, limits={"energy": 1.0}, trials=1)
    assert not (tmp_path / "run").exists()
    table.state_energy({key: entry.ms * 7 for key, entry in table.entries.items()})
    energies = sorted(table.predict_energy(one, SPACE.input_shape) for one in SPACE)
    most = energies[len(energies) // 3]
    limits = {"energy": most}
    search = small.search_in(tmp_path / "run", space=SPACE, table=table, limits=limits, trials=3)
    assert search.counts()["in_interval"] == sum(mj <= most for mj in energies)
    assert all(table.predict_energy(one.architecture, SPACE.input_shape) <= most for one in search.trained())
    # The folder has the table, and a worker the study: both go on without being given it.
    small.search_in(tmp_path / "run", space=SPACE, limits=limits, trials=4)
    with pytest.raises(FormatError, match="begun with other settings: energies: was"):
        table.state_energy({key: entry.ms * 6 for key, entry in table.entries.items()})
        small.search_in(tmp_path / "run", space=SPACE, table=table, limits=limits, trials=4)


def test_a_table_that_lacks_parts_of_the_space(small, tmp_path):
    table = made_up_table()
    _, entry = table.entries.popitem()
    with pytest.raises(UnsupportedError, match=f"not in the latency table: {entry.label}"):
        small.search_in(tmp_path / "run", space=SPACE, table=table, trials=1)
    assert not (tmp_path / "run" / "study.db").exists()
