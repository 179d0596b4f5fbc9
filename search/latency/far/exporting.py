"""Writing an export: the networks of a space's parts with weights, and the script that times them on the device."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from converters.engines.engine import Options
from converters.programs import Program
from converters.programs.caffe import without_gradients
from converters.targets.files import numbers_of
from converters.targets.rewriting import rewritten
from converters.targets.spellings import net_in_known_words
from converters.targets.target import Target
from converters.weights import save_weights
from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import CaffeError, FileError, FormatError
from prototxt_gen.files import reason, write_bytes
from prototxt_gen.fingerprints import fingerprint
from prototxt_gen.generator.networks import generate
from prototxt_gen.generator.parts import Part, parts
from prototxt_gen.proto import NetParameter
from prototxt_gen.summary import summarize
from prototxt_gen.text import parse_text, to_text
from search.latency.far.export import INDEX, NETWORKS, RESULTS, Export, File, Network, program_of, read_export
from search.latency.far.script import SCRIPT, script
from search.latency.predicting import space_parts
from search.spaces import Space

Written = Literal["all", "onnx", "caffe"]
_KINDS: dict[str, tuple[str, ...]] = {
    "all": ("prototxt", "caffemodel", "onnx"),
    "onnx": ("onnx",),
    "caffe": ("prototxt", "caffemodel"),
}

ROUNDS = 3
ITERATIONS = 50
# A network much lighter than the heaviest one runs more often, so that it is not timed for a few microseconds; bounded,
# since a tool may also take a while for each call that it makes.
_MOST = 1000

# One number in, one out: what is left is what a call costs.
_CALL = """
name: "call"
layer { name: "input1" type: "Input" top: "input1" input_param { shape { dim: 1 dim: 1 dim: 1 dim: 1 } } }
layer { name: "relu1" type: "ReLU" bottom: "input1" top: "relu1" }
"""


@dataclass(frozen=True)
class Plan:
    """An export before it is written: the networks, still without files, and what they will need on the disk."""

    export: Export
    nets: Mapping[str, NetParameter]
    kinds: tuple[str, ...]
    target: Target | None = None

    @property
    def bytes(self) -> int:
        """About how large the files will be: weights are four bytes each, once in a .caffemodel, once in an .onnx."""
        weights = [4 * summarize(net).parameters for net in self.nets.values()]
        return sum(weights) * len(set(self.kinds) - {"prototxt"}) + 1024 * len(weights) * len(self.kinds)

    @property
    def files(self) -> int:
        """How many files of networks there will be."""
        return len(self.nets) * len(self.kinds)


def plan(
    subject: Space | Sequence[tuple[Backbone | Decoder, Sequence[int] | None]],
    tool: Mapping[str, str],
    options: Options | None = None,
    *,
    files: Written = "all",
    rounds: int = ROUNDS,
    iterations: int = ITERATIONS,
    check: int = 0,
    seed: int = 0,
    target: Target | None = None,
) -> Plan:
    """What will be exported: every distinct part of a space, or of networks with their input shapes, batch norm merged.

    `tool` is {"name": one of PROGRAMS} or {"name": "own", "command": ..., "pattern": ..., "unit": ...} with
    "version", a command that prints the tool's version, if there is one. `check` adds so many whole networks, drawn
    from the space or the first of the list, which tell the table's error. The heaviest network runs `iterations` times
    in each of `rounds`, lighter ones more often. With a `target` all networks are written in its words; which parts and
    networks these are stays as it is. CaffeError for what does not go together.
    """
    options = options or Options()
    program = program_of(tool)
    kinds = _KINDS[files]
    missing = [kind for kind in program.files if kind not in kinds]
    if missing:
        raise CaffeError(f"{program.title}: needs {', '.join(missing)}, found files {files!r}: {', '.join(kinds)}")
    if isinstance(subject, Space):
        found: Iterable[Part] = space_parts(subject).values()
        whole: list[tuple[Backbone | Decoder, Sequence[int] | None]] = [
            (architecture, subject.input_shape) for architecture in _drawn(subject, check, seed)
        ]
        title = f"space {subject}"
    else:
        found = [part for architecture, shape in subject for part in parts(architecture, shape)]
        whole = list(subject[:check])
        title = "networks " + ", ".join(str(architecture) for architecture, _ in subject)
    networks, nets = _named({part.key: part for part in found}.values(), whole)
    if program.name == "caffe":
        # It runs backward, too, where there is something to learn.
        nets = {name: without_gradients(net) for name, net in nets.items()}
    work = {name: summarize(net).multiply_adds + summarize(net).memory // 4 for name, net in nets.items()}
    heaviest = max(work.values())
    counted = tuple(
        replace(network, iterations=min(iterations * heaviest // work[network.name], max(iterations, _MOST)))
        for network in networks
    )
    # Neither so light that its own spread hides a drift nor so heavy that three more runs of it cost much.
    by_work = sorted((network for network in counted if network.kind == "part"), key=lambda found: work[found.name])
    reference = by_work[len(by_work) // 2].name
    if target is not None:
        title += f", in the words of {target.name} {target.version} ({target.digest})"
    settings = {
        "threads": options.threads,
        "device": options.device,
        "precision": options.precision,
        "batch": options.batch,
    }
    export = Export(title, dict(tool), settings, rounds, reference, counted)
    # Before anything is written: these options may be more than the program has.
    script(export, program, options)
    return Plan(export, nets, kinds, target)


def _drawn(space: Space, count: int, seed: int) -> list[Backbone | Decoder]:
    """Networks of a space, all different, in the order of their drawing."""
    rng = random.Random(seed)
    indices: dict[int, None] = {}
    while len(indices) < min(count, space.count()):
        indices[rng.randrange(space.count())] = None
    return [space.at(index) for index in indices]


def _named(
    found: Iterable[Part], whole: Sequence[tuple[Backbone | Decoder, Sequence[int] | None]]
) -> tuple[list[Network], dict[str, NetParameter]]:
    """Every network with a name that is readable and its own: a number, and what it is."""
    networks = [Network("000-call", "call", 0)]
    nets = {"000-call": parse_text(_CALL, NetParameter())}
    for part in found:
        name = f"{len(nets):03d}-{re.sub(r'[^A-Za-z0-9.]+', '-', part.label)}"
        networks.append(Network(name, "part", 0, key=part.key, label=part.label))
        nets[name] = part.net
    for architecture, shape in whole:
        name = f"{len(nets):03d}-whole"
        nets[name] = generate(architecture, input_shape=shape, merged=True)
        shape = nets[name].layer[0].input_param.shape[0].dim
        networks.append(Network(name, "network", 0, code=str(architecture), shape=tuple(shape)))
    return networks, nets


def write_export(
    planned: Plan, folder: str | os.PathLike[str], advance: Callable[[], object] = lambda: None
) -> tuple[Export, Program]:
    """Writes the networks, then the script, then the index; `advance` is called after each network.

    Weights come from fillers whose random numbers are the same every time, so the same export again writes the same
    files: after an interruption, write it again. FormatError when another export is in the folder, or results of one.
    FileError when the folder cannot be written, or the disk has too little space.
    """
    target = Path(folder)
    networks = target / NETWORKS
    try:
        networks.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target).free
    except OSError as fault:
        raise FileError(f"{networks}: cannot be made: {reason(fault)}") from fault
    if free < planned.bytes:
        raise FileError(f"{target}: the files need about {planned.bytes:,} bytes, the disk has {free:,} left")
    program = program_of(planned.export.tool)
    index, results = target / INDEX, target / RESULTS
    before = read_export(target) if index.exists() else None
    if before is not None:
        _check_same(planned, before, index)
    elif results.exists():
        raise FormatError(f"{results}: results without their export are here; choose another folder")
    written: list[Network] = []
    for network in planned.export.networks:
        contents = contents_of(planned.nets[network.name], network.name, planned.kinds, planned.target)
        files = {}
        for kind, content in contents.items():
            name = f"{network.name}.{kind}"
            files[kind] = File(name, len(content), hashlib.sha256(content).hexdigest(), cksum(content))
            if before is not None and before.networks[len(written)].files[kind] != files[kind]:
                raise FormatError(f"{index}: {name} is another file now, made by other versions; choose another folder")
            write_bytes(networks / name, content)
        written.append(replace(network, files=files))
        advance()
    export = replace(planned.export, networks=tuple(written))
    write_bytes(target / SCRIPT, script(export, program, export.run_options()).encode())
    write_bytes(index, export.to_bytes(datetime.now(timezone.utc).isoformat(timespec="seconds")))
    return export, program


def _check_same(planned: Plan, before: Export, index: Path) -> None:
    """FormatError unless an export that was written before is the planned one, as far as it is known without files."""
    kinds = [set(network.files) for network in before.networks]
    bare = replace(before, networks=tuple(replace(network, files={}) for network in before.networks))
    if bare.id != planned.export.id or any(found != set(planned.kinds) for found in kinds):
        raise FormatError(f"{index}: another export is here: {before.subject}; choose another folder")


def contents_of(net: NetParameter, name: str, kinds: Sequence[str], target: Target | None = None) -> dict[str, bytes]:
    """A network's files by kind, in the words of a target if there is one; ONNX has its layers in words of its own."""
    fixed: Mapping[str, Sequence[Any]] = {}
    if target is not None:
        made = rewritten(net, None, target)
        net, fixed = made.net, made.fixed
    known = net_in_known_words(net)
    weights = {**_weights(known), **fixed}
    contents = {}
    if "prototxt" in kinds:
        contents["prototxt"] = to_text(net).encode()
    if "caffemodel" in kinds:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.caffemodel"
            save_weights(weights, path, net, numbers=None if target is None else numbers_of(target))
            contents["caffemodel"] = path.read_bytes()
    if "onnx" in kinds:
        from converters.onnx.exporting import to_graph

        contents["onnx"] = to_graph(known, weights).to_bytes()
    return contents


def _weights(net: NetParameter) -> dict[str, list]:
    """Weights by the network's fillers, the same every time."""
    import torch

    from converters.pytorch.module import to_torch, weights_of

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(fingerprint(net)[:15], 16))
        return weights_of(to_torch(net))


def cksum(content: bytes) -> int:
    """What POSIX `cksum` prints for these bytes: CRC-32, highest bit first, from 0, with the length behind the data."""
    length = len(content)
    tail = length.to_bytes((length.bit_length() + 7) // 8, "little")
    # zlib's register runs the other way round: so do the bits that it is given, and those that it gives.
    reflected = zlib.crc32((content + tail).translate(_REVERSED), 0xFFFFFFFF)
    return int(f"{reflected:032b}"[::-1], 2)


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
