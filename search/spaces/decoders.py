"""The space of decoders: the channels of each of their maps, for a given backbone or together with a backbone's space.

What a channel costs depends on the width of the stage whose map it takes and on the channel before. So its coordinate
stands right behind that stage, and a state has to remember one of the channels alone.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone, Decoder, Pyramid, last_stages
from prototxt_gen.errors import ArchitectureError
from search.spaces.backbones import BackboneSpace, Column, Stem
from search.spaces.space import Space
from search.spaces.vectors import Vectors, least_first
from search.spaces.ways import NONE, Integers


@dataclass(frozen=True)
class Channels:
    """The place of a channel in the vectors: of the map at which level, 0 for the shallowest."""

    level: int


@dataclass(frozen=True, order=True)
class Fixed:
    """A part that all networks have, at this index of their parts."""

    index: int


@dataclass(frozen=True, order=True)
class PyramidOn:
    """Pyramid pooling on a last block of this width index; `summed`: whether that one ends in a sum."""

    width: int
    summed: bool


@dataclass(frozen=True, order=True)
class Controller:
    """The 1x1 convolution of a map to one of its channels; of the map, the width index and `summed` as in `Block`."""

    level: int
    width: int
    summed: bool
    channel: int


@dataclass(frozen=True, order=True)
class Fusion:
    """What joins the map at a level, of one of its channels, with that of the next deeper level."""

    level: int
    deeper: int
    channel: int


@dataclass(frozen=True, order=True)
class Score:
    """The convolution from the shallowest map's channel to the classes."""

    channel: int


