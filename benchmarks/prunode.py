"""What a training step costs by how many inner widths are searched: a Prunode, and one path for each width.

Run: python benchmarks/prunode.py [--widths 2 8 32 128] [--kind inverted] [--rounds 15] [--threads 1] [--device cpu]

A block of 30 channels whose inner width is searched up to 512, in 2 to 128 even steps. The Prunode is the supernet's,
at the two largest widths, which cost most. The naive block has a block of its own for each width, and its output is
their sum, weighted by Gumbel-Softmax; all are modules of the same generated parts. A step draws, computes the gradients
of weights and of logits, and moves the weights by SGD with momentum.

Steps of all Prunodes run in turn, in another order each round, so that a busy machine slows all alike, and ten times as
many rounds as asked for; then those of the naive blocks. The figures are medians and quartiles; on a CPU of the time
that it computed, which does not count others' work. Peak memory: on a GPU
what was allocated at most; on a CPU each case runs in a process of its own, and it is what that used at most beyond
what it used before the block was made.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from converters.pytorch.module import to_torch
from prototxt_gen import Backbone, Stage, Unit
from prototxt_gen.generator.parts import Part, parts
from search.training.prunode import Prunode
from search.training.shares import Logits, Places

CHANNELS, LARGEST = 30, 512
KINDS = ("inverted", "fused")
WARM_UP = 3

Step = Callable[[], None]


def part(kind: str, inner: int, size: int) -> Part:
    """A block of CHANNELS channels on a map of size x size."""
    network = Backbone((Stage(kind, (CHANNELS,), (Unit(3, inner=inner),), 1),), (CHANNELS,), 10, "gpunet")
    return parts(network, (1, 3, 2 * size, 2 * size), merged=False)[1]


class Searched(nn.Module):
    """The supernet's block, at its two largest widths."""

    def __init__(self, kind: str, widths: list[int], size: int) -> None:
        super().__init__()
        self.block = Prunode(part(kind, widths[-1], size))
        self.block.set_widths(widths[-2], widths[-1])
        self.logits = Logits(1, 1)
        self.places = Places(({0: (0, 1)},), (False,), 1)

    def forward(self, x: Tensor, seed: str) -> Tensor:
        shares = self.logits.draw(self.places, seed)
        return self.block(x, shares.large[0, 0].to(x.device, torch.float32))


class Naive(nn.Module):
    """A block for each width."""

    def __init__(self, kind: str, widths: list[int], size: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(to_torch(part(kind, width, size).net) for width in widths)
        self.logits = Logits(1, len(widths))
        self.places = Places((dict.fromkeys(range(len(widths)), (0, 0)),), (False,), len(widths))

    def forward(self, x: Tensor, seed: str) -> Tensor:
        shares = self.logits.draw(self.places, seed).candidates[0].to(x.device, torch.float32)
        total = x.new_zeros(())
        for block, share in zip(self.blocks, shares.unbind(), strict=True):
            total = total + block(x) * share
        return total


METHODS: dict[str, type[Searched] | type[Naive]] = {"Prunode": Searched, "naive": Naive}


def step_of(method: str, count: int, arguments: argparse.Namespace) -> Step:
    """A function that makes a training step."""
    torch.manual_seed(0)
    widths = [LARGEST * place // count for place in range(1, count + 1)]
    made = METHODS[method](arguments.kind, widths, arguments.size).to(arguments.device).train()
    optimizer = torch.optim.SGD(made.parameters(), lr=0.01, momentum=0.9)
    x = torch.rand(arguments.batch, CHANNELS, arguments.size, arguments.size, device=arguments.device)
    numbers = iter(range(10**9))

    def step() -> None:
        optimizer.zero_grad()
        made(x, str(next(numbers))).square().mean().backward()
        optimizer.step()

    return step


def synchronize(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def memory_here(method: str, count: int, arguments: argparse.Namespace) -> int:
    """The peak memory of a few steps in this process, in bytes, beyond what it had before."""
    gpu = torch.device(arguments.device).type == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        # What torch itself takes, once it has computed anything, is not the block's.
        small = argparse.Namespace(**{**vars(arguments), "batch": 2})
        step_of(method, 2, small)()
        before = most_resident()
    step = step_of(method, count, arguments)
    for _ in range(WARM_UP):
        step()
    if gpu:
        synchronize(arguments.device)
        return torch.cuda.max_memory_allocated() - before
    return most_resident() - before


def most_resident() -> int:
    """The most memory that this process has had, in bytes.

    On Linux a process inherits getrusage's figure from the one that started it, VmHWM is its own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+)", status.read_text())[0])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def memory(method: str, count: int, arguments: argparse.Namespace) -> int:
    if torch.device(arguments.device).type == "cuda":
        return memory_here(method, count, arguments)
    command = [sys.executable, __file__, *sys.argv[1:], "--alone", method, str(count)]
    # glibc gives memory back as soon as a tensor is gone, so that the peak does not depend on the order of sizes.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)


def spread(values: list[float]) -> float:
    """By how much the largest is above the least, in percent."""
    return 100 * (max(values) / min(values) - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[2, 8, 32, 128], help="how many are searched")
    parser.add_argument("--kind", choices=KINDS, default="inverted")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=14, help="height and width of the map")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.alone:
        method, count = arguments.alone
        print(memory_here(method, int(count), arguments))
        return
    print(
        f"{arguments.kind} block, {CHANNELS} channels, {arguments.size}x{arguments.size}, batch {arguments.batch}, "
        f"{arguments.device}, {arguments.threads} threads; Python {platform.python_version()}, torch "
        f"{torch.__version__}"
    )
    print("| block | widths | peak memory, MB | step, ms: fastest | median (quartiles) |")
    print("|---|---:|---:|---:|---|", flush=True)
    clock = time.perf_counter if torch.device(arguments.device).type == "cuda" else time.process_time
    order = random.Random(0)
    for method, rounds in (("Prunode", 10 * arguments.rounds), ("naive", arguments.rounds)):
        peaks = {count: memory(method, count, arguments) for count in arguments.widths}
        steps = {count: step_of(method, count, arguments) for count in arguments.widths}
        times: dict[int, list[float]] = {count: [] for count in steps}
        for number in range(WARM_UP + rounds):
            for count in order.sample(list(steps), len(steps)):
                synchronize(arguments.device)
                begin = clock()
                steps[count]()
                synchronize(arguments.device)
                if number >= WARM_UP:
                    times[count].append(1000 * (clock() - begin))
        for count, found in times.items():
            low, middle, high = statistics.quantiles(found, n=4)
            shown = f"{peaks[count] / 1e6:.1f} | {min(found):.1f} | {middle:.1f} ({low:.1f} to {high:.1f})"
            print(f"| {method} | {count} | {shown} |")
        fastest, medians = ([one(found) for found in times.values()] for one in (min, statistics.median))
        print(
            f"{method}: largest above least: memory {spread(list(peaks.values())):.1f} %, fastest step "
            f"{spread(fastest):.1f} %, median {spread(medians):.1f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
