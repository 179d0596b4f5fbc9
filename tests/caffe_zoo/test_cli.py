"""The command `dongfeng`: what it imports, its help, and faults in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from caffe_zoo.cli import COMMANDS, main
from prototxt_gen import CaffeError
from prototxt_gen.errors import FileError

ROOT = Path(__file__).resolve().parents[2]
# What several commands use.
SHARED = [
    "exports",
    "for_target",
    "limits",
    "missing_parts",
    "models",
    "networks",
    "one_shot",
    "options",
    "paths",
    "tiered",
    "training",
]


def fault(capsys, *arguments):
    """The one line that a wrong command line leaves on standard error."""
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(capsys, command):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"dongfeng {command}" in capsys.readouterr().out.split("example:")[1]


def test_help_names_every_command_with_its_line(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for name, line in COMMANDS.items():
        assert f" {name} {line}" in printed


@pytest.mark.parametrize("words", [["--traceback", "predict"], ["predict", "--traceback"]])
def test_a_sub_command_takes_traceback_before_and_after_its_name(words):
    with pytest.raises(FileError):
        main(["profile", *words, "no-such-file.json", "df1"])


def test_every_command_has_a_file_of_its_own():
    folder = ROOT / "caffe_zoo" / "commands"
    files = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    assert files == {*COMMANDS, "__init__", *SHARED}


def test_an_unknown_command_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train"])
    said = capsys.readouterr().err
    assert all(name in said for name in COMMANDS)


@pytest.mark.parametrize(
    "code",
    [
        "from caffe_zoo.cli import main; main(['list'])",
        "from caffe_zoo.cli import main; main(['generate', 'pl1a_seg'])",
        "from caffe_zoo.cli import main; main(['generate', 'df1', '--form', 'train_val'])",
        "from caffe_zoo.cli import main; main(['show', 'df1'])",
        *(
            f"from caffe_zoo.cli import main\ntry: main(['{command}', '--help'])\nexcept SystemExit: pass"
            for command in COMMANDS
        ),
        "import caffe_zoo",
        "import converters",
        "import converters.weights",
        "import prototxt_gen",
    ],
)
def test_names_and_networks_wait_for_neither_torch_nor_optuna(code):
    check = "\nimport sys; slow = {'torch', 'optuna', 'PIL'} & set(sys.modules); assert not slow, slow"
    searched = "" if "search" in code else "\nassert 'search' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code + check + searched], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_list_of_networks_does_not_wait_for_numpy():
    code = "import sys; from caffe_zoo.cli import main; main(['list']); assert 'numpy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_imports_no_command():
    code = (
        "import sys; from caffe_zoo.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "assert 'caffe_zoo.commands' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_traceback_is_shown_where_it_is_asked_for(capsys):
    assert "'df9'" in fault(capsys, "show", "df9")
    with pytest.raises(CaffeError, match="'df9'"):
        main(["show", "df9", "--traceback"])


def test_long_lists_of_faults_are_cut_and_counted(capsys, monkeypatch):
    def shown(message):
        def run(args):
            raise CaffeError(message)

        monkeypatch.setattr("caffe_zoo.commands.list.run", run)
        return fault(capsys, "list").removeprefix("dongfeng list: ").rstrip("\n")

    assert shown("one\ntwo") == "one two"
    faults = [f"layer {number:04}: wrong" for number in range(100)]
    line = shown("; ".join(faults))
    kept = line.count("wrong")
    assert line == f"{'; '.join(faults[:kept])}; ... and {100 - kept} more (--traceback shows all)"
    assert 40 < kept < 100
    assert shown("x" * 5000) == f"{'x' * 1000} ... (--traceback shows all)"
