"""Latency tables in Once-for-All's form, in and out: YAML with an entry for each layer of a MobileNet.

It is what mit-han-lab's ProxylessNAS and Once-for-All read (ofa/nas/efficiency_predictor/latency_lookup_table.py,
ofa/tutorial/latency_table.py): keys such as `Conv-input:224x224x3-output:112x112x32`, and under each a `mean` in
milliseconds, a `count` and a `var`. A network's latency is the sum of the means. Their
ResNet50LatencyTable reads no table: its `query` raises NotImplementedError.

An entry there is exactly a part of ours, or it is left out and listed with the reason: nothing stands for something
similar. mobile_parts.py says what is exact.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from prototxt_gen.errors import FormatError, UnsupportedError
from prototxt_gen.files import read_bytes, write_bytes
from prototxt_gen.generator.parts import Part
from search.latency.measuring import Entry
from search.latency.mobile_parts import Key, Named, block_part, head_part, name_part, read_key, stem_part
from search.latency.table import LatencyTable

METHOD = "once-for-all"
_EXAMPLE = "Conv-input:224x224x3-output:112x112x32"


class Converted(NamedTuple):
    """A table made of a file of the other form: the file's keys that are in it, and why the others are not."""

    table: LatencyTable
    taken: tuple[str, ...]
    left: dict[str, str]


class Written(NamedTuple):
    """What a written file says: its keys; the labels of the parts that it does not say, with the reason."""

    keys: tuple[str, ...]
    left: dict[str, str]


def from_once_for_all(path: str | os.PathLike[str], device: str = "unknown") -> Converted:
    """Reads a table in Once-for-All's form; `device` is what it was measured on, which the file does not say.

    An entry's time is its `mean`, a head's the sum of two. The form has no quartiles: both are the time itself. The
    file's text is kept in the table's `origin`, and `to_once_for_all` gives it back byte by byte. Entries whose mean is
    no time are left out, as those that are no parts of ours are.

    FileError, FormatError for what is no such file, UnsupportedError where nothing in it is a part of ours.
    """
    source = os.fspath(path)
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError as fault:
        raise FormatError(f"{source}: not a latency table of Once-for-All: it is not text") from fault
    found, left = _read(text, source)
    if not found:
        raise UnsupportedError(f"{source}: none of its {len(left)} entries is a part here: {first_reasons(left)}")
    target = {"engine": METHOD, "device": device, "batch": 1}
    origin = {"method": METHOD, "file": Path(source).name, "text": text}
    taken = dict.fromkeys(key for one in found for key in one.keys)
    return Converted(LatencyTable(target, _entries(found), origin=origin), tuple(taken), left)


def to_once_for_all(table: LatencyTable, path: str | os.PathLike[str]) -> Written:
    """Writes a table in Once-for-All's form, so that sums of means are this table's predictions, to the nanosecond.

    So a mean is what the part adds to a network's prediction, and `Conv`, which each network has once, adds what each
    network costs beside its parts. A head is one part here: its time stands in `Conv_1`, and `Logits` are 0.

    Blocks with ReLU6 make a table of ProxylessNAS; only where there are none, blocks with ReLU make one of MobileNetV3.
    What the form cannot say is in `left`. A table that came from such a file and is as it was becomes that file again.
    UnsupportedError where nothing can be said.
    """
    source = os.fspath(path)
    if not table.entries:
        raise UnsupportedError(f"{source}: the table has no parts")
    if table.curve is not None:
        raise UnsupportedError(
            f"{source}: in this form a network takes the sum of its entries; this table bends its sums by a curve "
            "(it was fitted to whole networks), which the form cannot say"
        )
    if kept := _kept(table):
        write_bytes(path, kept.text.encode())
        return Written(kept.keys, {})
    said, unsaid = _said(table)
    if not said:
        raise UnsupportedError(f"{source}: the form can say none of the table's parts: {first_reasons(unsaid)}")
    text = yaml.safe_dump(said, default_flow_style=False, sort_keys=True)
    write_bytes(path, text.encode())
    return Written(tuple(said), unsaid)


