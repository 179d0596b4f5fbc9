"""Exact forms in stock BVLC Caffe's layers of maps that no layer of its own makes: resizing, padding, gathering.

Such a map is a matrix along each axis: number i of the top's axis is the sum of `matrix[i, j]` times number j of the
bottom's. `along_axes` gives the layers with fewest multiply-adds:

1. An axis of size 1 that is repeated is a Tile.
2. Matrices whose rows are one kernel, moved by a stride, are a depthwise Convolution; those whose columns are, such as
   nearest and bilinear enlargement by a whole factor, a depthwise Deconvolution. Where rows at the border keep a part
   of the kernel but the whole of its sum, a Scale behind it makes up for the missing part.
3. Any other is an InnerProduct along the last axis, or a Convolution with `axis`, whose channels are then the axis and
   whose kernel is 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING, Any, TypeAlias

from prototxt_gen.layers import LAYERS, Shape
from prototxt_gen.layers.layer_types import count
from prototxt_gen.layers.windows import spatial_options
from prototxt_gen.proto import LayerParameter

if TYPE_CHECKING:
    import numpy as np  # imported where weights are made: it would take half the time of `import prototxt_gen`
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float64]

# 256 MB of factors along one axis, which no map of a network comes near.
MOST_FACTORS = 1 << 26
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Step:
    """A layer that takes the top of the step before it, or what the first takes.

    `what` says what it does, for its name. `options` are fields of LayerParameter, `blobs` its weights: fixed, float32.
    """

    kind: str
    what: str
    options: Mapping[str, Any]
    blobs: tuple[NDArray[np.float32], ...] = ()

    def layer(self, name: str, bottom: str, top: str) -> LayerParameter:
        """The layer, whose weights nothing trains."""
        made = LayerParameter(name=name, type=self.kind, bottom=[bottom], top=[top], **self.options)
        for _ in self.blobs:
            made.param.add(lr_mult=0, decay_mult=0)
        return made

    def applied(self, shape: Shape) -> tuple[Shape, int]:
        """The top's shape for a bottom of this shape, and the numbers multiplied."""
        made = LAYERS[self.kind].shape(self.layer("", "x", "y"), [shape])
        costs = count(made.tops[0]) if self.kind == "Scale" else made.multiply_adds
        return made.tops[0], costs


@dataclass(frozen=True)
class Sliding:
    """A matrix as a kernel that moves: row i has `factors[i] * kernel[j - i * stride + begin]` in column j.

    `transposed`: it has `factors[i] * kernel[i - j * stride + begin]`.
    """

    kernel: Matrix
    stride: int
    begin: int
    transposed: bool
    factors: Matrix = field(repr=False)


def along_axes(shape: Shape, matrices: Mapping[int, Matrix]) -> list[Step]:
    """The layers that apply a matrix (made, size) along each of some axes of a bottom; none where all change nothing.

    Axis 0 takes no sliding kernel, and the network then works at one batch size alone.
    """
    return ways_along_axes(shape, matrices)[0]


def ways_along_axes(shape: Shape, matrices: Mapping[int, Matrix]) -> list[list[Step]]:
    """All the ways to do what `along_axes` does, that with fewest multiply-adds first."""
    import numpy as np

    wanted = {
        axis: matrix
        for axis, matrix in matrices.items()
        if matrix.shape[0] != matrix.shape[1] or not np.array_equal(matrix, np.eye(len(matrix)))
    }
    tiles = {axis: matrix for axis, matrix in wanted.items() if matrix.shape[1] == 1 and (matrix == 1).all()}
    rest = {axis: matrix for axis, matrix in wanted.items() if axis not in tiles}
    kernels = {axis: sliding(matrix) for axis, matrix in rest.items() if axis > 1}
    ways: list[list[Unit]] = []
    last = [_Tile(axis, len(matrix)) for axis, matrix in tiles.items()]
    for chosen in (True, False):
        slid = {axis: kernel for axis, kernel in kernels.items() if kernel is not None and chosen}
        units: list[Unit] = [_Dense(axis, matrix) for axis, matrix in rest.items() if axis not in slid]
        for transposed in (False, True):
            group = {axis: kernel for axis, kernel in slid.items() if kernel.transposed is transposed}
            if group:
                units.append(_Slid(group))
        ways.append(units)
    costs = [(_cost(shape, order), order) for units in ways for order in permutations(units)]
    ordered: list[Sequence[Unit]] = []
    for _, order in sorted(costs, key=lambda one: one[0]):
        if order not in ordered:
            ordered.append(order)
    return [_steps(shape, [*units, *last]) for units in ordered]


