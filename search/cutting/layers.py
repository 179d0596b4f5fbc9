"""The largest space of PONAS, or of Tiered Pruning, whose networks have none of some parts.

A block of PONAS's layers depends on its layer and candidate alone: candidates go, and all that is left is left. In a
stage of Tiered Pruning the kinds and kernels are the same for all layers, and inner widths are listed for the first
layer and for those behind it: of all kinds, kernels and depths that may stay together, each with the inner widths that
no fault speaks against, those stay that leave the most networks; of equal ones the most kinds, then kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from math import prod
from typing import NamedTuple

from prototxt_gen.errors import ArchitectureError
from search.cutting.judging import Judged
from search.cutting.removals import Removal, removal_words
from search.spaces import PonasSpace, TieredSpace, TieredStage
from search.spaces.ponas import Block
from search.spaces.tiered import TieredBlock, TieredLayer

# Of a stage with more kernels, the smallest so many stay, or all.
_MOST_KERNELS = 8


class Left(NamedTuple):
    """What is left of a space, and what went."""

    space: PonasSpace | TieredSpace
    removed: tuple[Removal, ...]


def candidates_without(space: PonasSpace, judged: Judged) -> Left | None:
    """The space without the candidates that are refused; None where a layer has no other.

    ArchitectureError, naming it, where one network is left: a space needs a choice.
    """
    layers, removed = [], []
    for number, layer in enumerate(space.layers):
        gone = [place for place in range(len(layer.candidates)) if judged.is_refused((Block(number, place),))]
        left = tuple(unit for place, unit in enumerate(layer.candidates) if place not in gone)
        if not left:
            return None
        if gone:
            units = ", ".join(str(layer.candidates[place]) for place in gone)
            removed.append(Removal("layer", number + 1, f"{_plural('candidate', gone)} {units}"))
        layers.append(layer._replace(candidates=left))
    if removed and all(len(layer.candidates) == 1 for layer in layers):
        chosen = [space.layers[number].candidates.index(layers[number].candidates[0]) for number in space.rows]
        raise ArchitectureError(
            f"space {space}: one network is left, and nothing to choose: {space.of_choices(chosen)}"
        )
    return Left(replace(space, layers=tuple(layers)), tuple(removed))


def stages_without(space: TieredSpace, judged: Judged) -> Left | None:
    """The largest space of Tiered Pruning within a space that has no refused part; None where there is none.

    ArchitectureError, naming it, where one network is left.
    """
    refused = {
        (piece.stage, piece.opens, piece.kind, piece.kernel, piece.inner)
        for piece in judged.keys
        if isinstance(piece, TieredBlock) and judged.is_refused((piece,))
    }
    stages: list[TieredStage | None] = []
    for number, stage in enumerate(space.stages):
        layers = [layer for layer in space.layers if layer.stage == number]
        if not any(one[0] == number for one in refused):
            stages.append(stage)
            continue
        options = sorted(_options(stage, layers, refused), key=lambda option: -_networks(option, layers))
        if options:
            stages.append(options[0])
        elif stage.depths[0] == 0:
            stages.append(None)
        else:
            return None
    left = tuple(stage for stage in stages if stage is not None)
    removed = [
        Removal("stage", number, what)
        for number, (before, after) in enumerate(zip(space.stages, stages, strict=True), 1)
        for what in _removed(before, after, [one for one in space.layers if one.stage == number - 1])
    ]
    try:
        return Left(replace(space, stages=left), tuple(removed))
    except ArchitectureError as fault:
        raise ArchitectureError(
            f"space {space}: what is left without {'; '.join(removal_words(removed))} is no space: {fault}"
        ) from None


def _options(
    stage: TieredStage, layers: Sequence[TieredLayer], refused: set[tuple[int, bool, str, int, int]]
) -> Iterator[TieredStage]:
    """What a stage may be with none of the refused blocks, each as large as its kinds, kernels and depth let it be."""
    first, *others = layers
    depths = [stage.depths, *([(stage.depths[0], 1)] if stage.depths[0] <= 1 < stage.depths[1] else [])]
    for kinds in _some(stage.kinds):
        for kernels in _some(stage.kernels):
            for depth in depths:
                lists = [
                    tuple(
                        inner
                        for inner in layer.widths or (0,)
                        if not any(
                            (layer.stage, _opens(layer), kind, kernel, inner) in refused
                            for kind in kinds
                            for kernel in kernels
                        )
                    )
                    for layer in (first, *others[: 1 if depth[1] > 1 else 0])
                ]
                if all(lists):
                    same = all(left == layer.widths for left, layer in zip(lists, layers, strict=False))
                    inner = () if not first.widths or (same and not stage.inner) else tuple(lists)
                    yield stage._replace(kinds=kinds, kernels=kernels, depths=depth, inner=inner)


def _some(values: Sequence[str] | Sequence[int]) -> Iterator[tuple]:
    """Some of these in their order, the most first; of many the first ones."""
    for number in range(len(values), 0, -1):
        yield from combinations(values, number) if len(values) <= _MOST_KERNELS else [tuple(values[:number])]


def _opens(layer: TieredLayer) -> bool:
    """As TieredBlock.opens."""
    return layer.position == 0 and (layer.stride, layer.in_channels) != (1, layer.width)


def _networks(stage: TieredStage, layers: Sequence[TieredLayer]) -> int:
    """How many ways there are to choose a stage's layers."""
    blocks = len(stage.kinds) * len(stage.kernels)
    inner = [
        len(stage.inner[min(layer.position, len(stage.inner) - 1)]) if stage.inner else len(layer.widths or (0,))
        for layer in layers
    ]
    least, most = stage.depths
    return sum(prod(blocks * widths for widths in inner[:depth]) for depth in range(least, most + 1))


def _removed(before: TieredStage, after: TieredStage | None, layers: Sequence[TieredLayer]) -> Iterator[str]:
    """What went of a stage, in words."""
    if after is None:
        yield "all of its layers"
        return
    if kinds := [kind for kind in before.kinds if kind not in after.kinds]:
        yield f"{_plural('block', kinds)} {', '.join(kinds)}"
    if kernels := [kernel for kernel in before.kernels if kernel not in after.kernels]:
        yield f"{_plural('kernel', kernels)} {', '.join(map(str, kernels))}"
    if after.depths != before.depths:
        yield f"depths above {after.depths[1]}"
    for place, widths in enumerate(after.inner):
        gone = [width for width in layers[place].widths if width not in widths]
        where = "its first layer" if place == 0 else "those behind it"
        if gone:
            yield f"{len(gone)} of {len(layers[place].widths)} inner widths of {where}: {_shown(gone)}"


def _plural(word: str, values: Sequence[object]) -> str:
    return f"{word}s" if len(values) > 1 else word


def _shown(widths: Sequence[int]) -> str:
    return ", ".join(map(str, widths)) if len(widths) <= 6 else f"{widths[0]}, {widths[1]}, ..., {widths[-1]}"
