"""docs/targets.md is what the files of targets and the zoo say today, and what it shows works."""

from __future__ import annotations

import re
import runpy

import pytest

from caffe_zoo import list_models
from converters.targets.checking import check_target
from converters.targets.reading import list_targets, read_target
from prototxt_gen import read_prototxt
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text
from tools.targets_page import PATH, answer, page

TEXT = PATH.read_text("utf-8") if PATH.exists() else ""


def answers() -> dict[tuple[str, str], str]:
    """What the page says of each network on each target."""
    found = {}
    for table in re.findall(r"^\| target \| `.*\n\|-.*\n(?:\|.*\n)+", TEXT, re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines())
        for target, *cells in rows:
            for networks, cell in zip(head[1:], cells, strict=True):
                for network in re.findall(r"`(.+?)`", networks):
                    found[network, target[1:].partition("]")[0]] = cell
    return found


def kept(network: str, target: str) -> str:
    """The page's own answer; rewriting every network for every target is for long tests."""
    return answers().get((network, target), "not in the page")


def test_the_page_is_current_but_for_rewritten_networks():
    said = answers()
    assert page(lambda network, target: said.get((network, target), "not there")) == TEXT, "run: make pages"
    assert said.keys() == {(network, target) for network in list_models() for target in list_targets()}


@pytest.mark.parametrize(
    ("network", "target"),
    [
        *(("df1", target) for target in list_targets()),
        ("df1seg", "ascend"),
        ("df1seg", "release"),
        ("ponas_a", "rknn2"),
        ("pl1a_seg", "opencv4"),
        ("gpunet_p1", "horizon-x3"),
    ],
)
def test_networks_are_as_the_page_says(network, target):
    assert answer(network, target) == kept(network, target), "run: make pages"


@pytest.mark.slow
def test_the_whole_page_is_current():
    assert page() == TEXT, "run: make pages"


def test_every_statement_is_in_it():
    for name in list_targets():
        target = read_target(name)
        _, _, section = TEXT.partition(f"\n## {name}\n")
        section = section.partition("\n## ")[0]
        assert target.version in section and target.date in section
        assert all(kind in section for kind in target.rows)
        assert all(f"`{rule.field}`" in section for rule in target.rules)
        assert all(f"- *{source.key}*: " in section for source in target.sources.values())
        assert all(f"{field} {number}" in section for field, number in target.fields.numbers.items())


def pooling(kind: str, size: int, bottoms: int = 1) -> NetParameter:
    text = "".join(
        f'layer {{ name: "in{index}" type: "Input" top: "in{index}"'
        " input_param { shape { dim: 1 dim: 4 dim: 300 dim: 300 } } }\n"
        for index in range(bottoms)
    )
    options = f"pooling_param {{ pool: {kind} kernel_size: {size} }}"
    return parse_text(
        text + f'layer {{ name: "it" type: "Pooling" bottom: "in0" top: "out" {options} }}', NetParameter()
    )


def test_the_example_of_a_file_corrects_its_base(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / "my_ipu.yaml"
    path.write_text(text, "utf-8")
    own, base = read_target(path), read_target("sigmastar")
    assert own.title == "SigmaStar SGS (IPU230)" and own.version == "S03.0.8"
    assert {*own.rows} - {*base.rows} == {"Axpy", "ShuffleChannel"}
    for kind, size, passed_before, passes in [
        ("AVE", 19, True, True),
        ("AVE", 20, False, True),
        ("AVE", 110, False, True),
        ("AVE", 111, False, False),
        ("MAX", 255, False, True),
        ("MAX", 256, False, False),
    ]:
        assert check_target(pooling(kind, size), base).passed is passed_before
        assert check_target(pooling(kind, size), own).passed is passes
    by_id = {rule.id: rule for rule in own.rules}
    assert by_id["Concat.bottom"].needs.text == "bottoms <= 1024"
    assert by_id["Concat.bottom"].source.key == "ipu230"
    assert by_id["Eltwise.coeff"] == {rule.id: rule for rule in base.rules}["Eltwise.coeff"]


def test_the_lines_of_python_run(capsys, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.py").write_text(code, "utf-8")
    runpy.run_path("lines.py")
    assert "Pooling" in capsys.readouterr().out
    assert check_target(read_prototxt("board.prototxt"), read_target("ascend")).passed
