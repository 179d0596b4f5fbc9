"""Spaces as small YAML files: read with every fault named by line and field, and written.

The fields are those of `BackboneSpace`, `DecoderSpace`, `PonasSpace` and `TieredSpace`; docs/spaces.md lists them. A
file has `space: 1`, the version of the form; `backbone`, either a mapping or the code of one backbone, with `decoder`
where the networks are segmentation networks, or else `ponas` or `tiered`; `classes` and `input_shape`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from converters.yaml_files import Field, Reader
from prototxt_gen.architectures import BLOCK_KINDS, FAMILIES, Backbone, Pyramid, Unit, parse_backbone
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.files import read_bytes, write_bytes
from search.spaces.backbones import BackboneSpace
from search.spaces.codes import parse_candidates
from search.spaces.decoders import DecoderSpace
from search.spaces.ponas import MOST_CANDIDATES, MOST_LAYERS, PonasLayer, PonasSpace, candidates_of, runs_of
from search.spaces.space import Space
from search.spaces.tiered import CONVOLUTION, INNER_KINDS, TieredSpace, TieredStage

_VERSION = 1
_RELEASED = Path(__file__).parent / "released"


@lru_cache(maxsize=1)
def packaged_names() -> tuple[str, ...]:
    """The names of the spaces in the package; `read_space` reads them."""
    return tuple(sorted(path.stem for path in _RELEASED.glob("*.yaml")))


def read_space(path: str | os.PathLike[str]) -> Space:
    """The space of a YAML file, or of one in the package, by its name.

    FileError when the file cannot be read; FormatError lists every field that is missing, unknown or of another kind,
    with its line; ArchitectureError where the fields make no space.
    """
    source = os.fspath(path)
    text = read_bytes(_RELEASED / f"{source}.yaml" if source in packaged_names() else path)
    return _read(text, source)


def write_space(space: Space, path: str | os.PathLike[str]) -> None:
    """Writes a space as a YAML file, which `read_space` reads. FileError when it cannot be written."""
    write_bytes(path, space_text(space).encode())


def space_text(space: Space) -> str:
    """A space as the text of a YAML file."""
    if isinstance(space, BackboneSpace):
        return "\n".join([*_lines_of(space), f"classes: {space.classes}", _input_line(space), ""])
    if isinstance(space, PonasSpace):
        return "\n".join([*_lines_of_ponas(space), f"classes: {space.classes}", _input_line(space), ""])
    if isinstance(space, TieredSpace):
        return "\n".join([*_lines_of_tiered(space), f"classes: {space.classes}", _input_line(space), ""])
    if not isinstance(space, DecoderSpace):
        raise ArchitectureError(
            f"space: found {type(space).__name__}, expected a BackboneSpace, DecoderSpace, PonasSpace or TieredSpace"
        )
    backbone = space.backbone
    lines = _lines_of(backbone) if isinstance(backbone, BackboneSpace) else _head_lines(f" {backbone}")
    pyramid = space.pyramid
    lines += [
        "decoder:",
        "  # Of the deepest map first.",
        f"  channels: [{', '.join(str(list(allowed)) for allowed in space.channels)}]",
        f"  pyramid: {{width: {pyramid.width}, out_channels: {pyramid.out_channels}, bins: {list(pyramid.bins)}, "
        f"square: {_flag(pyramid.square)}}}",
        f"  separable: {_flag(space.separable)}",
        f"  upsampling: {space.upsampling}",
    ]
    return "\n".join([*lines, f"classes: {space.classes}", _input_line(space), ""])


def _head_lines(backbone: str) -> list[str]:
    return [f"space: {_VERSION}", f"backbone:{backbone}"]


def _input_line(space: Space) -> str:
    return f"input_shape: {list(space.input_shape[1:])}"


def _lines_of(space: BackboneSpace) -> list[str]:
    lines = _head_lines("")
    lines += [
        f"  family: {space.family}",
        f"  stem: {list(space.stem)}",
        f"  widths: {list(space.widths)}",
        "  stages:",
    ]
    for stage, (least, most) in enumerate(space.depths):
        unit = space.units[stage]
        fields: dict[str, object] = {"block": space.kinds[stage], "depth": [least, most]}
        fields |= {"stride": 1} if space.strides[stage] == 1 else {}
        fields |= {"widths": list(space.widths_of(stage))} if space.stage_widths else {}
        chosen = {name: value for name, value in (unit or Unit())._asdict().items() if value != Unit()._asdict()[name]}
        fields |= {name: _flag(value) if isinstance(value, bool) else value for name, value in chosen.items()}
        lines.append(f"    - {{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}")
    return lines + ([] if space.head is None else [f"  head: {space.head}"])


def _lines_of_ponas(space: PonasSpace) -> list[str]:
    shared, _ = Counter(layer.candidates for layer in space.layers if len(layer.candidates) > 1).most_common(1)[0]
    lines = [
        f"space: {_VERSION}",
        "ponas:",
        f"  family: {space.family}",
        f"  stem: {list(space.stem)}",
        f"  candidates: {_candidates_text(shared)}",
        "  layers:",
    ]
    for layer, times in runs_of(space.layers):
        fields: dict[str, object] = {"width": layer.width}
        fields |= {"stride": 2} if layer.stride == 2 else {}
        fields |= {"times": times} if times > 1 else {}
        fields |= {} if layer.candidates == shared else {"candidates": _candidates_text(layer.candidates)}
        lines.append(f"    - {{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}")
    return lines + ([] if space.head is None else [f"  head: {space.head}"])


def _lines_of_tiered(space: TieredSpace) -> list[str]:
    lines = [
        f"space: {_VERSION}",
        "tiered:",
        f"  family: {space.family}",
        f"  stem: {list(space.stem)}",
        f"  granularity: {space.granularity}",
        f"  expansion: {space.expansion}",
        *([] if space.knots is None else [f"  knots: {space.knots}"]),
        "  stages:",
    ]
    for stage in space.stages:
        fields: dict[str, object] = {"blocks": f"[{', '.join(stage.kinds)}]", "width": stage.width}
        fields |= {} if stage.depths == (1, 1) else {"depth": list(stage.depths)}
        fields |= {"stride": 1} if stage.stride == 1 else {}
        fields |= {"kernels": list(stage.kernels)}
        fields |= {"inner": list(map(list, stage.inner))} if stage.inner else {}
        lines.append(f"    - {{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}")
    return lines + ([] if space.head is None else [f"  head: {space.head}"])


def _candidates_text(candidates: Sequence[Unit]) -> str:
    """All combinations of lists as these, others one by one."""
    expansions, kernels, squeezes = (
        tuple(dict.fromkeys(getattr(unit, name) for unit in candidates)) for name in ("expansion", "kernel", "squeeze")
    )
    if len(candidates) > 1 and candidates_of(expansions, kernels, squeezes) == candidates:
        flags = ", ".join(map(_flag, squeezes))
        return f"{{expansion: {list(expansions)}, kernel: {list(kernels)}, squeeze: [{flags}]}}"
    return f"[{', '.join(map(str, candidates))}]"


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _whole(reader: Reader, node: Any, path: str) -> Any:
    value = reader.scalar(node, path, int, "a whole number")
    if value is not None and not 0 <= value <= 10**9:
        reader.fault(node, path, f"found {reader.shown(node)}, expected 0 to 1,000,000,000")
        return None
    return value


def _times(reader: Reader, node: Any, path: str) -> Any:
    value = reader.scalar(node, path, int, "a whole number")
    if value is not None and not 1 <= value <= MOST_LAYERS:
        reader.fault(node, path, f"found {reader.shown(node)}, expected 1 to {MOST_LAYERS}")
    return value


def _truth(reader: Reader, node: Any, path: str) -> Any:
    return reader.scalar(node, path, bool, "true or false")


def _numbers(reader: Reader, node: Any, path: str) -> tuple[int, ...]:
    return reader.items(node, path, _whole)


def _one_of(names: Mapping[str, Any]) -> Callable[[Reader, Any, str], Any]:
    def read(reader: Reader, node: Any, path: str) -> Any:
        value = reader.scalar(node, path, str, f"one of {', '.join(names)}")
        if value is not None and value not in names:
            reader.fault(node, path, f"found {value[:60]!r}, expected one of {', '.join(names)}")
        return value

    return read


def _count_of(number: int, meaning: str) -> Callable[[Reader, Any, str], Any]:
    def read(reader: Reader, node: Any, path: str) -> Any:
        found = _numbers(reader, node, path)
        if found and len(found) != number:
            reader.fault(node, path, f"found {len(found)} numbers, expected {meaning}")
        return found

    return read


_STAGE = {
    "block": Field(_one_of(BLOCK_KINDS), required=True),
    "depth": Field(_count_of(2, "the fewest and the most blocks, such as [1, 3]"), required=True),
    "widths": Field(_numbers),
    "stride": Field(_whole),
    "kernel": Field(_whole),
    "expansion": Field(_whole),
    "inner": Field(_whole),
    "squeeze": Field(_truth),
}


def _stages(reader: Reader, node: Any, path: str) -> tuple[dict[str, Any], ...]:
    return reader.items(node, path, lambda reader, item, at: reader.mapping(item, at, _STAGE))


_BACKBONE = {
    "family": Field(_one_of(FAMILIES)),
    "stem": Field(_numbers, required=True),
    "widths": Field(_numbers, required=True),
    "stages": Field(_stages, required=True),
    "head": Field(_whole),
}


def _backbone(reader: Reader, node: Any, path: str) -> Any:
    """A mapping as read, or a Backbone of a code; the classes may be left out, as decoders have their own."""
    if not reader.is_text(node):
        return reader.mapping(node, path, _BACKBONE)
    for code in (node.value, f"{node.value}_c1000"):
        try:
            return parse_backbone(code)
        except ArchitectureError as fault:
            told = fault
    reader.fault(node, path, str(told))
    return None


def _channels(reader: Reader, node: Any, path: str) -> Any:
    return reader.items(node, path, _numbers)


_PYRAMID = {
    "width": Field(_whole),
    "out_channels": Field(_whole),
    "bins": Field(_numbers),
    "square": Field(_truth),
}

_DECODER = {
    "channels": Field(_channels, required=True),
    "pyramid": Field(lambda reader, node, path: reader.mapping(node, path, _PYRAMID)),
    "separable": Field(_truth),
    "upsampling": Field(_whole),
}


_COMBINED = {
    "expansion": Field(_numbers, required=True),
    "kernel": Field(_numbers),
    "squeeze": Field(lambda reader, node, path: reader.items(node, path, _truth)),
}


def _candidates(reader: Reader, node: Any, path: str) -> Any:
    """Units: all combinations of a mapping's lists, as `candidates_of`, or those of a list of codes."""
    if reader.is_list(node):
        return reader.items(node, path, _unit)
    found = {"kernel": (3,), "squeeze": (False,)} | reader.mapping(node, path, _COMBINED)
    number = prod(map(len, found.values()))
    if number > MOST_CANDIDATES:
        reader.fault(node, path, f"found {number} candidates, expected at most {MOST_CANDIDATES}")
        return ()
    return candidates_of(found.get("expansion", ()), found["kernel"], found["squeeze"])


