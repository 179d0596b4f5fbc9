"""Networks that lead through given parts, drawn at random: what a measurement runs, part by part."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence

from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.parts import Part, parts
from search.latency.predicting import Placed, placed_parts, vector_of
from search.spaces import BackboneSpace


class Course(ABC):
    """The distinct `parts` to measure, by key, and networks that have them; `subject` says whose parts they are."""

    subject: str
    parts: dict[str, Part]

    @abstractmethod
    def through(self, key: str, rng: random.Random) -> list[Part]:
        """The parts, in order, of a random network that has the part of this key."""


class SpaceCourse(Course):
    """All parts of a space. A network is drawn as from the space, then bent so that it has the part wanted."""

    def __init__(self, space: BackboneSpace) -> None:
        self.subject = str(space)
        self._space = space
        stem, blocks, heads = placed_parts(space)
        self.parts = {part.key: part for part in (stem, *blocks.values(), *heads.values())}
        self._places: dict[str, list[Placed]] = {}
        for place, part in blocks.items():
            self._places.setdefault(part.key, []).append(place)
        self._heads = {part.key: width for width, part in heads.items()}

    def through(self, key: str, rng: random.Random) -> list[Part]:
        space = self._space
        vector = space.vector_at(rng.randrange(space.count()))
        depths, chosen, start = [], [int(width) for width in vector if width], 0
        for _, most in space.depths:
            depths.append(int((vector[start : start + most] > 0).sum()))
            start += most
        if key in self._places:
            _lead_through(rng.choice(self._places[key]), depths, chosen, rng)
        elif key in self._heads:
            last = self._heads[key]
            chosen = [*(min(width, last) for width in chosen[:-1]), last]
        return parts(space.decode(vector_of(space, depths, chosen)), space.input_shape)


def _lead_through(place: Placed, depths: list[int], chosen: list[int], rng: random.Random) -> None:
    """Changes a network, given as depths and width indices, so that it has a block at this place."""
    start = sum(depths[: place.stage])
    if not place.is_first and depths[place.stage] == 1:
        depths[place.stage] = 2
        chosen.insert(start, chosen[start])
    index = start if place.is_first else start + rng.randrange(1, depths[place.stage])
    # Widths never decrease: narrower ones before the block, wider ones behind it.
    chosen[:index] = [min(width, place.before) for width in chosen[:index]]
    if index:
        chosen[index - 1] = place.before
    chosen[index:] = [place.width, *(max(width, place.width) for width in chosen[index + 1 :])]


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


def course_of(
    subject: BackboneSpace | Sequence[Backbone | Decoder | str], input_shape: Sequence[int] | None = None
) -> Course:
    """The course of a space, whose size of input is its own, or of a list of networks."""
    if isinstance(subject, BackboneSpace):
        if input_shape is not None and tuple(input_shape) != subject.input_shape:
            raise ArchitectureError(
                f"input_shape: found {tuple(input_shape)}, expected {subject.input_shape}, which the space states"
            )
        return SpaceCourse(subject)
    return NetworksCourse(subject, input_shape)
