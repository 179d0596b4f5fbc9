"""docs/spaces.md: its file and its codes are spaces, its table is that of the package, its fields are those read."""

import re
from pathlib import Path

from search.spaces import documents, packaged_names, parse_space, read_space

PAGE = Path(__file__).parents[1] / "docs" / "spaces.md"


def test_the_files_are_spaces(tmp_path):
    texts = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    spaces = []
    for text in texts:
        (tmp_path / "space.yaml").write_text(text)
        spaces.append(read_space(tmp_path / "space.yaml"))
    assert [space.count() > 1000 for space in spaces] == [True, True, True]
    assert f"The space of the file above is `{spaces[1]}`." in PAGE.read_text()
    assert f"The space of its file above is `{spaces[2]}`." in PAGE.read_text()


def test_codes_of_whole_spaces():
    codes = re.findall(r"`(\S+_i\d+x\d+x\d+)`", PAGE.read_text())
    assert codes and all(str(parse_space(code)) == code for code in codes)


def test_the_table_of_the_package():
    (table,) = re.findall(r"\| name \|.*?\n\n", PAGE.read_text(), re.DOTALL)
    rows = re.findall(r"^\| (`[a-z0-9-]+`(?:, `[a-z0-9-]+`)*) \| ([0-9,]+)", table, re.MULTILINE)
    told = {name.strip("` "): int(count.replace(",", "")) for names, count in rows for name in names.split(",")}
    assert told == {name: parse_space(name).count() for name in packaged_names()}


def test_all_fields_are_told_of():
    told = set(re.findall(r"`(?:…|[a-z_]+\.)?([a-z_]+)`", PAGE.read_text()))
    fields = {*documents._FILE, *documents._BACKBONE, *documents._DECODER, *documents._STAGE, *documents._PYRAMID}
    fields |= {*documents._PONAS, *documents._LAYER, *documents._COMBINED, *documents._TIERED, *documents._TIERED_STAGE}
    assert fields - told == {"decoder"} - told