def _unit(reader: Reader, node: Any, path: str) -> Any:
    """One candidate by its code, such as k5e6q."""
    text = reader.scalar(node, path, str, "a block such as k5e6q")
    if text is None:
        return None
    try:
        found = parse_candidates(text)
    except ArchitectureError:
        found = ()
    if len(found) != 1:
        reader.fault(node, path, f"found {text[:60]!r}, expected a block such as k5e6q")
        return None
    return found[0]


_LAYER = {
    "width": Field(_whole, required=True),
    "stride": Field(_whole),
    "times": Field(_times),
    "candidates": Field(_candidates),
}

_PONAS = {
    "family": Field(_one_of(FAMILIES)),
    "stem": Field(_numbers, required=True),
    "candidates": Field(_candidates),
    "layers": Field(
        lambda reader, node, path: reader.items(node, path, lambda reader, item, at: reader.mapping(item, at, _LAYER)),
        required=True,
    ),
    "head": Field(_whole),
}


def _kinds(reader: Reader, node: Any, path: str) -> Any:
    return reader.items(node, path, _one_of(dict.fromkeys((CONVOLUTION, *INNER_KINDS))))


_TIERED_STAGE = {
    "blocks": Field(_kinds, required=True),
    "width": Field(_whole, required=True),
    "depth": Field(_count_of(2, "the fewest and the most layers, such as [1, 3]")),
    "stride": Field(_whole),
    "kernels": Field(_numbers),
    "inner": Field(_channels),
}

