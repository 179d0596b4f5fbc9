"""dongfeng profile convert: to Once-for-All's form and back."""

import pytest

from caffe_zoo.cli import main
from prototxt_gen import parts
from search import LatencyTable
from search.latency import Entry


@pytest.fixture
def table(tmp_path):
    entries = {
        part.key: Entry(1.5, (1.5, 1.5), 9, part.label) for part in parts("m32_i1.16e1_i24e6q_h80_c10", (1, 3, 64, 64))
    }
    LatencyTable({"engine": "torch"}, entries).save(tmp_path / "table.json")
    return tmp_path


def test_out_and_in(table, capsys):
    assert main(["profile", "convert", str(table / "table.json"), str(table / "table.yaml")]) == 0
    out, left = capsys.readouterr().out.splitlines()
    assert out.endswith("table.yaml: 4 entries, from 3 of 4 parts")
    assert left.startswith("left out parts: 1 because squeeze-and-excitation ends in a sigmoid here")
    back = ["profile", "convert", str(table / "table.yaml"), str(table / "back.json"), "--device-name", "Pixel 1"]
    assert main(back) == 0
    assert capsys.readouterr().out.endswith("back.json: 3 parts, from 4 of 4 entries\n")
    assert LatencyTable.load(table / "back.json").target["device"] == "Pixel 1"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["table.json", "other.json"], "expected one name that ends in .json and one in .yaml"),
        (["table.txt", "other.yaml"], "expected one name that ends in .json and one in .yaml"),
        (["table.json", "other.yaml", "--device-name"], "says its device itself"),
        (["none.json", "other.yaml"], "none.json: cannot be read"),
        (["none.yml", "other.json"], "none.yml: cannot be read"),
    ],
)
def test_faults_are_one_line_and_nothing_is_written(table, capsys, names, said):
    paths = [str(table / name) if "." in name else name for name in names]
    assert main(["profile", "convert", *paths, *(["x"] if "--device-name" in names else [])]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert [path.name for path in table.iterdir()] == ["table.json"]
