"""Parts that a latency table lacks: refused in one way by all commands, with the command that adds them."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.generator.parts import Part

if TYPE_CHECKING:
    from search.latency.table import LatencyTable
    from search.spaces import Space


def check_space(space: Space, table: LatencyTable, path: Path) -> None:
    """UnsupportedError where the table, which lies at `path`, lacks parts of a space."""
    from search.latency.predicting import space_parts

    otherwise = _by_neighbours(space, table, path)
    check_parts(space_parts(space).values(), "the space", f"--space {space}", table, path, otherwise)


def _by_neighbours(space: Space, table: LatencyTable, path: Path) -> str:
    """What tells all that the table lacks without another measurement; nothing where nothing does."""
    from search import TieredSpace

    if not isinstance(space, TieredSpace):
        return ""
    try:
        table.interpolated(space)
    except UnsupportedError:
        return ""
    file = shlex.quote(str(path))
    return f", or `dongfeng profile interpolate {file} --space {space} -o {file}` tells them by their neighbours"


def check_parts(
    needed: Collection[Part], subject: str, option: str, table: LatencyTable, path: Path, otherwise: str = ""
) -> None:
    """UnsupportedError where the table, which lies at `path`, lacks some of the parts `needed`.

    It says how many, what to do, and which. `subject` is what messages call their network or space, `option` what
    names it on a command line: "--space CODE", "--network NAME --input-size HxW". `otherwise` is what else may be done.
    """
    from search.latency.measuring import input_shapes

    missing = table.missing(needed)
    if missing:
        shapes = [tuple(shape) for shape in table.origin.get("input_shapes", ())]
        # The first part is the stem, whose input is the network's.
        known = next(iter(input_shapes(next(iter(needed)).net).values())) in shapes
        made = " and ".join("x".join(map(str, shape[2:])) for shape in shapes)
        size = f", which was made for inputs of {made}" if made and not known else ""
        raise UnsupportedError(
            f"{path}: {len(missing)} of the {len({part.key for part in needed})} parts of {subject} are not in the "
            f"table{size}; {how_to_add(option, table, path)}{otherwise}; {'; '.join(missing)}"
        )


def how_to_add(option: str, table: LatencyTable, path: Path) -> str:
    """What to do for more parts, by how the table was made (see LatencyTable.origin); `option` as in `check_parts`."""
    method, file = table.origin.get("method", "measured"), shlex.quote(str(path))
    if method == "measured":
        words = f"{option} {_engine_options(table)} -o {file}"
        return f"on the device that it was made on, `dongfeng profile measure {words}` adds them"
    if method == "log":
        return f"`dongfeng profile log LOG --network NETWORK -o {file}` adds those of another network's log"
    if method == "imported":
        return f"`dongfeng profile export {option} --tool TOOL --out FOLDER` begins a table that has them"
    if method == "fitted":
        words = f"TIMES.csv {option} --device-name {shlex.quote(str(table.target.get('device', 'NAME')))} -o {file}"
        return f"`dongfeng profile fit {words}` makes it anew, from the same times, with them"
    return f"it was made in another way ({method}): from networks that have them, make it anew"


def _engine_options(table: LatencyTable) -> str:
    """The options of `options.add_engine`, and --batch, that make the table's target again."""
    target = table.target
    # A target names the device and the numbers in the engine's words; the origin has them as they were asked for.
    asked = table.origin.get("options", {name: target.get(name) for name in ("threads", "precision", "batch")})
    on_cpu = asked.get("device", "cpu") == "cpu"
    found = {
        "engine": target.get("engine", "torch"),
        "threads": asked.get("threads") or (target.get("threads") if on_cpu else None),
        "engine-device": None if on_cpu else asked["device"],
        "precision": asked.get("precision") if asked.get("precision") != "float32" else None,
        "batch": asked.get("batch") if asked.get("batch") != 1 else None,
    }
    return " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in found.items() if value)
