"""What goes below a view: operators on single numbers, constants, a Gemm's weights; how views are named and refused."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from converters.onnx.moving import views
from converters.onnx.moving.layouts import Layout
from converters.onnx.moving.views import View
from converters.onnx.network import Network, Options
from converters.onnx.values import Tensor
from prototxt_gen.errors import UnsupportedError

STEP = "a step"


def started(*shape: int, dialect: str = "bvlc") -> tuple[Network, Tensor]:
    net = Network(Options(dialect), stem="x")  # type: ignore[arg-type]
    return net, net.layer("Input", [], input_param={"shape": [{"dim": list(shape)}]})


def channels_last(net: Network, x: Tensor) -> Tensor:
    return views.transposed(net, x, (0, 2, 3, 1), STEP)


def numbers(value: Tensor, blob: np.ndarray) -> np.ndarray:
    """The value's numbers, where its blob holds these."""
    return blob.reshape(-1)[views.view_of(value).layout.places()]


def test_an_operator_on_single_numbers_goes_below_a_view():
    net, x = started(1, 4, 3, 2)
    blob, wrap = views.through(net, channels_last(net, x))
    made = wrap(net.layer("ReLU", [blob]))
    assert blob == x and made.shape == (1, 3, 2, 4) and [layer.type for layer in net.net.layer] == ["Input", "ReLU"]
    back = views.transposed(net, made, (0, 3, 1, 2), STEP)
    assert back.view is None and back.shape == x.shape


def test_not_below_a_view_that_has_numbers_twice_or_never():
    net, x = started(1, 4, 3, 2)
    for value in (views.picked(net, x, 1, range(2), STEP), views.repeated(net, x, 1, 2, STEP)):
        blob, wrap = views.through(net, value)
        assert blob.shape == value.shape and blob.view is None and wrap(blob) == blob


def test_two_values_with_one_view_meet_below_it():
    net, x = started(1, 4, 3, 2)
    y = net.layer("ReLU", [x])
    [a, b], wrap = views.common(net, [channels_last(net, x), channels_last(net, y)])
    assert (a, b) == (x, y) and wrap(net.layer("Eltwise", [a, b])).shape == (1, 3, 2, 4)
    net, x = started(1, 4, 1, 1)
    [a, b], wrap = views.common(
        net,
        [views.reshaped(net, x, (1, 2, 2), STEP), net.layer("Input", [], input_param={"shape": [{"dim": [1, 2, 2]}]})],
    )
    assert a.shape == b.shape == (1, 2, 2) and a.view is None


@pytest.mark.parametrize("seed", range(40))
def test_a_constant_below_a_view(seed: int):
    """What it broadcasts to below the view is, seen by the view, what it broadcasts to above."""
    rng, random = Random(seed), np.random.default_rng(seed)
    net, x = started(1, 6, 4, 2)
    value = views.transposed(net, x, (0, *rng.sample([1, 2, 3], 3)), STEP)
    if rng.random() < 0.5:
        value = views.reshaped(net, value, rng.choice([(1, *value.shape[1:], 1), (2, 24), (1, 48), (6, 8)]), STEP)
    shape = [rng.choice([1, size]) for size in value.shape[rng.randrange(len(value.shape)) :]]
    constant = random.normal(size=shape)
    below = views.below(value, constant)
    found = numbers(value, np.broadcast_to(below, views.view_of(value).blob))
    np.testing.assert_array_equal(found, np.broadcast_to(constant, value.shape))


def test_a_constant_for_each_channel_stays_one():
    net, x = started(1, 6, 4, 2)
    assert views.below(channels_last(net, x), np.arange(6)).shape == (1, 6, 1, 1)
    assert views.below(views.reshaped(net, channels_last(net, x), (1, 8, 6), STEP), np.arange(6)).shape == (1, 6, 1, 1)


@pytest.mark.parametrize("items", [1, 3])
def test_the_order_of_flattened_features(items: int):
    net, x = started(items, 6, 4, 2)
    blob = np.random.default_rng(0).normal(size=x.shape)
    flat = views.reshaped(net, channels_last(net, x), (items, 48), STEP)
    order = views.flattened_order(flat)
    assert order is not None
    np.testing.assert_array_equal(blob.reshape(items, -1)[:, order], blob.transpose(0, 2, 3, 1).reshape(items, -1))
    assert views.flattened_order(views.picked(net, flat, 1, range(24), STEP)) is None
    assert views.flattened_order(x) is None


