"""Progress bars on a terminal; silence where there is none."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm  # type: ignore[import-untyped]


def progress_bar(total: int, subject: str, unit: str, shown: bool) -> Any:
    """A bar on standard error, a context with `update(n=1)`. Not `shown`, or without a terminal, it draws nothing."""
    return tqdm(total=total, desc=subject, unit=unit, disable=None if shown else True, dynamic_ncols=True, leave=False)
