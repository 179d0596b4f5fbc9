"""What comes back from a device: the table, and everything that makes results unfit for one, named by file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from statistics import median

import pytest

from prototxt_gen.errors import FileError, FormatError, UnsupportedError
from search.latency import Entry, LatencyTable
from search.latency.far import import_times, plan, read_export, write_export
from search.spaces import BackboneSpace

SPACE = BackboneSpace(depths=((1, 2), (1, 1)), widths=(8, 16), stem=(4, 4), classes=3, input_shape=(1, 3, 32, 32))


def ms_in(path: Path) -> float:
    return float(re.search(r"avg: (\S+) ms", path.read_text())[1])


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def set_ms(path: Path, ms: object) -> None:
    path.write_text(re.sub(r"avg: \S+ ms", f"avg: {ms} ms", path.read_text()))


@pytest.fixture
def fault(came_back):
    """Imports what has been changed; gives what is said against it."""

    def refused(*results, **options) -> str:
        with pytest.raises(FormatError) as fault:
            import_times(came_back, results, **options)
        return str(fault.value)

    return refused


def test_there_and_back(came_back):
    """The tool's times are bytes of files: those of the parts are in the table, and sums are the whole networks'."""
    export = read_export(came_back)
    imported = import_times(came_back)
    table = imported.table
    for network in export.networks:
        if network.kind == "part":
            entry = table.entries[network.key]
            ms = network.files["onnx"].bytes / 1000
            assert entry == Entry(ms, (ms, ms), 2, network.label, (ms, ms))
    assert table.call_ms == export.networks[0].files["onnx"].bytes / 1000
    assert len(imported.checks) == 2
    for code, predicted, measured in imported.checks:
        network = next(network for network in export.networks if network.code == code)
        assert measured == network.files["onnx"].bytes / 1000
        assert predicted == table.predict(code, SPACE.input_shape) == pytest.approx(measured, rel=0.1)
    assert (imported.left_out, imported.missing) == ([], [])
    assert table.predictor(SPACE)(next(SPACE.vectors())).min() > 0


def test_the_table_says_where_its_times_come_from(came_back, tmp_path):
    session = came_back / "results" / "session-1.txt"
    change(session, "\ndevice ", "\ndevice NVIDIA Jetson Orin Nano Developer Kit")
    change(session, "\npower ", "\npower NV Power Mode: 15W")
    for path, degrees in zip(sorted(came_back.glob("results/round-1/0*.txt")), (41000, 47500), strict=False):
        path.write_text(re.sub(r"\ntemperature .*", f"\ntemperature {degrees}", path.read_text()))
    table = import_times(came_back).table
    table.save(tmp_path / "table.json")
    loaded = LatencyTable.load(tmp_path / "table.json")
    target = loaded.target
    assert target["engine"] == "own" and target["command"] == "mytool {onnx} {iterations}"
    assert target["device"].startswith("NVIDIA Jetson Orin Nano Developer Kit")
    assert target["power"] == "NV Power Mode: 15W"
    assert target["versions"]["own"] == "mytool 1.0"
    assert (target["precision"], target["batch"], target["unit"]) == ("float32", 1, "cpu")
    origin = loaded.origin
    assert (origin["method"], origin["rounds"], origin["export"]) == ("imported", 2, read_export(came_back).id)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", origin["date"]) and origin["of"] == f"space {SPACE}"
    assert origin["degrees"][1] >= 47.5 and len(origin["check"]) == 2
    assert import_times(came_back, device="Pixel 8").table.target["device"] == "Pixel 8"


def test_an_entry_is_the_median_of_its_rounds(came_back):
    network = next(network for network in read_export(came_back).networks if network.kind == "part")
    set_ms(came_back / "results" / "round-1" / f"{network.name}.txt", 3.0)
    set_ms(came_back / "results" / "round-2" / f"{network.name}.txt", "4.0 ms avg: 5.0 ms avg: 9.0")
    entry = import_times(came_back).table.entries[network.key]
    assert entry.ms == median([3.0, 5.0]) and entry.quartiles == (3.5, 4.5)


def test_several_folders_of_the_same_device_are_more_rounds(came_back, tmp_path):
    other = shutil.copytree(came_back / "results", tmp_path / "more")
    table = import_times(came_back, [came_back / "results", other]).table
    assert {entry.samples for entry in table.entries.values()} == {4}


def test_everything_that_is_missing_is_listed(came_back, fault):
    networks = read_export(came_back).networks
    (came_back / "results" / "round-1" / f"{networks[2].name}.txt").unlink()
    for number in (1, 2):
        (came_back / "results" / f"round-{number}" / f"{networks[4].name}.txt").unlink()
    said = fault()
    assert said == f"{networks[2].name} (round 1): missing; {networks[4].name} (round 1, 2): missing"
    imported = import_times(came_back, partial=True)
    assert networks[4].key not in imported.table.entries and networks[2].key in imported.table.entries
    assert imported.missing == list(imported.table.origin["failed"].values()) == said.split("; ")
    with pytest.raises(UnsupportedError, match=rf"{networks[4].label} \(failed: .*missing\)"):
        imported.table.predictor(SPACE)


def test_a_whole_round_that_is_missing(came_back, fault):
    shutil.rmtree(came_back / "results" / "round-2")
    assert fault().count("(round 2): missing") == 14
    (came_back / "results").rename(came_back / "elsewhere")
    with pytest.raises(FileError, match=r"results: is not there"):
        import_times(came_back)
    (came_back / "results").mkdir()
    with pytest.raises(FileError, match=r"results: has no results in it: run the export's measure\.sh"):
        import_times(came_back)
    (came_back / "elsewhere" / "round-1").rename(came_back / "results" / "round-1")
    assert "results: found no session-1.txt, expected what the script wrote" in fault()


def test_a_network_that_failed_is_named_with_what_it_said(came_back, fault):
    network = read_export(came_back).networks[4]
    for number in (1, 2):
        path = came_back / "results" / f"round-{number}" / f"{network.name}.txt"
        change(path, "\nend 0", "\nend 139")
        path.rename(path.with_suffix(".failed"))
    assert f"{network.name} (round 1, 2): failed, {path.with_suffix('.failed')} says why" in fault()
    imported = import_times(came_back, partial=True)
    assert network.key not in imported.table.entries and len(imported.table.entries) == 10
    assert "failed" in imported.missing[0]


def test_results_of_another_export(came_back, tmp_path, fault):
    other, _ = write_export(plan(SPACE, {"name": "benchmark_app"}, files="onnx"), tmp_path / "other")
    path = came_back / "results" / "round-2" / "000-call.txt"
    mine = read_export(came_back).id
    change(path, mine, other.id)
    assert f"{path}: found export {other.id}, expected {mine}: of another export" in fault()
    assert f"{path}: found export" in fault(partial=True)


@pytest.mark.parametrize(
    ("field", "found", "title"),
    [
        ("checksum", "1 2", "another build of the tool"),
        ("version", "mytool 2.0", "another version of the tool"),
        ("system", "Linux 9.9 mips", "another system"),
        ("device", "Camera 3", "another device"),
        ("governor", "powersave", "another governor of the clock"),
    ],
)
def test_sessions_that_do_not_belong_together(field, found, title, came_back, fault):
    second = came_back / "results" / "session-2.txt"
    shutil.copy(came_back / "results" / "session-1.txt", second)
    assert f"{second}: found session 1, which is not what its name says" in fault()
    change(second, "\nsession 1", "\nsession 2")
    second.write_text(re.sub(rf"\n{field} ?.*", f"\n{field} {found}", second.read_text()))
    path = came_back / "results" / "round-2" / "000-call.txt"
    change(path, "session 1", "session 2")
    assert f"{second}: {title}: found {found}, {came_back / 'results' / 'session-1.txt'} has " in fault()
    second.unlink()
    assert f"{second}: missing, and results name it" in fault()


def test_runs_that_say_another_version(came_back, tmp_path):
    """OpenVINO's tool says its own version in each output."""
    folder = tmp_path / "openvino"
    export, _ = write_export(
        plan(BackboneSpace(((1, 1),), (8,), stem=(4, 4)), {"name": "benchmark_app"}, rounds=1), folder
    )
    output = (Path(__file__).parents[3] / "converters/programs/outputs/benchmark_app-2026.4-block.txt").read_text()
    session = (came_back / "results" / "session-1.txt").read_text()
    (folder / "results" / "round-1").mkdir(parents=True)
    (folder / "results" / "session-1.txt").write_text(session.replace(read_export(came_back).id, export.id))
    names = [network.name for network in export.networks]
    for name in [*names, "reference-1", "reference-2", "reference-3"]:
        network = export.reference if name.startswith("reference") else name
        (folder / "results" / "round-1" / f"{name}.txt").write_text(
            f"dongfeng result 1\nexport {export.id}\nsession 1\nround 1\nnetwork {network}\niterations 5\n"
            f"temperature \nbegun 1\noutput\n{output}\nend 0\n"
        )
    target = import_times(folder).table.target
    assert target["versions"]["openvino"].startswith("2026.4") and target["threads"] == 1
    path = folder / "results" / "round-1" / f"{names[-1]}.txt"
    change(path, "2026.4.1-22982", "2023.3.0-13775")
    change(path, "INFERENCE_NUM_THREADS: 1", "INFERENCE_NUM_THREADS: 8")
    with pytest.raises(FormatError) as fault:
        import_times(folder)
    assert f"{path}: openvino: found 2023.3.0" in str(fault.value) and "threads: found 8" in str(fault.value)


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        ("nan", "found a time of 'nan' ms, expected a number above 0"),
        ("0", "found a time of '0' ms"),
        ("0.000", "found a time of '0.000' ms"),
        ("inf", "found a time of 'inf' ms"),
        ("--", "found nothing like"),
    ],
)
def test_what_is_no_time(ms, said, came_back, fault):
    network = read_export(came_back).networks[3]
    path, other = (came_back / "results" / f"round-{number}" / f"{network.name}.txt" for number in (1, 2))
    for each in (path, other):
        before = each.read_text()
        set_ms(each, ms)
    assert re.fullmatch(rf"{path}: {re.escape(said)}.*; {other}: {re.escape(said)}.*", fault())
    other.write_text(before)
    imported = import_times(came_back, partial=True)
    assert imported.table.entries[network.key].samples == 1 and str(path) in imported.missing[0]


