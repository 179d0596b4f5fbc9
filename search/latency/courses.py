"""Networks that lead through given parts, drawn at random: what a measurement runs, part by part."""

from __future__ import annotations

import bisect
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate

from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.parts import Part, parts
from search.latency.predicting import placed_parts, space_parts
from search.spaces import Space


class Course(ABC):
    """The distinct `parts` to measure, by key, and networks that have them; `subject` says whose parts they are."""

    subject: str
    parts: dict[str, Part]

    @abstractmethod
    def through(self, key: str, rng: random.Random) -> list[Part]:
        """The parts, in order, of a random network that has the part of this key."""


class SpaceCourse(Course):
    """All parts of a space. A network is drawn evenly from all that have the part, as often as they have it."""

    def __init__(self, space: Space) -> None:
        self.subject = str(space)
        self._space = space
        self.parts = space_parts(space)
        keys = {piece: part.key for piece, part in placed_parts(space).items()}
        self._common = {keys[piece] for piece in space.common}
        # By key: the columns and the edges of theirs that bring the part.
        self._edges: dict[str, list[tuple[int, int]]] = {}
        for number, (column, edges) in enumerate(zip(space.columns, space.ways.edges, strict=True)):
            for edge, (state, value) in enumerate(zip(edges.sources.tolist(), edges.choices.tolist(), strict=True)):
                for key in {keys[piece] for piece in space.pieces(column, state, value)}:
                    self._edges.setdefault(key, []).append((number, edge))
        self._totals: dict[str, list[int]] = {}

    def through(self, key: str, rng: random.Random) -> list[Part]:
        space = self._space
        if key in self._common or key not in self._edges:
            return parts(space.sample(rng), space.input_shape)
        if key not in self._totals:
            self._totals[key] = list(accumulate(space.ways.over(*edge) for edge in self._edges[key]))
        totals = self._totals[key]
        drawn = bisect.bisect_right(totals, rng.randrange(totals[-1]))
        vector = space.ways.drawn_over(rng, *self._edges[key][drawn])
        return parts(space.decode(vector), space.input_shape)


class NetworksCourse(Course):
    """The parts of a list of networks, at one size of input. ArchitectureError for an empty list, and as `parts`."""

    def __init__(self, networks: Sequence[Backbone | Decoder | str], input_shape: Sequence[int] | None = None) -> None:
        if not networks:
            raise ArchitectureError("networks: found none, expected at least one")
        self._networks = [parts(network, input_shape) for network in networks]
        self.subject = ", ".join(str(network) for network in networks)
        self.parts = {part.key: part for network in self._networks for part in network}
        self._having: dict[str, list[list[Part]]] = {}
        for network in self._networks:
            for key in dict.fromkeys(part.key for part in network):
                self._having.setdefault(key, []).append(network)

    def through(self, key: str, rng: random.Random) -> list[Part]:
        return rng.choice(self._having[key])


def course_of(subject: Space | Sequence[Backbone | Decoder | str], input_shape: Sequence[int] | None = None) -> Course:
    """The course of a space, whose size of input is its own, or of a list of networks."""
    if isinstance(subject, Space):
        if input_shape is not None and tuple(input_shape) != subject.input_shape:
            raise ArchitectureError(
                f"input_shape: found {tuple(input_shape)}, expected {subject.input_shape}, which the space states"
            )
        return SpaceCourse(subject)
    return NetworksCourse(subject, input_shape)
