"""Tables of plain text: columns that line up."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[object]], right: Collection[int] = (), gap: str = "  ") -> list[str]:
    """One line for each row, every column as wide as its widest cell, without spaces at the end.

    All rows have equally many cells; the columns in `right`, by index, are set to the right, as numbers are.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        gap.join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