_TIERED = {
    "family": Field(_one_of(FAMILIES)),
    "stem": Field(_numbers, required=True),
    "granularity": Field(_whole),
    "expansion": Field(_whole),
    "knots": Field(_whole),
    "stages": Field(
        lambda reader, node, path: reader.items(
            node, path, lambda reader, item, at: reader.mapping(item, at, _TIERED_STAGE)
        ),
        required=True,
    ),
    "head": Field(_whole),
}


def _version(reader: Reader, node: Any, path: str) -> Any:
    value = reader.scalar(node, path, int, f"{_VERSION}, the version of this form")
    if value not in (None, _VERSION):
        reader.fault(node, path, f"found {value}, expected {_VERSION}, the version of this form")
    return value


_FILE = {
    "space": Field(_version, required=True),
    "backbone": Field(_backbone),
    "decoder": Field(lambda reader, node, path: reader.mapping(node, path, _DECODER)),
    "ponas": Field(lambda reader, node, path: reader.mapping(node, path, _PONAS)),
    "tiered": Field(lambda reader, node, path: reader.mapping(node, path, _TIERED)),
    "classes": Field(_whole, required=True),
    "input_shape": Field(_count_of(3, "channels, height, width, such as [3, 224, 224]"), required=True),
}


def _read(text: bytes, source: str) -> Space:
    reader = Reader(text, source, "a space")
    node = reader.root
    found = reader.mapping(node, "", _FILE)
    if reader.is_mapping(node):
        kinds = [name for name in ("backbone", "ponas", "tiered") if name in found]
        if not kinds:
            reader.fault(node, "the file", "has no backbone, no ponas and no tiered, expected one of them")
        elif kinds[-1] != "backbone" and len(found.keys() & {"backbone", "decoder", "ponas", "tiered"}) > 1:
            reader.fault(node, kinds[-1], "is there with another space's fields, expected it alone")
    if "decoder" not in found and isinstance(found.get("backbone"), Backbone):
        reader.fault(node, "backbone", f"is one architecture, expected {', '.join(_BACKBONE)}; or a decoder beside it")
    reader.check()
    try:
        return _space(found)
    except ArchitectureError as fault:
        raise ArchitectureError(f"{source}: {fault}") from None


