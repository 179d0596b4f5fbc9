"""Layers at fault replaced by other forms of them, each where it stands, so that the network around it stays right.

1. A layer's faults are those of the layer alone: what is about names and about memory (running in place) is mended
   later. A layer that runs in place is offered to the rewrites with a bottom and a top of its own.
2. Of the forms that rewrites offer, those count of which the target takes every layer, after these were replaced in
   turn. Exact forms come before others; then those that keep off the target's CPU; then those with fewest
   multiply-adds; then the order in which rewrites stand and offer them. Where the accelerator was asked for, keeping
   off the CPU comes first.
3. A form that gains nothing is no form: a layer on the CPU is replaced only where that was asked for, and then only by
   what runs on the accelerator.
4. One layer in the place of one that ran in place does so too, where its type can. Otherwise the value before gets a
   name of its own; the name stays with the value after, which other layers and the outputs know. An input keeps its
   name; there the value after gets another.
5. Phase rules, and names under which blobs are shared, do not pass on to the new layers; other layers that got their
   blobs by such a name get them as their own. A loss weight passes on to the layer that makes all the tops.
6. Bottoms may be taken no more. What no output needs any more goes; what the network had as outputs stays.
7. Caffe's blobs are memory, which views and layers in place share. Where a new form would let a layer read another
   value than before, the old layer stays, and its fault with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from converters.targets.checking import Fault, faults_of, neighbours, of_names_and_memory
from converters.targets.forms import LAYER_REWRITES, Change, Draft, Form, Place, free_name
from converters.targets.memory import reads_the_same, renamed_before
from converters.targets.rows import rows_of
from converters.targets.target import Target
from converters.weights import Weights
from converters.weights.fitting import completed, fit_weights
from prototxt_gen.layers import LAYERS, is_input
from prototxt_gen.layers.layer_types import shared_names
from prototxt_gen.layers.likeness import likeness
from prototxt_gen.proto import LayerParameter, NetParameter, to_bytes
from prototxt_gen.trace import LayerSummary

# How deep the layers of a new form may be replaced in turn.
_DEEPEST = 4
# How bad an outcome is. What is silently wrong is as bad as what is refused.
_BADNESS = {"accelerated": 0, "cpu": 1, "silent": 2, "refused": 2}
# Types beside those of activations that run in place.
_IN_PLACE = ("BatchNorm", "Bias", "Scale")


def replace_layers(
    draft: Draft,
    target: Target,
    *,
    approximate: bool = False,
    accelerated: bool = False,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Draft:
    """The draft with other forms of its layers at fault, as far as there are some."""
    rows = rows_of(draft.net, input_shapes)
    finder = _Finder(draft, target, approximate, accelerated, rows)
    found = finder.forms()

    def placed(forms: Mapping[int, _Found]) -> _Placed | None:
        made = _Placed(draft, forms, finder.blobs)
        new = rows_of(made.draft.net, input_shapes)
        return made if reads_the_same(rows, new, made.units, forms, made.renamed) else None

    made = placed(found) if found else None
    if found and made is None:
        found = {index: form for index, form in found.items() if placed({index: form})}
        made = placed(found) if found else None
    if made is None:
        return draft
    return without_dead(made.draft, [made.renamed.get(name, name) for name in unread(draft.net.layer)])


class _Standing(NamedTuple):
    """A layer where it stands: its row, its type as it is spelled, the types before and behind it."""

    row: LayerSummary
    spelled: str
    made_by: str
    taken_by: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """A form whose layers the target takes: which rewrite offered it, for a layer of which row, how bad it still is.

    `place`: which of the rewrite's forms it is.
    """

    form: Form
    rewrite: str
    place: int
    row: LayerSummary
    badness: int
    costs: int
    entered: str | None = None


@dataclass
class _Finder:
    """Finds other forms of the layers at fault. `rows` are those of the draft's network."""

    draft: Draft
    target: Target
    approximate: bool
    accelerated: bool
    rows: Sequence[LayerSummary | None]
    taken: set[str] = field(default_factory=set)
    #: The weights in the shapes of the layers, with those that a file may leave out.
    blobs: Weights = field(default_factory=dict)
    _hopeless: set[tuple[object, ...]] = field(default_factory=set)
    #: Which form, by its rewrite and its place among its forms, was the best of layers that are alike.
    _chosen: dict[tuple[object, ...], tuple[str, int]] = field(default_factory=dict)
    #: The faults of layers where they stand, under no name, and how bad the worst is.
    _known: dict[tuple[object, ...], tuple[tuple[Fault, ...], int]] = field(default_factory=dict)
    #: The layers whose forms are being looked for: one that comes again among its own leads nowhere.
    _open: set[tuple[object, ...]] = field(default_factory=set)
    _circles: int = 0

    def forms(self) -> dict[int, _Found]:
        """By the index of a layer its other form."""
        self.taken = _names(self.draft.net.layer)
        if self.draft.weights is not None:
            known = [row for row in self.rows if row is not None]
            self.blobs = self.draft.weights | completed(known, fit_weights(known, self.draft.weights)[0])
        found: dict[int, _Found] = {}
        around = neighbours(self.draft.net)[0]
        for index, row in enumerate(self.rows):
            if row is None:
                continue
            name = free_name(f"{row.name}/in", self.taken)
            apart, entered = _apart(row, name)
            made_by, taken_by = around[index]
            one = _Standing(apart, self.draft.net.layer[index].type, made_by, tuple(taken_by))
            made = self._form_of(one, self.blobs.get(row.name), _DEEPEST)
            if made is not None:
                found[index] = replace(made, entered=entered)
                self.taken |= {name, *_names(made.form.layers)}
        return found

    def _form_of(self, one: _Standing, blobs: Sequence[np.ndarray] | None, depth: int) -> _Found | None:
        """The best form of a layer; None where the layer may stay, or has no better one."""
        row = one.row
        faults, badness = self._faults(one)
        if badness <= (0 if self.accelerated else 1) or row.type not in LAYER_REWRITES or depth == 0:
            return None
        like = likeness(row.layer) or to_bytes(_bare(row.layer, one.spelled))
        key = (like, one.spelled, row.bottom_shapes, *one[2:], depth, blobs is None)
        if key in self._hopeless:
            return None
        if blobs is None and not self._open and key in self._chosen:
            return self._best(one, faults, badness, blobs, depth, self._chosen[key])
        if key[:-2] in self._open:
            self._circles += 1
            return None
        circles = self._circles
        self._open.add(key[:-2])
        try:
            best = self._best(one, faults, badness, blobs, depth)
        finally:
            self._open.discard(key[:-2])
        # Where forms led back to a layer that is still looked at, there may be one when it is not.
        if best is None and (circles == self._circles or not self._open):
            self._hopeless.add(key)
        if best is not None and blobs is None and not self._open:
            self._chosen[key] = (best.rewrite, best.place)
        return best

    def _best(
        self,
        one: _Standing,
        faults: tuple[Fault, ...],
        badness: int,
        blobs: Sequence[np.ndarray] | None,
        depth: int,
        chosen: tuple[str, int] | None = None,
    ) -> _Found | None:
        """The best of the forms that the rewrites offer, none where they are as bad as the layer.

        `chosen`: the one that was the best of a layer like it.
        """
        row = one.row
        faults = tuple(replace(fault, layer=row.name) for fault in faults)
        place = Place(row, blobs, faults, self.target, frozenset(self.taken))
        offers = []
        for name, rewrite in LAYER_REWRITES[row.type].items():
            if chosen is not None and name != chosen[0]:
                continue
            for number, form in enumerate(rewrite(place)):
                if (form.exact or self.approximate) and chosen in (None, (name, number)):
                    inner = self._standing(form, one)
                    worst = max((self._faults(each)[1] for each in inner), default=0)
                    costs = sum(each.row.multiply_adds for each in inner)
                    offers.append((self._order(form.exact, worst, costs), name, number, form, inner))
        best: _Found | None = None
        for _, name, number, form, inner in sorted(offers, key=lambda offer: offer[0]):
            whole = self._whole(form, (name, number), row, inner, blobs, depth - 1)
            if whole is None or whole.badness >= badness:
                continue
            if best is None or self._order_of(whole) < self._order_of(best):
                best = whole
            if best.form.exact and best.badness == 0:
                break
        return best

    def _order(self, exact: bool, badness: int, costs: int) -> tuple[int, int, int]:
        return (badness, not exact, costs) if self.accelerated else (not exact, badness, costs)

    def _order_of(self, found: _Found) -> tuple[int, int, int]:
        return self._order(found.form.exact, found.badness, found.costs)

    def _whole(
        self,
        form: Form,
        offered: tuple[str, int],
        row: LayerSummary,
        inner: Sequence[_Standing],
        blobs: Sequence[np.ndarray] | None,
        depth: int,
    ) -> _Found | None:
        """A form with those of its layers replaced that the target does not take; None where that does not succeed."""
        before = set(self.taken)
        self.taken |= _names(form.layers)
        layers: list[LayerParameter] = []
        weights: Weights = dict(form.blobs)
        what, exact, badness, costs = [form.what], form.exact, 0, 0
        try:
            for one, layer in zip(inner, form.layers, strict=True):
                own = weights.get(layer.name, blobs if layer.name == row.name else None)
                found = self._form_of(one, own, depth)
                if found is None:
                    layers.append(layer)
                    badness = max(badness, self._faults(one)[1])
                    costs += one.row.multiply_adds
                else:
                    layers += found.form.layers
                    self.taken |= _names(found.form.layers)
                    if layer.name not in {made.name for made in found.form.layers}:
                        weights.pop(layer.name, None)
                    weights |= found.form.blobs
                    what.append(found.form.what)
                    exact = exact and found.form.exact
                    badness = max(badness, found.badness)
                    costs += found.costs
                if badness == _BADNESS["refused"]:
                    return None
        finally:
            self.taken = before
        made = Form(tuple(layers), ", ".join(dict.fromkeys(what)), weights, exact)
        return _Found(made, *offered, row, badness, costs)

    def _standing(self, form: Form, old: _Standing) -> list[_Standing]:
        """A form's layers where they would stand, set up on the shapes of the layer that they replace."""
        net = NetParameter()
        shapes = dict(zip(old.row.bottoms, old.row.bottom_shapes, strict=True))
        for bottom, shape in shapes.items():
            net.layer.add(name=f"\0{bottom}", type="Input", top=[bottom]).input_param.shape.add(dim=shape)
        net.layer.extend(form.layers)
        around = neighbours(net)[0][len(shapes) :]
        made = []
        for row, layer, (made_by, taken_by) in zip(rows_of(net)[len(shapes) :], form.layers, around, strict=True):
            if row is None:  # of a type that is not known here
                bottoms, tops = tuple(layer.bottom), tuple(layer.top)
                row = LayerSummary(layer, layer.name, layer.type, bottoms, tops, (), (), (), 0, 0, 0)
            before = old.made_by if layer.bottom and layer.bottom[0] in shapes else made_by
            behind = old.taken_by if set(layer.top) & set(old.row.tops) else tuple(taken_by)
            made.append(_Standing(row, layer.type, before, behind))
        return made

    def _faults(self, one: _Standing) -> tuple[tuple[Fault, ...], int]:
        """The faults of a layer that a form of its own may take away, under no name; and how bad the worst is."""
        row = one.row
        like = likeness(row.layer)
        key = (like, one.spelled, row.bottom_shapes, row.top_shapes, *one[2:])
        known = self._known.get(key)
        if known is None or like is None:
            bare = _bare(row.layer, one.spelled)
            bottoms, tops = row.bottom_shapes or None, row.top_shapes or None
            found, _ = faults_of(bare, self.target, bottoms, tops, made_by=one.made_by, taken_by=one.taken_by)
            faults = tuple(fault for fault in found if not of_names_and_memory(fault))
            known = self._known[key] = faults, max((_BADNESS[fault.outcome] for fault in faults), default=0)
        return known


