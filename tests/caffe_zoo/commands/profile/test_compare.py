"""dongfeng profile compare."""

import pytest

from caffe_zoo.cli import main
from prototxt_gen import parts
from search import LatencyTable
from search.latency import Entry


@pytest.fixture
def tables(tmp_path):
    """Two tables of the same parts, the second of which is twice as fast."""
    for name, factor, threads in (("one", 1.0, 1), ("two", 0.5, 2)):
        entries = {
            part.key: Entry(factor * ms, (factor * ms, factor * ms), 9, part.label)
            for ms, part in enumerate(parts("s4-8_b8x2_c10", (1, 3, 32, 32)), 1)
        }
        LatencyTable({"engine": "torch", "threads": threads}, entries).save(tmp_path / f"{name}.json")
    return tmp_path


def test_two_tables(tables, capsys):
    assert main(["profile", "compare", str(tables / "one.json"), str(tables / "two.json"), "--top", "1"]) == 0
    printed = capsys.readouterr().out
    assert "4 common parts\nmedian ratio 0.500 (" in printed
    assert printed.count(" ms") == 2 and len(printed.splitlines()) == 9


def test_plot(tables, capsys):
    pytest.importorskip("matplotlib")
    paths = [str(tables / name) for name in ("one.json", "two.json", "a.png")]
    assert main(["profile", "compare", *paths[:2], "--plot", paths[2]]) == 0
    assert (tables / "a.png").read_bytes().startswith(b"\x89PNG")
    assert f"wrote {tables / 'a.png'}" in capsys.readouterr().out


def test_nothing_in_common_is_one_line(tables, capsys):
    entries = {part.key: Entry(1.0, (1.0, 1.0), 9, part.label) for part in parts("s4-8_b8_c10", (1, 3, 64, 64))}
    LatencyTable({"engine": "torch"}, entries).save(tables / "other.json")
    assert main(["profile", "compare", str(tables / "one.json"), str(tables / "other.json")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.endswith("they are for other input sizes: 32x32 and 64x64\n")
