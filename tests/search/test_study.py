"""Searches that are killed, gone on with, and begun in folders that are no good."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
import sqlalchemy
import torch

from converters.pytorch.module import to_torch
from converters.weights import load_weights
from prototxt_gen.errors import ArchitectureError, FileError, FormatError
from prototxt_gen.generator.networks import generate
from prototxt_gen.summary import summarize
from search import study
from search.data import Dataset, Split
from search.spaces import BackboneSpace
from search.study import NAME, run_search
from search.training import Schedule, evaluate

SPACE = BackboneSpace(((1, 2), (1, 2)), (4, 8, 16), stem=(4, 4), classes=3, input_shape=(1, 3, 16, 16))
SCHEDULE = Schedule(epochs=2, batch_size=16, seed=5)
TRIALS = 7


def made_up_data() -> Dataset:
    rng = np.random.default_rng(0)
    labels = torch.arange(64) % 3
    images = torch.from_numpy(rng.normal(0, 1, (64, 3, 16, 16)).astype(np.float32)) + labels[:, None, None, None]

    def split(places: slice) -> Split:
        return Split(labels[places], lambda indices, rng: images[places][list(indices)])

    return Dataset("made up", ("a", "b", "c"), split(slice(0, 48)), split(slice(48, 64)))


def made_up_engine() -> SimpleNamespace:
    """Times that are the same in every process: more multiply-adds, more milliseconds."""

    def load(net):
        return SimpleNamespace(time=lambda: summarize(net).multiply_adds / 1e5)

    return SimpleNamespace(target={"engine": "made up"}, load=load)


def search_in(folder, **changes):
    # Sums in another number of threads round otherwise, and other tests may have chosen one.
    torch.set_num_threads(1)
    arguments = {"space": SPACE, "data": made_up_data(), "engine": made_up_engine()}
    return run_search(out=folder, **(arguments | {"trials": TRIALS, "schedule": SCHEDULE} | changes))


def trials_of(folder, state) -> list[tuple[str, list[float]]]:
    stored = optuna.load_study(study_name=NAME, storage=f"sqlite:///{folder / 'study.db'}")
    return [(t.user_attrs.get("architecture"), t.values) for t in stored.get_trials(states=(state,))]


COMPLETE, FAILED, RUNNING = (getattr(optuna.trial.TrialState, name) for name in ("COMPLETE", "FAIL", "RUNNING"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    search_in(folder)
    return folder


def die_at(folder: Path, place: str, training: int) -> None:
    """Runs a search that kills itself, as `kill -9` does, at a place in one of its trainings."""
    begun = 0
    real_train, real_save, real_ask = study.train, study.save_weights, optuna.Study.ask

    def die(here: str) -> None:
        if here == place and begun == training:
            os.kill(os.getpid(), signal.SIGKILL)

    def ask(self, *arguments, **keywords):
        nonlocal begun
        begun += 1
        trial = real_ask(self, *arguments, **keywords)
        die("asked")
        return trial

    def train(net, data, schedule, device, advance):
        with (folder.parent / "trained.txt").open("a") as log:
            log.write(f"{net.name}\n")
        steps = iter(range(10**6))
        return real_train(net, data, schedule, device, lambda: die("training") if next(steps) == 3 else advance())

    def save_weights(weights, path, net):
        die("trained")
        real_save(weights, path, net)
        die("saved")

    study.train, study.save_weights, optuna.Study.ask = train, save_weights, ask
    search_in(folder)


def test_a_search_killed_again_and_again_ends_as_one_left_alone(tmp_path, undisturbed):
    folder = tmp_path / "run"
    script = "import sys; sys.path.insert(0, sys.argv[1]); import test_study; from pathlib import Path; " + (
        "test_study.die_at(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))"
    )
    # Which training dies counts from the start of its process.
    for place, training in (("training", 2), ("saved", 3), ("asked", 1), ("none", 0)):
        command = [sys.executable, "-c", script, str(Path(__file__).parent), str(folder), place, str(training)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == (0 if place == "none" else -signal.SIGKILL), ended.stderr
    assert trials_of(folder, COMPLETE) == trials_of(undisturbed, COMPLETE)
    assert trials_of(folder, RUNNING) == []
    assert len(trials_of(folder, FAILED)) == 3
    codes = [code for code, _ in trials_of(folder, COMPLETE)]
    assert len(set(codes)) == TRIALS
    # One died in training, one when it was trained but not entered: they were trained again, no other was.
    trained = (tmp_path / "trained.txt").read_text().split()
    assert sorted(trained) == sorted([*codes, codes[1], codes[3]])
    for path in (undisturbed / "networks").rglob("*.caffemodel"):
        assert path.read_bytes() == (folder / path.relative_to(undisturbed)).read_bytes()
    assert sorted(path.name for path in (folder / "networks").iterdir()) == sorted(
        path.name for path in (undisturbed / "networks").iterdir()
    )


@pytest.mark.parametrize("statement", [1, 26, 40])
def test_a_study_is_begun_whole_or_not_at_all(tmp_path, statement):
    executed = 0

    def stop(*arguments):
        nonlocal executed
        executed += 1
        if executed == statement:
            raise KeyboardInterrupt

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "before_cursor_execute", stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            search_in(tmp_path, trials=1)
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "before_cursor_execute", stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "latency.json"]
    search_in(tmp_path, trials=1)


def test_only_the_boundary_has_weights_and_they_give_the_accuracies(undisturbed):
    again = search_in(undisturbed)
    boundary = again.boundary()
    assert {path.name for path in (undisturbed / "networks").iterdir()} == {str(a) for a, _, _ in boundary}
    for architecture, _, accuracy in boundary:
        weights = load_weights(undisturbed / "networks" / str(architecture) / "weights.caffemodel")
        module = to_torch(generate(architecture, input_shape=SPACE.input_shape), weights)
        assert evaluate(module, made_up_data().held_out) == accuracy


def test_more_trials_go_on_from_the_same_study(tmp_path, undisturbed):
    folder = tmp_path / "run"
    search_in(folder, trials=3)
    assert len(trials_of(folder, COMPLETE)) == 3
    search_in(folder)
    assert trials_of(folder, COMPLETE) == trials_of(undisturbed, COMPLETE)


def test_it_ends_when_nothing_is_left_to_train(tmp_path):
    space = BackboneSpace(((1, 1),), (4, 8), stem=(4, 4), classes=3, input_shape=(1, 3, 16, 16))
    counts = search_in(tmp_path, space=space, trials=100).counts()
    assert counts["trained"] + counts["pruned"] == counts["space"] == 2


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schedule": Schedule(epochs=2, batch_size=16, seed=6)}, "seed: was 5, is 6;"),
        ({"interval": (0.0, 10.0)}, r"latency: was \[0.0, None\], is \[0.0, 10.0\]"),
        ({"space": BackboneSpace(SPACE.depths, (4, 8), stem=(4, 4), classes=3, input_shape=(1, 3, 16, 16))}, "space: "),
        ({"data": Dataset("others", *list(vars(made_up_data()).values())[1:])}, "data: was made up, is others"),
    ],
)
def test_another_question_in_the_same_folder_is_refused(undisturbed, changes, named):
    before = trials_of(undisturbed, COMPLETE)
    with pytest.raises(FormatError, match=rf"study\.db: .*{named}"):
        search_in(undisturbed, **changes)
    assert trials_of(undisturbed, COMPLETE) == before


def test_a_table_measured_anew_is_refused(undisturbed):
    path = undisturbed / "latency.json"
    kept = path.read_bytes()
    document = json.loads(kept)
    next(iter(document["entries"].values()))["ms"] = random.random()
    try:
        path.write_text(json.dumps(document))
        with pytest.raises(FormatError, match="latency table"):
            search_in(undisturbed)
    finally:
        path.write_bytes(kept)


def test_lost_weights_are_named(tmp_path):
    search = search_in(tmp_path, trials=2)
    code = str(search.boundary()[0][0])
    (tmp_path / "networks" / code / "weights.caffemodel").unlink()
    with pytest.raises(FileError, match=f"{code} is gone"):
        search_in(tmp_path)


def test_two_searches_do_not_share_a_folder(tmp_path):
    with study._held(tmp_path), pytest.raises(FileError, match="another search is running"):
        search_in(tmp_path)
    search_in(tmp_path, trials=1)


def test_folders_that_are_no_good(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file"):
        search_in(tmp_path / "file")
    with pytest.raises(FileError, match="file"):
        search_in(tmp_path / "file" / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "study.db").write_bytes(b"no database at all, but long enough to look at" * 100)
    with pytest.raises(FileError, match=r"study\.db: the study cannot be read or written: .*not a database"):
        search_in(tmp_path / "run")


def test_a_folder_of_any_name(tmp_path):
    folder = tmp_path / "a b%20?#ü"
    search_in(folder, trials=1)
    assert {"study.db", "latency.json", "networks"} <= {path.name for path in folder.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_images_of_other_classes_are_refused(tmp_path):
    space = BackboneSpace(SPACE.depths, SPACE.widths, stem=(4, 4), classes=10, input_shape=(1, 3, 16, 16))
    with pytest.raises(ArchitectureError, match="10 classes, the images have 3"):
        search_in(tmp_path / "run", space=space)
    assert not (tmp_path / "run").exists()
