"""Several processes train as one: real processes, which speak by gloo on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from prototxt_gen.errors import ArchitectureError, CaffeError, FileError, FormatError, UnsupportedError
from search.training.one_shot import EVALUATIONS, SUPERNET, load_supernet, train_one_shot
from search.training.processes import ALONE, Group, is_first, joined
from search.training.supernet import Supernet
from tests.search.training.small_ponas import DATA, SETTINGS, SHAPE, SPACE, Rows
from tests.search.training.together import started

PATHS = [(0, 0, 0), (1, 1, 1), (0, 1, 0)]


def together(work: Callable[..., Any], *arguments: Any, size: int = 2, ended: int = 0) -> list[Any]:
    """What `work(group, *arguments)` gives in each of so many processes, which all must end so."""
    queue = get_context("fork").SimpleQueue()
    processes = started(_joined, size, queue, work, arguments, size=size)
    results = dict(queue.get() for _ in processes) if not ended else {}
    for process in processes:
        process.join()
        assert process.exitcode == ended
    return [results[rank] for rank in sorted(results)]


def _joined(rank: int, size: int, queue: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    with joined("cpu") as (group, device):
        assert (group.rank, group.size, group.first, device) == (rank, size, rank == 0, "cpu")
        assert is_first() == group.first
        queue.put((rank, work(group, *arguments)))


def share(step: int, rank: int) -> torch.Tensor:
    return torch.rand((4, *SHAPE[1:]), generator=torch.Generator().manual_seed(10 * step + rank))


def loss_of(outputs: torch.Tensor) -> torch.Tensor:
    return outputs.square().mean()


def sgd(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)


def averaged(group: Group) -> dict[str, torch.Tensor]:
    net = Supernet(SPACE).train()
    optimizer = sgd(net)
    for step, choices in enumerate(PATHS):
        optimizer.zero_grad()
        loss = loss_of(net(share(step, group.rank), choices))
        loss.backward()
        assert torch.equal(group.average(list(net.parameters()), loss.detach()), group.average([], loss.detach()))
        optimizer.step()
    return {name: parameter.detach().numpy() for name, parameter in net.named_parameters()}


def by_torch(group: Group) -> dict[str, torch.Tensor]:
    net = Supernet(SPACE).train()
    wrapped = DistributedDataParallel(net, find_unused_parameters=True, broadcast_buffers=False)
    optimizer = sgd(net)
    for step, choices in enumerate(PATHS):
        optimizer.zero_grad()
        loss_of(wrapped(share(step, group.rank), choices)).backward()
        optimizer.step()
    return {name: parameter.detach().numpy() for name, parameter in net.named_parameters()}


def test_steps_are_those_of_distributed_data_parallel_and_of_one_process_that_runs_all_shares():
    ours, others = together(averaged)
    torchs, _ = together(by_torch)
    net = Supernet(SPACE).train()
    optimizer = sgd(net)
    for step, choices in enumerate(PATHS):
        optimizer.zero_grad()
        for rank in range(2):
            (loss_of(net(share(step, rank), choices)) / 2).backward()
        optimizer.step()
    for name, parameter in net.named_parameters():
        assert (ours[name] == others[name]).all(), name
        for expected in (torchs[name], parameter.detach().numpy()):
            assert torch.allclose(torch.tensor(ours[name]), torch.tensor(expected), rtol=1e-5, atol=1e-7), name


def trained(group: Group, folders: list[Path], events: int = 0) -> Any:
    rows, count = Rows(), 0

    def report(stage: str, share: float) -> None:
        nonlocal count
        count += 1
        if count == events:
            os._exit(9)

    net = train_one_shot(SPACE, DATA, rows, SETTINGS, folders[group.rank], report=report, group=group, every=0)
    return {name: value.numpy() for name, value in net.state_dict().items()}, rows.told, rows.prefix


def test_two_processes_come_to_the_same_whether_they_were_ended_or_not(tmp_path):
    folders = [tmp_path / name for name in ("first", "second", "ended")]
    for folder in folders:
        folder.mkdir()
    (one, told, prefix), (two, again, kept) = together(trained, folders[:2])
    assert (told, prefix) == (again, kept)
    assert len(set(told.values())) > 1
    assert all((one[name] == two[name]).all() for name in one)
    assert sorted(path.name for path in folders[0].iterdir()) == [EVALUATIONS, SUPERNET]
    assert not list(folders[1].iterdir()), "the first one writes"
    # Ended in meta training, and among evaluations: each time both.
    for events in (5, 17):
        together(trained, [folders[2]] * 2, events, ended=9)
    (gone_on, same, _), _ = together(trained, [folders[2]] * 2)
    assert same == told
    assert all((one[name] == gone_on[name]).all() for name in one)
    stored = load_supernet(folders[2] / SUPERNET).state_dict()
    assert all((one[name] == stored[name].numpy()).all() for name in one)
    # Batch norm sees half a batch there, so that one process would go on with another training.
    with pytest.raises(FormatError, match="processes: was 2, is 1"):
        train_one_shot(SPACE, DATA, Rows(), SETTINGS, folders[2])


def refused(group: Group, folder: Path) -> str:
    try:
        train_one_shot(SPACE, DATA, Rows(), replace(SETTINGS, row_lr=0.5), folder, group=group)
    except FormatError as fault:
        return str(fault)
    return ""


def test_what_the_first_one_refuses_all_refuse(tmp_path):
    train_one_shot(SPACE, DATA, Rows(), replace(SETTINGS, row_epochs=0), tmp_path)
    first, second = together(refused, tmp_path)
    assert first == second
    assert "processes: was 1, is 2" in first


def parted(rank: int, queue: Any, ending: int, exchange: Callable[[Group], Any]) -> None:
    """The process of that number raises; what each says at its end."""
    try:
        with joined("cpu") as (group, _):
            group.total([1.0])  # all have met
            if rank == ending:
                raise FileError("disk full")
            exchange(group)
    except CaffeError as said:
        queue.put((rank, str(said)))


@pytest.mark.parametrize("ending", [0, 1])
@pytest.mark.parametrize(
    "exchange",
    [lambda group: group.told(None), lambda group: group.total([1.0]), lambda group: group.average([], torch.ones(()))],
    ids=["told", "total", "average"],
)
def test_when_one_has_ended_the_others_say_so(ending, exchange):
    queue = get_context("fork").SimpleQueue()
    processes = started(parted, queue, ending, exchange)
    said = dict(queue.get() for _ in processes)
    for process in processes:
        process.join()
    assert said.pop(ending) == "disk full"
    ((other, told),) = said.items()
    assert told.startswith(f"process {other + 1} of 2: found no answer of the others, one of which has ended: ")


def test_a_process_without_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    told = "device 'cuda': found 1 GPUs for process 2 of this machine, expected one for each"
    with pytest.raises(UnsupportedError, match=told), joined("cuda"):
        pass


def test_a_batch_that_cannot_be_shared_evenly():
    with pytest.raises(ArchitectureError, match="batch_size: found 16, expected a multiple of the 3 processes"):
        train_one_shot(SPACE, DATA, Rows(), SETTINGS, group=Group(0, 3))


def test_without_torchrun_a_process_is_alone():
    with joined("cpu") as found:
        assert found == (ALONE, "cpu") and is_first()


@pytest.mark.slow
def test_torchrun_starts_it(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "from pathlib import Path\n"
        "from search.training.one_shot import train_one_shot\n"
        "from search.training.processes import joined\n"
        "from tests.search.training.small_ponas import DATA, SETTINGS, SPACE, Rows\n"
        "with joined('cpu') as (group, device):\n"
        f"    train_one_shot(SPACE, DATA, Rows(), SETTINGS, Path({str(tmp_path)!r}), device, group=group)\n"
    )
    launched = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(program)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, *launched], check=True, env=environment)
    assert load_supernet(tmp_path / SUPERNET).space == SPACE
