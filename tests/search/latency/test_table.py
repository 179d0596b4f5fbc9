"""Latency tables: what is measured when, files, predictions."""

import json
from types import SimpleNamespace

import pytest

from caffe_zoo.cards import CARDS
from prototxt_gen import generate, parse_architecture, parts, summarize
from prototxt_gen.errors import FileError, FormatError, UnsupportedError
from search.latency import Entry, LatencyTable, space_parts
from search.latency import table as table_module
from search.spaces import BackboneSpace

SPACE = BackboneSpace(
    depths=((1, 2), (1, 3)),
    widths=(8, 16, 256, 512),
    kinds=("basic", "bottleneck"),
    stem=(4, 8),
    classes=10,
    input_shape=(1, 3, 64, 48),
)


def counting_engine(target="one"):
    """An engine whose times are 1, 2, 3 ... ms, by network in the order of loading."""
    loaded = []

    def load(net):
        loaded.append(net)
        milliseconds = float(len(loaded))
        return SimpleNamespace(time=lambda: milliseconds)

    return SimpleNamespace(target={"engine": target}, load=load), loaded


def test_every_entry_has_the_label_of_its_part():
    engine, loaded = counting_engine()
    found = LatencyTable.measure(SPACE, engine)
    listed = space_parts(SPACE)
    assert list(found.entries) == list(listed)
    for index, (key, entry) in enumerate(found.entries.items()):
        assert entry == Entry(index + 1.0, (index + 1.0, index + 1.0), entry.samples, listed[key].label)
        assert loaded[index] == listed[key].net


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
    engine, _ = counting_engine()
    table = LatencyTable.measure(SPACE, engine)
    with pytest.raises(
        UnsupportedError,
        match=r"s4-8_b64_c11 at \(1, 3, 64, 48\): .*: basic 8-64-64 s2 16x12, head 64-11 8x6",
    ):
        table.predict(parse_architecture("s4-8_b64_c11"), SPACE.input_shape)


def test_a_stopped_measurement_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(table_module, "PARTS_PER_SAVE", 5)
    path = tmp_path / "latency.json"
    engine, loaded = counting_engine()

    def failing(net):
        if len(loaded) == 12:
            raise KeyboardInterrupt
        return engine.load(net)

    with pytest.raises(KeyboardInterrupt):
        LatencyTable.measure(SPACE, SimpleNamespace(target=engine.target, load=failing), path)
    kept = LatencyTable.load(path).entries
    assert len(kept) == 10
    table = LatencyTable.measure(SPACE, engine, path)
    assert len(loaded) == 12 + len(space_parts(SPACE)) - 10
    assert set(table.entries) == set(space_parts(SPACE))
    assert {key: table.entries[key] for key in kept} == kept
    assert LatencyTable.load(path).entries == table.entries
    # Nothing is missing any more, so any target may use the table: it tells about the one it was measured on.
    other, loaded = counting_engine("another")
    assert LatencyTable.measure(SPACE, other, path).target == engine.target
    assert loaded == []


def test_times_of_two_targets_do_not_mix(tmp_path):
    path = tmp_path / "latency.json"
    engine, _ = counting_engine("one")
    LatencyTable(engine.target, {"x": Entry(1.0, (1.0, 1.0), 1)}).save(path)
    before = path.read_bytes()
    with pytest.raises(FormatError, match=r"latency.json: target: found .*one.*another"):
        LatencyTable.measure(SPACE, counting_engine("another")[0], path)
    assert path.read_bytes() == before


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
        (lambda d: d | {"entries": {"a": {"ms": 1, "samples": 1}}}, r"entries\.a\.quartiles"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"samples": -1}}}, r"entries\.a\.samples"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"label": None}}}, r"entries\.a\.label"),
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


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(FileError, match="none"):
        LatencyTable.load(tmp_path / "none.json")
    with pytest.raises(FileError, match="latency"):
        LatencyTable({}).save(tmp_path / "none" / "latency.json")
