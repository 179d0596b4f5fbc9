"""A table of accuracies within a cut space: every network is expected to be as accurate as before."""

import pytest

from prototxt_gen.errors import ArchitectureError
from search.cutting import cut_space
from search.spaces import parse_space
from search.strategies.accuracy_table import AccuracyTable, named_rows
from search.strategies.choosing import TableChoices, table_within
from tests.search.own_targets import own_target

SPACE = parse_space("m8_i8e1_i12e1-2_i16e1-2k3-5_h32_c10_i3x16x16")


@pytest.mark.parametrize("power", [1.0, 0.0, -0.5])
def test_networks_of_a_cut_space_are_expected_to_be_as_before(tmp_path, power):
    codes = [[str(unit) for unit in SPACE.layers[layer].candidates] for layer in SPACE.rows]
    accuracies = [[0.6, 0.7], [0.5, 0.62, 0.71, 0.8]]
    table = AccuracyTable(str(SPACE), named_rows(["layer 2", "layer 3"], codes, accuracies), 0.9, power)
    cut = cut_space(SPACE, own_target(tmp_path, [("Convolution", "kernel_h <= 3")]))
    made = table_within(table, cut.space)
    assert made.space == str(cut.space) and 0 < cut.after < cut.before
    whole, left = TableChoices(table), TableChoices(made)
    expected = {}
    for one in cut.space:
        before = table.expected(table.loss(_numbers(whole.space, one)))
        expected[one] = float(made.expected(made.loss(_numbers(left.space, one)))[0])
        assert expected[one] == pytest.approx(float(before[0]), abs=1e-12)
    assert left.choose().architecture == max(expected, key=expected.get)
    with pytest.raises(ArchitectureError, match=r"layer 3: found .*, expected some of"):
        table_within(made, SPACE)


def _numbers(space, architecture):
    import numpy as np

    return np.array([space.choices_of(architecture)])