@dataclass(frozen=True)
class _Tile:
    axis: int
    tiles: int

    def steps(self, shape: Shape) -> list[Step]:
        param = {"axis": self.axis, "tiles": self.tiles}
        return [Step("Tile", f"axis{self.axis}", {"tile_param": param})]


@dataclass(frozen=True)
class _Dense:
    axis: int
    matrix: Matrix

    def steps(self, shape: Shape) -> list[Step]:
        return [along_axis(shape, self.axis, self.matrix)]


@dataclass(frozen=True)
class _Slid:
    kernels: Mapping[int, Sliding]

    def steps(self, shape: Shape) -> list[Step]:
        return _depthwise(shape, self.kernels)


Unit: TypeAlias = "_Tile | _Dense | _Slid"


def _steps(shape: Shape, units: Sequence[Unit]) -> list[Step]:
    made: list[Step] = []
    for unit in units:
        for step in unit.steps(shape):
            shape, _ = step.applied(shape)
            made.append(step)
    return made


def _cost(shape: Shape, units: Sequence[Unit]) -> int:
    total = 0
    for step in _steps(shape, units):
        shape, costs = step.applied(shape)
        total += costs
    return total


def along_axis(shape: Shape, axis: int, matrix: Matrix) -> Step:
    """One layer that applies any matrix (made, size) along an axis of a bottom."""
    import numpy as np

    factors = matrix.astype(np.float32)
    if axis == len(shape) - 1:
        dense: dict[str, Any] = {"num_output": len(matrix), "bias_term": False}
        if axis != 1:
            dense["axis"] = axis
        return Step("InnerProduct", f"axis{axis}", {"inner_product_param": dense}, (factors,))
    kernel = (1,) * (len(shape) - axis - 1)
    param: dict[str, Any] = {"num_output": len(matrix), "bias_term": False, "kernel_size": [1]}
    if axis != 1:
        param["axis"] = axis
    return Step("Convolution", f"axis{axis}", {"convolution_param": param}, (factors.reshape(*factors.shape, *kernel),))


def channels(shape: Shape, order: Sequence[int]) -> Step:
    """A 1x1 Convolution whose channel i is the bottom's channel `order[i]`."""
    import numpy as np

    return along_axis(shape, 1, np.eye(shape[1])[list(order)])


