"""Writing candidates: text from cached fragments against the same networks built through the protobuf API.

Both sides run in one process, in turns, on the same candidates: DF's space with up to 12 blocks a stage, drawn at
random. The other side is what one writes with protobuf and nothing else: add a layer, set its fields, print the whole.
Run with: python benchmarks/generate.py [--candidates 200] [--rounds 15]
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf import __version__ as protobuf_version
from google.protobuf import text_format
from google.protobuf.internal import api_implementation

from prototxt_gen.architectures import Backbone, Stage
from prototxt_gen.generator.networks import generate, generate_text
from prototxt_gen.proto import NetParameter

WIDTHS = (64, 128, 256, 512, 1024)


def random_candidate(rng: random.Random) -> Backbone:
    """Three stages of 1 to 12 blocks, basic first, then basic or bottleneck, widths that never decrease."""
    depths = [rng.randint(1, 12) for _ in range(3)]
    widths = sorted(rng.choice(WIDTHS) for _ in range(sum(depths)))
    kinds = ["basic", *[rng.choice(["basic", "bottleneck"])] * 2]
    ends = [sum(depths[: number + 1]) for number in range(3)]
    stages = [
        Stage(kind, tuple(widths[end - depth : end])) for kind, end, depth in zip(kinds, ends, depths, strict=True)
    ]
    return Backbone(tuple(stages))


def by_api(backbone: Backbone) -> Any:
    """The same deploy network, layer by layer through the protobuf API."""
    net = NetParameter()
    net.name = str(backbone)

    def add(name: str, kind: str, bottoms: Sequence[str], top: str) -> Any:
        layer = net.layer.add()
        layer.name, layer.type = name, kind
        layer.bottom.extend(bottoms)
        layer.top.append(top)
        return layer

    def convolution(name: str, bottom: str, width: int, kernel: int, stride: int, spelled: str = "") -> str:
        param = add(name, "Convolution", [bottom], name).convolution_param
        param.num_output, param.bias_term = width, False
        param.pad.append(kernel // 2)
        param.kernel_size.append(kernel)
        param.stride.append(stride)
        top, spelled = f"{name}/bn", spelled or name
        norm = add(f"{spelled}/bn", "BatchNorm", [name], top)
        norm.batch_norm_param.moving_average_fraction, norm.batch_norm_param.eps = 0.9, 1e-4
        add(f"{spelled}/bn_scale", "Scale", [top], top).scale_param.bias_term = True
        return top

    def conv_relu(name: str, bottom: str, width: int, kernel: int, stride: int) -> str:
        top = convolution(name, bottom, width, kernel, stride)
        add(f"{name}/relu", "ReLU", [top], top)
        return top

    layer = net.layer.add()
    layer.name, layer.type = "data", "Input"
    layer.top.append("data")
    layer.input_param.shape.add().dim.extend([1, 3, 224, 224])
    bottom = "data"
    for number, width in enumerate(backbone.stem, 1):
        bottom = conv_relu(f"conv{number}", bottom, width, 3, 2)
    before = 0
    for number, stage in enumerate(backbone.stages, 2):
        for index, width in enumerate(stage.widths, 1):
            name, stride = f"res{number}.{index}", 2 if index == 1 else 1
            if stage.block == "basic":
                out = width
                top = conv_relu(f"{name}.conv1", bottom, width, 3, stride)
                top = convolution(f"{name}.conv2", top, width, 3, 1)
            else:
                out = min(4 * width, 1024)
                top = conv_relu(f"{name}.conv1", bottom, width, 1, 1)
                top = conv_relu(f"{name}.conv2", top, width, 3, stride)
                top = convolution(f"{name}.conv3", top, out, 1, 1)
            shortcut = bottom
            if stride == 2 or width != before:
                shortcut = convolution(f"{name}.skipConv", bottom, out, 1, stride, f"{name}skipConv")
            bottom = f"{name}.sum"
            param = add(bottom, "Eltwise", [top, shortcut], bottom).eltwise_param
            param.operation = param.SUM
            add(f"{name}.relu", "ReLU", [bottom], bottom)
            before = width
    pooling = add("pool5", "Pooling", [bottom], "pool5").pooling_param
    pooling.pool, pooling.kernel_size, pooling.stride = pooling.AVE, 7, 1
    classifier = add("fc", "InnerProduct", ["pool5"], "fc").inner_product_param
    classifier.num_output, classifier.bias_term = backbone.classes, True
    return net


def seconds(work: Callable[[Backbone], object], candidates: Sequence[Backbone]) -> float:
    """Wall time of one candidate, the mean over all of them."""
    begun = time.perf_counter()
    for candidate in candidates:
        work(candidate)
    return (time.perf_counter() - begun) / len(candidates)


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    rng = random.Random(0)
    candidates = [random_candidate(rng) for _ in range(args.candidates)]
    for candidate in candidates:
        assert generate(candidate) == by_api(candidate)
        assert generate_text(candidate) == text_format.MessageToString(by_api(candidate))

    pairs: dict[str, tuple[Callable[[Backbone], object], Callable[[Backbone], object]]] = {
        "text": (generate_text, lambda candidate: text_format.MessageToString(by_api(candidate))),
        "NetParameter": (generate, by_api),
    }
    layers = statistics.mean(len(generate(candidate).layer) for candidate in candidates)
    print(f"{len(candidates)} candidates of {layers:.0f} layers on average, {args.rounds} rounds in turns")
    print(f"Python {sys.version.split()[0]}, protobuf {protobuf_version} ({api_implementation.Type()})")
    print(f"{'a candidate as':<14} {'fragments, us':>22} {'protobuf API, us':>22} {'ratio':>7}")
    for name, sides in pairs.items():
        for work in sides:  # warm-up
            seconds(work, candidates)
        times = [[seconds(work, candidates) * 1e6 for work in sides] for _ in range(args.rounds)]
        columns = []
        for side in zip(*times, strict=True):
            low, median, high = statistics.quantiles(side, n=4)
            columns.append(f"{median:.1f} ({low:.1f} to {high:.1f})")
        ratio = statistics.median(other / ours for ours, other in times)
        print(f"{name:<14} {columns[0]:>22} {columns[1]:>22} {ratio:>6.1f}x")
    print("Medians over the rounds, quartiles in brackets; the ratio is the median of each round's own.")

    fresh = [random_candidate(rng) for _ in range(args.candidates)]
    print(f"Text of {len(fresh)} candidates not seen before: {seconds(generate_text, fresh) * 1e6:.1f} us each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
