"""Processes as torchrun starts them: each knows its number, how many there are, and where they find each other."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from typing import Any

import torch

# Torch's optimizers import it, which takes a second: here once, there in every process.
import torch._dynamo


def started(work: Callable[..., Any], *arguments: Any, size: int = 2) -> list[ForkProcess]:
    """Processes that run `work(rank, *arguments)`. They are forked, since importing all anew takes them seconds."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    context = get_context("fork")
    processes = [context.Process(target=_process, args=(rank, size, port, work, arguments)) for rank in range(size)]
    for process in processes:
        process.start()
    return processes


def _process(rank: int, size: int, port: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size), **where)
    work(rank, *arguments)
