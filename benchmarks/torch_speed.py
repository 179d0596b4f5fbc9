"""DF1 from to_torch against the same network written by hand in PyTorch, and the time until a module is ready.

Run: python benchmarks/torch_speed.py [--rounds 30] [--size 224] [--threads N] [--no-compile] [--device cpu]

The two run in turn, call by call, so that a busy machine slows both alike; the figures are medians, the ratio that of
the medians. Both hold the same weights, and their outputs are compared first.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from converters.pytorch.module import to_torch, weights_of
from converters.weights import save_weights
from prototxt_gen import generate, read_prototxt, write_prototxt

DF1 = "s32-64_b64x3_b128x3_b256x3-512_c1000"
DF2 = "s32-64_b64x2-128_b128x10-256_b256x4-512x2_c1000"
EPS = 9.99999974738e-05


class Block(nn.Module):
    """Two 3x3 convolutions beside an identity or a 1x1 convolution, as one writes it for torchvision."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps=EPS)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, eps=EPS)
        self.relu = nn.ReLU(inplace=True)
        self.skip = None
        if stride != 1 or inputs != width:
            self.skip = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width, eps=EPS))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.skip is None else self.skip(x)))


class HandWritten(nn.Module):
    """DF1."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in (32, 64):
            layers += [nn.Conv2d(inputs, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width, eps=EPS), nn.ReLU(True)]
            inputs = width
        for widths in ((64, 64, 64), (128, 128, 128), (256, 256, 256, 512)):
            for index, width in enumerate(widths):
                layers.append(Block(inputs, width, 2 if index == 0 else 1))
                inputs = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.features(x)).flatten(1))


def same_weights(ours: fx.GraphModule, by_hand: nn.Module) -> None:
    """Copies ours, layer by layer in the order in which they run; the other lists its layers in this order, too."""
    called = [ours.get_submodule(node.target) for node in ours.graph.nodes if node.op == "call_module"]
    for kind in (nn.Conv2d, nn.BatchNorm2d, nn.Linear):
        pairs = zip(
            [part for part in called if isinstance(part, kind)],
            [part for part in by_hand.modules() if isinstance(part, kind)],
            strict=True,
        )
        for source, target in pairs:
            target.load_state_dict(source.state_dict())


def interleaved(calls: dict[str, Callable[[], object]], rounds: int, device: str) -> dict[str, list[float]]:
    """Milliseconds of every call, in turn."""
    for call in calls.values():
        for _ in range(3):
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for round_ in range(rounds):
        for name in names if round_ % 2 else reversed(names):
            if device != "cpu":
                torch.cuda.synchronize()
            start = time.perf_counter()
            calls[name]()
            if device != "cpu":
                torch.cuda.synchronize()
            times[name].append(1000 * (time.perf_counter() - start))
    return times


def report(title: str, times: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(title)
    for name, values in times.items():
        low, _, high = statistics.quantiles(values, n=4)
        print(f"  {name:<14}{medians[name]:9.2f} ms   quartiles {low:.2f} to {high:.2f}")
    print(f"  to_torch / by hand: {medians['to_torch'] / medians['by hand']:.3f}")


def ready(rounds: int) -> list[float]:
    """Milliseconds from both files of DF2 (72 MB) to a module; torch is imported already."""
    net = generate(DF2)
    with tempfile.TemporaryDirectory() as folder:
        prototxt, caffemodel = Path(folder) / "df2.prototxt", Path(folder) / "df2.caffemodel"
        write_prototxt(net, prototxt)
        save_weights(weights_of(to_torch(net)), caffemodel, net)
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            to_torch(read_prototxt(prototxt), caffemodel)
            times.append(1000 * (time.perf_counter() - start))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-compile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    size = arguments.size
    ours = to_torch(generate(DF1, input_shape=(1, 3, size, size))).eval()
    by_hand = HandWritten().eval()
    same_weights(ours, by_hand)
    ours, by_hand = ours.to(arguments.device), by_hand.to(arguments.device)
    x = torch.randn(1, 3, size, size, device=arguments.device)
    print(f"torch {torch.__version__}, {arguments.device}, {arguments.threads} threads, DF1, 1x3x{size}x{size}")
    with torch.inference_mode():
        expected = by_hand(x)
        difference = (ours(x) - expected).abs().max() / expected.abs().max()
        print(f"largest difference of the outputs / largest output: {difference:.1e}")
        pair = {"to_torch": ours, "by hand": by_hand}
        calls = {name: lambda module=module: module(x) for name, module in pair.items()}
        report("eager", interleaved(calls, arguments.rounds, arguments.device))
        if not arguments.no_compile:
            compiled = {name: torch.compile(module) for name, module in pair.items()}
            calls = {name: lambda module=module: module(x) for name, module in compiled.items()}
            report("torch.compile", interleaved(calls, arguments.rounds, arguments.device))
    times = ready(max(5, arguments.rounds // 3))
    print(f"DF2 ready from both files: median {statistics.median(times):.0f} ms, first {times[0]:.0f} ms")


if __name__ == "__main__":
    main()
