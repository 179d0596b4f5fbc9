"""Shape rules: against arrays and weights that BVLC Caffe 1.0 wrote, and against its definitions."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.binary import from_binary
from prototxt_gen.errors import CaffeError, NetworkError, UnsupportedError
from prototxt_gen.layers import LAYERS, LayerShape, layer_type
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.summary import summarize
from prototxt_gen.text import parse_text, read_prototxt
from prototxt_gen.trace import trace
from tests.caffe_files import FAMILIES, SPELLINGS, caffe_file, in_reference
from tools.reference_facts import REFERENCE
from tools.truths import LAYERS as TRUTHS
from tools.truths import SPELLED

CASES = sorted(
    f"{folder}/{path.stem}" for folder in ("conformance", "legacy") for path in (REFERENCE / folder).glob("*.prototxt")
)


@pytest.mark.parametrize("case", in_reference(*CASES))
def test_tops_and_blobs_of_caffe(reference: Path, case: str) -> None:
    path = reference / f"{case}.caffemodel"
    with np.load(reference / f"{case}.npz") as truth:
        arrays = {key.partition("__")[2]: truth[key].shape for key in truth.files}
    hold_shapes(read_prototxt(path.with_suffix(".prototxt")), arrays, path if path.exists() else None)


@pytest.mark.parametrize("case", [f"layers/{name}" for name in FAMILIES])
def test_tops_and_blobs_of_every_family(tmp_path: Path, case: str) -> None:
    """The outputs are Caffe's, and the file of weights is what Caffe saved."""
    path = caffe_file(case, tmp_path)
    with np.load(TRUTHS / f"{path.stem}.npz") as truth:
        arrays = {key: truth[key].shape for key in truth.files}
    hold_shapes(read_prototxt(path.with_suffix(".prototxt")), arrays, path)


@pytest.mark.parametrize("case", [f"spelled/{name}" for name in SPELLINGS])
def test_tops_and_blobs_of_every_spelling(tmp_path: Path, case: str) -> None:
    path = caffe_file(case, tmp_path)
    with np.load(SPELLED) as truth:
        arrays = {key: truth[key].shape for key in truth.files}
    hold_shapes(read_prototxt(path.with_suffix(".prototxt")), arrays, path)


def hold_shapes(net: NetParameter, arrays: dict[str, tuple[int, ...]], weights: Path | None) -> None:
    """Shapes of tops as in arrays of Caffe, shapes of blobs as in its file of weights, of four sizes or fewer."""
    layers = trace(select_phase(net, "TEST"))
    tops = {top: shape for layer in layers for top, shape in zip(layer.tops, layer.top_shapes, strict=True)}
    filtered = {top for layer in layers if layer.type == "Filter" for top in layer.tops}
    for name, shape in arrays.items():
        assert tops[name][name in filtered :] == shape[name in filtered :], name  # how many stay is known at run time
    if weights is not None:
        blobs = {layer.name: layer.blob_shapes for layer in layers}
        stored_layers = [layer for layer in upgrade(from_binary(weights.read_bytes())).layer if layer.blobs]
        assert {layer.name for layer in stored_layers} == {name for name, shapes in blobs.items() if shapes}
        for layer in stored_layers:
            for blob, shape in zip(layer.blobs, blobs[layer.name], strict=True):
                old = blob.HasField("num")  # a scalar has neither sizes nor a shape
                sizes = (blob.num, blob.channels, blob.height, blob.width) if old else blob.shape.dim
                missing = len(sizes) - len(shape)
                assert tuple(sizes[missing:]) == shape
                assert set(sizes[:missing]) <= {1}


X = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 6 } } }'


def network(text: str) -> NetParameter:
    return parse_text(X + text, NetParameter())


def test_all_unknown_types_are_named_at_once() -> None:
    net = network('layer { name: "p" type: "Nope" } layer { name: "q" type: "Neither" }')
    with pytest.raises(UnsupportedError, match=r"'p' \(Nope\), 'q' \(Neither\)"):
        trace(net)


