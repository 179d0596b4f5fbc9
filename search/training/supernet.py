"""All networks of a PONAS space in one module: what they share once, and every candidate of every layer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from converters.pytorch.module import to_torch, weights_of
from converters.weights import Weights
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.parts import Part, parts
from search.spaces.ponas import PonasSpace


class Supernet(nn.Module):
    """Stem, head and every candidate block of a space, each the module of the part cut from a generated network.

    So a path through it computes, to the last bit, what `to_torch(generate(space.of_choices(choices)), weights)` does
    with `weights_of(choices)`. Choices are numbers of candidates, one for each of the space's `rows`.

    New weights follow from `seed` and from where a block stands, whatever other candidates there are. Batch-norm
    statistics belong to a path, as what a block takes is made by those before it: they are what was last taken (see
    averaging.take_statistics), and no training moves them. `paths.inherited` gives a path's weights with its own.

    State-dict keys name the layer, counted from 1, and the candidate: `layers.3.k5e6q.convolution1.weight`.
    """

    def __init__(self, space: PonasSpace, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        first, layers, last = _cut(space)
        self._names: dict[nn.Module, Mapping[str, str]] = {}
        self.stem = self._made(first, f"{seed} stem")
        self.layers = nn.ModuleDict(
            {
                str(number): nn.ModuleDict(
                    {code: self._made(part, f"{seed} {number} {code}") for code, part in candidates.items()}
                )
                for number, candidates in enumerate(layers, 1)
            }
        )
        self.head = self._made(last, f"{seed} head")
        self._blocks = [list(candidates.values()) for candidates in self.layers.values()]  # type: ignore[operator]
        # What a step would move is nobody's; with 0 it stays as it is.
        for norm in norms_of(self):
            norm.momentum = 0.0

    def _made(self, part: Part, seed: str) -> nn.Module:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
            module = to_torch(part.net)
        self._names[module] = part.layers
        return module

    def pieces(self, choices: Sequence[int]) -> list[nn.Module]:
        """The modules of a path in order: stem, one block for each layer of the space, head.

        ArchitectureError for other than one candidate's number for each row.
        """
        rows = self.space.rows
        counts = [len(blocks) for blocks in self._rows]
        if len(choices) != len(rows) or not all(
            0 <= number < count for number, count in zip(choices, counts, strict=True)
        ):
            raise ArchitectureError(f"choices: found {list(choices)}, expected one number below each of {counts}")
        numbers = [0] * len(self._blocks)
        for layer, number in zip(rows, choices, strict=True):
            numbers[layer] = int(number)
        return [self.stem, *(blocks[number] for blocks, number in zip(self._blocks, numbers, strict=True)), self.head]

    def path(self, choices: Sequence[int]) -> nn.Sequential:
        """The network of these choices; its parameters and statistics are the supernet's own."""
        return nn.Sequential(*self.pieces(choices))

    def forward(self, images: Tensor, choices: Sequence[int]) -> Tensor:
        """What the network of these choices says of images (n, channels, height, width): (n, classes)."""
        for piece in self.pieces(choices):
            images = piece(images)
        return images

    def weights_of(self, choices: Sequence[int]) -> Weights:
        """The blobs of `generate(space.of_choices(choices))` by its layers' names, float32, as they are now."""
        return {
            self._names[piece][layer]: blobs
            for piece in self.pieces(choices)
            for layer, blobs in weights_of(piece).items()
        }

    def largest(self) -> list[int]:
        """The choices of the blocks with the most parameters; of equal ones, the last."""
        return [max(range(len(blocks)), key=lambda number: (_size(blocks[number]), number)) for blocks in self._rows]

    @torch.no_grad()
    def spread(self, choices: Sequence[int]) -> None:
        """Gives every candidate the weights of its layer's block in this path, as far as it has a place for them.

        Inner channels are taken in the order of what the block's last convolution makes of them (the sum of its
        weights' absolute values), kernels from the middle. Once-for-All begins its smaller networks so
        (arXiv 1908.09791). What the block does not have, such as squeeze-and-excitation, stays as it is.
        """
        for blocks, number in zip(self._rows, choices, strict=True):
            given = dict(self._parameters_of(blocks[number]))
            inner = next(tensor for (layer, _), tensor in given.items() if layer.endswith("depthwise")).shape[0]
            last = next(tensor for (layer, _), tensor in given.items() if layer.endswith("project"))
            order = last.abs().sum(dim=(0, 2, 3)).argsort(descending=True, stable=True)
            for block in blocks:
                if block is blocks[number]:
                    continue
                for name, parameter in self._parameters_of(block):
                    if name in given:
                        # Outputs of all layers up to the last are inner channels, or squeezed ones, and so are inputs.
                        outputs = given[name].shape[0] == inner and "project" not in name[0]
                        ordered = given[name][order] if outputs else given[name]
                        if ordered.dim() > 1 and ordered.shape[1] == inner and not name[0].endswith("expand"):
                            ordered = ordered[:, order]
                        fit(ordered, parameter)

    def _parameters_of(self, piece: nn.Module) -> list[tuple[tuple[str, str], nn.Parameter]]:
        """The parameters of a piece by the name of the network's layer and their own."""
        names = self._names[piece]
        found = [(name.rpartition("."), parameter) for name, parameter in piece.named_parameters()]
        return [((names[layer], own), parameter) for (layer, _, own), parameter in found]

    @property
    def _rows(self) -> list[list[nn.Module]]:
        """The candidates of each row."""
        return [self._blocks[layer] for layer in self.space.rows]

    def forget_statistics(self) -> None:
        """Gives every batch norm the statistics of a new one."""
        for norm in norms_of(self):
            norm.reset_running_stats()


def norms_of(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The batch norms in a module."""
    return [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def fit(given: Tensor, parameter: nn.Parameter) -> None:
    """Copies what fits: the first channels, and of kernels the middle."""
    common = [min(sizes) for sizes in zip(given.shape, parameter.shape, strict=True)]
    places = [
        [
            slice((size - kept) // 2, (size - kept) // 2 + kept) if axis > 1 else slice(kept)
            for axis, (size, kept) in enumerate(zip(tensor.shape, common, strict=True))
        ]
        for tensor in (given, parameter)
    ]
    parameter[tuple(places[1])] = given[tuple(places[0])]


def _cut(space: PonasSpace) -> tuple[Part, list[dict[str, Part]], Part]:
    """The stem; for each layer its candidates by their codes; the head. Each is cut from a network it stands in."""
    layers: list[dict[str, Part]] = [{} for _ in space.layers]
    for number in range(max(len(layer.candidates) for layer in space.layers)):
        choices = [min(number, len(space.layers[layer].candidates) - 1) for layer in space.rows]
        first, *blocks, last = parts(space.of_choices(choices), space.input_shape, merged=False)
        for place, (layer, block) in enumerate(zip(space.layers, blocks, strict=True)):
            if number < len(layer.candidates):
                layers[place][str(layer.candidates[number])] = block
    return first, layers, last