def test_items_that_are_mixed_have_no_order_of_features():
    net, x = started(2, 6)
    mixed = views.reshaped(net, views.transposed(net, x, (1, 0), STEP), (6, 2), STEP)
    assert views.flattened_order(mixed) is None
    assert views.flattened_order(views.reshaped(net, mixed, (2, 3, 2), STEP)) is None


def test_the_axes_that_a_transposition_moves():
    net, x = started(1, 6, 4, 2)
    assert views.axis_order(x) == (0, 1, 2, 3)
    assert views.axis_order(channels_last(net, x)) == (0, 2, 3, 1)
    assert views.axis_order(views.reshaped(net, x, (1, 24, 2, 1), STEP)) is None
    assert views.axis_order(views.picked(net, x, 1, range(2), STEP)) is None
    net, x = started(1, 6, 1, 1)
    assert views.axis_order(channels_last(net, x)) == (0, 2, 3, 1)


def test_a_matrix_along_an_axis_goes_below_a_view():
    """The axis gets another number of positions in the blob; the others move apart, or together."""
    net, x = started(2, 6, 4, 3)
    for size in (1, 4, 9):
        options = {"num_output": size, "kernel_size": [1], "bias_term": False}

        def layer(blob: Tensor, axis: int, options: dict[str, object] = options) -> Tensor:
            assert (blob, axis) == (x, 1)
            weight = np.ones((options["num_output"], 6, 1, 1))  # type: ignore[arg-type]
            return net.layer("Convolution", [blob], blobs=[weight], convolution_param=options)

        rows = views.reshaped(net, channels_last(net, x), (2, 12, 6), STEP)
        made = views.mapped(net, rows, 2, layer)
        assert made is not None and made.shape == (2, 12, size)
        places = np.arange(2 * size * 12).reshape(2, size, 4, 3).transpose(0, 2, 3, 1).reshape(2, 12, size)
        np.testing.assert_array_equal(views.view_of(made).layout.places(), places)
    assert views.mapped(net, views.reshaped(net, x, (2, 3, 24), STEP), 1, layer) is None


def test_repeated_numbers_are_left_to_operators_that_broadcast():
    net, x = started(1, 6, 1, 1)
    value = views.expanded(net, x, (1, 6, 4, 2), STEP)
    assert value.shape == (1, 6, 4, 2) and views.unrepeated(net, value) == x
    assert views.unrepeated(net, x) == x


def test_layers_of_a_view_are_named_after_the_node_that_made_it():
    net, x = started(1, 6, 4, 2)
    net.stem = "narrow"
    value = views.picked(net, x, 1, range(1, 5, 2), STEP)
    net.stem = "next"
    net.layer("ReLU", [value])
    assert [layer.name for layer in net.net.layer] == ["x", "narrow", "next"] and net.stem == "next"


def test_a_refusal_tells_the_history():
    net, x = started(1, 40, 50, 60)
    value = views.transposed(net, views.reshaped(net, x, (1, 40, 3000), "Reshape a"), (0, 2, 1), "Transpose b")
    value = views.reshaped(net, value, (1, 50, 60, 40), "Reshape c")
    with pytest.raises(
        UnsupportedError, match=r"^'x' \(1, 40, 50, 60\) -> Reshape a -> Transpose b -> Reshape c: maps have"
    ):
        views.as_map(net, value)
    net, x = started(2, 3)
    with pytest.raises(UnsupportedError, match=r"^'x' \(2, 3\) -> Transpose: no layer of Caffe moves items"):
        net.plain(views.transposed(net, x, (1, 0), "Transpose"))


def test_axes_too_large_to_change_places_are_refused():
    net, x = started(1, 5000, 6000)
    with pytest.raises(
        UnsupportedError, match="axes of 5000 and 6000 positions, 1 times, change places: found 25000000"
    ):
        net.plain(views.transposed(net, x, (0, 2, 1), STEP))
    net, x = started(1, 5000, 6000, dialect="fork")
    assert net.plain(views.transposed(net, x, (0, 2, 1), STEP)).shape == (1, 6000, 5000)


def test_a_view_of_the_whole_blob_is_none():
    net, x = started(1, 6, 4, 2)
    flat = views.reshaped(net, x, (1, 48), STEP)
    assert isinstance(flat.view, View) and isinstance(flat.view.layout, Layout)
    assert views.reshaped(net, flat, (1, 6, 4, 2), STEP) == x
