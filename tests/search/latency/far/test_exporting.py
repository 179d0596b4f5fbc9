"""What an export writes: which networks, which files, and what happens when it is stopped or the disk is full."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from caffe_zoo.cards import CARDS
from converters import load_weights, make_engine, read_onnx
from converters.engines.engine import Options
from prototxt_gen import fingerprint, generate, parts, read_prototxt, summarize
from prototxt_gen.errors import CaffeError, FileError, FormatError, UnsupportedError
from search.latency import space_parts
from search.latency.far import exporting, plan, read_export, write_export
from search.latency.far.exporting import cksum
from search.spaces import BackboneSpace

SPACE = BackboneSpace(depths=((1, 1), (1, 1)), widths=(8, 16), stem=(4, 4), classes=3, input_shape=(1, 3, 32, 32))
TOOL = {"name": "own", "command": "t {prototxt} {caffemodel}", "pattern": "([0-9.]+)"}


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "networks").iterdir())}


def test_every_part_of_a_space_is_there_once_and_its_files_are_that_part(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    export, _ = write_export(plan(SPACE, TOOL, check=2), tmp_path)
    assert read_export(tmp_path) == export
    found = {network.key: network for network in export.networks if network.kind == "part"}
    listed = space_parts(SPACE)
    assert found.keys() == listed.keys()
    assert {key: network.label for key, network in found.items()} == {key: p.label for key, p in listed.items()}
    names = [network.name for network in export.networks]
    assert names[:3] == ["000-call", "001-stem-3-4-4-32x32", "002-basic-4-8-8-s2-8x8"]
    assert len({*names}) == len(names) == len(listed) + 3
    for network in export.networks:
        path = tmp_path / "networks" / network.name
        net = read_prototxt(path.with_name(f"{network.name}.prototxt"))
        if network.kind == "part":
            assert fingerprint(net) == network.key
        if network.kind == "network":
            assert net == generate(network.code, input_shape=network.shape, merged=True)
        for file in network.files.values():
            content = (tmp_path / "networks" / file.name).read_bytes()
            assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    # The pair and the ONNX file compute the same.
    name = next(name for name in names if "basic-8-16" in name)
    pair = tmp_path / "networks" / f"{name}.prototxt"
    engine = make_engine("onnxruntime")
    one = engine.load(read_prototxt(pair), load_weights(pair.with_suffix(".caffemodel")))
    other = engine.load(*read_onnx(pair.with_suffix(".onnx"))[:2])
    inputs = one.own_inputs()
    results = [
        list(session.run(dict(zip(session.inputs, inputs.values(), strict=True))).values()) for session in (one, other)
    ]
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5, atol=1e-6)
    assert np.abs(results[0][0]).max() > 0


def test_the_same_export_again_writes_the_same_files(tmp_path):
    first, _ = write_export(plan(SPACE, TOOL, files="caffe", check=1), tmp_path / "one")
    second, _ = write_export(plan(SPACE, TOOL, files="caffe", check=1), tmp_path / "two")
    assert contents_of(tmp_path / "one") == contents_of(tmp_path / "two")
    assert first == second and first.id == second.id
    assert (tmp_path / "one" / "measure.sh").read_bytes() == (tmp_path / "two" / "measure.sh").read_bytes()


def test_another_export_has_another_id_and_does_not_go_into_the_folder(tmp_path):
    first, _ = write_export(plan(SPACE, TOOL, files="caffe"), tmp_path)
    before = contents_of(tmp_path)
    said = r"index\.json: another export is here: space s4-4_.*choose another folder"
    for changes in ({"rounds": 4}, {"iterations": 9}, {"check": 2}, {"options": Options(threads=2)}, {"files": "all"}):
        with pytest.raises(FormatError, match=said):
            write_export(plan(SPACE, TOOL, **({"files": "caffe"} | changes)), tmp_path)
    assert contents_of(tmp_path) == before
    assert read_export(tmp_path).id == first.id
    # A pattern may have been wrong; what it is to find was measured all the same.
    again, _ = write_export(plan(SPACE, TOOL | {"pattern": "ms: ([0-9]+)"}, files="caffe"), tmp_path)
    assert again.id == first.id


def test_networks_by_name_and_size(tmp_path):
    df1, seg = CARDS["df1"].architecture, CARDS["df1seg"].architecture
    shape = (1, 3, 64, 128)
    planned = plan([(df1, shape), (seg, shape)], {"name": "benchmark_app"}, files="onnx", check=2)
    found = {network.key for network in planned.export.networks if network.kind == "part"}
    assert found == {part.key for spec in (df1, seg) for part in parts(spec, shape)}
    assert [network.code for network in planned.export.networks if network.kind == "network"] == [str(df1), str(seg)]


def test_light_networks_run_more_often_than_heavy_ones():
    planned = plan(BackboneSpace(((1, 2),), (64, 512), input_shape=(1, 3, 224, 224)), TOOL, files="caffe", iterations=5)
    work = {name: summarize(net).multiply_adds for name, net in planned.nets.items()}
    iterations = {network.name: network.iterations for network in planned.export.networks}
    assert iterations[max(work, key=lambda name: work[name])] == 5
    assert iterations["000-call"] == 1000
    assert (
        sorted(iterations.values(), reverse=True)
        == [iterations[name] for name in sorted(iterations, key=lambda name: (work[name] > 0, work[name]))]
        or len({*iterations.values()}) > 5
    )


def test_the_size_is_known_before(tmp_path):
    pytest.importorskip("onnx")
    for files, tool in (("all", TOOL), ("caffe", TOOL), ("onnx", {"name": "benchmark_app"})):
        planned = plan(BackboneSpace(((1, 1),), (64,), input_shape=(1, 3, 64, 64)), tool, files=files)
        write_export(planned, tmp_path / files)
        written = contents_of(tmp_path / files)
        assert len(written) == planned.files
        assert sum(map(len, written.values())) == pytest.approx(planned.bytes, rel=0.15)
        assert {Path(name).suffix for name in written} == {
            "all": {".prototxt", ".caffemodel", ".onnx"},
            "caffe": {".prototxt", ".caffemodel"},
            "onnx": {".onnx"},
        }[files]


@pytest.mark.parametrize(
    ("tool", "options", "files", "error", "message"),
    [
        (TOOL, None, "onnx", CaffeError, r"own command: needs prototxt, caffemodel, found files 'onnx': onnx"),
        ({"name": "benchmark_app"}, None, "caffe", CaffeError, "benchmark_app: needs onnx"),
        (
            {"name": "stopwatch"},
            None,
            "all",
            CaffeError,
            "tool: found 'stopwatch', expected one of benchmark_app, .*own",
        ),
        ({"name": "own", "command": "t", "pattern": "(x)"}, None, "all", CaffeError, "found no network"),
        ({"name": "benchmark_app"}, Options(device="tpu"), "onnx", UnsupportedError, "device: found 'tpu'"),
    ],
)
def test_what_does_not_go_together(tool, options, files, error, message, tmp_path):
    with pytest.raises(error, match=message):
        write_export(plan(SPACE, tool, options, files=files), tmp_path)
    assert not list(tmp_path.rglob("*.*"))


def test_a_full_disk_is_seen_before_or_leaves_an_export_to_be_finished(tmp_path, monkeypatch):
    planned = plan(SPACE, TOOL, files="caffe")
    monkeypatch.setattr(exporting.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(FileError, match=r"the files need about [\d,]+ bytes, the disk has 1,000 left"):
        write_export(planned, tmp_path)
    assert not contents_of(tmp_path)
    monkeypatch.undo()
    # A limit on the size of files stands in for a disk that others fill meanwhile.
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(FileError, match=r"caffemodel: cannot be written: File too large"):
            write_export(planned, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents_of(tmp_path) and not (tmp_path / "index.json").exists() and not (tmp_path / "measure.sh").exists()
    export, _ = write_export(planned, tmp_path)
    assert read_export(tmp_path) == export
    assert len(contents_of(tmp_path)) == planned.files


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"file/networks: cannot be made"):
        write_export(plan(SPACE, TOOL, files="caffe"), tmp_path / "file")


@pytest.mark.parametrize("content", [b"", b"a", b"123456789", bytes(range(256)) * 300])
def test_checksums_are_those_of_the_system(content):
    if shutil.which("cksum") is None:
        pytest.skip("no cksum here")
    done = subprocess.run(["cksum"], input=content, capture_output=True, check=True)
    assert done.stdout.decode().split() == [str(cksum(content)), str(len(content))]


def test_the_checksum_of_nothing():
    """`cksum </dev/null`, on any system."""
    assert cksum(b"") == 4294967295


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-200], "not an export"),
        (lambda text: "[]", "format: found 'None', expected 'dongfeng export 1'"),
        (lambda text: text.replace("dongfeng export 1", "dongfeng export 9"), "format: found 'dongfeng export 9'"),
        (lambda text: text.replace('"rounds": 3', '"rounds": 2'), "id: found .* it was changed"),
        (lambda text: text.replace('"kind": "part"', '"kind": "port"', 1), "id: found .* it was changed"),
        (lambda text: text.replace('"networks": [', '"others": ['), "not a whole export: KeyError: 'networks'"),
        (lambda text: text.replace('"crc"', '"sum"'), "not a whole export: TypeError"),
    ],
)
def test_an_index_that_was_changed_is_refused(change, message, tmp_path):
    write_export(plan(SPACE, TOOL, files="caffe"), tmp_path)
    path = tmp_path / "index.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(FormatError, match=rf"index\.json: {message}"):
        read_export(tmp_path)
