"""Which weights a search keeps: those of the boundary."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from prototxt_gen.errors import FileError
from search.strategies.strategy import Strategy
from search.study.folder import DEPLOY, SOLVER, TRAIN_VAL, WEIGHTS, network_folder


def keep_boundary(search: Strategy, folder: Path) -> None:
    """Removes the files of every candidate that another has beaten: none of them comes back to the boundary.

    FileError names the networks of the boundary whose weights are gone.
    """
    boundary = {network_folder(folder, trained.architecture) for trained in search.boundary()}
    lost = sorted(kept.name for kept in boundary if not (kept / WEIGHTS).is_file())
    if lost:
        raise FileError(
            f"{folder / 'networks'}: {WEIGHTS} of {', '.join(lost)} is gone, but the study has the accuracy; "
            "put the file back or choose another folder"
        )
    for trained in search.trained():
        beaten = network_folder(folder, trained.architecture)
        if beaten not in boundary and beaten.is_dir():
            for name in (WEIGHTS, DEPLOY, TRAIN_VAL, SOLVER):
                (beaten / name).unlink(missing_ok=True)
            # Files of other names stay.
            with suppress(OSError):
                beaten.rmdir()