def test_outputs_that_are_cut_off(came_back, fault):
    paths = sorted((came_back / "results" / "round-1").glob("0*.txt"))[:4]
    texts = [path.read_text() for path in paths]
    paths[0].write_text("")
    paths[1].write_text(texts[1][:40])
    paths[2].write_text(texts[2][:-3])
    paths[3].write_text(texts[3].replace("network ", "netwerk "))
    said = fault()
    assert f"{paths[0]}: found no" in said and f"{paths[1]}: found no" in said
    assert f"{paths[2]}: found no 'end 0' in its last line, expected it: cut off" in said
    assert f"{paths[3]}: found no 'network', expected a text of the script" in said


def test_a_result_under_another_name(came_back, fault):
    first, second = sorted((came_back / "results" / "round-1").glob("0*.txt"))[3:5]
    shutil.copy(first, second)
    assert f"{second}: found round 1, network {first.stem}, which is not what its name says" in fault()


def test_networks_that_were_changed_after_the_export(came_back, fault):
    first, second = sorted((came_back / "networks").iterdir())[:2]
    first.write_bytes(first.read_bytes() + b" ")
    second.unlink()
    said = fault()
    assert f"{first}: was changed after the export" in said and f"{second}: cannot be read" in said


def test_a_device_that_slows_down_in_the_middle(came_back, tmp_path, fault):
    """The rounds are named and left out; the rest is kept."""
    blocks = came_back
    third = shutil.copytree(blocks / "results", tmp_path / "more")
    for path in (third / "round-2").glob("*.txt"):
        set_ms(path, ms_in(path) * 1.4)
    imported = import_times(blocks, [blocks / "results", third])
    assert len(imported.left_out) == 1 and {entry.samples for entry in imported.table.entries.values()} == {3}
    name = read_export(blocks).reference
    assert re.fullmatch(
        rf"{third}/round-2: the reference {name} took \S+ ms, \S+ ms in the median of all rounds: 40% off, "
        "at most 10% counts as steady",
        imported.left_out[0],
    )
    assert imported.table.origin["left_out"] == imported.left_out
    assert import_times(blocks, [blocks / "results", third], drift=0.5).left_out == []
    # One slow run among many is other work on the device.
    steady = blocks / "results"
    set_ms(steady / "round-1" / "reference-2.txt", 2 * ms_in(steady / "round-1" / "reference-2.txt"))
    assert import_times(blocks).left_out == []
    # Slower and slower: no round is like another.
    for factor, name in enumerate(("round-1/reference-1", "round-1/reference-2", "round-1/reference-3"), 1):
        set_ms(steady / f"{name}.txt", factor)
    for factor, name in enumerate(("round-2/reference-1", "round-2/reference-2", "round-2/reference-3"), 4):
        set_ms(steady / f"{name}.txt", factor)
    said = fault()
    assert "no round is steady: let the device cool down, or allow more drift" in said
    assert "missing" not in said  # the times are there


