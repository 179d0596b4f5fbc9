"""Layouts against numpy: the places that a layout names are those that numpy's own reshape, transpose, index give."""

from __future__ import annotations

from math import prod
from random import Random

import numpy as np
import pytest

from converters.onnx.moving import layouts
from converters.onnx.moving.layouts import Atom, Layout


def numbered(*shape: int) -> np.ndarray:
    return np.arange(prod(shape)).reshape(shape)


def split(rng: Random, number: int) -> list[int]:
    """Some sizes whose product this is."""
    sizes = [1] * rng.choice([0, 0, 1])
    while number > 1:
        size = rng.choice([size for size in range(2, number + 1) if number % size == 0])
        sizes.append(size)
        number //= size
    rng.shuffle(sizes)
    return sizes


def changed(rng: Random, layout: Layout, array: np.ndarray) -> tuple[Layout | None, np.ndarray]:
    """One change of both."""
    axes = array.ndim
    way = rng.choice(["reshape", "transpose", "slice", "pick", "expand", "repeat", "stack"])
    if way == "reshape" or not axes:
        shape = split(rng, array.size)
        return layouts.reshaped(layout, shape), array.reshape(shape)
    axis = rng.randrange(axes)
    if way == "transpose":
        order = rng.sample(range(axes), axes)
        return layouts.transposed(layout, order), array.transpose(order)
    if way == "slice":
        step = rng.choice([1, 1, 2, 3, -1, -2])
        taken = range(array.shape[axis])[rng.randrange(array.shape[axis]) :: step]
        return layouts.picked(layout, axis, taken), array.take(taken, axis)
    if way == "pick":
        taken = [rng.randrange(array.shape[axis]) for _ in range(rng.randint(1, 3))]
        return layouts.picked(layout, axis, taken), array.take(taken, axis)
    if way == "expand":
        shape = [rng.randint(1, 3) if size == 1 else size for size in array.shape]
        return layouts.expanded(layout, shape), np.broadcast_to(array, shape)
    if array.size > 5000:
        return layout, array
    if way == "repeat":
        return layouts.repeated(layout, axis, 2), np.concatenate([array] * 2, axis)
    parts = [range(array.shape[axis])[start::2] for start in (0, 1)]
    taken = [layouts.picked(layout, axis, part) for part in parts if len(part)]
    if None in taken:
        return None, array
    joined = np.concatenate([array.take(part, axis) for part in parts if len(part)], axis)
    return layouts.stacked([one for one in taken if one is not None], axis), joined


@pytest.mark.parametrize("seed", range(150))
def test_random_changes_name_the_places_that_numpy_does(seed: int):
    rng = Random(seed)
    blob = rng.choice([(1, 6, 4, 4), (2, 12, 3), (1, 24), (1, 2, 3, 4, 5), (4, 1, 6), (36,)])
    layout, array = layouts.whole(blob), numbered(*blob)
    kept = 0
    for _ in range(8):
        found, made = changed(rng, layout, array)
        if found is None:
            continue
        layout, array, kept = found, made, kept + 1
        assert layout.shape == array.shape
        np.testing.assert_array_equal(layout.places(), array)
        assert layouts.is_rearranged(layout, prod(blob)) == (sorted(array.reshape(-1)) == list(range(prod(blob))))
        assert layouts.is_reshaped(layout, prod(blob)) == np.array_equal(array.reshape(-1), np.arange(prod(blob)))
    assert kept > 1
    once = Layout(tuple(tuple(atom for atom in axis if atom.stride) for axis in layout.axes), layout.offset)
    placement = layouts.placed(once, blob)
    assert prod(placement.blob) == prod(blob)
    coordinates = np.unravel_index(once.places().reshape(-1), placement.blob)
    sizes = [atom.size for atom in placement.atoms]
    for axis in range(len(placement.blob)):
        found = np.array(placement.starts[axis])
        for atom in placement.atoms:
            run = np.arange(atom.size) * atom.step * (atom.axis == axis)
            found = np.add.outer(found, run[::-1] if atom.backwards else run)
        np.testing.assert_array_equal(found.reshape(sizes).reshape(-1), coordinates[axis])


def test_what_one_change_undoes_of_another_leaves_the_whole_blob():
    whole = layouts.whole((1, 8, 4, 4))
    turned = layouts.transposed(whole, (0, 2, 3, 1))
    assert turned != whole and layouts.transposed(turned, (0, 3, 1, 2)) == whole
    halves = [layouts.picked(whole, 1, range(start, start + 4)) for start in (0, 4)]
    assert None not in halves
    assert layouts.stacked([half for half in halves if half], 1) == whole


@pytest.mark.parametrize(
    "shape, order, wanted",
    [
        pytest.param((4, 3), (1, 0), (2, 6), id="no part of the first"),
        pytest.param((4, 6), (1, 0), (4, 6), id="no common divisor"),
    ],
)
def test_a_reshape_across_atoms_is_no_layout(shape: tuple[int, ...], order: tuple[int, ...], wanted: tuple[int, ...]):
    assert layouts.reshaped(layouts.transposed(layouts.whole(shape), order), wanted) is None


def test_atoms_that_continue_each_other_are_one():
    assert layouts.joined([Atom(2, 12), Atom(1, 7), Atom(3, 4), Atom(4, 1)]) == (Atom(24, 1),)
    assert layouts.joined([Atom(2, 0), Atom(3, 0)]) == (Atom(6, 0),)


def test_axes_that_a_part_runs_across_are_joined():
    whole = layouts.reshaped(layouts.whole((1, 3, 4, 4)), (1, 48))
    assert whole is not None
    part = layouts.picked(whole, 1, range(10, 30))
    assert part is not None and layouts.placed(part, (1, 3, 4, 4)).blob == (1, 48)
