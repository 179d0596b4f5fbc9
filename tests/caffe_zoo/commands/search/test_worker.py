"""Workers from the command line: they join what another command has begun, and end with it."""

import json
import threading
import time

import pytest

from caffe_zoo.cli import main
from search import parse_space
from search.study.storage import join_study
from tests.search.study import quick

TINY = "s4-8_b1-2_b1-1_w8-16_c10_i3x16x16"
SEARCH = ["search", "--space", TINY, "--epochs", "1", "--strategy", "uniform", "--margin", "none"]


@pytest.fixture(scope="module", autouse=True)
def _digits():
    pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def search(tmp_path_factory) -> list[str]:
    """The command, with latencies that need no measuring."""
    path = tmp_path_factory.mktemp("table") / "latency.json"
    quick.table(parse_space(TINY)).save(path)
    return [*SEARCH, "--table", str(path)]


@pytest.fixture(scope="module")
def begun(search, tmp_path_factory):
    """A search that has trained one network of seven, and is asked for four."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    assert main([*search, "--out", str(folder), "--trials", "1"]) == 0
    study = join_study(folder / "study.db")
    study.asked = study.asked | {"trials": 4}
    study.close()
    return folder


def worker(folder, *words):
    return main(["search", "worker", "--storage", str(folder / "study.db"), "--out", str(folder), *words])


def test_a_worker_goes_on_with_what_another_has_begun(search, begun, capsys):
    assert worker(begun) == 0
    assert "4 trained" in capsys.readouterr().out
    # Whoever began it finds all trained, and reports.
    assert main([*search, "--out", str(begun), "--trials", "4"]) == 0
    document = json.loads((begun / "boundary.json").read_text())
    assert document["counts"]["trained"] == 4
    for network in document["networks"]:
        assert (begun / network["caffemodel"]).is_file() and network["runs"] == [network["accuracy"]]


def test_other_images_are_refused(begun, tmp_path, capsys):
    from PIL import Image

    for number in range(10):
        for place in range(5):
            (tmp_path / "images" / str(number)).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16)).save(tmp_path / "images" / str(number) / f"{place}.png")
    assert worker(begun, "--data", str(tmp_path / "images")) == 2
    assert "begun with other settings: data: was digits 16x16, is folder 16x16" in capsys.readouterr().err


def test_where_nothing_was_begun(tmp_path, capsys):
    assert worker(tmp_path) == 2
    assert "study.db: found no study: `dongfeng search` begins one" in capsys.readouterr().err
    assert worker(tmp_path, "--study", "another") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_worker_waits_for_the_search_to_begin(begun, tmp_path):
    """Its study appears after a moment."""
    target = tmp_path / "study.db"

    def appear():
        time.sleep(0.3)
        (tmp_path / "other").write_bytes((begun / "study.db").read_bytes())
        (tmp_path / "other").rename(target)

    thread = threading.Thread(target=appear)
    thread.start()
    words = ["--storage", str(target), "--out", str(begun), "--wait", "0.02"]
    assert main(["search", "worker", *words]) == 0
    thread.join()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--known", "nothing.csv"], "nothing.csv: cannot be read"),
        (["--strategy", "luck"], "strategy 'luck': expected one of additive, "),
        (["--storage", "mysql://me:secret@db/x"], "storage mysql://me@db/x: expected postgresql://"),
    ],
)
def test_options_that_are_no_good_are_told_before_any_work(tmp_path, capsys, words, named):
    assert main([*SEARCH, "--out", str(tmp_path / "run"), *words]) == 2
    said = capsys.readouterr().err
    assert named in said and "secret" not in said and not (tmp_path / "run").exists()


def test_options_that_are_no_numbers(tmp_path, capsys):
    for words in (["--margin", "-1"], ["--hours", "0"], ["--grace", "x"], ["--confirm", "0"], ["--seeds", "0"]):
        with pytest.raises(SystemExit):
            main(["search", "--out", str(tmp_path / "run"), *words])
        assert words[0] in capsys.readouterr().err
