"""Tools in environments of their own: what goes there and back, what they print, how they end."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time

import numpy as np
import pytest

from converters.programs.worker import Worker, python_of
from prototxt_gen.errors import CaffeError, MissingEnvironmentError, NotInstalledError, UnsupportedError

TOOL = """
import os, subprocess, sys, time
import numpy as np

def double(arrays, more):
    print("doubling")
    return {"arrays": {name: array * 2 for name, array in arrays.items()}, "names": list(arrays), "more": more}

def read():
    return {"read": sys.stdin.read(), "path": sys.path[0], "folder": os.getcwd(), "threads": os.environ.get("THREADS")}

def fail(text):
    print("first line")
    os.write(1, b"second line\\n")
    raise ValueError(text)

def objects():
    return {"arrays": {"x": np.array([{}], dtype=object)}}

def die(number):
    print("near the end", flush=True)
    os.kill(os.getpid(), number)

def leave():
    raise SystemExit(3)

def hang(path):
    print("begun", flush=True)
    subprocess.run([sys.executable, "-c", "import pathlib, time\\n"
                    f"while True: pathlib.Path({path!r}).write_text(str(time.time())); time.sleep(0.02)"])
"""


@pytest.fixture
def worker(tmp_path):
    (tmp_path / "tool.py").write_text(TOOL)
    worker = Worker(sys.executable, str(tmp_path / "tool"), "The tool", environment={"THREADS": "3"})
    yield worker
    worker.close()


def test_arrays_and_values_go_there_and_back(worker):
    given = {"x": np.arange(6, dtype=np.float32).reshape(2, 3).T, "a/b": np.float32(1.5), "n": np.arange(3)}
    for _ in range(2):
        answer = worker.ask("double", "network 'a'", given, more=[1, "two"])
        assert answer.values == {"names": ["x", "a/b", "n"], "more": [1, "two"]}
        assert {name: (array * 0.5).tolist() for name, array in answer.arrays.items()} == {
            name: np.asarray(array).tolist() for name, array in given.items()
        }
        assert answer.arrays["x"].dtype == np.float32
        assert answer.printed == "doubling\n"
    assert sorted(path.name for path in worker.folder.iterdir()) == ["printed.log"], "arrays do not stay"


def test_the_tool_has_no_input_and_a_folder_of_its_own(worker):
    found = worker.ask("read", "a").values
    assert found["read"] == "" and found["threads"] == "3"
    assert os.path.realpath(found["folder"]) == str(worker.folder.resolve())
    assert not found["path"].endswith("workers")


def test_a_fault_of_the_tool_is_quoted_with_what_it_printed_and_it_goes_on(worker):
    with pytest.raises(UnsupportedError) as caught:
        worker.ask("fail", "network 'a'", text="no such layer")
    assert str(caught.value) == (
        "network 'a': The tool failed: ValueError: no such layer; it printed: first line | second line"
    )
    with pytest.raises(UnsupportedError, match="Object arrays cannot be saved"):
        worker.ask("objects", "a")
    assert worker.running and worker.ask("double", "a", {}, more=0).values["more"] == 0


@pytest.mark.parametrize(
    ("what", "values", "fault", "said"),
    [
        ("die", {"number": signal.SIGKILL}, CaffeError, "The tool was killed by SIGKILL: near the end"),
        ("die", {"number": signal.SIGSEGV}, UnsupportedError, "The tool crashed with SIGSEGV: near the end"),
        ("leave", {}, UnsupportedError, "The tool failed with status 3 without a word"),
    ],
)  # fmt: skip
def test_a_tool_that_dies_says_so_once_and_is_gone(worker, what, values, fault, said):
    with pytest.raises(CaffeError) as caught:
        worker.ask(what, "network 'a'", **values)
    assert type(caught.value) is fault and str(caught.value).endswith(said)
    assert not worker.running and not worker.folder.exists()
    with pytest.raises(CaffeError, match="network 'b': The tool no longer runs"):
        worker.ask("read", "network 'b'")


@pytest.mark.parametrize("ending", ["limit", "interrupt", "forgotten"])
def test_it_ends_with_all_that_it_started(tmp_path, monkeypatch, ending):
    (tmp_path / "tool.py").write_text(TOOL)
    worker, alive = Worker(sys.executable, str(tmp_path / "tool"), "The tool"), tmp_path / "alive"
    line = Worker._line

    def once_it_runs(self, seconds):
        while not alive.exists():
            time.sleep(0.01)
        if ending == "limit":
            return line(self, seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "_line", once_it_runs)
    if ending == "limit":
        with pytest.raises(CaffeError, match=r"^a: The tool took more than 0\.2 s and was stopped: begun$"):
            worker.ask("hang", "a", seconds=0.2, path=str(alive))
    elif ending == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            worker.ask("hang", "a", path=str(alive))
    else:
        process = worker._process
        del worker
        gc.collect()
        assert process.poll() is not None
        return
    last = alive.read_text()
    time.sleep(0.2)
    assert alive.read_text() == last, "it no longer writes"
    assert not worker.folder.exists()


def test_a_tool_that_cannot_be_imported_is_refused_at_the_start(tmp_path):
    (tmp_path / "tool.py").write_text("import a_tool_that_is_not_there\n")
    with pytest.raises(UnsupportedError, match="No module named 'a_tool_that_is_not_there'"):
        Worker(sys.executable, str(tmp_path / "tool"), "The tool")
    with pytest.raises(CaffeError, match="nothing cannot be started"):
        Worker(str(tmp_path / "nothing"), str(tmp_path / "tool"), "The tool")


def test_the_python_is_named_by_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("A_PYTHON", sys.executable)
    assert python_of("A_PYTHON", "Tool", "engine a") == sys.executable
    monkeypatch.setenv("A_PYTHON", str(tmp_path / "python"))
    with pytest.raises(MissingEnvironmentError, match=r"A_PYTHON: found '.*python', which is no program"):
        python_of("A_PYTHON", "Tool", "engine a")
    monkeypatch.delenv("A_PYTHON")
    with pytest.raises(NotInstalledError, match=r"^engine a: needs Tool in .* \(A_PYTHON is not set\): set A_PYTHON"):
        python_of("A_PYTHON", "Tool", "engine a")
