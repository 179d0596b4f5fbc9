"""How much work a block does, by the calls it makes: the same on every machine, however busy it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class TooMuchWorkError(BaseException):
    """No fault that the code under test could take for one of its own."""


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fails as soon as the block makes more calls, of functions of Python or of C; threads are not counted."""
    made, before = 0, sys.getprofile()

    def count(frame, event, argument) -> None:
        nonlocal made
        if event in ("call", "c_call"):
            made += 1
            if made > calls:
                raise TooMuchWorkError(f"more than {calls:,} calls")

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