def sliding(matrix: Matrix) -> Sliding | None:
    """The matrix as a kernel that moves; None for one that is not."""
    made, size = matrix.shape
    for stride, kernel in _kernels(made, size):
        for begin in range(len(kernel)):
            if found := _slid(matrix, kernel, stride, begin, transposed=True):
                return found
    # The row with most numbers that is nearest to the middle shows the kernel.
    full = (matrix != 0).sum(1)
    row = max(range(made), key=lambda index: (full[index], -abs(2 * index + 1 - made)))
    places = matrix[row].nonzero()[0]
    if not len(places):
        return None
    first, last = int(places[0]), int(places[-1])
    strides = {size // made, -(-size // made), (size - 1) // (made - 1) if made > 1 else 1}
    for stride in sorted(strides - {0}):
        begin = row * stride - first
        if found := _slid(matrix, matrix[row, first : last + 1], stride, begin, transposed=False):
            return found
    return None


def _kernels(made: int, size: int) -> list[tuple[int, Matrix]]:
    """Strides and kernels that enlarge `size` positions to `made`: repeating each, and linear between them."""
    import numpy as np

    factors = {made // size if made % size == 0 else 0}
    if size > 1:
        factors.add((made - 1) // (size - 1) if (made - 1) % (size - 1) == 0 else 0)
    found = []
    for factor in sorted(factors - {0, 1}):
        odd = 1 - np.abs(np.arange(1 - factor, factor)) / factor
        even = 1 - np.abs(np.arange(0.5 - factor, factor)) / factor
        found += [(factor, np.ones(factor)), (factor, odd), (factor, even)]
    return found


def _slid(matrix: Matrix, kernel: Matrix, stride: int, begin: int, transposed: bool) -> Sliding | None:
    import numpy as np

    made, size = matrix.shape

    def rows(wanted: NDArray[np.int64]) -> Matrix:
        moved = wanted[:, None] - np.arange(size) * stride if transposed else np.arange(size) - wanted[:, None] * stride
        places = moved + begin
        inside = (places >= 0) & (places < len(kernel))
        return np.where(inside, kernel[places.clip(0, len(kernel) - 1)], 0.0)

    middle = np.arange(made // 2, made // 2 + 1)
    if ((rows(middle) != 0) != (matrix[middle] != 0)).any():
        return None
    plain = rows(np.arange(made))
    sums, wanted = plain.sum(1), matrix.sum(1)
    empty = (np.abs(plain).max(1) == 0) & (np.abs(matrix).max(1) == 0)
    if ((sums == 0) & ~empty).any():
        return None
    factors = np.where(empty, 1.0, wanted / np.where(sums == 0, 1.0, sums))
    off = np.abs(matrix - plain * factors[:, None]).max() > _TOLERANCE * np.abs(matrix).max()
    if off or (factors <= 0).any():
        return None
    exact = np.abs(factors - 1).max() <= _TOLERANCE
    return Sliding(kernel, stride, begin, transposed, np.ones(made) if exact else factors)


def _depthwise(shape: Shape, kernels: Mapping[int, Sliding]) -> list[Step]:
    """A depthwise layer that moves a kernel along each of some axes from 2 on, and the Scale that it may need."""
    import numpy as np

    transposed = next(iter(kernels.values())).transposed
    weight, factors = np.ones(()), np.ones(())
    strides, pads = [], []
    for axis in range(2, len(shape)):
        one = kernels.get(axis) or Sliding(np.ones(1), 1, 0, transposed, np.ones(shape[axis]))
        kernel, pad = _padded(one, shape[axis])
        weight = weight[..., None] * kernel
        factors = factors[..., None] * one.factors
        strides.append(one.stride)
        pads.append(pad)
    param = {
        "num_output": shape[1],
        "bias_term": False,
        "group": shape[1],
        **spatial_options(kernel_size=weight.shape, stride=strides, pad=pads),
    }
    blob = np.repeat(weight[None, None], shape[1], 0).astype(np.float32)
    kind = "Deconvolution" if transposed else "Convolution"
    made = [Step(kind, "slide", {"convolution_param": param}, (blob,))]
    if (factors != 1).any():
        scale = {"axis": 2, "num_axes": len(shape) - 2}
        made.append(Step("Scale", "border", {"scale_param": scale}, (factors.astype(np.float32),)))
    return made


def _padded(one: Sliding, size: int) -> tuple[Matrix, int]:
    """The kernel with zeros around it where Caffe's padding, which both sides have alike, asks for them; the pad."""
    import numpy as np

    made, length = len(one.factors), len(one.kernel)
    if one.transposed:
        end = one.stride * (size - 1) + length - made - one.begin
        pad = max(one.begin, end, 0)
        return np.pad(one.kernel, (pad - one.begin, pad - end)), pad
    end = (made - 1) * one.stride + length - one.begin - size
    pad = max(one.begin, end, 0)
    room = size + pad + one.begin - length
    return np.pad(one.kernel, (pad - one.begin, max(0, room - made * one.stride + 1))), pad


def repeated(size: int, factor: int) -> Matrix:
    """(size * factor, size): each position `factor` times."""
    import numpy as np

    return np.repeat(np.eye(size), factor, 0)


def aligned(size: int, made: int, before: int = 0, after: int = 0) -> Matrix:
    """(made, size): linear between positions, with first and last on first and last (DeepLab and DF forks: interp.cpp).

    `before` and `after` positions are cut off first.
    """
    import numpy as np

    inner = size - before - after
    places = np.arange(made) * ((inner - 1) / (made - 1) if made > 1 else 0.0)
    low = np.minimum(places.astype(int), inner - 1)
    high = np.minimum(low + 1, inner - 1)
    factors = np.zeros((made, size))
    rows = np.arange(made)
    np.add.at(factors, (rows, before + low), 1 - (places - low))
    np.add.at(factors, (rows, before + high), places - low)
    return factors