def _space(found: dict[str, Any]) -> Space:
    """The space of fields that are all there and of the right kinds."""
    channels, height, width = found["input_shape"]
    common = {"classes": found["classes"], "input_shape": (1, channels, height, width)}
    if "ponas" in found:
        return _ponas_space(found["ponas"], common)
    if "tiered" in found:
        return _tiered_space(found["tiered"], common)
    backbone = found["backbone"]
    if isinstance(backbone, dict):
        backbone = _backbone_space(backbone, common if "decoder" not in found else {})
    if "decoder" not in found:
        assert isinstance(backbone, BackboneSpace)
        return backbone
    decoder = dict(found["decoder"])
    if "pyramid" in decoder:
        decoder["pyramid"] = Pyramid(**decoder["pyramid"])
    return DecoderSpace(backbone, **decoder, **common)


def _backbone_space(fields: dict[str, Any], common: dict[str, Any]) -> BackboneSpace:
    stages = fields["stages"]
    units = [{name: stage[name] for name in Unit._fields if name in stage} for stage in stages]
    given = {name: fields[name] for name in ("family", "head") if name in fields}
    return BackboneSpace(
        depths=tuple(stage["depth"] for stage in stages),
        widths=fields["widths"],
        kinds=tuple(stage["block"] for stage in stages),
        stem=fields["stem"],
        strides=tuple(stage.get("stride", 2) for stage in stages),
        units=tuple(Unit(**unit) if unit else None for unit in units),
        stage_widths=tuple(stage.get("widths", fields["widths"]) for stage in stages),
        **given,
        **common,
    )


def _ponas_space(fields: dict[str, Any], common: dict[str, Any]) -> PonasSpace:
    shared = fields.get("candidates", candidates_of())
    layers: list[PonasLayer] = []
    for layer in fields["layers"]:
        first = PonasLayer(layer["width"], layer.get("stride", 1), layer.get("candidates", shared))
        layers += [first, *[first._replace(stride=1)] * (layer.get("times", 1) - 1)]
    given = {"head": None} | {name: fields[name] for name in ("family", "head") if name in fields}
    return PonasSpace(tuple(layers), fields["stem"], **given, **common)


def _tiered_space(fields: dict[str, Any], common: dict[str, Any]) -> TieredSpace:
    stages = [
        TieredStage(
            stage["width"],
            **{own: stage[name] for name, own in _STAGE_FIELDS.items() if name in stage},
        )
        for stage in fields["stages"]
    ]
    names = ("family", "head", "granularity", "expansion", "knots")
    given = {"head": None} | {name: fields[name] for name in names if name in fields}
    return TieredSpace(tuple(stages), fields["stem"], **given, **common)


# The fields of a stage in a file, besides its width, and those of TieredStage.
_STAGE_FIELDS = {"blocks": "kinds", "depth": "depths", "stride": "stride", "kernels": "kernels", "inner": "inner"}