@dataclass(frozen=True)
class DecoderSpace(Space):
    """All segmentation networks whose decoders have for each map one of the `channels` allowed there.

    `backbone`: a Backbone that all share, or a BackboneSpace, whose every member is combined with every decoder (of its
    head, classes and input nothing is used). `channels`: for each map the numbers of channels allowed, increasing; the
    deepest map first, as (c5, c4, c3) in POP. They are chosen freely: no channel bounds another. `classes`, `pyramid`,
    `separable`, `upsampling` are those of `Decoder`, `input_shape` is (1, channels, height, width); all are the same
    for all. Which channels the paper's decoder search allowed is not public: nothing here claims to be them.

    A vector has the coordinates of the backbone's space, if there is one, and behind those of each stage whose map the
    decoder takes the number of its channel, 0 for the least. So the deepest map's channel is the last coordinate.

    ArchitectureError names the field, what was found and what was expected.
    """

    backbone: Backbone | BackboneSpace
    channels: tuple[tuple[int, ...], ...]
    classes: int = 19
    pyramid: Pyramid = field(default_factory=Pyramid)
    separable: bool = False
    upsampling: int = 8
    input_shape: tuple[int, int, int, int] = (1, 3, 1024, 2048)

    def __post_init__(self) -> None:
        if isinstance(self.backbone, BackboneSpace):
            trunk = replace(self.backbone, classes=1000, head=None, input_shape=self.input_shape)
            object.__setattr__(self, "backbone", trunk)
        elif isinstance(self.backbone, Backbone):
            trunk_of_all = replace(self.backbone, classes=1000, head=None)
            # Its input is checked as a space's is.
            BackboneSpace(((1, 1),), (8,), input_shape=self.input_shape)
            object.__setattr__(self, "backbone", trunk_of_all)
        else:
            raise ArchitectureError(
                f"DecoderSpace backbone: found {self.backbone!r}, expected a Backbone or BackboneSpace"
            )
        for choices in self.channels:
            fits = 1 <= len(choices) <= 256 and all(narrow < wide for narrow, wide in pairwise(choices))
            if not fits:
                raise ArchitectureError(
                    f"DecoderSpace channels: found {choices}, expected 1 to 256 numbers for each map, increasing"
                )
        # The rules of a single decoder are its own: both ends of every choice, on the narrowest backbone.
        for end in (0, -1):
            self._decoder(self._first_backbone, tuple(choices[end] for choices in self.channels))

    def __str__(self) -> str:
        """The space's code, which `parse_space` reads: backbone, pyramid, channels, upsampling, classes, input."""
        choices = ".".join("-".join(map(str, allowed)) for allowed in self.channels)
        trunk = self.backbone.trunk
        if self._trunk is None and is_trunk_of_space(trunk.split("_")):
            trunk += "x1"
        parts = [trunk, str(self.pyramid), f"{'e' if self.separable else 'd'}{choices}"]
        parts += [f"u{self.upsampling}"] * (self.upsampling > 1)
        return "_".join([*parts, f"c{self.classes}", f"i{'x'.join(map(str, self.input_shape[1:]))}"])

    @cached_property
    def _first_backbone(self) -> Backbone:
        if isinstance(self.backbone, Backbone):
            return self.backbone
        return self.backbone.decode(self.backbone.vector_at(0))

    @property
    def _trunk(self) -> BackboneSpace | None:
        return self.backbone if isinstance(self.backbone, BackboneSpace) else None

    @cached_property
    def _stages(self) -> tuple[int, ...]:
        """The stages whose maps the decoder takes, the shallowest first."""
        return tuple(last_stages(self._first_backbone).values())[-len(self.channels) :]

    def choices(self, level: int) -> tuple[int, ...]:
        """The channels allowed at a level: 0 for the shallowest map's."""
        return self.channels[len(self.channels) - 1 - level]

    @cached_property
    def columns(self) -> tuple[Column | Channels, ...]:
        """As in `Space`: places of blocks and of channels."""
        if self._trunk is None:
            return tuple(map(Channels, range(len(self.channels))))
        found: list[Column | Channels] = []
        for column in self._trunk.columns:
            found.append(column)
            if column.is_last and column.stage in self._stages:
                found.append(Channels(self._stages.index(column.stage)))
        return tuple(found)

    @cached_property
    def _of_blocks(self) -> NDArray[np.bool_]:
        return np.array([isinstance(column, Column) for column in self.columns])

    @cached_property
    def heights(self) -> tuple[NDArray[np.float64], ...]:
        """As in `Space`."""
        of_widths = self._trunk.heights[0] if self._trunk is not None else np.zeros(1)
        of_levels = [least_first(self.choices(level)) for level in range(len(self.channels))]
        return tuple(of_widths if isinstance(column, Column) else of_levels[column.level] for column in self.columns)

    @cached_property
    def steps(self) -> tuple[Integers, ...]:
        """As in `Space`. A state is one of the backbone's, and the last channel chosen, if there is one.

        Its number is that of the channel times the backbone's states, plus that of the backbone's.
        """
        made: dict[Hashable, Integers] = {}
        found = []
        remembered = 1
        for column in self.columns:
            if isinstance(column, Channels):
                found.append(self._channel_step(column.level, remembered))
                remembered = len(self.choices(column.level))
                continue
            assert self._trunk is not None
            step = self._trunk.step(column)
            if (id(step), remembered) not in made:
                made[id(step), remembered] = self._repeated(step, remembered)
            found.append(made[id(step), remembered])
        return tuple(found)

    @property
    def _inner(self) -> int:
        """How many states the backbone has."""
        return 1 if self._trunk is None else self._trunk.inner_states

    def _repeated(self, step: Integers, times: int) -> Integers:
        """The step of a block for each of the channels that may have been chosen before."""
        shifts = self._inner * np.arange(times)[:, None, None]
        return np.where(step == NONE, NONE, step + shifts).reshape(-1, step.shape[1])

    def _channel_step(self, level: int, remembered: int) -> Integers:
        choices = len(self.choices(level))
        if level + 1 == len(self.channels):
            return np.zeros((remembered * self._inner, choices), dtype=np.int64)
        states = np.tile(np.arange(self._inner), remembered)[:, None]
        return np.asarray(states + self._inner * np.arange(choices))

    @property
    def common(self) -> tuple[Any, ...]:
        """As in `Space`: the stem, the upsampling, and of a given backbone everything up to the pyramid."""
        last = (Fixed(-1),) * (self.upsampling > 1)
        if self._trunk is not None:
            return (Stem(), *last)
        blocks = sum(len(stage.widths) for stage in self._first_backbone.stages)
        return (*map(Fixed, range(2 + blocks)), *last)

    def pieces(self, column: Any, state: int, value: int) -> tuple[Any, ...]:
        """As in `Space`: a block; or a channel's controller, its fusion, and what stands at the decoder's ends."""
        remembered, inner = divmod(state, self._inner)
        if isinstance(column, Column):
            assert self._trunk is not None
            return self._trunk.blocks(column, inner, value)
        level, width, summed = column.level, 0, False
        if self._trunk is not None:
            width, _, summed = self._trunk.state_of(inner)
        found: list[Any] = []
        if level + 1 < len(self.channels):
            found.append(Controller(level, width, summed, value))
        else:
            # The deepest controller takes what the pyramid gives, which is always as wide.
            found += [PyramidOn(width, summed)] * (self._trunk is not None)
            found.append(Controller(level, 0, False, value))
        if level:
            found.append(Fusion(level - 1, value, remembered))
        else:
            found.append(Score(value))
        return tuple(found)

    def index_of(self, piece: Any, column: int, vector: Vectors) -> int:
        """As in `Space`. The parts: stem, blocks, pyramid, controllers (the shallowest first), fusions (the deepest
        first), score, upsampling.
        """
        levels = len(self.channels)
        score = -1 - (self.upsampling > 1)
        if isinstance(piece, Stem):
            return 0
        if isinstance(piece, Fixed):
            return piece.index
        if isinstance(piece, Score):
            return score
        if isinstance(piece, Fusion):
            return score - 1 - piece.level
        controllers = score - (levels - 1) - levels
        if isinstance(piece, Controller):
            return controllers + piece.level
        if isinstance(piece, PyramidOn):
            return controllers - 1
        return 1 + int(np.count_nonzero(vector[:column][self._of_blocks[:column]]))

    def encode(self, architecture: object) -> Vectors:
        """The vector of a segmentation network. ArchitectureError when it is not in the space."""
        if not isinstance(architecture, Decoder):
            raise ArchitectureError(f"architecture: found {architecture!r}, expected a Decoder")
        names = ("classes", "pyramid", "separable", "upsampling")
        wrong = [name for name in names if getattr(architecture, name) != getattr(self, name)]
        if wrong or len(architecture.channels) != len(self.channels):
            told = ", ".join(f"{name} {getattr(architecture, name)}" for name in wrong) or "other maps"
            raise ArchitectureError(f"{architecture}: has {told}, this space is {self}")
        vector = np.zeros(self.length, dtype=np.uint8)
        if self._trunk is not None:
            vector[self._of_blocks] = self._trunk.encode(architecture.backbone)
        elif architecture.backbone != self.backbone:
            raise ArchitectureError(f"{architecture}: has another backbone, this space has {self.backbone.trunk}")
        for allowed, channel in zip(self.channels, architecture.channels, strict=True):
            if channel not in allowed:
                raise ArchitectureError(f"{architecture}: has {channel} channels, this space has {allowed} there")
        vector[~self._of_blocks] = [
            allowed.index(channel) for allowed, channel in zip(self.channels, architecture.channels, strict=True)
        ][::-1]
        return vector

    def decode(self, vector: Vectors) -> Decoder:
        """The segmentation network of a vector."""
        chosen = [int(value) for value in vector[~self._of_blocks]][::-1]
        backbone = self._first_backbone if self._trunk is None else self._trunk.decode(vector[self._of_blocks])
        return self._decoder(
            backbone, tuple(allowed[value] for allowed, value in zip(self.channels, chosen, strict=True))
        )

    def _decoder(self, backbone: Backbone, channels: tuple[int, ...]) -> Decoder:
        return Decoder(backbone, channels, self.classes, self.pyramid, self.separable, self.upsampling)


def is_trunk_of_space(words: Sequence[str]) -> bool:
    """Whether the parts of a code, up to the pyramid, are those of a space of backbones, not of one backbone.

    A few backbones of ResNet's bottlenecks would read so, too; "x1" behind the last width tells them apart.
    """
    *stages, widths = words[1:] or [""]
    return bool(re.fullmatch(r"w\d+(-\d+)*", widths)) and all(_DEPTHS.match(stage) for stage in stages)


_DEPTHS = re.compile(r"[a-z]([12]\.)?\d+-\d+([kehqw].*)?$")