def _bare(layer: LayerParameter, spelled: str) -> LayerParameter:
    """The layer under short names, with tops of its own: what is left of it without names and memory."""
    made = LayerParameter()
    made.CopyFrom(layer)
    made.name, made.type = "n", spelled
    bottoms = {name: f"b{number}" for number, name in enumerate(dict.fromkeys(layer.bottom))}
    made.bottom[:] = [bottoms[name] for name in layer.bottom]
    made.top[:] = [f"t{number}" for number in range(len(layer.top))]
    for what in ("include", "exclude"):
        made.ClearField(what)
    for spec in made.param:
        spec.ClearField("name")
    return made


def _apart(row: LayerSummary, name: str) -> tuple[LayerSummary, str | None]:
    """The row of a layer in place with another name for its bottom, and the bottom's real name; others as they are."""
    both = [bottom for bottom, top in zip(row.bottoms, row.tops, strict=False) if bottom == top]
    if len(both) != 1:
        return row, None
    layer = LayerParameter()
    layer.CopyFrom(row.layer)
    layer.bottom[:] = [name if bottom == both[0] else bottom for bottom in layer.bottom]
    return replace(row, layer=layer, bottoms=tuple(layer.bottom)), both[0]


def _names(layers: Iterable[LayerParameter]) -> set[str]:
    return {name for layer in layers for name in (layer.name, *layer.top)}


