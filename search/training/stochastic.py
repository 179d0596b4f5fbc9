"""All networks of a TieredSpace in one module whose layers mix their blocks, the widths of these, and a bypass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from converters.pytorch.module import to_torch, weights_of
from converters.weights import Weights
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.parts import Part, parts
from prototxt_gen.summary import summarize
from search.spaces.tiered import Pick, Picks, TieredLayer, TieredSpace
from search.training.expecting import Times, expected_latency
from search.training.prunode import Moved, Prunode
from search.training.shares import LayerProbabilities, Left, Logits, Places, Shares, layer_probabilities, places_of
from search.training.supernet import fit, norms_of
from search.training.training import own_random_numbers


class Followed(NamedTuple):
    """What became of a supernet's parameters: those that went or became smaller; and whose contest began anew.

    `begun` are layer and candidate, counted from 0.
    """

    moved: list[Moved]
    begun: list[tuple[int, int]]


class Size(NamedTuple):
    """How many parameters a supernet has; the multiply-adds of an image through all that is left of it."""

    parameters: int
    multiply_adds: int


class StochasticSupernet(nn.Module):
    """Stem, head and every candidate block of every layer of a space, each the module of the part of a network.

    A layer's output is the sum of its blocks', each times its share; and, where the layer may be left out, of what it
    takes, times the share of its bypass. A block stands for two inner widths at a time (see prunode.py). Shares with
    one path alone compute what `to_torch(generate(space.of_picks(picks)), weights)` does with `weights_of(picks)`.

    `logits` are the parameters of the architecture; they are not among the module's `parameters()`, which are the
    weights. At first all is open, and each block has its largest width alone; `follow` brings it to what a search has
    left.

    New weights follow from `seed` and from where a block stands. Blocks of one kind in a layer begin alike, but for the
    rims of larger kernels, so that none of them leads from the start. State-dict keys name the layer, counted from 1,
    and the candidate: `layers.3.ik5.block.convolution1.weight`.
    """

    def __init__(self, space: TieredSpace, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        most = max(len(layer.candidates) for layer in space.layers)
        layers: list[dict[str, Prunode]] = [{} for _ in space.layers]
        for number in range(most):
            first, *blocks, last = _parts(space, _widest(space, number))
            for place, (layer, part) in enumerate(zip(space.layers, blocks, strict=True)):
                if number < len(layer.candidates):
                    code = str(layer.candidates[number])
                    with own_random_numbers(f"{seed} {place + 1} {code}", "cpu"):
                        layers[place][code] = Prunode(part)
        with own_random_numbers(f"{seed} stem", "cpu"):
            self.stem = to_torch(first.net)
        self.layers = nn.ModuleDict({str(place): nn.ModuleDict(dict(found)) for place, found in enumerate(layers, 1)})
        with own_random_numbers(f"{seed} head", "cpu"):
            self.head = to_torch(last.net)
        for norm in norms_of(self):
            # What a step would move is nobody's; with 0 it stays as it is.
            norm.momentum = 0.0
        for layer, found in zip(space.layers, layers, strict=True):
            _begin_alike(layer, found)
        self._ends = summarize(first.net).multiply_adds + summarize(last.net).multiply_adds
        self.logits = Logits(len(space.layers), most)
        largest = [max(0, len(layer.widths) - 1) for layer in space.layers]
        self.places = Places(
            tuple(
                dict.fromkeys(range(len(layer.candidates)), (index, index))
                for layer, index in zip(space.layers, largest, strict=True)
            ),
            tuple(layer.optional for layer in space.layers),
            most,
        )

    def prunode(self, layer: int, candidate: int) -> Prunode:
        """A block by layer and candidate, counted from 0. ArchitectureError for one that is gone."""
        if not 0 <= layer < len(self.places.widths) or candidate not in self.places.widths[layer]:
            raise ArchitectureError(f"layer {layer + 1}: found no candidate {candidate}, expected one that is there")
        code = str(self.space.layers[layer].candidates[candidate])
        return self.layers[str(layer + 1)][code]  # type: ignore[index]

    def forward(self, images: Tensor, shares: Shares) -> Tensor:
        """What the mixture of all paths says of images (n, channels, height, width): (n, classes).

        Paths whose share is 0 are not computed, unless gradients of the shares are asked for.
        """
        trained = shares.trained
        candidates, larges, bypasses = (tensor.detach().tolist() for tensor in shares)
        given: Any = (candidates, larges, bypasses)
        if trained:
            one, two, three = (tensor.to(images.device, torch.float32) for tensor in shares)
            given = [row.unbind() for row in one.unbind()], [row.unbind() for row in two.unbind()], three.unbind()
        x = self.stem(images)
        for layer, left in enumerate(self.places.widths):
            if not left or (bypasses[layer] == 1 and not trained):
                continue
            total = None
            for candidate in left:
                if trained or candidates[layer][candidate] != 0:
                    y = self.prunode(layer, candidate)(x, given[1][layer][candidate])
                    alone = len(left) == 1 or (candidates[layer][candidate] == 1 and not trained)
                    total = y if alone else _added(total, y, given[0][layer][candidate])
            assert total is not None
            if self.places.bypass[layer] and (trained or bypasses[layer] != 0):
                total = _added(total * (1 - given[2][layer]), x, given[2][layer])
            x = total
        return self.head(x)

    def draw(self, seed: str, temperature: float = 1.0, hard: bool = False) -> Shares:
        """See Logits.draw. Without gradients under torch.no_grad()."""
        return self.logits.draw(self.places, seed, temperature, hard)

    def shares(self) -> Shares:
        """The probabilities of all paths, with gradients."""
        return self.logits.probabilities(self.places)

    def probabilities(self) -> list[LayerProbabilities]:
        """The probabilities of each layer as numbers."""
        with torch.no_grad():
            return layer_probabilities(self.places, self.shares())

    def expected_latency(self, times: Times, shares: Shares | None = None) -> Tensor:
        """The latency in ms () that is expected by the probabilities, or by shares; see expecting.py."""
        return expected_latency(times, self.places, self.shares() if shares is None else shares)

    def shares_of(self, picks: Picks) -> Shares:
        """Shares with the paths of a network alone.

        ArchitectureError for a path that is not there: a candidate or layer that is gone, a bypass that is closed, a
        width that is neither of the two that a block has now.
        """
        self.space.of_picks(picks)
        candidates = torch.zeros(len(picks), self.places.most, dtype=torch.float64)
        large, bypass = torch.ones_like(candidates), torch.zeros(len(picks), dtype=torch.float64)
        for number, pick in enumerate(picks):
            if pick is None:
                if self.places.widths[number] and not self.places.bypass[number]:
                    raise ArchitectureError(f"picks: layer {number + 1} is left out, expected one of its blocks")
                bypass[number] = 1
                continue
            block = self.prunode(number, pick.candidate)
            if pick.inner not in (block.small, block.large):
                raise ArchitectureError(
                    f"picks: layer {number + 1}: found width {pick.inner}, expected {block.small} or {block.large}"
                )
            candidates[number, pick.candidate] = 1
            large[number, pick.candidate] = float(pick.inner == block.large)
        return Shares(candidates, large, bypass)

    def path(self, picks: Picks) -> nn.Module:
        """The network of these picks, from images to (n, classes); parameters and statistics are the supernet's own.

        Widths and errors are as in `weights_of`.
        """
        self.space.of_picks(picks)
        blocks = [
            _At(self.prunode(number, pick.candidate), pick.inner)
            for number, pick in enumerate(picks)
            if pick is not None
        ]
        return nn.Sequential(self.stem, *blocks, self.head)

    def weights_of(self, picks: Picks) -> Weights:
        """The blobs of `generate(space.of_picks(picks))` by its layers' names, float32, as they are now.

        Any inner width up to that of a block will do. ArchitectureError for a block that is gone or was made narrower.
        """
        first, *blocks, last = _parts(self.space, picks)
        there = [(number, pick) for number, pick in enumerate(picks) if pick is not None]
        found: Weights = {}
        for part, weights in (
            (first, weights_of(self.stem)),
            *(
                (part, self.prunode(number, pick.candidate).weights_of(part))
                for part, (number, pick) in zip(blocks, there, strict=True)
            ),
            (last, weights_of(self.head)),
        ):
            found.update((part.layers[own], blobs) for own, blobs in weights.items())
        return found

    def follow(self, layers: Sequence[Left]) -> Followed:
        """Makes the supernet what a search has left: blocks and layers that went are dropped, frozen blocks are cut to
        their width, and where widths moved both are equally probable again.

        Tells what became of the parameters, for optimizers (see `carry`). ArchitectureError where something is there
        again that was gone.
        """
        if len(layers) != len(self.places.widths):
            raise ArchitectureError(f"supernet: found {len(layers)} layers, expected {len(self.places.widths)}")
        places = places_of(layers, self.places.most)
        faults = [
            f"layer {layer + 1}: candidates {sorted(left)}, was {sorted(before)}"
            for layer, (before, left) in enumerate(zip(self.places.widths, places.widths, strict=True))
            if not set(left) <= set(before)
        ]
        if faults:
            raise ArchitectureError(f"supernet: found what is gone: {'; '.join(faults)}")
        moved: list[Moved] = []
        begun = []
        for layer, (before, left) in enumerate(zip(self.places.widths, places.widths, strict=True)):
            widths = self.space.layers[layer].widths
            blocks = self.layers[str(layer + 1)]
            for candidate in before:
                prunode = self.prunode(layer, candidate)
                if candidate not in left:
                    moved += [Moved(parameter, None) for parameter in prunode.parameters()]
                    del blocks[str(self.space.layers[layer].candidates[candidate])]  # type: ignore[operator]
                elif widths and left[candidate] != before[candidate]:
                    small, large = (widths[index] for index in left[candidate])
                    if small == large:
                        moved += prunode.shrink(self._part(layer, Pick(candidate, large)))
                    else:
                        prunode.set_widths(small, large)
                    begun.append((layer, candidate))
        self.places = places
        for layer, candidate in begun:
            self.logits.forget(layer, candidate)
        return Followed(moved, begun)

    def _part(self, layer: int, pick: Pick) -> Part:
        """The part of a layer's block."""
        picks = _widest(self.space)
        picks[layer] = pick
        return _parts(self.space, picks)[1 + layer]

    def size(self) -> Size:
        """What is left of it; blocks count as wide as the larger of their two widths."""
        adds = self._ends
        uncounted = {layer: list(left) for layer, left in enumerate(self.places.widths)}
        while any(uncounted.values()):
            # As many as stand in one network: to cut it takes longer than to count its parts.
            picks = _widest(self.space)
            counted = [(layer, left.pop()) for layer, left in uncounted.items() if left]
            for layer, candidate in counted:
                picks[layer] = Pick(candidate, self.prunode(layer, candidate).large)
            cut = _parts(self.space, picks)
            adds += sum(summarize(cut[1 + layer].net).multiply_adds for layer, _ in counted)
        return Size(sum(parameter.numel() for parameter in self.parameters()), adds)


