"""The names of `search`: all there, and none brings torch or optuna before it is asked for."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import search


@pytest.mark.parametrize("name", search.__all__)
def test_every_public_name_is_there(name):
    assert getattr(search, name).__name__ == name


def test_type_checkers_see_the_names_that_are_found():
    tree = ast.parse(Path(search.__file__).read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {name.name: line.module for line in block.body for name in line.names}
    assert sorted(seen) == search.__all__ and set(seen) <= set(dir(search))
    for name, module in seen.items():
        assert getattr(import_module(module), name) is getattr(search, name)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="'search' has no attribute 'serach'"):
        _ = search.serach
    with pytest.raises(ImportError):
        from search import serach  # noqa: F401


def test_importing_search_loads_neither_torch_nor_optuna():
    code = (
        "import sys, search; from search import BackboneSpace, Schedule, parse_space; "
        "assert not {'torch', 'optuna'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