def test_all_faults_are_told_at_once_and_none_twice() -> None:
    net = network("""
        layer { name: "t" type: "Tile" bottom: "x" top: "t" }
        layer { name: "after" type: "ReLU" bottom: "t" top: "t" }
        layer { name: "s" type: "Softmax" bottom: "x" top: "s" softmax_param { axis: 2 } }
        layer { name: "u" type: "ReLU" bottom: "unknown" top: "u" }""")
    with pytest.raises(NetworkError) as told:
        summarize(net)
    for part in (
        "'t' (Tile): tile_param.tiles",
        "'s' (Softmax): softmax_param.axis",
        "'u' (ReLU): bottom: found 'unknown'",
    ):
        assert part in str(told.value)
    assert "after" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('layer { name: "p" type: "Power" bottom: "x" top: "y" } '
         'layer { name: "q" type: "Power" bottom: "x" top: "y" }',
         "a name that another top has already"),
        ('layer { name: "p" type: "Power" bottom: "x" top: "y" } layer { name: "q" type: "ReLU" bottom: "x" top: "x" }',
         "in place"),
        ('layer { name: "p" type: "ReLU" bottom: "x" top: "y" loss_weight: 1 loss_weight: 2 }', "loss_weight"),
        ('layer { name: "p" type: "ReLU" bottom: "x" top: "y" propagate_down: true propagate_down: true }',
         "propagate_down"),
        ('layer { name: "p" type: "ReLU" bottom: "x" top: "y" param { lr_mult: 1 } }', "param: found 1"),
        ('layer { name: "p" type: "Tile" bottom: "x" top: "y" tile_param { tiles: 2000000000 } }',
     "at most 2147483647"),
        ('layer { name: "p" type: "Split" bottom: "x" top: "y" top: "y" }', "another top"),
        ('layer { name: "p" type: "Reshape" bottom: "x" top: "x" reshape_param { shape { dim: -1 } } }', "in place"),
        ('layer { name: "i" type: "Input" top: "i" input_param { shape { dim: -2 } } }', "negative"),
        ('layer { name: "i" type: "Input" top: "i" input_param { shape { dim: 0 dim: 9999999999 } } }', "at most"),
    ],
)  # fmt: skip
def test_what_a_network_refuses(text: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        trace(network(text))


def shared(second: str) -> NetParameter:
    return network(f"""
        layer {{ name: "a" type: "InnerProduct" bottom: "x" top: "a" param {{ name: "w" }}
                 inner_product_param {{ num_output: 6 }} }}
        layer {{ name: "b" type: "InnerProduct" bottom: "a" top: "b" {second} }}""")


def test_shared_parameters_count_once() -> None:
    summary = summarize(shared('param { name: "w" } inner_product_param { num_output: 6 }'))
    assert [layer.parameters for layer in summary.layers] == [0, 42, 6]
    assert summary.parameters == 48


def test_shared_parameters_have_one_shape_unless_permissive() -> None:
    with pytest.raises(NetworkError, match=r"param\[0\]: found shape \(3, 6\), expected \(6, 6\)"):
        trace(shared('param { name: "w" } inner_product_param { num_output: 3 }'))
    trace(shared('param { name: "w" share_mode: PERMISSIVE } inner_product_param { num_output: 6 transpose: true }'))


def test_two_layers_of_one_name_have_weights_of_their_own() -> None:
    """Caffe sets up such networks; of a file's weights the first layer gets the name's (net.cpp)."""
    net = network(
        "".join(
            f'layer {{ name: "ip" type: "InnerProduct" bottom: "{bottom}" top: "{top}"'
            f" inner_product_param {{ num_output: {outputs} }} }}"
            for bottom, top, outputs in (("x", "a", 3), ("a", "b", 2))
        )
    )
    assert [layer.blob_shapes for layer in trace(net)][1:] == [((3, 6), (3,)), ((2, 3), (2,))]
    assert summarize(net).parameters == 21 + 8


def test_a_loss_without_a_top_counts_but_is_no_output() -> None:
    summary = summarize(network('layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "x" }'))
    assert summary.layers[-1].tops == ("(automatic)",)
    assert summary.top_shapes == ((2, 6), (2, 6), (2, 6), ())
    assert summary.memory == 4 * (3 * 12 + 1)
    assert summary.outputs == {}


def test_inputs_and_outputs() -> None:
    summary = summarize(network('layer { name: "p" type: "ReLU" bottom: "x" top: "x" }'), input_shapes={"x": (3, 5)})
    assert summary.inputs == {"x": (3, 5)}
    assert summary.outputs == {"x": (3, 5)}
    with pytest.raises(NetworkError, match="input_shapes: found y"):
        trace(network(""), {"y": (1,)})


def test_labels_follow_the_batch_of_their_images() -> None:
    net = parse_text('layer { name: "d" type: "HDF5Data" top: "d" top: "e" }', NetParameter())
    assert summarize(net, input_shapes={"d": (1, 2), "e": (3,)}).inputs == {"d": (1, 2), "e": (3,)}
    net.layer[0].type = "ImageData"
    assert summarize(net, input_shapes={"d": (5, 3, 8, 8)}).inputs == {"d": (5, 3, 8, 8), "e": (5,)}


def test_a_rule_of_the_users_own() -> None:
    @layer_type("Halve")
    def halve(layer: object, bottoms: object) -> LayerShape:
        return LayerShape(((bottoms[0][0], bottoms[0][1] // 2),))

    try:
        assert trace(network('layer { name: "h" type: "Halve" bottom: "x" top: "h" }'))[-1].top_shapes == ((2, 3),)
        with pytest.raises(KeyError):
            layer_type("Halve")(halve)
    finally:
        LAYERS.remove("Halve")


def test_the_summary_prints_as_a_table() -> None:
    lines = str(summarize(shared("inner_product_param { num_output: 1000 }"))).splitlines()
    assert lines[0].split("  ")[0] == "layer"
    assert lines[4].split() == ["b", "InnerProduct", "2x1000", "7,000", "12,000", "8,000", "8,048"]
    assert lines[-2].split() == ["total", "7,042", "12,072", "8,096"]
    assert lines[-1] == "peak memory of activations: 8,048 bytes, at b; of weights: 28,168 bytes"


SIZES = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 8, -1, -2, 2**31 - 1, 2**32 - 1, 2**62])


@st.composite
def layers(draw: st.DrawFn) -> Any:
    """A layer of any type whose own messages hold any numbers."""
    layer = LayerParameter(name="l", type=draw(st.sampled_from(list(LAYERS))))
    layer.bottom.extend(["x", "y", "x", "y"][: draw(st.integers(0, 4))])
    layer.top.extend(["t", "u", "x"][: draw(st.integers(0, 3))])
    own = layer.type.lower()
    messages = [f.name for f in layer.DESCRIPTOR.fields if f.name.endswith("_param")]
    likely = [name for name in messages if name.replace("_", "")[:4] == own[:4]] or ["convolution_param", "loss_param"]
    for name in draw(st.sets(st.sampled_from(likely), max_size=2)):
        message = getattr(layer, name)
        message.SetInParent()
        for field in draw(st.sets(st.sampled_from(list(message.DESCRIPTOR.fields)), max_size=5)):
            value = getattr(message, field.name)
            if field.name == "shape":
                (value.add() if hasattr(value, "add") else value).dim.extend(draw(st.lists(SIZES, max_size=4)))
            elif field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32):
                with suppress(ValueError):
                    numbers = draw(st.lists(SIZES, max_size=3))
                    if hasattr(value, "extend"):
                        value.extend(numbers)
                    elif numbers:
                        setattr(message, field.name, numbers[0])
            elif field.cpp_type == field.CPPTYPE_BOOL:
                setattr(message, field.name, draw(st.booleans()))
    return layer


@settings(deadline=None, max_examples=300)
@given(layers(), st.lists(SIZES, max_size=5), st.lists(SIZES, max_size=5))
def test_any_layer_ends_in_shapes_or_in_an_error_of_ours(layer: Any, x: list[int], y: list[int]) -> None:
    net = NetParameter()
    for name, shape in (("x", x), ("y", y)):
        net.layer.add(name=name, type="Input", top=[name]).input_param.shape.add(dim=shape)
    net.layer.append(layer)
    try:
        summary = summarize(net)
    except CaffeError:
        return
    assert all(0 <= size < 2**31 for shape in summary.top_shapes for size in shape)


def test_many_layers_take_time_in_proportion() -> None:
    chain = "".join(f'layer {{ name: "r{i}" type: "ReLU" bottom: "x" top: "x" }}' for i in range(2000))
    assert len(summarize(network(chain)).layers) == 2001
    fan = "".join(f'layer {{ name: "r{i}" type: "ReLU" bottom: "x" top: "y{i}" }}' for i in range(2000))
    assert len(summarize(network(fan)).layers) == 2002
