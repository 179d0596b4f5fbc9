"""The engine `torch`: networks in PyTorch on this machine's CPU."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

from prototxt_gen.proto import NetParameter
from search.engines.engine import ENGINES, Engine


@ENGINES.register("torch")
def torch_engine(threads: int = 0) -> Engine:
    """PyTorch on the CPU, eager, in inference mode; sets the number of threads of the process."""
    # The command line is built from modules that import this one; it should not wait for torch.
    import torch

    from converters.pytorch.module import to_torch

    if threads:
        torch.set_num_threads(threads)

    def prepare(net: NetParameter) -> Callable[[], float]:
        module = to_torch(net).eval()
        shape = tuple(net.layer[0].input_param.shape[0].dim)
        image = torch.rand(shape, generator=torch.Generator().manual_seed(0))

        def run() -> float:
            with torch.inference_mode():
                begin = perf_counter_ns()
                module(image)
                return (perf_counter_ns() - begin) / 1e6

        return run

    target = {
        "engine": "torch",
        "device": cpu_name(),
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }
    return Engine(target, prepare)


def cpu_name() -> str:
    """The processor as its maker calls it, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Hardware")))
    return next(names, "") or platform.processor() or platform.machine()
