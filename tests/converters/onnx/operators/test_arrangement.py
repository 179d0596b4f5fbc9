"""Operators that move numbers against onnxruntime: single ones, what they come to together, random chains, refusals."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from converters.onnx.models.model import model_of
from converters.onnx.network import Options
from converters.onnx.reading import to_network
from prototxt_gen import NetParameter, UnsupportedError
from tests.converters.onnx.operators.checking import (
    check,
    close,
    expected,
    model,
    node,
    normal,
    onnx,
    refused,
    run,
    types,
)

MAP = {"x": normal(1, 8, 6, 4)}
END = 2**62


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def behind_relu(nodes: Any, inputs: Any, constants: Any = None, **options: Any) -> NetParameter:
    """Checks the nodes with a ReLU behind them, which stands on a blob of the value's own or below the view."""
    nodes = [nodes] if isinstance(nodes, onnx.NodeProto) else list(nodes)
    return check([*nodes, node("Relu", nodes[-1].output[0], "end")], inputs, constants, **options)


# ---------------------------------------------------------------------------------------------------- single operators


@pytest.mark.parametrize(
    "sizes, written",
    [
        ([0, -1], "Flatten"),
        ([1, 8, -1], "Flatten"),
        ([0, 2, 4, 6, 4], "Reshape"),
        ([0, 0, 6, 2, 2], "Reshape"),
        ([-1, 6, 4], "Flatten"),
        ([0, 0, 0, 0], ""),
        ([1, 8, 6, 4, 1], "Reshape"),
        ([192], "Flatten"),
        ([24, 8], "Reshape"),
    ],
    ids=str,
)
def test_reshape(sizes: list[int], written: str):
    net = check(node("Reshape", "x s"), MAP, {"s": whole(*sizes)})
    assert types(net) == ([written] if written else ["Split"])


@pytest.mark.parametrize("opset", [9, 17])
def test_a_reshape_of_other_opsets(opset: int):
    check(node("Reshape", "x s"), MAP, {"s": whole(0, 4, -1)}, opset=opset)


def test_a_zero_may_be_no_size_to_copy():
    check(node("Reshape", "x s", allowzero=1), MAP, {"s": whole(1, 4, -1)})
    refused(node("Reshape", "x s", allowzero=1), MAP, {"s": whole(0, 4, -1)}, match="shape")


@pytest.mark.parametrize("axis", [0, 1, 2, 4, -1])
def test_flatten(axis: int):
    check(node("Flatten", "x", axis=axis), MAP)


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("axes", [[1], [-1], [1, 3], None])
def test_squeeze(axes: list[int] | None, opset: int):
    x, stated = {"x": normal(2, 1, 3, 1)}, {} if axes is None else {"axes": axes}
    if opset < 13 or axes is None:
        check(node("Squeeze", "x", **stated), x, opset=opset)
    else:
        check(node("Squeeze", "x a"), x, {"a": whole(*axes)}, opset=opset)


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("axes", [[1], [-1], [1, 3], [0, 4]])
def test_unsqueeze(axes: list[int], opset: int):
    x = {"x": normal(2, 3, 4)}
    if opset < 13:
        check(node("Unsqueeze", "x", axes=axes), x, opset=opset)
    else:
        check(node("Unsqueeze", "x a"), x, {"a": whole(*axes)}, opset=opset)


