"""Layers of a new form while they are added: their names, shapes and weights, and what the target says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, product
from math import prod
from typing import Any, TypeAlias

import numpy as np

from converters.targets.checking import faults_of
from converters.targets.forms import Form, Place, free_name
from prototxt_gen.layers import LAYERS, Shape
from prototxt_gen.layers.layer_types import count
from prototxt_gen.proto import LayerParameter, SliceParameter
from prototxt_gen.stock import Step

#: Weights of a layer, or what makes them; None where they are not known.
Blobs: TypeAlias = Sequence[np.ndarray] | Callable[[], Sequence[np.ndarray]] | None

# Chains longer than this save nothing.
_MOST_STAGES = 8


class Building:
    """The layers in the place of one, from its bottoms on; the last one gets its name and its tops.

    `multiply_adds` and `numbers` (of all tops) are those of the layers so far.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.multiply_adds = self.numbers = 0
        self._layers: list[LayerParameter] = []
        self._blobs: dict[str, Callable[[], Sequence[np.ndarray]]] = {}
        self._shapes: dict[str, Shape] = dict(zip(place.row.bottoms, place.row.bottom_shapes, strict=True))

    @property
    def bottom(self) -> str:
        """The first bottom of the old layer."""
        return self.place.row.bottoms[0]

    def shape(self, blob: str) -> Shape:
        """The shape of a bottom or of what a new layer makes."""
        return self._shapes[blob]

    def add(
        self,
        kind: str,
        bottoms: Sequence[str],
        what: str,
        blobs: Blobs = (),
        **options: Any,
    ) -> str:
        """One more layer, named by `what` it does; its top's name.

        `blobs` None: they are not known. A function makes them where the form is wanted: of many that are tried, few
        are. NetworkError where the layer cannot take such bottoms.
        """
        name = self._free(what)
        layer = LayerParameter(name=name, type=kind, bottom=bottoms, top=[name], **options)
        made = LAYERS[kind].shape(layer, [self._shapes[bottom] for bottom in bottoms])
        self._layers.append(layer)
        self._shapes[name] = made.tops[0]
        if blobs:
            self._blobs[name] = blobs if callable(blobs) else (lambda: blobs)
        self.multiply_adds += made.multiply_adds
        self.numbers += sum(map(count, made.tops))
        return name

    def add_slice(self, blob: str, axis: int, sizes: Sequence[int], what: str) -> list[str]:
        """A Slice of a blob on an axis into parts of these sizes; their names."""
        name = self._free(what)
        tops = [self._free(f"{what}{index}") for index in range(1, len(sizes) + 1)]
        options: dict[str, Any] = {} if axis == 1 else {"axis": axis}
        if len(set(sizes)) > 1:
            options["slice_point"] = list(accumulate(sizes[:-1]))
        layer = LayerParameter(name=name, type="Slice", bottom=[blob], top=tops)
        if options:
            layer.slice_param.MergeFrom(SliceParameter(**options))
        made = LAYERS["Slice"].shape(layer, [self._shapes[blob]])
        self._layers.append(layer)
        self._shapes |= dict(zip(tops, made.tops, strict=True))
        self.numbers += sum(map(count, made.tops))
        return tops

    def _free(self, what: str) -> str:
        name = self.place.name(what)
        return free_name(name, self._shapes)

    def steps(self, steps: Sequence[Step], bottom: str) -> str:
        """Layers with fixed weights one after another; the last one's top, the bottom itself where there are none."""
        for step in steps:
            bottom = self.add(step.kind, [bottom], step.what, step.blobs, **step.options)
        return bottom

    def form(self, what: str, exact: bool = True) -> Form:
        """The layers so far as a form."""
        *before, last = self._layers
        old = self.place.row.layer
        blobs = {
            name: [np.array(array, np.float32, order="C") for array in made()] for name, made in self._blobs.items()
        }
        renamed = LayerParameter()
        renamed.CopyFrom(last)
        renamed.top[:] = old.top
        # A layer without blobs under the name of one that has some would be given those.
        if last.name in blobs or not self.place.row.blob_shapes:
            renamed.name = old.name
            blobs |= {old.name: blobs.pop(last.name)} if last.name in blobs else {}
        return Form((*before, renamed), what, blobs, exact)

    def apart(self, top: str) -> tuple[LayerParameter, dict[str, list[np.ndarray]]]:
        """The last layer under this top, and its weights by its name: for forms that make several tops."""
        layer = copied(self._layers[-1])
        layer.top[:] = [top]
        return layer, {layer.name: [np.array(one, np.float32, order="C") for one in self._blobs[layer.name]()]}

    def costs(self) -> str:
        """What the layers cost beside the old one, in words: multiply-adds, and the memory of all tops."""
        old = self.place.row
        return (
            f"{_short(self.multiply_adds)} multiply-adds for {_short(old.multiply_adds)}, maps of "
            f"{_short(4 * self.numbers)}B for {_short(4 * sum(map(count, old.top_shapes)))}B"
        )

    def refused(self) -> list[int]:
        """The layers so far, by index, that the target does not take as they are.

        A layer on its CPU counts as taken where the old one had other faults than to be there.
        """
        strict = all(fault.outcome == "cpu" for fault in self.place.faults)
        found = []
        for index, layer in enumerate(self._layers):
            bottoms = [self._shapes[bottom] for bottom in layer.bottom]
            tops = [self._shapes[top] for top in layer.top]
            plain = copied(layer)  # names are mended later
            plain.name, plain.top[:] = "n", [f"t{place}" for place in range(len(tops))]
            faults, _ = faults_of(plain, self.place.target, bottoms, tops)
            if any(strict or fault.outcome != "cpu" for fault in faults):
                found.append(index)
        return found

    def refused_but(self, kind: str) -> bool:
        """Whether the target does not take some layer of another type than `kind`."""
        return any(self._layers[index].type != kind for index in self.refused())