class _Placed:
    """A draft with forms in the place of layers. `units` are the indices of the new layers by that of the old one."""

    def __init__(self, draft: Draft, found: Mapping[int, _Found], blobs: Weights) -> None:
        self.units: list[range] = []
        #: Blobs that readers behind know by another name now.
        self.renamed: dict[str, str] = {}
        self._shared = shared_names(draft.net.layer)
        self._layers: list[LayerParameter] = []
        weights = None if draft.weights is None else dict(draft.weights)
        changes, fixed = list(draft.changes), dict(draft.fixed)
        for index, old in enumerate(draft.net.layer):
            begin = len(self._layers)
            layer = LayerParameter()
            layer.CopyFrom(old)
            self._rename(layer)
            if index not in found:
                self._layers.append(layer)
                is_shared = any(spec.name in self._shared for spec in old.param)
                if weights is not None and is_shared and old.name in blobs:
                    weights.setdefault(old.name, blobs[old.name])
            else:
                one = found[index]
                self._layers += self._entered(one, layer)
                changes.append(Change(old.name, one.rewrite, one.form.what, one.form.exact))
                fixed |= one.form.blobs
                if weights is not None:
                    if old.name not in {new.name for new in one.form.layers}:
                        weights.pop(old.name, None)
                    weights |= one.form.blobs
            self.units.append(range(begin, len(self._layers)))
        net = NetParameter()
        net.CopyFrom(draft.net)
        net.ClearField("layer")
        net.layer.extend(self._layers)
        self.draft = Draft(net, weights, changes, {**draft.renamed, **self.renamed}, fixed)

    def _rename(self, layer: LayerParameter) -> None:
        layer.bottom[:] = [self.renamed.get(name, name) for name in layer.bottom]
        layer.top[:] = [self.renamed.get(name, name) for name in layer.top]

    def _entered(self, found: _Found, old: LayerParameter) -> list[LayerParameter]:
        """The layers of a form with the names around it, in place where that can be."""
        made = []
        for one in found.form.layers:
            layer = LayerParameter()
            layer.CopyFrom(one)
            for spec in layer.param:
                if spec.name in self._shared:
                    spec.ClearField("name")
            made.append(layer)
            self._rename(layer)
        if old.loss_weight and list(made[-1].top) == list(old.top):
            made[-1].loss_weight[:] = old.loss_weight
        if found.entered is None:
            return made
        entered = self.renamed.get(found.entered, found.entered)
        inner = next(name for name, real in zip(found.row.bottoms, old.bottom, strict=True) if real == entered)
        if len(made) == 1 and _runs_in_place(made[0].type):
            made[0].bottom[:] = [entered if name == inner else name for name in made[0].bottom]
        elif not renamed_before(self._layers, entered, inner):
            # An input keeps its name, so what comes behind gets the other.
            for layer in made:
                layer.bottom[:] = [entered if name == inner else name for name in layer.bottom]
                layer.top[:] = [inner if name == entered else name for name in layer.top]
            self.renamed[found.entered] = inner
        return made


