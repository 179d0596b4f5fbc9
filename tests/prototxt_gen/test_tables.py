"""Tables of plain text."""

from prototxt_gen.tables import aligned


def test_columns_line_up_and_numbers_stand_to_the_right() -> None:
    assert aligned([("layer", "n"), ("a", 1200), ("", 7)], right=(1,)) == ["layer     n", "a      1200", "          7"]


def test_no_spaces_at_the_end() -> None:
    assert aligned([("a", "long"), ("b", "c")], gap=" ") == ["a long", "b c"]


def test_a_table_without_rows_has_no_lines() -> None:
    assert aligned([]) == []
