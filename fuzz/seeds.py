"""The corpus that fuzzing starts from, made by our own writer: texts, and bytes of networks with weights."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from prototxt_gen import wire
from prototxt_gen.binary import to_binary
from prototxt_gen.generator.networks import generate
from prototxt_gen.generator.solver import solver
from prototxt_gen.layers import LAYERS
from prototxt_gen.proto import MESSAGES, Message, NetParameter, SolverState, fields_of
from prototxt_gen.text import parse_text, to_text

OLD = (
    'input: "x" input_dim: 1 input_dim: 2 input_dim: 6 input_dim: 6\n'
    'layers { layer { name: "p" type: "padding" pad: 1 } bottom: "x" top: "p" }\n'
    'layers { layer { name: "c" type: "conv" num_output: 2 kernelsize: 3 blobs_lr: 1 } bottom: "p" top: "c" }\n',
    'layers { name: "d" type: DATA top: "x" top: "y" data_param { batch_size: 2 scale: .5 crop_size: 6 } }\n'
    'layers < name: "i" type: 14 bottom: "x" top: "i" blobs_lr: [1, 2] inner_product_param { num_output: 3 } >\n'
    'layers { name: "l" type: SOFTMAX_LOSS bottom: "i" bottom: "y" loss_weight: 1.f include: { phase: TRAIN } }\n',
    '# comment\nlayer { name: \'a\' "b", type: "Input"; fork_param { list: [{a: 1}, <b: -inf>] } }\r\n',
)


def networks() -> Iterator[NetParameter]:
    """Small networks: a generated one, old ones, and one for every message of options and every type of layer."""
    yield generate("s4-8_b8_b8_b8-16_c5", "train_val")
    for text in OLD[:2]:
        yield parse_text(text, NetParameter())
    template = (
        'layer { name: "d" type: "Input" top: "x" top: "y" input_param { shape { dim: 2 dim: 4 dim: 6 dim: 6 } } }'
    )
    for kind in LAYERS:
        net = parse_text(template, NetParameter())
        layer = net.layer.add(name="l", type=kind, top=["z"])
        layer.bottom.extend(["x"] if kind in ("Convolution", "Pooling") else ["x", "y"])
        for name in fields_of(type(layer)):
            if name.replace("_", "") == f"{kind.lower()}param":
                _fill(getattr(layer, name))
        yield net


def _fill(options: Message) -> None:
    """Sets every field of a layer's options to a small value."""
    for field in fields_of(type(options)).values():
        if field.message is not None:
            continue
        first = next(iter(field.values.values()), None)
        number = {"double": 0.5, "float": 0.5, "bool": True, "string": "s", "enum": first}.get(field.kind, 1)
        old = getattr(options, field.name)
        if field.repeated:
            old.append(number)
        else:
            setattr(options, field.name, number)


def texts() -> Iterator[bytes]:
    """Prototxts."""
    for net in networks():
        yield to_text(net).encode()
    yield to_text(solver()).encode()
    for text in OLD:
        yield text.encode()


def binaries() -> Iterator[bytes]:
    """Networks with weights in every spelling of numbers, a mean, a solver state."""
    values = struct.pack("<3f", 1, 2, 3)
    shape = wire.field(7, wire.field(1, bytes([1, 3])))
    sizes = b"".join(wire.number(number, size) for number, size in enumerate((1, 1, 1, 3), 1))
    unpacked = b"".join(b"\x2d" + values[at : at + 4] for at in (0, 4, 8))
    doubles = wire.field(8, struct.pack("<3d", 1, 2, 3))
    spellings = (
        shape + wire.field(5, values),
        sizes + wire.field(5, values[:4]) + wire.field(5, values[4:]),
        sizes + unpacked,
        shape + doubles,
    )
    for blob in spellings:
        yield blob
        yield wire.field(100, wire.field(1, b"fc") + wire.field(2, b"InnerProduct") + wire.field(7, blob))
        yield wire.field(2, wire.field(4, b"fc") + wire.field(6, blob))
        yield wire.field(2, wire.field(1, wire.field(1, b"fc") + wire.field(50, blob)))
        state = SolverState(iter=7, learned_net="net").SerializeToString()
        yield state + wire.field(3, blob)
    for net in networks():
        for layer in net.layer:
            layer.blobs.add(data=[1, 2, 3]).shape.dim.append(3)
        yield to_binary(net)
        if not any(layer.HasField("clip_param") for layer in net.layer):
            yield to_binary(net, "release")