def _runs_in_place(kind: str) -> bool:
    return kind in _IN_PLACE or (kind in LAYERS and LAYERS[kind].family == "activations")


def without_dead(draft: Draft, outputs: Iterable[str]) -> Draft:
    """The draft without the layers that `outputs` do not need; inputs, and layers without tops, stay."""
    needed = set(outputs)
    kept: list[LayerParameter] = []
    gone = []
    for layer in reversed(draft.net.layer):
        if layer.top and not is_input(layer.type) and not needed & set(layer.top):
            gone.append(layer.name)
            continue
        kept.append(layer)
        needed -= set(layer.top)
        needed |= set(layer.bottom)
    if not gone:
        return draft
    net = NetParameter()
    net.CopyFrom(draft.net)
    net.ClearField("layer")
    net.layer.extend(reversed(kept))
    names = {layer.name for layer in kept}
    weights = None if draft.weights is None else {
        name: blobs for name, blobs in draft.weights.items() if name in names or name not in gone
    }  # fmt: skip
    changes = [*draft.changes, *(Change(name, "dead layers", "left out: no layer takes its tops") for name in gone)]
    return Draft(net, weights, changes, draft.renamed, draft.fixed)


def unread(layers: Iterable[LayerParameter]) -> list[str]:
    """The tops that no layer takes: a network's outputs."""
    found: dict[str, None] = {}
    for layer in layers:
        for name in layer.bottom:
            found.pop(name, None)
        if not is_input(layer.type):
            found.update(dict.fromkeys(layer.top))
    return list(found)
