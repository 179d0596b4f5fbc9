"""Networks on the command line: names of the zoo, architectures' codes, files to read, pairs of files to write."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from caffe_zoo.cards import CARDS
from prototxt_gen.architectures import Backbone, Decoder, parse_architecture
from prototxt_gen.errors import ArchitectureError, CaffeError, FormatError
from prototxt_gen.files import replacing
from prototxt_gen.layers import is_input
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import read_prototxt, to_text


def resolve_architecture(text: str) -> Backbone | Decoder:
    """An architecture by the name of a zoo network or by its code. ArchitectureError where it is neither."""
    if text in CARDS:
        return CARDS[text].architecture
    try:
        return parse_architecture(text)
    except ArchitectureError as fault:
        if "_" in text:
            raise
        raise ArchitectureError(
            f"{text!r} is neither a network of the zoo ({', '.join(CARDS)}) "
            f"nor a code such as {CARDS['df1'].architecture}"
        ) from fault


def generated_shape(asked: tuple[int, ...] | None, network: str, form: str = "deploy") -> dict[str, Any]:
    """`generate`'s argument: the shape that was asked for, else the card's for one image; other forms have defaults."""
    if asked is None and form == "deploy" and network in CARDS:
        return {"input_shape": (1, 3, *CARDS[network].preprocessing.crop)}
    return {"input_shape": asked} if asked else {}


def by_shape(
    texts: Sequence[str], size: tuple[int, int] | None
) -> list[tuple[tuple[int, ...], list[Backbone | Decoder]]]:
    """Networks of the zoo and codes, those of one shape of input together; `size` is asked for, or each has its own."""
    found: dict[tuple[int, ...], list[Backbone | Decoder]] = {}
    for text in texts:
        architecture = resolve_architecture(text)
        usual = (1, 3, 1024, 2048) if isinstance(architecture, Decoder) else (1, 3, 224, 224)
        shape = (1, 3, *size) if size else generated_shape(None, text).get("input_shape", usual)
        found.setdefault(shape, []).append(architecture)
    return list(found.items())


def read_network(path: Path, args: argparse.Namespace) -> NetParameter:
    """The network in a file; with --strict, V0 options that would be left out are errors, too.

    FormatError for a file that holds none: an empty one, a solver, anything else.
    """
    net = read_prototxt(path, strict=args.strict)
    if not (net.layer or net.layers or net.input):
        raise FormatError(f"{path}: found no layers, expected a network")
    if args.strict:
        upgrade(net, strict=True)
    return net


def input_shapes(args: argparse.Namespace, net: NetParameter) -> dict[str, tuple[int, ...]] | None:
    """The shapes on the command line by their tops; one without a top belongs to the first input."""
    if not args.input_shape:
        return None
    first = [top for layer in upgrade(net).layer if is_input(layer.type) for top in layer.top][:1]
    shapes = {name or top: shape for name, shape in args.input_shape for top in first or [name]}
    if len(shapes) < len(args.input_shape):
        raise CaffeError("--input-shape: found two shapes for one input, expected one each: TOP=N,C,H,W")
    return shapes


def write_pair(
    net: NetParameter,
    weights: Mapping[str, Sequence[Any]],
    prototxt: Path,
    output: Path,
    shapes: Mapping[str, Sequence[int]] | None,
    numbers: Mapping[str, int] | None = None,
) -> None:
    """Writes a network and its weights, both or neither, whether or not they replace the files they are made from.

    `numbers`: those of a tool's own fields, as in `save_weights`.
    """
    from converters import write_weights

    # The text is on the disk before the weights are written, so that only its renaming can still fail.
    with replacing(prototxt) as temporary:
        temporary.write_bytes(to_text(net).encode())
        write_weights(weights, output, net, input_shapes=shapes, numbers=numbers)
