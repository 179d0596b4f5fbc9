"""What rewrites are made of: a network under rewriting, a layer at fault, the forms it may take; their tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from converters.targets.checking import Fault, Report
from converters.targets.target import Target
from converters.weights import Weights
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.registry import Registry
from prototxt_gen.trace import LayerSummary


@dataclass(frozen=True)
class Change:
    """What was done: to which layer, by which rewrite, in words. `exact`: whether it computes the same.

    `also`: other layers that went with it.
    """

    layer: str
    rewrite: str
    what: str
    exact: bool = True
    also: tuple[str, ...] = ()


@dataclass
class Draft:
    """A network under rewriting, with its weights where there are some, and what was done to it so far.

    `fixed` are the weights that a rewrite made, by layer: they are there although the network came without weights.
    """

    net: NetParameter
    weights: Weights | None
    changes: list[Change] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    fixed: Weights = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """Another form of a layer: the layers in its place, in order, the last ones making its tops.

    New layers and blobs have names that the network has not (`Place.name`); one layer may keep the old one's name, and
    its weights where `blobs` has none for it. No layer of a form runs in place. `blobs` are weights of new layers, or
    of the kept one in another form. `what` says it in words; `exact`: whether it computes the same but for rounding.
    """

    layers: tuple[LayerParameter, ...]
    what: str
    blobs: Weights = field(default_factory=dict)
    exact: bool = True


@dataclass(frozen=True)
class Place:
    """A layer at fault, where it stands: its row, its weights where there are some, all faults of it, the target.

    A layer that runs in place has here a bottom and a top of its own. A type that some Caffes spell otherwise has its
    name of `prototxt_gen.layers`. `blobs` have the layer's shapes. `taken`: names of layers and blobs that the network
    has.
    """

    row: LayerSummary
    blobs: Sequence[np.ndarray] | None
    faults: tuple[Fault, ...]
    target: Target
    taken: frozenset[str]

    def has(self, kind: str) -> bool:
        """Whether the target runs layers of this type somewhere."""
        row = self.target.rows.get(kind)
        return row is not None and row.runs in ("accelerated", "cpu")

    def name(self, what: str) -> str:
        """A name for a new layer or blob: the layer's own and `what`, with more behind it where that is taken."""
        return free_name(f"{self.row.name}/{what}", self.taken)


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, with more behind it where it is taken."""
    while name in taken:
        name += "_"
    return name


NetworkRewrite: TypeAlias = Callable[[Draft, Report, Mapping[str, Sequence[int]] | None], Draft | None]
LayerRewrite: TypeAlias = Callable[[Place], Iterable[Form]]

#: Rewrites of a whole network, by name, in the order in which they are tried.
NETWORK_REWRITES: dict[str, NetworkRewrite] = {}
FINAL_REWRITES: dict[str, NetworkRewrite] = {}
#: Rewrites of one layer: by its type, each by name.
LAYER_REWRITES: Registry[dict[str, LayerRewrite]] = Registry("rewrite of layers")


def layers_rewritten(name: str, *types: str) -> Callable[[LayerRewrite], LayerRewrite]:
    """Enters a rewrite of layers of these types. KeyError where one has a rewrite of this name."""

    def enter(rewrite: LayerRewrite) -> LayerRewrite:
        for kind in types:
            if kind not in LAYER_REWRITES:
                LAYER_REWRITES.register(kind)({})
            if name in LAYER_REWRITES[kind]:
                raise KeyError(f"rewrite {name!r} of {kind}: already registered")
            LAYER_REWRITES[kind][name] = rewrite
        return rewrite

    return enter