def carry(optimizer: torch.optim.Optimizer, followed: Followed, logits: Logits | None = None) -> None:
    """Goes on with an optimizer after `follow`: parameters that went are dropped, smaller ones keep what it knows of
    their numbers, such as momentum, and it forgets which way contests that begin anew were pulled.
    """
    became = {id(one.old): one.new for one in followed.moved}
    for group in optimizer.param_groups:
        group["params"] = [kept for kept in (became.get(id(one), one) for one in group["params"]) if kept is not None]
    for old, new in followed.moved:
        state = optimizer.state.pop(old, None)
        if new is not None and state is not None:
            optimizer.state[new] = {name: _cut(value, old, new) for name, value in state.items()}
    if logits is not None:
        # How large gradients are stays as known: Adam, which counts its steps, would take the first ones many times too
        # long without that, and few batches would decide the contest.
        pulled = optimizer.state.get(logits.large, {}).get("exp_avg")
        if pulled is not None:
            for layer, candidate in followed.begun:
                pulled[layer, candidate] = 0


def _cut(value: object, old: nn.Parameter, new: nn.Parameter) -> object:
    """The numbers that an optimizer keeps for a parameter, of those that stayed; anything else as it is."""
    if not isinstance(value, Tensor) or value.shape != old.shape:
        return value
    return torch.empty_like(new).copy_(value[tuple(slice(size) for size in new.shape)])