@pytest.mark.parametrize(
    "starts, ends, axes, steps, written",
    [
        pytest.param([2], [5], [1], None, "Slice Silence ReLU", id="in the middle"),
        pytest.param([0], [3], [1], None, "Slice Silence ReLU", id="the first ones"),
        pytest.param([-3], [END], [-3], None, "Slice Silence ReLU", id="from the end"),
        pytest.param([1, 1], [-1, 3], [2, 3], None, "Slice Silence Slice Silence ReLU", id="two axes"),
        pytest.param([0, 0], [END, END], [2, 3], [2, 2], "Convolution ReLU", id="every second pixel"),
        pytest.param([1, 1], [END, END], [2, 3], [3, 2], "Convolution ReLU", id="other strides"),
        pytest.param([1], [6], [1], [2], "Convolution ReLU", id="every second channel"),
        pytest.param([-1], [-END], [3], [-1], "ReLU InnerProduct", id="backwards"),
        pytest.param([-1, -1], [-END, -END], [2, 3], [-1, -2], "Convolution InnerProduct ReLU", id="both backwards"),
        pytest.param([0], [END], [2], [1], "ReLU", id="all"),
        pytest.param([5], [100], [2], [4], "Slice Silence ReLU", id="one that is left"),
    ],
)
def test_slice(starts: list[int], ends: list[int], axes: list[int], steps: list[int] | None, written: str):
    constants = {"s": whole(*starts), "e": whole(*ends), "a": whole(*axes)}
    if steps:
        constants["t"] = whole(*steps)
    net = behind_relu(node("Slice", "x s e a" + " t" * bool(steps)), MAP, constants)
    assert types(net) == written.split()


def test_a_slice_of_older_opsets():
    check(node("Slice", "x", starts=[1, -2], ends=[4, END], axes=[1, 2]), MAP, opset=9)
    check(node("Slice", "x", starts=[0, 1], ends=[1, 3]), MAP, opset=9)


@pytest.mark.parametrize(
    "indices", [3, -1, [2], [1, 2, 3], [7, 5, 3, 1], [0, 0, 5], [[0, 4], [2, 2]], [6, 1, 2, 7]], ids=str
)
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_gather(indices: Any, axis: int):
    indices = np.array(indices, np.int64)
    indices = np.where(indices >= 0, indices % MAP["x"].shape[axis], indices)
    behind_relu(node("Gather", "x i", axis=axis), MAP, {"i": indices})


def test_gather_along_what_a_transpose_moved():
    nodes = [node("Transpose", "x", "t", perm=[1, 0, 2, 3]), node("GatherND", "t i", "g")]
    nodes.append(node("Transpose", "g", "y", perm=[1, 0, 2, 3]))
    net = behind_relu(nodes, MAP, {"i": np.array([[2], [7], [0]])})
    assert types(net) == ["Convolution", "ReLU"]
    check(node("GatherND", "x i"), MAP, {"i": np.array([[0, 3], [0, -1]])})


def test_rows_of_a_table():
    indices = np.array([[0, 3, 2]], np.int64)
    net = check(node("Gather", "t x"), {"x": indices}, {"t": normal(5, 4)})
    assert types(net) == ["Embed"]


@pytest.mark.parametrize("opset, sizes", [(11, [1, 5, 2]), (17, [1, 5, 2]), (11, None), (17, None), (18, None)])
def test_split(opset: int, sizes: list[int] | None):
    inputs, constants, stated = "x", {}, {"axis": 1}
    tops = "a b c" if sizes or opset == 18 else "a b"
    if sizes and opset < 13:
        stated["split"] = sizes
    elif sizes:
        inputs, constants = "x s", {"s": whole(*sizes)}
    elif opset == 18:
        stated["num_outputs"] = 3
    net = check(node("Split", inputs, tops, **stated), MAP, constants, opset=opset)
    assert types(net) == ["Slice"]


@pytest.mark.parametrize("taken", ["a", "b", "c", "a c"])
def test_parts_that_nothing_takes_are_silenced(taken: str):
    nodes = [node("Split", "x s", "a b c", axis=1)]
    nodes += [node("Relu", top, f"{top}_end") for top in taken.split()]
    outputs = " ".join(f"{top}_end" for top in taken.split())
    net = check(nodes, MAP, {"s": whole(2, 3, 3)}, outputs=outputs)
    assert types(net)[:2] == ["Slice", "Silence"]


def test_two_slices_of_one_blob_are_one_layer():
    ends = {"z": whole(0), "m": whole(3), "e": whole(8), "a": whole(1)}
    nodes = [node("Relu", "x", "r"), node("Slice", "r z m a", "front"), node("Slice", "r m e a", "back")]
    net = check([*nodes, node("Relu", "front", "f"), node("Relu", "back", "b")], MAP, ends, outputs="f b")
    assert types(net) == ["ReLU", "Slice", "ReLU", "ReLU"]