def models() -> Iterator[bytes]:
    """ONNX files: each operator that is read, with all its attributes and none, in a small graph; a function."""
    import onnx
    from onnx import helper

    from converters.onnx.operators import OPERATORS

    def info(name: str, shape: tuple[int | str, ...] | None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    def model(nodes: list[onnx.NodeProto], opset: int, functions: list[onnx.FunctionProto]) -> bytes:
        constants = [
            helper.make_tensor("w", onnx.TensorProto.FLOAT, (2, 2, 3, 3), [0.5] * 36),
            helper.make_tensor("b", onnx.TensorProto.FLOAT, (2,), [1, 2]),
            helper.make_tensor("k", onnx.TensorProto.INT64, (4,), [0, 1, 2, 3]),
            helper.make_tensor("h", onnx.TensorProto.FLOAT16, (1,), [0.5]),
        ]
        graph = helper.make_graph(nodes, "net", [info("x", ("N", 2, 6, 6))], [info("y", None)], constants)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
        return helper.make_model(graph, functions=functions, opset_imports=opsets).SerializeToString()

    for operator in OPERATORS:
        for opset in (7, 11, 13, 18, onnx.defs.onnx_opset_version()):
            try:
                schema = onnx.defs.get_schema(operator, opset, "")
            except onnx.defs.SchemaError:
                continue
            values = {"INT": 1, "FLOAT": 0.5, "STRING": "linear", "INTS": [1, 1], "FLOATS": [1.0, 1.0]}
            fits = {"perm": [0, 1, 3, 2], "pads": [1, 1, 1, 1], "auto_pad": "NOTSET", "mode": "nearest", "to": 1}
            attributes = {
                name: fits.get(name, values.get(str(one.type)[9:])) for name, one in schema.attributes.items()
            }
            given = (["x"], ["x", "w", "b"], ["x", "k"], ["x", "x"], ["x", *["b"] * 4], ["x", *["b"] * 7], ["b", "k"])
            for inputs in given:
                if schema.min_input <= len(inputs) <= schema.max_input:
                    yield model([helper.make_node(operator, inputs, ["y"], "n", **attributes)], opset, [])
                    yield model([helper.make_node(operator, inputs, ["y"], "n")], opset, [])
    inner = [helper.make_node("Shape", ["a"], ["s"]), helper.make_node("Reshape", ["a", "s"], ["c"])]
    function = helper.make_function("own", "Same", ["a"], ["c"], inner, [helper.make_opsetid("", 17)])
    yield model([helper.make_node("Same", ["x"], ["y"], "call", domain="own")], 17, [function])
    parts = [
        helper.make_graph([helper.make_node(kind, ["x"], ["t"])], "part", [], [info("t", None)])
        for kind in ("Relu", "Tanh")
    ]
    choice = helper.make_node("If", ["k"], ["y"], "choice", then_branch=parts[0], else_branch=parts[1])
    pick = helper.make_node("If", ["one"], ["y"], "choice", then_branch=parts[0], else_branch=parts[1])
    yield model([choice], 17, [])
    yield model([helper.make_node("Size", ["h"], ["one"]), pick], 17, [])


def targets() -> Iterator[bytes]:
    """The files of the targets in the package."""
    from converters.targets import reading

    for name in reading.list_targets():
        yield (Path(reading.__file__).parent / "data" / f"{name}.yaml").read_bytes()


def words() -> Iterator[str]:
    """Names of fields, enums and types of layers, of which libFuzzer makes new texts."""
    yield from LAYERS
    for message in MESSAGES.values():
        for name, field in fields_of(message).items():
            yield name
            yield from field.values


def arguments(given: list[str], folder: Path, seeds: Iterator[bytes]) -> list[str]:
    """The command line with a dictionary and the folder of seeds, written now, behind the folders that it names.

    libFuzzer writes what it finds into the first folder. A file in the arguments is an input to run alone.
    """
    if any(Path(argument).is_file() for argument in given[1:]):
        return given
    folder.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(seeds):
        (folder / f"seed-{index:03}").write_bytes(seed)
    dictionary = folder.with_suffix(".dict")
    dictionary.write_text("".join(f'"{word}"\n' for word in dict.fromkeys(words())), "utf-8")
    return [*given, str(folder), f"-dict={dictionary}"]
