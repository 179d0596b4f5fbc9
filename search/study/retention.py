"""Which weights a search keeps: those of the boundary, and meanwhile of what may come back to it."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from prototxt_gen.errors import FileError
from search.strategies.strategy import Strategy
from search.study.folder import (
    DEPLOY,
    MERGED,
    MERGED_WEIGHTS,
    SOLVER,
    STUDY,
    TRAIN_VAL,
    WEIGHTS,
    network_folder,
    weights_file,
)
from search.study.storage import StoredStudy
from search.study.trainings import HERE, TRAINED, Row

#: Accuracy within which a beaten network may come back to the boundary: by the mean of more runs, or by what the
#: strategy expects of it.
SLACK = 0.03
#: The slack that keeps the weights of all candidates.
ALL = math.inf

#: Whose weights a search keeps: those of the boundary's networks, or each candidate's best run's.
Keep: TypeAlias = Literal["boundary", "all"]


def place_of(study: StoredStudy, folder: Path) -> str:
    """What a study says of weights in this folder: `HERE` where it lies there itself, else the machine and the path."""
    own = folder / STUDY
    if study.database.is_file and own.exists() and own.samefile(study.database.name):
        return HERE
    return f"{platform.node()}:{folder.resolve()}"


def keep_boundary(search: Strategy, study: StoredStudy, rows: Sequence[Row], folder: Path, slack: float = 0.0) -> None:
    """Removes the weights in this folder of every candidate that another beats by more than `slack` in accuracy.

    Of several runs the most accurate one's weights stay. FileError names the networks of the boundary whose weights
    are gone.
    """
    here = place_of(study, folder)
    own: dict[str, list[Row]] = {}
    for row in rows:
        if row.weights == here and row.state == TRAINED:
            own.setdefault(row.architecture, []).append(row)
    best = {code: max(runs, key=lambda row: (row.accuracy or 0.0, -row.run)) for code, runs in own.items()}
    boundary = {str(trained.architecture) for trained in search.boundary()}
    lost = sorted(code for code in boundary & set(best) if not weights_file(folder, code, best[code].run).is_file())
    if lost:
        raise FileError(
            f"{folder / 'networks'}: {WEIGHTS} of {', '.join(lost)} is gone, but the study has the accuracy; "
            "put the file back or choose another folder"
        )
    near = boundary | _near(search, slack)
    for code, runs in own.items():
        for row in runs:
            if code in near and row == best[code]:
                continue
            study.forget_weights(row)
            with suppress(OSError):
                weights_file(folder, code, row.run).unlink(missing_ok=True)
        if code not in near:
            _remove_folder(network_folder(folder, code))


def _near(search: Strategy, slack: float) -> set[str]:
    """Candidates that no other beats by more than `slack`."""
    if not slack:
        return set()
    trained = sorted(search.trained(), key=lambda one: one.latency)
    kept, most = set(), 0.0
    for one in trained:
        if one.accuracy + slack >= most:
            kept.add(str(one.architecture))
        most = max(most, one.accuracy)
    return kept


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):
        for name in (DEPLOY, TRAIN_VAL, SOLVER, MERGED, MERGED_WEIGHTS):
            (folder / name).unlink(missing_ok=True)
        # Files of other names stay.
        folder.rmdir()
