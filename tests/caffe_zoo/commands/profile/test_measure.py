"""dongfeng profile measure, predict and check, on this machine."""

import json

import pytest

from caffe_zoo.cli import main
from search import LatencyTable

SPACE = "s4-8_b1-2_b1-1_w8-16_c10_i3x32x32"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table measured by the command, as well as half a second allows."""
    pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("profile") / "latency.json"
    options = ["--space", SPACE, "--threads", "1", "--budget", "0.02", "--spread", "20%", "--correct", "4"]
    assert main(["profile", "measure", *options, "-o", str(path)]) in (0, 1)
    return path


def test_a_space_is_measured_and_corrected(table, capsys):
    found = LatencyTable.load(table)
    assert found.target["engine"] == "torch" and found.target["threads"] == 1
    assert found.origin["asked"] == {"subject": SPACE, "spread": 0.2, "budget": pytest.approx(1.2)}
    assert len(found.correction.networks) == 4
    options = ["--threads", "1", "--spread", "20%", "--budget", "0.02", "-o", str(table)]
    status = main(["profile", "measure", "--space", SPACE, *options])
    assert status in (0, 1) and f"{table}: {len(found.entries)} parts, spread at most" in capsys.readouterr().out
    assert LatencyTable.load(table).entries == found.entries


def test_predictions_with_the_share_of_each_part(table, capsys):
    code = "s4-8_b8x2_b16_c10"
    assert main(["profile", "predict", str(table), code, "--input-size", "32x32"]) == 0
    first, *rows = capsys.readouterr().out.splitlines()
    total = LatencyTable.load(table).predict(code, (1, 3, 32, 32))
    assert first == f"{code}: {total:.3f} ms"
    assert [row.split()[0] for row in rows] == ["every", "stem", "basic", "basic", "basic", "head"]
    assert sum(float(row.split()[-1].rstrip("%")) for row in rows) == pytest.approx(100, abs=0.5)
    assert sum(float(row.split()[-2]) for row in rows) == pytest.approx(total, abs=0.01)


def test_a_table_of_another_size_says_for_which_it_was_made(table, capsys):
    assert main(["profile", "predict", str(table), "s4-8_b8x2_b16_c10"]) == 2
    said = capsys.readouterr().err
    assert "made for inputs of 32x32" in said and "224x224" in said and said.count("\n") == 1


def test_a_check_states_its_figures(table, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    options = ["--space", SPACE, "--threads", "1", "--networks", "3", "--rounds", "2", "--limit", "10000%"]
    files = ["--json", str(tmp_path / "check.json"), "--plot", str(tmp_path / "scatter.png")]
    assert main(["profile", "check", str(table), *options, *files]) == 0
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "check.json").read_text())
    assert found["count"] == len(found["networks"]) == 3
    assert f"mean absolute error  {found['mean_error']:.2%}" in printed and found["worst_network"] in printed
    assert not {row["network"] for row in found["networks"]} & set(LatencyTable.load(table).correction.networks)
    assert (tmp_path / "scatter.png").read_bytes().startswith(b"\x89PNG")


def test_the_status_tells_when_a_prediction_is_beyond_the_limit(table, tmp_path, capsys):
    found = LatencyTable.load(table).plain()
    found.entries = {key: entry._replace(ms=entry.ms * 3) for key, entry in found.entries.items()}
    found.save(tmp_path / "wrong.json")
    options = ["--space", SPACE, "--threads", "1", "--networks", "2", "--rounds", "2"]
    assert main(["profile", "check", str(tmp_path / "wrong.json"), *options]) == 1
    assert "within 10 %          0%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("method", "instead"),
    [
        ("fitted", "`dongfeng profile fit` leaves"),
        ("imported", "`dongfeng profile export --check N`"),
        ("log", "where"),
    ],
)
def test_a_table_made_elsewhere_is_not_checked_here(table, tmp_path, capsys, method, instead):
    LatencyTable({"device": "NPU 9"}, LatencyTable.load(table).entries, origin={"method": method}).save(tmp_path / "t")
    assert main(["profile", "check", str(tmp_path / "t"), "--space", SPACE]) == 2
    said = capsys.readouterr().err
    assert f"found a table of NPU 9, {method}; expected" in said and instead in said and said.count("\n") == 1


def test_networks_are_measured_at_their_own_sizes(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "latency.json"
    codes = ["s4-8_b8_b16_c10", "s4-8_b8_b16_b32_p8-32_d16-8_u8_c5"]
    networks = [word for code in codes for word in ("--network", code)]
    # All parts are known so well after a moment, unless the machine is busy.
    options = ["--threads", "1", "--budget", "0.5", "--spread", "90%", "--input-size", "64x64"]
    main(["profile", "measure", *networks, *options, "-o", str(path)])
    table = LatencyTable.load(path)
    assert all(table.predict(code, (1, 3, 64, 64)) > 0 for code in codes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--space", SPACE, "--input-size", "32x32"], "--input-size is for --network"),
        (["--network", "df1", "--network", "df1seg", "--correct", "2"], "--correct is for networks of one size"),
        (["--space", SPACE, "--spread", "0"], "'0' is not a share above 0"),
        (["--space", SPACE, "--budget", "-1"], "'-1' is not a number of minutes above 0"),
        ([], "one of the arguments --space --network is required"),
    ],
)
def test_what_cannot_be_measured_is_one_line(tmp_path, capsys, options, message):
    arguments = ["profile", "measure", *options, "-o", str(tmp_path / "latency.json")]
    try:
        status = main(arguments)
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2 and message in capsys.readouterr().err