@pytest.mark.parametrize(
    "order, written",
    [
        ((0, 1, 3, 2), "ReLU Concat Convolution Reshape Pooling"),
        ((0, 2, 3, 1), ""),
        ((0, 3, 1, 2), ""),
        ((0, 3, 2, 1), ""),
    ],
)
def test_transpose(order: tuple[int, ...], written: str):
    # Pooling stands for what does not go below a view.
    turned = [
        node("Relu", "x", "s"),
        node("Concat", "s x", "r", axis=2),
        node("Transpose", "r", "t", perm=order),
        node("MaxPool", "t", "y", kernel_shape=[1, 1]),
    ]
    if written:
        assert types(check(turned, MAP)) == written.split()
    else:
        refused(turned, MAP, match=r"'Concat_r' \(1, 8, 12, 4\) -> Transpose \(0, .*'Transpose_t'.*channels on axis 1")
    assert "Permute" in types(check(turned, MAP, dialect="fork"))


def test_transposes_that_meet_are_none():
    turned = [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("Relu", "t", "r")]
    net = check(
        [node("Relu", "x", "x0"), turned[0], turned[1], node("Transpose", "r", "y", perm=[0, 3, 1, 2])][1:], MAP
    )
    assert types(net) == ["ReLU"]


@pytest.mark.parametrize("shape, sizes", [((1, 8, 1, 1), [1, 8, 3, 2]), ((1, 4), [2, 3, 1]), ((1, 1, 3), [1, 5, 1])])
def test_expand(shape: tuple[int, ...], sizes: list[int]):
    behind_relu(node("Expand", "x s"), {"x": normal(*shape)}, {"s": whole(*sizes)})


@pytest.mark.parametrize("times", [[1, 2, 1, 1], [1, 2, 1, 3], [2, 1, 1, 1], [1, 1, 1, 1]])
def test_tile(times: list[int]):
    net = behind_relu(node("Tile", "x t"), MAP, {"t": whole(*times)})
    assert types(net) == ["Tile"] * sum(number > 1 for number in times) + ["ReLU"]


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_is_one_deconvolution(mode: str):
    net = behind_relu(node("DepthToSpace", "x", blocksize=2, mode=mode), {"x": normal(2, 12, 3, 5)})
    assert types(net) == ["ReLU", "Deconvolution"]
    assert net.layer[-1].convolution_param.group == (3 if mode == "CRD" else 1)


def test_space_to_depth_is_one_convolution():
    net = behind_relu(node("SpaceToDepth", "x", blocksize=3), {"x": normal(2, 4, 6, 9)})
    assert types(net) == ["ReLU", "Convolution"]


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_concat(axis: int):
    inputs = {"x": normal(1, 3, 4, 5), "z": normal(1, 3, 4, 5, seed=1)}
    assert types(check(node("Concat", "x z x", axis=axis), inputs)) == ["Concat"]


def test_concat_with_a_constant_and_of_one():
    net = check(node("Concat", "x c", axis=1), {"x": normal(1, 3, 2, 2)}, {"c": normal(1, 2, 2, 2)})
    assert types(net) == ["Parameter", "Concat"]
    assert types(behind_relu(node("Concat", "x", axis=1), MAP)) == ["ReLU"]


# ---------------------------------------------------------------------------------------------------- together


