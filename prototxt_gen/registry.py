"""A table from names to what they stand for, filled by decorators: layer types, PyTorch layers, engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """Names and what they stand for. A second entry under one name is an error; so is asking for a missing one."""

    def __init__(self, subject: str) -> None:
        """`subject` says in error messages what the entries are: "shape rule", "engine"."""
        self.subject = subject
        self._entries: dict[str, T] = {}

    def register(self, *names: str) -> Callable[[T], T]:
        """A decorator that enters its function under each of `names`. KeyError when one is taken."""

        def enter(entry: T) -> T:
            taken = [name for name in names if name in self._entries]
            if taken:
                raise KeyError(f"{self.subject}: {', '.join(taken)} already registered")
            self._entries.update(dict.fromkeys(names, entry))
            return entry

        return enter

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise KeyError(f"no {self.subject} for {name!r}; there are: {', '.join(self)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def remove(self, name: str) -> T:
        """Takes an entry out again and returns it, for tests and for replacing a rule on purpose."""
        entry = self[name]
        del self._entries[name]
        return entry