def first_reasons(left: Mapping[str, str], examples: int = 2) -> str:
    """What was left out, in short: each reason once, how often it holds, the first names."""
    names: dict[str, list[str]] = {}
    for name, reason in left.items():
        names.setdefault(reason, []).append(name)
    return "; ".join(
        f"{len(found)} because {reason} ({', '.join(found[:examples])}{', ...' if len(found) > examples else ''})"
        for reason, found in names.items()
    )


class _Time(NamedTuple):
    ms: float
    samples: int


class _Found(NamedTuple):
    """A part of ours that a file has a time of, and the keys that name it there."""

    part: Part
    time: _Time
    keys: tuple[str, ...]


def _entries(found: list[_Found]) -> dict[str, Entry]:
    return {part.key: Entry(time.ms, (time.ms, time.ms), time.samples, part.label) for part, time, _ in found}


class _Kept(NamedTuple):
    text: str
    keys: tuple[str, ...]


def _kept(table: LatencyTable) -> _Kept | None:
    """The file that a table came from, where the table is still what that says and predicts by it alone."""
    text = table.origin.get("text")
    if table.origin.get("method") != METHOD or not isinstance(text, str):
        return None
    try:
        found, left = _read(text, "")
    except FormatError:
        return None
    plain = {part.key: round(time.ms * 1e6) for part, time, _ in found}
    is_same = (
        table.entries == _entries(found)
        and not table.base_nanoseconds
        and all(table.part_nanoseconds(part) == plain[part.key] for part, _, _ in found)
    )
    return _Kept(text, tuple(dict.fromkeys([*(key for one in found for key in one.keys), *left]))) if is_same else None


def _read(text: str, source: str) -> tuple[list[_Found], dict[str, str]]:
    """The entries of a file that are parts of ours, and why the others are not, in the file's order."""
    left: dict[str, str] = {}
    times: dict[str, tuple[Key, _Time]] = {}
    document = _load(text, source)
    keys = {name: read_key(name) for name in document if isinstance(name, str)}
    known = {name: key for name, key in keys.items() if key is not None}
    if not known:
        raise FormatError(
            f"{source}: not a latency table of Once-for-All: none of its {len(document)} keys is like {_EXAMPLE}"
        )
    for name, entry in document.items():
        time = _time(entry)
        if name not in known:
            told = ascii(name[:100]) if isinstance(name, str) else f"a key of type {type(name).__name__}"
            left[told] = "no such key is known"
        elif isinstance(time, str):
            left[name] = time
        else:
            times[name] = known[name], time
    return _match(times, _tell(list(known.values())), left)


def _load(text: str, source: str) -> Mapping[Any, Any]:
    """The file's mapping. A key that is there twice is a fault: YAML forbids it, PyYAML takes the last."""

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [name.value for name, _ in node.value if isinstance(name.value, str)]
            if len(set(names)) < len(names):
                twice = next(name for index, name in enumerate(names) if name in names[:index])
                raise yaml.YAMLError(f"the key {twice[:100]!r} is there twice")
            return super().construct_mapping(node, deep)

    try:
        document = Loader(text).get_single_data()
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        # PyYAML adds pictures of the place.
        mark, problem = getattr(fault, "problem_mark", None), getattr(fault, "problem", None)
        told = f"line {mark.line + 1}: {problem}" if mark and problem else str(fault).splitlines()[0]
        raise FormatError(f"{source}: not a latency table of Once-for-All: {told}") from fault
    if not isinstance(document, dict):
        found = "nothing" if document is None else type(document).__name__
        raise FormatError(
            f"{source}: not a latency table of Once-for-All: found {found}, expected keys like {_EXAMPLE}"
        )
    return document


def _time(entry: Any) -> _Time | str:
    """The time under a key, or why there is none."""
    mean = entry.get("mean") if isinstance(entry, dict) else None
    if isinstance(mean, bool) or not isinstance(mean, (int, float)):
        return "there is no mean" if mean is None else "the mean is no number"
    if not 0 <= mean < 1e9:
        return "the mean is no time in milliseconds"
    count = entry.get("count", 1)
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 1e12:
        return "the count is no whole number"
    return _Time(float(mean), count)


