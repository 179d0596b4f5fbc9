"""Latency tables: what is measured when, files, predictions."""

import json

import numpy as np
import pytest

from caffe_zoo.cards import CARDS
from prototxt_gen import generate, parse_architecture, parts, summarize
from prototxt_gen.errors import FileError, FormatError, UnsupportedError
from search.latency import Entry, LatencyTable, space_parts
from search.latency.correcting import Correction
from search.latency.levelling import Level
from search.spaces import BackboneSpace

CORRECTION = Correction(0.9, 0.1, 0.0, 0.0, ("s4_b8_c10",), 0.05, 0.01, "2026-11-21T00:00:00+00:00")._asdict()
LEVEL = Level(1.1, -0.3, 0.01)._asdict()
SPACE = BackboneSpace(
    depths=((1, 2), (1, 3)),
    widths=(8, 16, 256, 512),
    kinds=("basic", "bottleneck"),
    stem=(4, 8),
    classes=10,
    input_shape=(1, 3, 64, 48),
)


@pytest.mark.parametrize("name", CARDS)
def test_any_network_of_the_zoo_is_predicted(name):
    """A table of made-up times, a nanosecond for each multiply-add: the sum is the network's multiply-adds."""
    architecture = CARDS[name].architecture
    entries = {}
    for part in parts(architecture):
        ms = summarize(part.net).multiply_adds / 1e6
        entries[part.key] = Entry(ms, (ms, ms), 1, part.label)
    found = LatencyTable({"engine": "made up"}, entries).predict(architecture)
    assert found == summarize(generate(architecture, merged=True)).multiply_adds / 1e6
    assert found == LatencyTable({}, entries).predict(str(architecture))


def test_blocks_not_measured_are_all_listed():
    table = LatencyTable({}, {key: Entry(1.0, (1.0, 1.0), 1, part.label) for key, part in space_parts(SPACE).items()})
    with pytest.raises(
        UnsupportedError,
        match=r"s4-8_b64_c11 at \(1, 3, 64, 48\): .*: basic 8-64-64 s2 16x12, head 64-11 8x6",
    ):
        table.predict(parse_architecture("s4-8_b64_c11"), SPACE.input_shape)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: "[]", "document"),
        (lambda d: "{", "not a latency table"),
        (lambda d: "[" * 100_000, "not a latency table"),
        (lambda d: "\xff\x00", "format|not a latency table"),
        (lambda d: d | {"format": 2}, "format"),
        (lambda d: d | {"format": "dongfeng latency table 1"}, "found 'dongfeng latency table 1'.* measure again"),
        (lambda d: d | {"target": None}, "target"),
        (lambda d: d | {"entries": []}, "entries"),
        (lambda d: d | {"entries": {"a": 1}}, r"entries\.a"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"ms": "1"}}}, r"entries\.a\.ms"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"ms": -1}}}, r"entries\.a\.ms"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"ms": float("nan")}}}, r"entries\.a\.ms"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"ms": 10**400}}}, r"entries\.a\.ms: found inf"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"ms": 1e300}}}, r"entries\.a\.ms: found 1e\+300"),
        (lambda d: d | {"entries": {"a": {"ms": 1, "samples": 1}}}, r"entries\.a\.quartiles"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"quartiles": [2, 1]}}}, "the lower one first"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"samples": -1}}}, r"entries\.a\.samples"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"samples": True}}}, r"entries\.a\.samples"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"label": None}}}, r"entries\.a\.label"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"rounds": [1.0, None]}}}, r"entries\.a\.rounds"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"weights": [1.0]}}}, r"entries\.a\.weights"),
        (lambda d: d | {"call_ms": -1}, "call_ms"),
        (lambda d: d | {"origin": []}, "origin"),
        *(
            (lambda d, field=field, found=found: d | {"origin": {field: found}}, rf"origin\.{field}")
            for field, found in {
                "calls": ["1"],
                "rounds": -1,
                "seconds": None,
                "spread": "1%",
                "input_shapes": [1, 3, 224, 224],
                "finished": 1,
                "failed": {"a": 1},
                "asked": {"subject": "df1", "spread": 0.01},
                "options": {"threads": 1, "batch": 1, "device": "cpu"},
                "drift": {"longer": 0.2, "slow_rounds": [1, 2]},
                "interpolated": {"space": {"parts": 3}},
                "walks": {"parts": ["a"], "networks": [[1.0, 0], [2.0, 1]]},
            }.items()
        ),
        (lambda d: d | {"level": []}, "level"),
        *(
            (lambda d, name=name, found=found: d | {"level": LEVEL | {name: found}}, rf"level\.{name}")
            for name, found in {"slope": 0, "constant_ms": float("inf"), "noise": None}.items()
        ),
        (lambda d: d | {"correction": 1.1}, "correction"),
        *(
            (lambda d, name=name, found=found: d | {"correction": CORRECTION | {name: found}}, rf"correction\.{name}")
            for name, found in {"slope": None, "part_ms": float("nan"), "networks": [1], "date": 2026}.items()
        ),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"label": "a\x1b[31m"}}}, r"label: found 'a\\x1b\[31m'"),
        (lambda d: '{"format": 1,' + json.dumps(d)[1:], "the name 'format' is there twice"),
    ],
)
def test_a_broken_file_is_named_with_its_field(tmp_path, change, message):
    path = tmp_path / "latency.json"
    LatencyTable({"engine": "one"}, {"a": Entry(1.0, (0.5, 1.5), 3, "stem 3-4")}).save(path)
    assert LatencyTable.load(path).entries == {"a": Entry(1.0, (0.5, 1.5), 3, "stem 3-4")}
    changed = change(json.loads(path.read_text()))
    path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    with pytest.raises(FormatError, match=rf"latency\.json: .*({message})"):
        LatencyTable.load(path)


def test_a_level_is_part_of_the_plain_sum_and_a_correction_comes_on_top(tmp_path):
    space = BackboneSpace(((1, 2),), (8,), stem=(4,), classes=10, input_shape=(1, 3, 32, 32))
    entries = {key: Entry(2.0, (2.0, 2.0), 1, part.label) for key, part in space_parts(space).items()}
    path = tmp_path / "latency.json"
    LatencyTable({"engine": "one"}, entries, call_ms=0.5, level=Level(1.1, -0.3, 0.01)).save(path)
    table = LatencyTable.load(path)
    assert table.level == Level(1.1, -0.3, 0.01)
    networks = [space.at(index) for index in range(space.count())]
    counts = [len(parts(network, space.input_shape)) for network in networks]
    sums = [0.5 - 0.3 + 1.1 * 1.5 * count for count in counts]
    assert [table.predict(network, space.input_shape) for network in networks] == pytest.approx(sums)
    assert table.predictor(space)(np.array([space.encode(network) for network in networks])) == pytest.approx(sums)
    table.correction = Correction(**CORRECTION | {"slope": 2.0, "constant_ms": 0.1, "part_ms": 0.0, "megabyte_ms": 0.0})
    corrected = [0.5 - 0.3 + 0.1 + 2 * 1.1 * 1.5 * count for count in counts]
    assert [table.predict(network, space.input_shape) for network in networks] == pytest.approx(corrected)
    assert [table.predict(network, space.input_shape, False) for network in networks] == pytest.approx(sums)


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(FileError, match="none"):
        LatencyTable.load(tmp_path / "none.json")
    with pytest.raises(FileError, match="latency"):
        LatencyTable({}).save(tmp_path / "none" / "latency.json")
