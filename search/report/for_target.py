"""A network handed out in the words of a target: rewritten, checked, its files and what was found beside the others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.targets.files import differences, numbers_of
from converters.targets.rewriting import Rewritten, rewritten
from converters.targets.target import Target
from converters.weights import Weights, load_weights, save_weights
from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.files import reason, write_bytes
from prototxt_gen.generator.networks import generate
from prototxt_gen.json_files import read_json
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import write_prototxt
from search.cutting.judging import fault_words
from search.spaces import Architecture
from search.study.folder import MERGED_WEIGHTS, OF_TARGET

FORMAT = "dongfeng network for a target 1"


@dataclass(frozen=True)
class ForTarget:
    """What a target makes of a network that is handed out.

    `taken`: whether it takes all of it, after exact rewrites; `faults` are those that are left, in words. Of a network
    that is taken `prototxt` and, where there are weights, `caffemodel` are the files' names, in its folder; batch norm
    is merged in them. `report` is the name of the JSON file that says all of this, the check and every change.
    `off_by` is the most that outputs differ from those of the merged network, as a share of their largest value, on
    inputs drawn for it; None without weights.
    """

    target: str
    taken: bool
    faults: tuple[str, ...]
    changes: int
    renamed: int
    off_by: float | None
    prototxt: str | None
    caffemodel: str | None
    report: str

    def __str__(self) -> str:
        return "taken" if self.taken else f"{len(self.faults)} fault{'s' * (len(self.faults) > 1)}"


def write_for_target(
    architecture: Architecture,
    folder: Path,
    shape: tuple[int, int, int, int],
    target: Target,
    weighted: bool,
) -> ForTarget:
    """Writes a network into its folder in the words of a target; `weighted`: with the `MERGED_WEIGHTS` that lie there.

    `shape` is (1, channels, height, width). Of a network that the target does not take only the report is written.
    FileError when a file cannot be written.
    """
    net = generate(architecture, input_shape=shape, merged=True)
    weights = load_weights(folder / MERGED_WEIGHTS, net) if weighted else None
    made = rewritten(net, weights, target)
    prototxt, caffemodel, report = (pattern.format(target.name) for pattern in OF_TARGET)
    taken = made.report.passed
    _remove(folder / report)
    if taken:
        write_prototxt(made.net, folder / prototxt)
    else:
        _remove(folder / prototxt)
    if taken and made.weights is not None:
        save_weights(made.weights, folder / caffemodel, made.net, numbers=numbers_of(target))
    else:
        _remove(folder / caffemodel)
    found = ForTarget(
        target.name,
        taken,
        tuple(dict.fromkeys(map(fault_words, made.report.faults))),
        len(made.changes),
        len(made.renamed),
        _off_by(net, weights, made) if taken and weights is not None else None,
        prototxt if taken else None,
        caffemodel if taken and made.weights is not None else None,
        report,
    )
    write_bytes(folder / report, (json.dumps(_document(found, architecture, target, made), indent=1) + "\n").encode())
    return found


def read_for_target(folder: Path, name: str) -> ForTarget | None:
    """What was written of a network for the target of this name, None where nothing was.

    FormatError for another file.
    """
    path = folder / OF_TARGET[2].format(name)
    if not path.exists():
        return None
    document = read_json(path, f"a {FORMAT!r}")
    try:
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}, expected {FORMAT!r}")
        files = document["files"]
        return ForTarget(
            str(document["target"]["name"]),
            bool(document["taken"]),
            tuple(map(str, document["faults"])),
            len(document["changes"]),
            len(document["renamed"]),
            document["off_by"],
            files["prototxt"],
            files["caffemodel"],
            path.name,
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise FormatError(f"{path}: {type(fault).__name__}: {fault}: not what a search wrote for a target") from None


def _document(found: ForTarget, architecture: Architecture, target: Target, made: Rewritten) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "network": str(architecture),
        "target": target.as_json(),
        "taken": found.taken,
        "exact": made.exact,
        "off_by": found.off_by,
        "faults": list(found.faults),
        "files": {"prototxt": found.prototxt, "caffemodel": found.caffemodel},
        "changes": [
            {"layer": one.layer, "rewrite": one.rewrite, "what": one.what, "exact": one.exact} for one in made.changes
        ],
        "renamed": dict(made.renamed),
        "check": made.report.as_json(),
    }


def _off_by(net: NetParameter, weights: Weights, made: Rewritten) -> float | None:
    found = differences(net, weights, made)
    return None if found is None else max(output.largest for output in found)


def _remove(path: Path) -> None:
    """Takes away what an earlier call has left, so that no file is of another network or target."""
    try:
        path.unlink(missing_ok=True)
    except OSError as fault:
        raise FileError(f"{path}: cannot be removed: {reason(fault)}") from fault