def _tell(keys: list[Key]) -> str:
    """Why first and last layers are no parts of ours: they are only where their activation is ReLU6, then ""."""
    layers = {key.layer for key in keys}
    third = {key.is_third for key in keys if key.is_block}
    if layers & {"AvgPool2D", "Conv_2"} or third == {True}:
        return "the activation is h-swish, or the layer alone is no part here"
    if third == {False}:
        return ""
    return f"the file has {'both kinds of blocks' if third else 'no block'}: it does not say which activation this has"


def _match(
    times: Mapping[str, tuple[Key, _Time]], doubt: str, left: dict[str, str]
) -> tuple[list[_Found], dict[str, str]]:
    found: list[_Found] = []

    def take(part: Part | str, time: _Time, *names: str) -> None:
        if isinstance(part, str) or time.ms == 0:
            left.update(dict.fromkeys(names, part if isinstance(part, str) else "the mean is 0"))
        else:
            found.append(_Found(part, time, names))

    mixing = {name: key for name, (key, _) in times.items() if key.layer == "Conv_1"}
    logits = {name: key for name, (key, _) in times.items() if key.layer == "Logits"}
    for name, (key, time) in times.items():
        if key.is_block:
            take(block_part(key), time, name)
        elif doubt:
            left[name] = doubt
        elif key.layer == "Conv":
            take(stem_part(key), time, name)
    if not doubt:
        alone = dict.fromkeys([*mixing, *logits])
        for one, last in ((one, last) for one in mixing for last in logits):
            if mixing[one].given == logits[last].taken:
                (_, time), (_, rest) = times[one], times[last]
                both = _Time(time.ms + rest.ms, min(time.samples, rest.samples))
                take(head_part(mixing[one], logits[last]), both, one, last)
                alone.pop(one, None), alone.pop(last, None)
        left.update(dict.fromkeys(alone, "the other half of the head, Conv_1 or Logits, is not there"))
    return found, left


def _said(table: LatencyTable) -> tuple[dict[str, dict[str, float | int]], dict[str, str]]:
    """What the form says of a table's parts, and why not of the others."""
    named: list[Named] = []
    left: dict[str, str] = {}
    # Entries that count behind one kind of layer alone, and those that count behind the others (see Part.joined_key).
    joined = {key: key.partition(" after ")[0] for key in table.entries if " after " in key}
    depending = {*joined, *joined.values()}
    for fingerprint, entry in table.entries.items():
        if fingerprint in depending:
            found: Named | str = "its time depends on what comes before it, which the form does not say"
        else:
            found = name_part(entry.label, fingerprint)
        if isinstance(found, str):
            left[_name(fingerprint, entry.label, left)] = found
        else:
            named.append(found)
    clipped = any(not key.is_third for one in named for key in one.keys)
    said: dict[str, dict[str, float | int]] = {}
    for part, keys in named:
        if clipped and keys[0].is_third:
            left[_name(part.key, part.label, left)] = "the table has blocks with ReLU6, too, and a file is of one kind"
            continue
        shares = [table.part_nanoseconds(part), 0]
        shares[0] += table.base_nanoseconds if keys[0].layer == "Conv" else 0
        rows = {str(key): share / 1e6 for key, share in zip(keys, shares, strict=False)}
        if any(said[key]["mean"] != mean for key, mean in rows.items() if key in said):
            left[_name(part.key, part.label, left)] = "another head has the same last convolution and other classes"
            continue
        samples = table.entries[part.key].samples
        said.update({key: {"count": samples, "mean": mean} for key, mean in rows.items()})
    return said, left


def _name(fingerprint: str, label: str, others: Mapping[str, str]) -> str:
    """What messages call a part: its label, with the beginning of its key where another part has the same label."""
    return label if label and label not in others else f"{label} {fingerprint[:12]}".strip()
