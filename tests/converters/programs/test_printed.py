"""Numbers as programs print them."""

import pytest

from converters.programs.printed import milliseconds
from prototxt_gen.errors import FormatError


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        (["0.25", "1e-05", "3", "12.5"], [0.25, 1e-5, 3, 12.5]),
        (["0,25", "3", "12,5"], [0.25, 3, 12.5]),
        (["1.234,5", "0,25"], [1234.5, 0.25]),
        (["1,234.5", "6,354"], [1234.5, 6354]),
        (["0,563168", "6,354"], [0.563168, 6.354]),
        (["1,37754e-05"], [1.37754e-5]),
    ],
)
def test_decimal_points_and_commas(printed, found):
    assert milliseconds([(f"row {place}", text) for place, text in enumerate(printed)], "log") == pytest.approx(found)


@pytest.mark.parametrize("text", ["nan", "-nan", "inf", "-0.5", "1.#QNAN", "", "0x", "1.2.3", "12,34,5"])
def test_what_is_no_time_is_named(text):
    with pytest.raises(FormatError, match=r"^log: times: expected milliseconds, at least 0; found conv1: "):
        milliseconds([("data", "0"), ("conv1", text), ("conv2", "1.5")], "log")


def test_all_of_them_are_listed_up_to_eight():
    with pytest.raises(FormatError, match=r"found 0: nan; 1: nan; .*7: nan; and 3 more$"):
        milliseconds([(str(place), "nan") for place in range(11)], "log")
