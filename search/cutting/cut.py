"""A space cut to what a toolchain takes, before anything is measured, and the account of it in numbers."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from converters.targets.checking import Fault
from converters.targets.reading import read_target
from converters.targets.rewriting import rewritten
from converters.targets.target import Target
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from search.cutting.judging import Judged, Refused, fault_words, judge, reasons_of
from search.cutting.largest import largest_without, option_removals
from search.cutting.layers import candidates_without, stages_without
from search.cutting.removals import Removal, removal_words
from search.latency.overview import whole
from search.spaces import Architecture, BackboneSpace, DecoderSpace, PonasSpace, Space, TieredSpace
from search.spaces.ways import NONE, Ways

# So many networks are checked whole, besides the smallest and the largest.
_SAMPLES = 3
# Below this, what a rewrite adds to a block is not worth a word.
_DEARER = 1.005
# So many refused parts are named by words.
_NAMED = 5


@dataclass(frozen=True)
class Cut:
    """A space cut to what a target takes: `original` to `space`.

    `parts` is how many different parts the original's networks have; `refused` are those that the target does not
    take, whatever is rewritten exactly; `removed` what went of the original, in words. `rewritten` says by what
    parts are rewritten, and how many; `dearer` is the most times that the multiply-adds of one grow. `possible`
    counts the networks of the original that have no refused part; `space` may have fewer, as it is the largest of
    its kind without such a part: `is_largest` says whether that is certain.

    `remarks` are about whole networks, some of which are checked: the smallest, the largest, and a few drawn.
    """

    target: Target
    original: Space
    space: Space
    parts: int
    refused: tuple[Refused, ...]
    removed: tuple[str, ...]
    rewritten: Mapping[str, int]
    possible: int
    is_largest: bool = True
    remarks: tuple[str, ...] = ()
    dearer: float = 1.0

    @property
    def before(self) -> int:
        """The number of networks of the original space."""
        return self.original.count()

    @property
    def after(self) -> int:
        """The number of networks that are left."""
        return self.space.count()

    def __str__(self) -> str:
        """What was cut, in a few lines."""
        target = self.target
        named = f"target {target.name} ({target.title} {target.version}, {target.date})"
        lines = [f"{named}: {whole(self.after)} of {whole(self.before)} networks are left"]
        if self.refused:
            lines[0] += f"; {len(self.refused)} of {self.parts} blocks are not taken"
        lines += [f"  {words}" for words in _reasons(self.refused)]
        lines += [f"  left out: {words}" for words in self.removed]
        if self.possible > self.after:
            lines.append(
                f"  {whole(self.possible - self.after)} more have no such block, either; a space that had them, too, "
                "would have others that do"
            )
        if self.rewritten:
            told = "; ".join(f"{what}, in {number}" for what, number in self.rewritten.items())
            lines.append(f"  rewritten exactly, in so many blocks: {told}{self._dearer_words}")
        return "\n".join([*lines, *(f"  {remark}" for remark in self.remarks)])

    @property
    def _dearer_words(self) -> str:
        if self.dearer < _DEARER:
            return ""
        return (
            f"; a block then has up to {self.dearer:.3g} times the multiply-adds, which latencies measured here do not "
            "tell: `dongfeng profile export --target` writes blocks as they will run"
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values, as target.json in the folder of a search has them."""
        return {
            "target": self.target.as_json(),
            "space": str(self.original),
            "networks": self.before,
            "cut": str(self.space),
            "left": self.after,
            "blocks": self.parts,
            "refused": [one.label for one in self.refused],
            "reasons": reasons_of(self.refused),
            "removed": list(self.removed),
            "rewritten": dict(self.rewritten),
            "dearer": self.dearer,
            "possible": self.possible,
            "is_largest": self.is_largest,
            "remarks": list(self.remarks),
        }


def cut_space(space: Space, target: Target | str | os.PathLike[str]) -> Cut:
    """The space cut to what a target takes, after exact rewrites; `target` is one, or a name or file of one.

    A choice goes when the target does not take the blocks that it brings: of a space of PONAS a candidate; of others
    see search/cutting/largest.py and search/cutting/layers.py. The result is a space of the same kind. Cutting it again
    leaves it as it is.

    ArchitectureError where no network is left: because of which block, and what is allowed; or a single one.
    """
    found = target if isinstance(target, Target) else read_target(target)
    return _cut(space, _Named(found))


def as_cut(space: Space, target: Cut | Target | str | os.PathLike[str] | None) -> Cut | None:
    """A cut of this space: as it is given, or made for a target; None for none.

    ArchitectureError for a Cut of another space.
    """
    if target is None or isinstance(target, Cut):
        if target is not None and space not in (target.original, target.space):
            raise ArchitectureError(f"target: found a cut of the space {target.original}, expected one of {space}")
        return target
    return cut_space(space, target)


