"""The strategies of choosing, by name: where each one is. A strategy is imported when it is first used."""

from __future__ import annotations

from importlib import import_module

from prototxt_gen.errors import ArchitectureError
from search.strategies.chooser import Chooser

#: Module and class of each strategy.
CHOOSERS = {
    "additive": ("search.strategies.additive", "Additive"),
    "listed": ("search.strategies.listed", "Listed"),
    "ponas": ("search.strategies.read_off", "ReadOff"),
    "uniform": ("search.strategies.uniform", "Uniform"),
}


def chooser(name: str) -> type[Chooser]:
    """The strategy of that name. ArchitectureError lists the names that there are."""
    if name not in CHOOSERS:
        raise ArchitectureError(f"strategy {name!r}: expected one of {', '.join(CHOOSERS)}")
    module, kind = CHOOSERS[name]
    found: type[Chooser] = getattr(import_module(module), kind)
    return found
