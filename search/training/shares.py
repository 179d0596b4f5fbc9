"""What paths of a stochastic supernet count for: its logits, their probabilities, and draws from these.

Draws are Gumbel-Softmax (arXiv 1611.01144, 1611.00712). All of this is a few numbers, so it is computed on the CPU in
double precision, and is the same wherever the supernet computes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from prototxt_gen.errors import CaffeError

# Behind the largest double below 1 the logarithms of Gumbel noise have no number.
_EDGE = 2.0**-53


class Paths(Protocol):
    """Which two inner widths of a block are compared, as indices of those that it may have; equal once it is frozen."""

    @property
    def small(self) -> int: ...

    @property
    def large(self) -> int: ...


class Left(Protocol):
    """What is left of a layer: its candidates by number, whether its bypass is open, whether the layer is gone."""

    @property
    def prunodes(self) -> Mapping[int, Paths]: ...

    @property
    def bypass(self) -> bool: ...

    @property
    def gone(self) -> bool: ...


@dataclass(frozen=True)
class Places:
    """What is left to choose, as plain data: for each layer its candidates and, of each, the indices of two widths.

    `widths` has them by candidate, small and large; none where the layer is gone. `bypass` says of which layers the
    bypass is open. `most` is how many candidates a layer had at most.
    """

    widths: tuple[Mapping[int, tuple[int, int]], ...]
    bypass: tuple[bool, ...]
    most: int


class Shares(NamedTuple):
    """What each path counts for: 0 to 1, double precision, on the CPU.

    `candidates` (layers, most): of a layer's blocks, which sum to 1; 0 for those that are gone, and for all of a layer
    that is gone. `large` (layers, most): of the large one of a block's two widths, the small one has the rest; 1 once
    it is frozen. `bypass` (layers,): of what a layer takes, its blocks have the rest; 0 where it has no bypass, 1 for
    a layer that is gone.
    """

    candidates: Tensor
    large: Tensor
    bypass: Tensor

    @property
    def trained(self) -> bool:
        """Whether gradients are asked of them."""
        return any(tensor.requires_grad for tensor in self)


class LayerProbabilities(NamedTuple):
    """The probabilities of a layer's candidates that are still there, by number; of the large width of each that is
    not frozen; of the bypass, None where it is not open.
    """

    candidates: dict[int, float]
    large: dict[int, float]
    bypass: float | None


class Logits:
    """The architecture's parameters: unscaled logarithms of probabilities, all 0 at the beginning.

    `candidates` (layers, most) of the blocks of a layer; `large` (layers, most, 2) of the small and the large width of
    a block; `bypass` (layers, 2) of a layer's blocks and of its bypass. Rows of what is decided have no gradient.
    """

    def __init__(self, layers: int, most: int) -> None:
        shapes = {"candidates": (layers, most), "large": (layers, most, 2), "bypass": (layers, 2)}
        self._values = {name: nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for name, shape in shapes.items()}

    @property
    def large(self) -> nn.Parameter:
        """Those of the widths."""
        return self._values["large"]

    def parameters(self) -> list[nn.Parameter]:
        """For an optimizer."""
        return list(self._values.values())

    def state_dict(self) -> dict[str, Tensor]:
        """By name."""
        return {name: value.detach().clone() for name, value in self._values.items()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """CaffeError for other names or shapes."""
        found = {name: tuple(value.shape) for name, value in state.items()}
        expected = {name: tuple(value.shape) for name, value in self._values.items()}
        if found != expected:
            raise CaffeError(f"logits: found {found}, expected {expected}")
        for name, value in state.items():
            self._values[name].copy_(value)

    def probabilities(self, places: Places) -> Shares:
        """What a path's probability is."""
        return self._shares(places, self._values, 1.0, False)

    def draw(self, places: Places, seed: str, temperature: float = 1.0, hard: bool = False) -> Shares:
        """Shares by Gumbel-Softmax: softmax((logits + noise) / temperature); the lower, the nearer to one path alone.

        With `hard` one path has everything, and the gradients are those of the softmax (straight-through). The noise
        follows from `seed` and from a path's place alone, whatever else is gone.
        """
        if not temperature > 0:
            raise CaffeError(f"temperature: found {temperature}, expected more than 0")
        generator = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
        noisy = {}
        for name, value in self._values.items():
            uniform = torch.rand(value.shape, dtype=torch.float64, generator=generator).clamp(_EDGE, 1 - _EDGE)
            noisy[name] = value - (-uniform.log()).log()
        return self._shares(places, noisy, temperature, hard)

    def _shares(self, places: Places, logits: Mapping[str, Tensor], temperature: float, hard: bool) -> Shares:
        there, two, opened, gone = _masks(places)
        # A row without any would be no number: that of a layer that is gone is taken whole and then put to 0.
        candidates = logits["candidates"].masked_fill(~(there | gone[:, None]), -torch.inf)
        candidates = _softmax(candidates, temperature, hard).masked_fill(gone[:, None], 0)
        large = _softmax(logits["large"], temperature, hard)[..., 1].masked_fill(~two, 1)
        bypass = _softmax(logits["bypass"], temperature, hard)[..., 1].masked_fill(~opened, 0).masked_fill(gone, 1)
        return Shares(candidates, large, bypass)

    @torch.no_grad()
    def forget(self, layer: int, candidate: int) -> None:
        """Gives the two widths of a block equal probabilities."""
        self._values["large"][layer, candidate] = 0


def layer_probabilities(places: Places, shares: Shares) -> list[LayerProbabilities]:
    """Shares as numbers, of what is still open."""
    candidates, large, bypass = (tensor.detach().tolist() for tensor in shares)
    return [
        LayerProbabilities(
            {number: candidates[layer][number] for number in left},
            {number: large[layer][number] for number, (first, second) in left.items() if first != second},
            bypass[layer] if places.bypass[layer] else None,
        )
        for layer, left in enumerate(places.widths)
    ]


def _masks(places: Places) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which candidates are there, which of them have two widths, which bypasses are open, which layers are gone."""
    there = [[number in left for number in range(places.most)] for left in places.widths]
    two = [
        [number in left and left[number][0] != left[number][1] for number in range(places.most)]
        for left in places.widths
    ]
    gone = [not left for left in places.widths]
    return torch.tensor(there), torch.tensor(two), torch.tensor(places.bypass), torch.tensor(gone)


def _softmax(logits: Tensor, temperature: float, hard: bool) -> Tensor:
    soft = (logits / temperature).softmax(-1)
    if not hard:
        return soft
    one = torch.zeros_like(soft).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
    # The difference first: it is exactly 0, and the share exactly 0 or 1.
    return one + (soft - soft.detach())


def places_of(layers: Sequence[Left], most: int) -> Places:
    """What a search has left, as the supernet knows it."""
    return Places(
        tuple(
            {} if layer.gone else {number: (one.small, one.large) for number, one in sorted(layer.prunodes.items())}
            for layer in layers
        ),
        tuple(layer.bypass and not layer.gone for layer in layers),
        most,
    )
