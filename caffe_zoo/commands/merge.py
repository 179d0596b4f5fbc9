"""dongfeng merge: batch norm folded into the convolutions before it."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_zoo.commands.networks import input_shapes, read_network, write_pair
from caffe_zoo.commands.options import add_input_shapes, add_strict
from caffe_zoo.commands.paths import check_outputs

EXAMPLE = "dongfeng merge df1.prototxt df1.caffemodel df1_mergebn.prototxt df1_mergebn.caffemodel"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two files to read and two to write."""
    parser.add_argument("prototxt", type=Path, help="the network, with BatchNorm and Scale layers")
    parser.add_argument("weights", type=Path, help="its weights, in any format")
    parser.add_argument("output_prototxt", type=Path, help="the merged network to write")
    parser.add_argument("output_weights", type=Path, help="the merged weights to write, in the format of the suffix")
    add_input_shapes(parser)
    add_strict(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the merged pair."""
    from converters import merge_batchnorm, read_weights

    check_outputs([args.output_prototxt, args.output_weights])
    check_outputs([args.output_prototxt], [args.weights])
    check_outputs([args.output_weights], [args.prototxt])
    net = read_network(args.prototxt, args)
    shapes = input_shapes(args, net)
    merged, weights = merge_batchnorm(net, read_weights(args.weights, net, input_shapes=shapes))
    write_pair(merged, weights, args.output_prototxt, args.output_weights, shapes)
    print(f"{args.output_prototxt}, {args.output_weights}: {len(net.layer)} layers became {len(merged.layer)}")
    return 0