def shuffled(groups: int) -> list[Any]:
    return [
        node("Reshape", "x split", "a"),
        node("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "b joined", "y"),
        node("MaxPool", "y", "end", kernel_shape=[1, 1]),
    ]


@pytest.mark.parametrize("dialect, written", [("bvlc", "Convolution"), ("fork", "ShuffleChannel")])
@pytest.mark.parametrize("groups", [2, 4])
def test_a_channel_shuffle(groups: int, dialect: str, written: str):
    constants = {"split": whole(1, groups, 8 // groups, 6, 4), "joined": whole(1, 8, 6, 4)}
    assert types(check(shuffled(groups), MAP, constants, dialect=dialect)) == [written, "Pooling"]


def parts_of_blocks() -> tuple[list[Any], dict[str, np.ndarray]]:
    """Every second pixel from (0, 0), (1, 0), (0, 1) and (1, 1) on."""
    constants = {"axes": whole(2, 3), "stop": whole(END, END), "two": whole(2, 2)}
    nodes = []
    for number, start in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        constants[f"s{number}"] = whole(*start)
        nodes.append(node("Slice", f"x s{number} stop axes two", f"p{number}"))
    return [*nodes, node("Concat", "p0 p1 p2 p3", axis=1)], constants


def test_focus_is_one_convolution():
    nodes, constants = parts_of_blocks()
    net = check([*nodes, node("MaxPool", "y", "end", kernel_shape=[1, 1])], {"x": normal(1, 3, 8, 6)}, constants)
    assert types(net) == ["Convolution", "Pooling"]
    assert list(net.layer[1].convolution_param.stride) == [2]


def head(dialect: str, channels: int = 10) -> NetParameter:
    """A detector's head: anchors apart, their numbers last, all places in a row."""
    constants = {"split": whole(1, 3, channels, 6, 4), "row": whole(1, -1, channels)}
    nodes = [
        node("Relu", "x", "r"),
        node("Reshape", "r split", "a"),
        node("Transpose", "a", "b", perm=[0, 1, 3, 4, 2]),
        node("Reshape", "b row", "y"),
    ]
    return check(nodes, {"x": normal(1, 3 * channels, 6, 4)}, constants, dialect=dialect)


def test_a_detection_head():
    assert types(head("bvlc")) == ["ReLU", "Deconvolution", "Reshape"]
    assert types(head("fork")) == ["ReLU", "Reshape", "Permute", "Flatten"]


def test_a_part_of_a_flattened_transposition():
    constants = {"row": whole(1, -1), "five": whole(5), "stop": whole(-7), "one": whole(1)}
    nodes = [node("Concat", "x x", "c", axis=2), node("Transpose", "c", "t", perm=[0, 2, 3, 1])]
    nodes += [node("Reshape", "t row", "r"), node("Slice", "r five stop one", "y")]
    net = behind_relu(nodes, MAP, constants)
    assert types(net)[-3:] == ["Slice", "Silence", "ReLU"]


def test_parts_of_what_mixes_items():
    nodes = [node("Reshape", "x s", "r"), node("Slice", "r one five one", "p"), node("Slice", "p one two two", "y")]
    constants = {"s": whole(3, 8, 4), "one": whole(1), "two": whole(2), "five": whole(5)}
    net = behind_relu(nodes, {"x": normal(2, 12, 2, 2)}, constants)
    assert types(net) == ["Reshape", "Slice", "Silence", "Slice", "Silence", "ReLU"]


def test_channels_taken_twice_are_spread_over_pixels():
    """Depth to space, of which some channels come twice."""
    nodes = [node("DepthToSpace", "x", "d", blocksize=2), node("Gather", "d i", "y", axis=1)]
    behind_relu(nodes, {"x": normal(1, 12, 3, 2)}, {"i": whole(1, 2, 0, 1)})


def test_patches_in_a_row():
    constants = {"split": whole(1, 8, 3, 2, 2, 2), "row": whole(1, 6, 32)}
    nodes = [node("Reshape", "x split", "a"), node("Transpose", "a", "b", perm=[0, 2, 4, 3, 5, 1])]
    nodes.append(node("Reshape", "b row", "y"))
    check(nodes, MAP, constants)
    assert types(check(nodes, MAP, constants, dialect="fork")) == ["Reshape", "Permute", "Reshape"]


def test_a_view_that_two_layers_take_is_written_once():
    nodes = [*parts_of_blocks()[0], node("MaxPool", "y", "a", kernel_shape=[1, 1])]
    nodes.append(node("MaxPool", "y", "b", kernel_shape=[2, 2]))
    net = check(nodes, {"x": normal(1, 3, 8, 6)}, parts_of_blocks()[1], outputs="a b")
    assert types(net) == ["Convolution", "Pooling", "Pooling"]


@pytest.mark.parametrize("batch", [1, 3])
def test_the_batch_stays_open(batch: int):
    """Reshapes copy the batch's size: the network runs with as many items as ONNX does."""
    constants = {"split": whole(0, 2, 4, 6, 4), "joined": whole(0, 8, 6, 4), "row": whole(0, 4, -1), "z": whole(0)}
    constants |= {"five": whole(5), "one": whole(1)}
    nodes = [*shuffled(2)[:3], node("Slice", "y z five one", "five_of"), node("Relu", "five_of", "s")]
    nodes += [node("Transpose", "y", "t", perm=[0, 2, 3, 1]), node("Reshape", "t row", "u"), node("Relu", "u", "v")]
    nodes += [node("Flatten", "y", "f"), node("Relu", "f", "w")]
    x = {"x": normal(batch, 8, 6, 4)}
    proto = model(nodes, x, constants, "s v w")
    wanted = expected(proto, x)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    net, weights = to_network(model_of(proto), Options())
    assert net.layer[0].input_param.shape[0].dim[0] == 1
    net.layer[0].input_param.shape[0].dim[0] = batch
    close(run(net, weights, x, ["s", "v", "w"]), wanted)


@pytest.mark.parametrize(
    "constant, axis",
    [
        pytest.param(normal(1, 2, 6, 4), 1, id="coordinates"),
        pytest.param(np.full((1, 3, 6, 4), 0.5, np.float32), 1, id="one number"),
        pytest.param(normal(1, 8, 6, 1), 3, id="a column"),
        pytest.param(np.zeros((1, 8, 3, 4), np.float32), 2, id="zeros"),
    ],
)
def test_constants_are_joined_to_any_batch(constant: np.ndarray, axis: int):
    proto = model([node("Concat", "c x", "y", axis=axis), node("Relu", "y", "end")], MAP, {"c": constant})
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    net, weights = to_network(model_of(proto), Options())
    for batch in (1, 3):
        x = np.concatenate([MAP["x"]] * batch) + np.arange(batch, dtype=np.float32)[:, None, None, None]
        wanted = np.concatenate([np.repeat(constant, batch, 0), x], axis).clip(0)
        net.layer[0].input_param.shape[0].dim[0] = batch
        close(run(net, weights, {"x": x}, ["end"]), [wanted], 0)


# ---------------------------------------------------------------------------------------------------- random chains


def chain(rng: Random) -> tuple[list[Any], dict[str, np.ndarray], tuple[int, ...]]:
    """Up to six operators in a row, each on what one of the last two made."""
    shape = rng.choice([(1, 4, 6, 8), (2, 8, 4, 4), (1, 6, 5, 7), (1, 24), (2, 6, 10), (1, 3, 4, 6, 4), (1, 16, 1, 1)])
    first, made, constants, nodes = shape, [("x", shape)], {}, []

    def constant(*numbers: int) -> str:
        constants[f"c{len(constants)}"] = whole(*numbers)
        return f"c{len(constants) - 1}"

    for place in range(rng.randint(1, 6)):
        name, shape = rng.choice(made[-2:])
        top, axes = f"v{place}", len(shape)
        wide = [axis for axis in range(1, axes) if shape[axis] > 1]
        way = rng.choice(["Reshape", "Reshape", "Transpose", "Transpose", "Slice", "Split", "Concat", "Gather", "Tile"])
        if way == "Reshape":
            size, sizes = int(np.prod(shape[1:])), [shape[0]]
            while size > 1 and len(sizes) < 6:
                sizes.append(rng.choice([part for part in range(2, size + 1) if size % part == 0]))
                size //= sizes[-1]
            new = (*sizes, size) if size > 1 else tuple(sizes)
            nodes.append(node(way, f"{name} {constant(*new)}", top))
        elif way == "Transpose":
            order = [0, *rng.sample(range(1, axes), axes - 1)]
            new = tuple(shape[axis] for axis in order)
            nodes.append(node(way, name, top, perm=order))
        elif way == "Concat" and axes > 1:
            axis = rng.randrange(1, axes)
            fits = [
                one
                for one, size in made
                if len(size) == axes and size[:axis] + size[axis + 1 :] == shape[:axis] + shape[axis + 1 :]
            ]
            picked = [name, *(rng.choice(fits) for _ in range(rng.randint(1, 2)))]
            new = (*shape[:axis], sum(dict(made)[one][axis] for one in picked), *shape[axis + 1 :])
            nodes.append(node(way, " ".join(picked), top, axis=axis))
        elif not wide:
            continue
        elif way == "Slice":
            axis, step = rng.choice(wide), rng.choice([1, 1, 2, 3, -1, -2])
            start = rng.randrange(shape[axis])
            left = len(range(shape[axis])[start::step])
            new = (*shape[:axis], left, *shape[axis + 1 :])
            stated = (constant(start), constant(END if step > 0 else -END), constant(axis), constant(step))
            nodes.append(node(way, " ".join((name, *stated)), top))
        elif way == "Split":
            axis = rng.choice(wide)
            part = rng.randrange(1, shape[axis])
            new, other = ((*shape[:axis], size, *shape[axis + 1 :]) for size in (part, shape[axis] - part))
            nodes.append(node(way, f"{name} {constant(part, shape[axis] - part)}", f"{top} {top}b", axis=axis))
            made.append((f"{top}b", other))
        elif way == "Gather":
            axis = rng.choice(wide)
            indices = [rng.randrange(shape[axis]) for _ in range(rng.randint(1, 4))]
            new = (*shape[:axis], len(indices), *shape[axis + 1 :])
            nodes.append(node(way, f"{name} {constant(*indices)}", top, axis=axis))
        elif way == "Tile" and np.prod(shape) < 1000:
            times = [1, *(rng.choice([1, 2]) for _ in shape[1:])]
            new = tuple(size * time for size, time in zip(shape, times, strict=True))
            nodes.append(node(way, f"{name} {constant(*times)}", top))
        else:
            continue
        made.append((top, new))
    return [*nodes, node("Relu", made[-1][0], "end")], constants, first


@pytest.mark.parametrize("dialect", ["bvlc", "fork"])
def test_random_chains(dialect: str):
    done = 0
    for seed in range(60):
        nodes, constants, shape = chain(Random(seed))
        x = {"x": normal(*shape, seed=seed)}
        try:
            net, weights = to_network(model_of(model(nodes, x, constants)), Options(dialect))  # type: ignore[arg-type]
        except UnsupportedError as fault:
            assert dialect == "bvlc" and "stock Caffe has no Permute" in str(fault), seed
            continue
        wide = tuple(net.layer[0].input_param.shape[0].dim)
        given = {"x": x["x"] if wide == shape else np.moveaxis(x["x"], -1, 1)}
        close(run(net, weights, given, ["end"]), expected(model(nodes, x, constants), x), 0, seed)
        done += 1
    assert done >= (60 if dialect == "fork" else 50)


# ------------------------------------------------------------------------------------------ which Transpose has a place

LAST = node("Transpose", "x", "last", perm=[0, 2, 3, 1])
"""Moves the channels of MAP to the end: (1, 6, 4, 8)."""


@pytest.mark.parametrize(
    "nodes, constants",
    [
        pytest.param([node("Add", "last y", "z")], {}, id="two orders are added"),
        pytest.param([node("Max", "y last", "z")], {}, id="two orders have a maximum"),
        pytest.param(
            [node("Mul", "last row", "m"), node("Add", "m y", "z")], {"row": normal(4, 1)}, id="factors on another axis"
        ),
        pytest.param([node("Concat", "last y", "z", axis=2)], {}, id="two orders are joined"),
        pytest.param([node("Softmax", "last", "s", axis=2), node("Add", "s y", "z")], {}, id="softmax"),
        pytest.param([node("ReduceMean", "last", "s", axes=[2]), node("Mul", "s y", "z")], {}, id="mean"),
    ],
)
def test_operators_that_ask_for_no_channels_take_any_order(nodes: list[Any], constants: dict[str, np.ndarray]):
    """The result is in the other input's order: that of a blob."""
    inputs = MAP | {"y": normal(1, 6, 4, 8, seed=1)}
    check([LAST, *nodes, node("Flatten", "z", "flat")], inputs, constants)
    check([LAST, *nodes, node("Flatten", "z", "flat")], inputs, constants, dialect="fork")


@pytest.mark.parametrize(
    "nodes, constants, written",
    [
        pytest.param([node("Conv", "last w", "z")], {"w": normal(3, 6, 1, 1)}, ["Convolution"], id="Conv of a point"),
        pytest.param([node("MatMul", "last w", "z")], {"w": normal(8, 3)}, ["Convolution"], id="channels"),
        pytest.param(
            [node("Reshape", "last rows", "r"), node("MatMul", "r w", "m"), node("Reshape", "m maps", "z")],
            {"rows": whole(-1, 8), "w": normal(8, 3), "maps": whole(1, 6, 4, 3)},
            ["Convolution"],
            id="channels of rows, as Keras writes a Dense on a map",
        ),
    ],
)
def test_a_matrix_along_an_axis_needs_no_other_order(nodes: list[Any], constants: Any, written: list[str]):
    back = node("Transpose", "z", perm=[0, 3, 1, 2])
    assert types(check([LAST, *nodes, back], {"x": MAP["x"]}, constants)) == written


@pytest.mark.parametrize(
    "end, constants",
    [
        pytest.param([], {}, id="an output"),
        pytest.param([node("Relu", "last", "y")], {}, id="an output below the view"),
        pytest.param([node("Conv", "last w")], {"w": normal(3, 6, 2, 1)}, id="Conv with windows"),
        pytest.param([node("ConvTranspose", "last w")], {"w": normal(6, 3, 1, 1)}, id="ConvTranspose"),
        pytest.param([node("MaxPool", "last", kernel_shape=[2, 2])], {}, id="MaxPool"),
        pytest.param([node("AveragePool", "last", kernel_shape=[1, 2])], {}, id="AveragePool"),
    ],
)
def test_maps_with_channels_elsewhere_are_refused_in_stock_caffe(end: list[Any], constants: dict[str, np.ndarray]):
    nodes = [node("Sigmoid", "x", "s"), node("Transpose", "s", "last", perm=[0, 2, 3, 1]), *end]
    refused(nodes, MAP, constants, match=r"\(1, 8, 6, 4\) -> Transpose \(0, 2, 3, 1\) 'Transpose_last': .* no Permute")
    check(nodes, MAP, constants, dialect="fork")


def test_height_and_width_may_change_places():
    nodes = [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("Conv", "t w")]
    check(nodes, MAP, {"w": normal(3, 8, 3, 2)})


# ---------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "made, constants, match",
    [
        pytest.param(node("Slice", "x s e"), {"s": [3], "e": [3]}, "empty result", id="nothing left"),
        pytest.param(node("Gather", "x s", axis=1), {"s": [9]}, "outside of 8 positions", id="no such place"),
        pytest.param(node("Reshape", "x s"), {"s": [1, 7, -1]}, "shape", id="does not fit"),
        pytest.param(node("Transpose", "x", perm=[0, 1, 1, 2]), {}, "perm", id="an axis twice"),
        pytest.param(node("SpaceToDepth", "x", blocksize=4), {}, "blocksize", id="uneven blocks"),
        pytest.param(node("Split", "x s", "y z", axis=1), {"s": [3, 4]}, "split", id="parts too small"),
    ],
)
def test_what_does_not_fit_is_refused(made: Any, constants: dict[str, list[int]], match: str):
    refused(made, MAP, {name: whole(*numbers) for name, numbers in constants.items()}, match=match)


def test_items_of_a_batch_stay_in_order():
    x = {"x": normal(4, 3, 2, 2)}
    refused([node("Gather", "x i", "g", axis=0), node("Relu", "g")], x, {"i": whole(2, 0, 3)}, match="items of a batch")
    refused(
        [node("Transpose", "x", "t", perm=[1, 0, 2, 3]), node("Flatten", "t", "f"), node("Relu", "f")][:2],
        x,
        match="items of a batch",
    )