class _Named:
    """A target, told from others by its digest."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and other.target.digest == self.target.digest

    def __hash__(self) -> int:
        return hash(self.target.digest)


@lru_cache(maxsize=8)
def _cut(space: Space, named: _Named) -> Cut:
    target = named.target
    judged = judge(space, target)
    if judged.is_refused(space.common):
        _refuse_common(space, target, judged)
    left: Space | None
    removed: Sequence[Removal] = ()
    is_largest = True
    possible = _possible(space, judged)
    if not possible:
        left = None
    elif not judged.refused:
        left = space
    elif isinstance(space, PonasSpace | TieredSpace):
        made = candidates_without(space, judged) if isinstance(space, PonasSpace) else stages_without(space, judged)
        left, removed = made or (None, ())
    elif isinstance(space, BackboneSpace | DecoderSpace):
        found = largest_without(space, judged)
        left = found and found.space
        if found is not None:
            removed, is_largest = option_removals(space, found.removed), found.is_largest
    else:
        raise ArchitectureError(
            f"space: found {type(space).__name__}, expected a BackboneSpace, DecoderSpace, PonasSpace or TieredSpace"
        )
    refused = tuple(judged.refused.values())
    if left is None:
        raise ArchitectureError(
            f"space {space}: target {target.name}: no network is left; {len(refused)} of {len(judged.labels)} blocks "
            f"are not taken: {'; '.join(_reasons(refused))}"
        )
    return Cut(
        target,
        space,
        left,
        len(judged.labels),
        refused,
        removal_words(removed),
        judged.rewritten,
        possible,
        is_largest,
        _remarks(left, target),
        judged.dearer,
    )


def _refuse_common(space: Space, target: Target, judged: Judged) -> None:
    """ArchitectureError with what all networks have and the target does not take."""
    keys = dict.fromkeys(judged.keys[piece] for piece in space.common)
    told = [
        f"{judged.labels[key]}: " + "; ".join(fault_words(fault) for fault in judged.refused[key].faults)
        for key in keys
        if key in judged.refused
    ]
    raise ArchitectureError(
        f"space {space}: target {target.name}: no network is left, as all have {'; '.join(dict.fromkeys(told))}"
    )


def _possible(space: Space, judged: Judged) -> int:
    """How many networks have no refused part."""
    steps = []
    masks: dict[Any, Any] = {}
    for column, step in zip(space.columns, space.steps, strict=True):
        if column not in masks:
            masks[column] = mask = np.zeros(step.shape, dtype=bool)
            for state, value in zip(*(found.tolist() for found in np.nonzero(step != NONE)), strict=True):
                mask[state, value] = judged.is_refused(space.pieces(column, state, value))
        steps.append(np.where(masks[column], NONE, step))
    try:
        return Ways(steps).count()
    except ArchitectureError:
        return 0


def _reasons(refused: Sequence[Refused]) -> list[str]:
    """The reasons of most parts."""
    lines = reasons_of(refused)
    return [*lines[:_NAMED], *([f"and {len(lines) - _NAMED} more reasons"] if len(lines) > _NAMED else [])]


def _remarks(space: Space, target: Target) -> tuple[str, ...]:
    """What whole networks lack that their parts do not tell. ArchitectureError where none that was checked is taken."""
    rng = random.Random(0)
    count = space.count()
    places = dict.fromkeys([0, count - 1])
    while len(places) < min(count, 2 + _SAMPLES):
        places[rng.randrange(count)] = None
    faults = {place: whole_faults(space.at(place), space.input_shape, target) for place in places}
    wrong = {place: found for place, found in faults.items() if found}
    told = [
        f"{space.at(place)} is not taken whole: {'; '.join(dict.fromkeys(map(fault_words, found)))}"
        for place, found in wrong.items()
    ]
    if len(wrong) == len(places):
        raise ArchitectureError(
            f"space {space}: target {target.name}: its parts are taken, its networks are not, of {len(places)} that "
            f"were checked: {told[0]}"
        )
    return tuple(told)


def whole_faults(architecture: Architecture, shape: Sequence[int], target: Target) -> tuple[Fault, ...]:
    """What a target does not take of a network at this input, batch norm merged, after exact rewrites."""
    net = generate(architecture, input_shape=tuple(shape), merged=True)
    return rewritten(net, None, target).report.faults


def network_faults(architecture: Architecture, shape: Sequence[int], target: Target) -> list[str]:
    """As `whole_faults`, in words, each once."""
    return list(dict.fromkeys(map(fault_words, whole_faults(architecture, shape, target))))
