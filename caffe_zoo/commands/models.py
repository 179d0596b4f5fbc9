"""Networks in files of other frameworks on the command line, written as a pair for Caffe."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caffe_zoo.commands.networks import write_pair
from caffe_zoo.commands.options import count
from caffe_zoo.commands.paths import check_outputs
from prototxt_gen.errors import CaffeError
from prototxt_gen.proto import NetParameter

SUFFIXES = (".onnx", ".pt2")
"""What is read here."""

PICKLES = (".pt", ".pth")
"""Where PyTorch keeps whole modules, too, as pickles; these are not read."""

_WEIGHTS = (".caffemodel", ".h5", ".safetensors")


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The options of reading such a file; `pair` reads them."""
    group = parser.add_argument_group("networks of other frameworks (.onnx, .pt2)")
    group.add_argument(
        "--unmerged", action="store_true", help="keep batch norm instead of folding it (also for an .onnx to write)"
    )
    group.add_argument(
        "--no-round-mode",
        action="store_true",
        help="for a Caffe from before 2018: pooling without round_mode, no Clip, no Swish",
    )
    group.add_argument(
        "--gelu", choices=("tanh",), help="write GELU by its tanh form, which differs by up to 5e-4; else it is refused"
    )
    group.add_argument(
        "--separator", default="/", metavar="TEXT", help="stands in names instead of /, which some toolchains dislike"
    )
    group.add_argument("--longest-name", type=count, metavar="N", help="the most characters in a name")


def pair(model: Path, prototxt: Path, output: Path, args: argparse.Namespace) -> Mapping[str, Any]:
    """Reads the model, writes the pair and prints what the prototxt holds; gives the weights."""
    if prototxt.suffix != ".prototxt" or output.suffix not in _WEIGHTS:
        raise CaffeError(
            f"{model}: found outputs {prototxt} and {output}, expected a network and its weights: "
            f"dongfeng convert {model} NET.prototxt NET.caffemodel"
        )
    check_outputs([prototxt, output], [model])
    net, weights = _read(model, args)
    write_pair(net, weights, prototxt, output, None)
    print(f"{prototxt}: {len(net.layer)} layers")
    return weights


def _read(model: Path, args: argparse.Namespace) -> tuple[NetParameter, Mapping[str, Any]]:
    choices = {
        "merged": not args.unmerged,
        "round_mode": not args.no_round_mode,
        "gelu": args.gelu,
        "separator": args.separator,
        "longest": args.longest_name,
    }
    if model.suffix == ".pt2":
        from converters import from_torch
        from converters.onnx.exported_programs import read_exported_program

        if args.input_shape:
            raise CaffeError(f"{model}: --input-shape: a program of torch.export has the shapes it was exported with")
        program = read_exported_program(model)
        try:
            net, weights = from_torch(program, dialect=args.dialect or "bvlc", **choices)
        except CaffeError as fault:  # which knows the program by no name
            raise type(fault)(f"{model}: {str(fault).removeprefix('exported: ')}") from fault
        net.name = model.stem
        return net, weights
    from converters import read_onnx

    return read_onnx(model, args.dialect or "bvlc", input_shapes=_input_shapes(model, args), **choices)


def refuse_pickles(model: Path) -> None:
    """CaffeError for a file of torch.save, which could run code when it is read."""
    if model.suffix in PICKLES:
        raise CaffeError(
            f"{model}: a pickle of PyTorch, which could run anything when it is read; write the module with "
            f"torch.export.save(torch.export.export(module.eval(), (example,)), '{model.stem}.pt2') and convert that"
        )


def _input_shapes(model: Path, args: argparse.Namespace) -> dict[str, tuple[int, ...]] | None:
    """The shapes on the command line by input; one without a name belongs to the model's first input."""
    if not args.input_shape:
        return None
    from converters.onnx.models.model import read_model

    first = list(read_model(model).inputs)[:1] if any(not name for name, _ in args.input_shape) else []
    shapes = {name or top: shape for name, shape in args.input_shape for top in first or [name]}
    if len(shapes) < len(args.input_shape):
        raise CaffeError("--input-shape: found two shapes for one input, expected one each: INPUT=N,C,H,W")
    return shapes