def alone(place: Place, kind: str, what: str, blobs: Blobs = (), **options: Any) -> Form:
    """A form of one layer that takes the old one's bottoms."""
    made = Building(place)
    made.add(kind, place.row.bottoms, "alone", blobs, **options)
    return made.form(what)


def shares_blobs(place: Place) -> bool:
    """Whether other layers may have the same blobs, so that they must stay as they are."""
    return any(spec.name for spec in place.row.layer.param)


def copied(layer: LayerParameter) -> LayerParameter:
    """The layer again, to change."""
    made = LayerParameter()
    made.CopyFrom(layer)
    return made


def factor_chains(sizes: Sequence[int]) -> list[tuple[Shape, ...]]:
    """Pairs of numbers whose products along both axes are these sizes, two or more: short chains of small ones first.

    8x16 is (4, 4), (2, 4); or (2, 2), (2, 2), (2, 4); and so on. The greater numbers come first.
    """
    made = set()
    for heights, widths in product(*map(_factorings, sizes)):
        stages = max(len(heights), len(widths))
        if 1 < stages <= _MOST_STAGES:
            pair = ([*one, *[1] * (stages - len(one))] for one in (heights, widths))
            made.add(tuple(zip(*pair, strict=True)))
    return sorted(made, key=lambda stages: (len(stages), max(map(prod, stages)), sum(map(prod, stages)), stages))


def _factorings(number: int, most: int = 0) -> list[list[int]]:
    """The ways to write a number as a product of numbers above 1, the greatest first; of 1 the empty one."""
    if number == 1:
        return [[]]
    found = []
    for factor in range(min(number, most or number), 1, -1):
        if number % factor == 0:
            found += [[factor, *rest] for rest in _factorings(number // factor, factor)]
    return found


def by(sizes: Sequence[int]) -> str:
    """Sizes in words: 4x2."""
    return "x".join(map(str, sizes))


def _short(number: float) -> str:
    for unit in ("", " k", " M", " G"):
        if number < 1000 or unit == " G":
            return f"{number:.3g}{unit}"
        number /= 1000
    raise AssertionError(number)