def _added(total: Tensor | None, y: Tensor, share: Tensor | float) -> Tensor:
    return y * share if total is None else total + y * share


class _At(nn.Module):
    """A block at one of its inner widths."""

    def __init__(self, prunode: Prunode, width: int) -> None:
        super().__init__()
        self.prunode, self.width = prunode, width
        if width > prunode.inner:
            raise ArchitectureError(
                f"{prunode.part.label}: found width {width}, expected up to {prunode.inner}, the width that is left"
            )

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, channels, height, width)."""
        return self.prunode.at(x, self.width)


@torch.no_grad()
def _begin_alike(layer: TieredLayer, blocks: Mapping[str, Prunode]) -> None:
    """Gives the blocks of each kind the weights of that with the largest kernel, as far as they have a place."""
    for kind in {candidate.kind for candidate in layer.candidates}:
        *others, largest = (blocks[str(one)] for one in layer.candidates if one.kind == kind)
        for block in others:
            for given, parameter in zip(largest.parameters(), block.parameters(), strict=True):
                fit(given, parameter)


def _widest(space: TieredSpace, number: int = 0) -> list[Pick | None]:
    """Every layer with the candidate of that number, or its last one, and the largest inner width."""
    return [
        Pick(min(number, len(layer.candidates) - 1), layer.widths[-1] if layer.widths else 0) for layer in space.layers
    ]


def _parts(space: TieredSpace, picks: Picks) -> list[Part]:
    return parts(space.of_picks(picks), space.input_shape, merged=False)
