"""Running programs: output, failures, limits of time."""

import subprocess
import sys
import time

import pytest

from converters.programs.running import find_program, run_program
from prototxt_gen.errors import CaffeError, MissingProgramError, NotInstalledError, UnsupportedError


def run(code, **options):
    return run_program([sys.executable, "-c", code], "network 'a'", **options)


def test_output_and_errors_come_in_order_with_the_environment_and_folder(tmp_path):
    code = "import os, sys; print(1, flush=True); print(2, file=sys.stderr, flush=True)\n"
    code += "print(os.environ['A'], os.getcwd())"
    assert run(code, environment={"A": "b"}, folder=tmp_path).split() == ["1", "2", "b", str(tmp_path)]


@pytest.mark.parametrize(
    ("code", "fault", "said"),
    [
        ("print('one'); print('two'); raise SystemExit(3)", UnsupportedError, "failed with status 3: one | two"),
        ("raise SystemExit(3)", UnsupportedError, "failed with status 3 without a word"),
        (
            "print('[E] first fault'); print('[E] second'); print('last'); raise SystemExit(1)",
            UnsupportedError,
            "failed with status 1: [E] first fault",
        ),
        (
            "print('F1121 21:15:06.23 13526 common.cpp:66] No GPU.'); print('@  0x7 main'); raise SystemExit(134)",
            UnsupportedError,
            "failed with status 134: F1121 21:15:06.23 13526 common.cpp:66] No GPU.",
        ),
        ("import os; print('x', flush=True); os.kill(os.getpid(), 9)", CaffeError, "was killed by SIGKILL: x"),
        ("print('x'); raise SystemExit(128 + 15)", CaffeError, "was killed by SIGTERM: x"),
    ],
)  # fmt: skip
def test_a_program_that_fails_is_quoted(code, fault, said):
    with pytest.raises(CaffeError) as caught:
        run(code)
    assert type(caught.value) is fault
    assert str(caught.value).endswith(f" {said}") and str(caught.value).startswith("network 'a': python")


def test_what_takes_too_long_is_killed_with_all_that_it_started(tmp_path, monkeypatch):
    child = "import pathlib, time\nwhile True: pathlib.Path('alive').write_text(str(time.time())); time.sleep(0.02)"
    code = f"import subprocess, sys; print('begun', flush=True); subprocess.run([sys.executable, '-c', {child!r}])"
    communicate = subprocess.Popen.communicate

    def once_it_runs(process, *given, **options):
        while not (tmp_path / "alive").exists():
            assert process.poll() is None
            time.sleep(0.01)
        return communicate(process, *given, **options)

    # However long the programs take to start, the limit begins when both run.
    monkeypatch.setattr(subprocess.Popen, "communicate", once_it_runs)
    with pytest.raises(CaffeError, match=r"took more than 0\.2 s and was stopped: begun$"):
        run(code, seconds=0.2, folder=tmp_path)
    last = (tmp_path / "alive").read_text()
    time.sleep(0.3)
    assert (tmp_path / "alive").read_text() == last, "it no longer writes"


def test_a_program_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match="engine x: needs the program nothing, which is not on the PATH"):
        find_program("nothing", "engine x")
    assert issubclass(MissingProgramError, NotInstalledError)
    (tmp_path / "nothing").write_text("not a program")
    (tmp_path / "nothing").chmod(0o755)
    with pytest.raises(CaffeError, match="nothing cannot be started: "):
        run_program([str(tmp_path / "nothing")], "network 'a'")
