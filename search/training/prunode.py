"""A block whose inner width is searched: one module at its largest width, of which two widths are mixed by a mask.

Between the first convolution of such a block and its last one channels do not meet: a depthwise convolution, batch
norm and ReLU take each by itself. So a narrower block is the wide one whose last convolution has zeros for the other
inner channels, and a mixture of two widths, before the last batch norm, is one with numbers between 0 and 1 there.
However many widths there are to choose from, a step computes one block (arXiv 2209.11785: Prunode).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from converters.pytorch.module import to_torch, weights_of
from converters.weights import Weights
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.parts import Part
from prototxt_gen.trace import trace


class Moved(NamedTuple):
    """A parameter of which only the first numbers along each axis stay; `new` has these, None where none stay."""

    old: nn.Parameter
    new: nn.Parameter | None


class Prunode(nn.Module):
    """The block of a part, computed at two of its inner widths at once.

    `part` is an inverted or fused block at the largest of its inner widths, or a convolution, which has none. `block`
    is its module as `to_torch` makes it, new weights by torch's random numbers. A width has the first inner channels.
    `inner` is the width that there is memory for, `small` and `large` are the two widths; equal: there is one, as at
    first. All are 0 for a convolution.

    No training moves the running statistics of batch norm; see averaging.take_statistics.
    """

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._take(part)

    def _take(self, part: Part, weights: Weights | None = None) -> None:
        self.part, self.block = part, to_torch(part.net, weights)
        for norm in self.block.modules():
            if isinstance(norm, nn.modules.batchnorm._BatchNorm):
                # What a step would move is nobody's; with 0 it stays as it is.
                norm.momentum = 0.0
        # A block is a row of layers; the sum at its end takes what the block took, too.
        self._row: list[tuple[str, bool]] = []
        before = None
        for node in self.block.graph.nodes:
            if node.op == "placeholder":
                given = before = node
            elif node.op == "call_module" and node.users:
                assert node.args in ((before,), (before, given)), node
                self._row.append((str(node.target), len(node.args) == 2))
                before = node
        convolutions = [path for path, _ in self._row if isinstance(self.block.get_submodule(path), nn.Conv2d)]
        self._last = convolutions[-1] if len(convolutions) > 1 else ""
        self.inner: int = self.block.get_submodule(self._last).in_channels if self._last else 0  # type: ignore[assignment]
        self.small = self.large = self.inner

    def set_widths(self, small: int, large: int) -> None:
        """ArchitectureError unless they ascend, and `inner` is at least as large."""
        if not (0 < small <= large <= self.inner if self.inner else small == large == 0):
            raise ArchitectureError(f"{self.part.label}: found widths {small} and {large}, expected up to {self.inner}")
        self.small, self.large = small, large

    def forward(self, x: Tensor, share: Tensor | float = 1.0) -> Tensor:
        """What the block makes of x (n, channels, height, width).

        `share` (), 0 to 1, is that of the large width, the small one has the rest. At a number 0 nothing else but the
        small one is computed.
        """
        if self.small == self.large:
            return self.at(x, self.large)
        if not isinstance(share, Tensor) and share in (0, 1):
            return self.at(x, self.large if share else self.small)
        mask = torch.ones(self.large, device=x.device)
        mask[self.small :] = share
        return self.at(x, self.large, mask)

    def at(self, x: Tensor, width: int, mask: Tensor | None = None) -> Tensor:
        """What the block of an inner width, 0 for a convolution, makes of x (n, channels, height, width).

        `mask` (width,) is what the last convolution's input channels are multiplied by.
        """
        y = x
        for path, joins in self._row:
            layer = self.block.get_submodule(path)
            if joins:
                y = layer(y, x)
            elif isinstance(layer, nn.Conv2d):
                last = path == self._last
                y = _convolved(layer, y, None if last else width or None, mask if last else None)
            elif isinstance(layer, nn.modules.batchnorm._BatchNorm) and y.shape[1] < layer.num_features:
                y = functional_call(layer, dict(_first(layer, y.shape[1])), (y,))
            else:
                y = layer(y)
        return y

    def weights_of(self, part: Part) -> Weights:
        """The blobs of the block at the inner width of a part, by the names of its layers there, as they are now.

        ArchitectureError for a part of a larger width.
        """
        wide = weights_of(self.block)
        found: Weights = {}
        for row in trace(part.net):
            for blob, shape in zip(wide.get(row.name, ()), row.blob_shapes, strict=True):
                if any(size < kept for size, kept in zip(blob.shape, shape, strict=True)):
                    raise ArchitectureError(f"{part.label}: found a block of {self.part.label}, expected one as wide")
                found.setdefault(row.name, []).append(blob[tuple(slice(kept) for kept in shape)].copy())
        return found

    def shrink(self, part: Part) -> list[Moved]:
        """Gives the block the inner width of a part for good; its own widths become that one.

        Tells what became of the parameters. ArchitectureError as `weights_of`.
        """
        weights, before = self.weights_of(part), dict(self.block.named_parameters())
        trained, some = self.training, next(iter(before.values()))
        self._take(part, weights)
        self.block.to(some.device)
        moved = []
        for name, new in self.block.named_parameters():
            old = before[name]
            if old.dim() == 4 and old.is_contiguous(memory_format=torch.channels_last):
                new.data = new.data.contiguous(memory_format=torch.channels_last)
            moved.append(Moved(old, new))
        self.train(trained)
        return moved


def _convolved(layer: nn.Conv2d, x: Tensor, width: int | None, mask: Tensor | None) -> Tensor:
    """A convolution of the first channels, those of x, to the first `width`; the inputs' weights times a mask (C,)."""
    weight, bias, groups = layer.weight, layer.bias, layer.groups
    if width is not None and width < weight.shape[0]:
        weight, bias = weight[:width], None if bias is None else bias[:width]
        groups = 1 if groups == 1 else width
    if groups == 1 and x.shape[1] < weight.shape[1]:
        weight = weight[:, : x.shape[1]]
    if mask is not None:
        weight = weight * mask.view(1, -1, 1, 1)
    return F.conv2d(x, weight, bias, layer.stride, layer.padding, layer.dilation, groups)


def _first(layer: nn.Module, channels: int) -> Iterator[tuple[str, Tensor]]:
    """What a layer has for its first channels, by name."""
    for name, tensor in (*layer.named_parameters(), *layer.named_buffers()):
        yield name, tensor[:channels] if tensor.dim() else tensor
