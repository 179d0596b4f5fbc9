"""Latency tables: keys, sums, files, what is measured when."""

import itertools
import json

import numpy as np
import pytest

from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import FileError, FormatError, UnsupportedError
from prototxt_gen.generator.networks import generate
from search import latency
from search.engines import ENGINES, Engine
from search.latency import Entry, LatencyTable, measure, parts, space_parts
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
    """An engine whose times are 1, 2, 3 ... ms, by network in the order of preparing."""
    prepared = []

    def prepare(net):
        prepared.append(net)
        time = float(len(prepared))
        return lambda: time

    return Engine({"engine": target}, prepare), prepared


def convolutions(net):
    return [
        (
            layer.type,
            layer.convolution_param.num_output,
            *layer.convolution_param.kernel_size,
            *layer.convolution_param.stride,
        )
        for layer in net.layer
        if layer.type in ("Convolution", "InnerProduct", "Pooling")
    ]


def test_the_parts_of_a_network_are_its_layers():
    for code in ("s4-8_b8x2-16_n16x2-512_c10", "s32-64_b64x2-128_n128x10-256_n256x4-512x2_c1000"):
        architecture = parse_architecture(code)
        joined = [row for _, build in parts(architecture, (1, 3, 64, 48)) for row in convolutions(build())]
        assert joined == convolutions(generate(architecture, input_shape=(1, 3, 64, 48), merged=True))


def test_equal_keys_are_equal_networks():
    found = {}
    for architecture in SPACE:
        for key, build in parts(architecture, SPACE.input_shape):
            rows = convolutions(build()), tuple(build().layer[0].input_param.shape[0].dim)
            assert found.setdefault(key, rows) == rows
    assert set(found) == set(space_parts(SPACE))
    for key, build in space_parts(SPACE).items():
        assert (convolutions(build()), tuple(build().layer[0].input_param.shape[0].dim)) == found[key]


def test_bottlenecks_with_and_without_projection_are_two_entries():
    keys = [key for key, _ in parts(parse_architecture("s4-8_b8_n256-512x2_c10"), (1, 3, 64, 48))]
    assert keys == [
        "stem_3-4-8_64x48",
        "basic_8-8-8_s2_p_16x12",
        "bottleneck_8-256-1024_s2_p_8x6",
        "bottleneck_1024-512-1024_s1_p_4x3",
        "bottleneck_1024-512-1024_s1_4x3",
        "head_1024-10_4x3",
    ]


def test_predictions_of_vectors_equal_sums_of_parts():
    engine, _ = counting_engine()
    table = LatencyTable.measure(SPACE, engine)
    for index, entry in enumerate(table.entries.values()):
        assert entry == Entry(index + 1.0, (index + 1.0, index + 1.0), entry.samples)
    predict = table.predictor(SPACE)
    for vectors in SPACE.vectors():
        expected = [
            sum(table.entries[key].ms for key, _ in parts(SPACE.decode(vector), SPACE.input_shape))
            for vector in vectors
        ]
        assert predict(vectors).tolist() == expected
        assert [table.predict(SPACE.decode(vector), SPACE.input_shape) for vector in vectors] == expected


def test_blocks_not_measured_are_all_listed():
    engine, _ = counting_engine()
    table = LatencyTable.measure(SPACE, engine)
    with pytest.raises(UnsupportedError, match=r"basic_8-64-64_s2_p_16x12, head_64-11_8x6"):
        table.predict(parse_architecture("s4-8_b64_c11"), SPACE.input_shape)


def test_a_stopped_measurement_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "BLOCKS_PER_SAVE", 5)
    path = tmp_path / "latency.json"
    engine, prepared = counting_engine()

    def failing(net):
        if len(prepared) == 12:
            raise KeyboardInterrupt
        return engine.prepare(net)

    with pytest.raises(KeyboardInterrupt):
        LatencyTable.measure(SPACE, Engine(engine.target, failing), path)
    kept = LatencyTable.load(path).entries
    assert len(kept) == 10
    table = LatencyTable.measure(SPACE, engine, path)
    assert len(prepared) == 12 + len(space_parts(SPACE)) - 10
    assert set(table.entries) == set(space_parts(SPACE))
    assert {key: table.entries[key] for key in kept} == kept
    assert LatencyTable.load(path).entries == table.entries
    # Nothing is missing any more, so any target may use the table: it tells about the one it was measured on.
    other, prepared = counting_engine("another")
    assert LatencyTable.measure(SPACE, other, path).target == engine.target
    assert prepared == []


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
        (lambda d: d | {"target": None}, "target"),
        (lambda d: d | {"entries": []}, "entries"),
        (lambda d: d | {"entries": {"a": 1}}, r"entries\.a"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"ms": "1"}}}, r"entries\.a\.ms"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"ms": -1}}}, r"entries\.a\.ms"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"ms": float("nan")}}}, r"entries\.a\.ms"),
        (lambda d: d | {"entries": {"a": {"ms": 1, "samples": 1}}}, r"entries\.a\.quartiles"),
        (lambda d: d | {"entries": {"a": d["entries"]["a"] | {"samples": 0}}}, r"entries\.a\.samples"),
    ],
)
def test_a_broken_file_is_named_with_its_field(tmp_path, change, message):
    path = tmp_path / "latency.json"
    LatencyTable({"engine": "one"}, {"a": Entry(1.0, (0.5, 1.5), 3)}).save(path)
    assert LatencyTable.load(path).entries == {"a": Entry(1.0, (0.5, 1.5), 3)}
    changed = change(json.loads(path.read_text()))
    path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    with pytest.raises(FormatError, match=rf"latency\.json: .*({message})"):
        LatencyTable.load(path)


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(FileError, match="none"):
        LatencyTable.load(tmp_path / "none.json")
    with pytest.raises(FileError, match="latency"):
        LatencyTable({}).save(tmp_path / "none" / "latency.json")


def test_drift_of_the_machine_falls_on_all_networks_alike():
    # A clock on which everything becomes four times slower after a third of the work.
    calls = itertools.count()
    engine = Engine({}, lambda net: lambda: 1.0 if next(calls) < 440 else 4.0)
    entries = measure(engine, [generate("s4-8_b8_c10", input_shape=(1, 3, 32, 32))] * 10)
    assert {entry.ms for entry in entries} == {4.0}
    assert {entry.quartiles for entry in entries} == {(1.0, 4.0)}


def test_torch_measures_a_small_space(tmp_path):
    pytest.importorskip("converters.pytorch.module")
    space = BackboneSpace(((1, 1),), (8, 64), stem=(4, 8), classes=10, input_shape=(1, 3, 64, 64))
    engine = ENGINES["torch"](1)
    assert engine.target["engine"] == "torch" and engine.target["device"] and engine.target["threads"] == 1
    table = LatencyTable.measure(space, engine, tmp_path / "latency.json")
    assert all(
        entry.ms > 0 and entry.quartiles[0] <= entry.ms <= entry.quartiles[1] for entry in table.entries.values()
    )
    assert table.entries["basic_8-64-64_s2_p_16x16"].ms > table.entries["basic_8-8-8_s2_p_16x16"].ms
    (whole,) = measure(engine, [generate(space.at(1), input_shape=space.input_shape, merged=True)])
    predicted = table.predict(space.at(1), space.input_shape)
    assert np.isclose(predicted, whole.ms, rtol=1.0)
