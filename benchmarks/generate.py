"""Writing candidates: networks joined from cached fragments against the same networks built layer by layer.

All ways run in one process, in turns, on the same candidates: DF's space with up to 12 blocks a stage, drawn at
random. The others are what one writes with protobuf and nothing else: add a layer to the network and set its fields,
or, as pycaffe's NetSpec does, make a message a layer from keyword arguments and put all of them into a network. Their
text is `str(net)`, which protobuf's C implementation prints; text_format's functions are Python and slower.
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
from prototxt_gen.proto import LayerParameter, NetParameter

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


class ByApi:
    """Layers added to the network, their fields set one by one."""

    def __init__(self, name: str) -> None:
        self.net = NetParameter()
        self.net.name = name

    def _add(self, name: str, kind: str, bottoms: Sequence[str], top: str) -> Any:
        layer = self.net.layer.add()
        layer.name, layer.type = name, kind
        layer.bottom.extend(bottoms)
        layer.top.append(top)
        return layer

    def input(self, name: str) -> None:
        self._add(name, "Input", [], name).input_param.shape.add().dim.extend([1, 3, 224, 224])

    def convolution(self, name: str, bottom: str, width: int, kernel: int, stride: int) -> None:
        param = self._add(name, "Convolution", [bottom], name).convolution_param
        param.num_output, param.bias_term = width, False
        param.pad.append(kernel // 2)
        param.kernel_size.append(kernel)
        param.stride.append(stride)

    def norm(self, name: str, bottom: str, top: str) -> None:
        param = self._add(name, "BatchNorm", [bottom], top).batch_norm_param
        param.moving_average_fraction, param.eps = 0.9, 1e-4

    def scale(self, name: str, blob: str) -> None:
        self._add(name, "Scale", [blob], blob).scale_param.bias_term = True

    def relu(self, name: str, blob: str) -> None:
        self._add(name, "ReLU", [blob], blob)

    def sum(self, name: str, bottoms: Sequence[str]) -> None:
        param = self._add(name, "Eltwise", bottoms, name).eltwise_param
        param.operation = param.SUM

    def pooling(self, name: str, bottom: str, kernel: int) -> None:
        param = self._add(name, "Pooling", [bottom], name).pooling_param
        param.pool, param.kernel_size, param.stride = param.AVE, kernel, 1

    def classifier(self, name: str, bottom: str, classes: int) -> None:
        param = self._add(name, "InnerProduct", [bottom], name).inner_product_param
        param.num_output, param.bias_term = classes, True

    def network(self) -> Any:
        return self.net


class ByMessages:
    """A message a layer, made of keyword arguments, all put into a network at the end (Caffe: net_spec.py)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.layers: list[Any] = []

    def _add(self, name: str, kind: str, bottoms: Sequence[str], top: str, **options: Any) -> None:
        self.layers.append(LayerParameter(name=name, type=kind, bottom=bottoms, top=[top], **options))

    def input(self, name: str) -> None:
        self._add(name, "Input", [], name, input_param={"shape": [{"dim": [1, 3, 224, 224]}]})

    def convolution(self, name: str, bottom: str, width: int, kernel: int, stride: int) -> None:
        param = {
            "num_output": width,
            "bias_term": False,
            "pad": [kernel // 2],
            "kernel_size": [kernel],
            "stride": [stride],
        }
        self._add(name, "Convolution", [bottom], name, convolution_param=param)

    def norm(self, name: str, bottom: str, top: str) -> None:
        param = {"moving_average_fraction": 0.9, "eps": 1e-4}
        self._add(name, "BatchNorm", [bottom], top, batch_norm_param=param)

    def scale(self, name: str, blob: str) -> None:
        self._add(name, "Scale", [blob], blob, scale_param={"bias_term": True})

    def relu(self, name: str, blob: str) -> None:
        self._add(name, "ReLU", [blob], blob)

    def sum(self, name: str, bottoms: Sequence[str]) -> None:
        self._add(name, "Eltwise", bottoms, name, eltwise_param={"operation": "SUM"})

    def pooling(self, name: str, bottom: str, kernel: int) -> None:
        param = {"pool": "AVE", "kernel_size": kernel, "stride": 1}
        self._add(name, "Pooling", [bottom], name, pooling_param=param)

    def classifier(self, name: str, bottom: str, classes: int) -> None:
        param = {"num_output": classes, "bias_term": True}
        self._add(name, "InnerProduct", [bottom], name, inner_product_param=param)

    def network(self) -> Any:
        return NetParameter(name=self.name, layer=self.layers)


def build(way: type[ByApi] | type[ByMessages], backbone: Backbone) -> Any:
    """The same deploy network, layer by layer."""
    net = way(str(backbone))

    def convolution(name: str, bottom: str, width: int, kernel: int, stride: int, spelled: str = "") -> str:
        top, spelled = f"{name}/bn", spelled or name
        net.convolution(name, bottom, width, kernel, stride)
        net.norm(f"{spelled}/bn", name, top)
        net.scale(f"{spelled}/bn_scale", top)
        return top

    def conv_relu(name: str, bottom: str, width: int, kernel: int, stride: int) -> str:
        top = convolution(name, bottom, width, kernel, stride)
        net.relu(f"{name}/relu", top)
        return top

    net.input("data")
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
            net.sum(bottom, [top, shortcut])
            net.relu(f"{name}.relu", bottom)
            before = width
    net.pooling("pool5", bottom, 7)
    net.classifier("fc", "pool5", backbone.classes)
    return net.network()


def by_api(backbone: Backbone) -> Any:
    return build(ByApi, backbone)


def by_messages(backbone: Backbone) -> Any:
    return build(ByMessages, backbone)


def seconds(work: Callable[[Any], object], candidates: Sequence[Any]) -> float:
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
        assert generate(candidate) == by_api(candidate) == by_messages(candidate)
        assert generate_text(candidate) == str(by_api(candidate)) == str(by_messages(candidate))

    layers = statistics.mean(len(generate(candidate).layer) for candidate in candidates)
    print(f"{len(candidates)} candidates of {layers:.0f} layers on average, {args.rounds} rounds in turns")
    print(f"Python {sys.version.split()[0]}, protobuf {protobuf_version} ({api_implementation.Type()})")
    compare(
        "text",
        {
            "joined fragments": generate_text,
            "protobuf API, str(net)": lambda candidate: str(by_api(candidate)),
            "a message a layer, str(net)": lambda candidate: str(by_messages(candidate)),
            "protobuf API, text_format": lambda candidate: text_format.MessageToString(by_api(candidate)),
        },
        candidates,
        args.rounds,
    )
    compare(
        "NetParameter",
        {"joined fragments": generate, "protobuf API": by_api, "a message a layer": by_messages},
        candidates,
        args.rounds,
    )
    print("Medians over the rounds, quartiles in brackets; the ratio is the median of each round's own.")

    nets = [by_api(candidate) for candidate in candidates]
    print("Printing alone, of networks that stand:", end="")
    for name, printing in {
        "str": str,
        "MessageToString": text_format.MessageToString,
        "MessageToBytes": text_format.MessageToBytes,
    }.items():
        times = [seconds(printing, nets) * 1e6 for _ in range(args.rounds)]
        print(f"  {name} {statistics.median(times):.1f} us", end="")
    print()

    fresh = [random_candidate(rng) for _ in range(args.candidates)]
    print(f"Text of {len(fresh)} candidates not seen before: {seconds(generate_text, fresh) * 1e6:.1f} us each")
    return 0


def compare(
    subject: str, ways: dict[str, Callable[[Backbone], object]], candidates: Sequence[Backbone], rounds: int
) -> None:
    """Prints how long each way takes, and how many times as long as the first one."""
    for work in ways.values():  # warm-up
        seconds(work, candidates)
    times = [[seconds(work, candidates) * 1e6 for work in ways.values()] for _ in range(rounds)]
    print(f"\n{f'a candidate as {subject}':<30} {'us':>28} {'ratio':>8}")
    for index, (name, column) in enumerate(zip(ways, zip(*times, strict=True), strict=True)):
        low, median, high = statistics.quantiles(column, n=4)
        ratio = statistics.median(row[index] / row[0] for row in times)
        print(f"{name:<30} {f'{median:.1f} ({low:.1f} to {high:.1f})':>28} {ratio:>7.1f}x")


if __name__ == "__main__":
    sys.exit(main())