def test_a_pattern_that_was_wrong_needs_no_new_measurement(came_back):
    for path in came_back.glob("results/round-*/*.txt"):
        change(path, "avg: ", "mean of runs = ")
        change(path, " ms\n", " \n")
    with pytest.raises(FormatError, match="found nothing like"):
        import_times(came_back)
    table = import_times(came_back, pattern=r"mean of runs = ([0-9.]+)", unit="us").table
    files = {network.key: network.files["onnx"].bytes for network in read_export(came_back).networks}
    assert all(entry.ms == pytest.approx(files[key] / 1e6) for key, entry in table.entries.items())


def test_a_call_never_costs_more_than_a_part(came_back):
    for path in came_back.glob("results/round-*/000-call.txt"):
        set_ms(path, 1000)
    table = import_times(came_back).table
    assert table.call_ms == min(entry.ms for entry in table.entries.values())


def test_whole_networks_correct_what_parts_by_themselves_do_not_tell(came_back, tmp_path):
    """A device on which a network takes a fifth more than its parts."""
    whole = [network for network in read_export(came_back).networks if network.kind == "network"]
    plain = import_times(came_back).table
    assert plain.correction is None
    for network in whole:
        for path in came_back.glob(f"results/round-*/{network.name}.txt"):
            set_ms(path, 1.2 * plain.predict(network.code, network.shape))
    imported = import_times(came_back, corrected=True)
    assert imported.agreement.mean_error == pytest.approx(1 - 1 / 1.2, abs=1e-3)
    assert imported.table.correction.networks == tuple(network.code for network in whole)
    imported.table.save(tmp_path / "t.json")
    table = LatencyTable.load(tmp_path / "t.json")
    for code, predicted, measured in imported.checks:
        assert table.predict(code, SPACE.input_shape) == pytest.approx(measured, rel=0.01)
        assert table.predict(code, SPACE.input_shape, corrected=False) == pytest.approx(predicted)
    for path in came_back.glob(f"results/round-*/{whole[0].name}.txt"):
        path.unlink()
    with pytest.raises(UnsupportedError, match="found 1 whole networks, expected at least 2: export with --check"):
        import_times(came_back, partial=True, corrected=True)


def test_what_windows_and_interrupted_scripts_leave(came_back):
    path = came_back / "results" / "round-1" / "000-call.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (path.parent / "001.txt.part").write_text("dongfeng result 1\n")
    (came_back / "results" / "notes.md").write_text("mine")
    assert import_times(came_back).missing == []
