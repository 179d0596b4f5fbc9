"""Writes docs/targets.md: what each toolchain takes, and the zoo on all. Run as `python tools/targets_page.py`.

About a minute, since every network is rewritten for every target that does not take it as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from caffe_zoo.cards import CARDS
from converters.targets import expressions, facts
from converters.targets.checking import Report, check_target
from converters.targets.reading import list_targets, read_target
from converters.targets.rewriting import rewritten
from converters.targets.target import Row, Rule, Source, Target
from prototxt_gen.files import write_bytes
from prototxt_gen.generator.networks import generate
from prototxt_gen.proto import NetParameter

PATH = Path(__file__).resolve().parent.parent / "docs" / "targets.md"

_HEAD = """# Which toolchains take a network

<!-- Made by `python tools/targets_page.py`: change converters/targets/data/ or tools/targets_page.py. -->

Caffe is what the compilers of many cameras and NPUs read, each a part of it: one has no Interp, one wants no kernel
above 7, one reads a difference as a sum and says nothing. This page is for who has a network and a board. It tells
what each toolchain takes, on whose word, and which networks of the zoo run there.

```sh
dongfeng check df1seg --target rknn2
dongfeng check net.prototxt net.caffemodel --target all
```

lists, before the vendor's tool is started, every layer that it would refuse, every layer that it would compute
otherwise, and what helps. The exit status is 1 where there is a fault; `--json` prints the same as data, and
`--accelerated` counts layers that the board's CPU would run as faults.

```sh
dongfeng convert net.prototxt net.caffemodel out.caffemodel --target rknn2 --prototxt out.prototxt
```

writes the network in the target's own words: the same function, checked again, with weights to match. Where only nearly
the same function is to be had, it says so and stops; `--approximate` takes it. The same from Python:

```python
from caffe_zoo import card
from converters import advise, for_target, read_target
from prototxt_gen import generate, write_prototxt

net, target = generate(card("df1seg").architecture), read_target("ascend")
print(advise(net, target))  # what it does not take, and what helps
made = for_target(net, None, target)  # with weights in the place of None, made.weights match
write_prototxt(made.net, "board.prototxt")
```

**How far to trust it.** A vendor's document is not the tool. Only what a run stands behind was seen to happen; the
table says for each target how many of its statements are of which kind. *run*: the tool did it. *code*: read in the
tool's source. *document*: the vendor says so; where only an excerpt was at hand, that is noted. *notes*: third persons
say so. *judgement*: nobody says so and the table cannot do without, such as that a network has an Input. A layer type
that a list does not have is refused on the list's word.
"""

_ZOO = """
## The zoo

Each network at its own size, segmentation networks too, batch norm not folded, without weights. Networks with the same
answers stand together. *As it is*: the target takes every layer. *Rewritten*: with other layers that compute the same.
*Approximately*: with some that compute nearly the same. *No*: these types are left, in spite of all rewrites. Layers
that run on the board's CPU are named.
"""

_OTHERS = """
## Tools that read no Caffe

Newer versions of some of these read none, as their own notes and branches say: TensorRT from 9.0, OpenVINO from 2024.0,
OpenCV from 5, Arm NN from 21.05, nncase from 2. TI's TIDL documents ONNX and TFLite, Kneron's tools turn Caffe into
ONNX first. For them, as for every tool without a table here, [Caffe to ONNX](caffe-to-onnx.md) is the way. No table of
layers was found for Cambricon's MagicMind, Ambarella's CVflow, Novatek, Axera, NXP's eIQ and Movidius.

## A target of your own
"""

_OWN = """
A board of your own, a newer SDK, a limit that you met: write it down in a YAML file and use it by its path,
`--target my_ipu.yaml`. A file that `extends` a target of the package says only what is other. This one is for the IPU
of later SigmaStar chips:

```yaml
# my_ipu.yaml
extends: sigmastar
title: SigmaStar SGS (IPU230)
version: S03.0.8
date: 2026-11-22
sources:
  ipu230:
    text: "doc.comake.online, IPU_Sigdoc S03.0.8, 7. IPU Toolchain Operator Support: Caffe"
    kind: document
    version: S03.0.8
    date: 2026-11-22
    excerpt: true
layers:
  - types: [Axpy, ShuffleChannel]
    runs: accelerated
    source: ipu230
rules:
  - id: Concat.bottom        # corrects the rule of this name
    needs: bottoms <= 1024
    allowed: at most 1024
    source: ipu230
  - id: Pooling.kernel_size
    when: pool == "AVE" and not global_pooling
    needs: max(kernel_h, kernel_w) <= 255 and kernel_h * kernel_w <= 12288
    allowed: "AVE: at most 255 a side and 12288 positions"
    source: ipu230
  - types: [Pooling]         # a new rule
    when: pool == "MAX" and not global_pooling
    needs: kernel_w <= 255 and kernel_h * kernel_w <= 6029312
    otherwise: refused
    field: pooling_param.kernel_size
    allowed: "MAX: at most 255 wide and 6029312 positions"
    source: ipu230
```

A file without `extends` must have title, version, date, sources, others and layers. What is wrong in a file is listed
at once, with its lines. The files of the package, `converters/targets/data/*.yaml`, are examples of all of it.

- `extends`: a target of the package that this one begins with.
- `title`, `version`, `date`, `about`: the toolchain in words; the version that the file is of; when it was last looked
  at; what else there is to know.
- `sources`: by name, each with `text`; `kind`: document, code, run, notes or judgement; `version` of the tool; `date`:
  YYYY, YYYY-MM or YYYY-MM-DD; `excerpt: true` where only an excerpt of it was read.
- `others`: the source on whose word types without a row are refused.
- `layers`: rows of `types`; `runs`: accelerated, cpu or refused; `source`; `note` for readers. A row stands in the
  place of the base's for the same types.
- `rules`: what must hold of some layers, each with
  - `id`: its name; without one it has that of the tables above, its first type and the last word of its field. In a
    file that extends a target the base's rule of that name is corrected: what is left out stays, but for the source.
    `drop: true` takes the rule away;
  - `types`: the layer types that it is of; `["*"]`: every layer; `[network]`: the network as a whole;
  - `when`: a condition: of which of these layers; without it, of all;
  - `needs`: the condition that must hold;
  - `otherwise`: what becomes of a layer of which it does not: refused, cpu, or silent (taken, with other numbers);
  - `field`, `allowed`: what is at fault, as in `pooling_param.kernel_size`, and what is allowed, in words;
  - `acts_as`: of silent ones, the fields that the target sees in the place of the layer's, as in
    `{eltwise_param.coeff: null}`; null is the default, a text that begins with `=` is computed. With weights,
    `dongfeng check` runs both and tells by how much the outputs differ;
  - `off_by`: of silent ones that no field can say, in words;
  - `source`: the name of a source.
- `fields`: `numbers` of private fields, as in `{upsample_param: 160}`; `knows`: private fields whose numbers are not
  known; `lacks`: fields of Caffe at which its reader stops, as in `[pooling_param.round_mode]`; `source`.
"""


def page(cell: Callable[[str, str], str] | None = None) -> str:
    """The whole of docs/targets.md; `cell` says what becomes of a network of the zoo on a target."""
    targets = [read_target(name) for name in list_targets()]
    parts = [_HEAD, _overview(targets), _ZOO]
    for kind in ("classification", "segmentation"):
        parts.append("\n".join(["", *_zoo_table(kind, targets, cell or answer)]) + "\n")
    parts += ["\n".join(["", *_section(target)]) + "\n" for target in targets]
    return "".join([*parts, _OTHERS, _OWN, _words()])


def answer(network: str, name: str) -> str:
    """What becomes of a network of the zoo on a target, in a few words."""
    net, target = _network(network), read_target(name)
    report = check_target(net, target)
    if report.passed:
        return f"as it is{_beside(report)}"
    made = rewritten(net, None, target, approximate=True)  # exact forms come first there, too
    if made.report.passed:
        return ("rewritten" if made.exact else "approximately") + _beside(made.report)
    left = sorted({fault.type for fault in made.report.faults})
    return f"no: {', '.join(left)}"


@cache
def _network(name: str) -> NetParameter:
    card = CARDS[name]
    return generate(card.architecture, input_shape=(1, 3, *card.preprocessing.crop))


def _beside(report: Report) -> str:
    types = sorted({fault.type for fault in report.on_cpu})
    return f", CPU: {', '.join(types)}" if types else ""


def _zoo_table(kind: str, targets: Sequence[Target], cell: Callable[[str, str], str]) -> list[str]:
    """Targets down, networks with equal answers across."""
    columns: dict[tuple[str, ...], list[str]] = {}
    for card in CARDS.values():
        if card.kind == kind:
            answers = tuple(cell(card.name, target.name) for target in targets)
            columns.setdefault(answers, []).append(f"`{card.name}`")
    rows = [["target", *(", ".join(names) for names in columns.values())]]
    rows += [[f"[{target.name}](#{target.name})", *cells] for target, *cells in zip(targets, *columns, strict=True)]
    return _table(rows)


def _overview(targets: Sequence[Target]) -> str:
    rows = [["target", "toolchain", "version", "looked at", "types taken", "limits", "known from"]]
    for target in targets:
        taken = sum(row.runs != "refused" for row in target.rows.values())
        rows.append(
            [f"[{target.name}](#{target.name})", target.title, target.version, target.date, str(taken),
             str(len(target.rules)), _backing(target)]
        )  # fmt: skip
    return "\n".join(["", "## Targets", "", *_table(rows)]) + "\n"


def _backing(target: Target) -> str:
    """How many rows and rules are of which kind, most first."""
    said: list[Row | Rule] = [*target.rows.values(), *target.rules]
    kinds = Counter(one.source.kind for one in said)
    return ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())


def _section(target: Target) -> list[str]:
    lines = [f"## {target.name}", "", f"{target.title}, version {target.version}, looked at {target.date}."]
    lines += ["", f"{target.about[:1].upper()}{target.about[1:].removesuffix('.')}."] if target.about else []
    lines += ["", *_table([["layers", "types", "source"], *_layers(target)])]
    lines += ["", f"Types that are not there are refused on the word of *{target.others.key}*."]
    notes = [f"- {kind}: {row.note}" for kind, row in _by_note(target)]
    lines += ["", *notes] if notes else []
    if target.rules:
        lines += ["", *_table([["rule", "of", "must be", "otherwise", "source"], *map(_rule, target.rules)])]
    silent: dict[str, list[str]] = {}
    for rule in target.rules:
        if rule.otherwise == "silent":
            silent.setdefault(_types(rule), []).append(f"`{rule.field}`")
    if silent:
        told = "; ".join(f"{types} ({', '.join(dict.fromkeys(fields))})" for types, fields in silent.items())
        lines += ["", f"**Read otherwise, without a word:** {told}."]
    lines += _fields(target)
    lines += ["", "Sources:", "", *[f"- *{key}*: {_source(source)}" for key, source in target.sources.items()]]
    return lines


def _layers(target: Target) -> list[list[str]]:
    """Rows of types by how they run and where that is known from."""
    groups: dict[tuple[str, str], list[str]] = {}
    for kind, row in target.rows.items():
        groups.setdefault((row.runs, row.source.key), []).append(kind)
    words = {"accelerated": "run", "cpu": "on the CPU", "refused": "refused"}
    ordered = sorted(groups.items(), key=lambda group: list(words).index(group[0][0]))
    return [[words[runs], ", ".join(sorted(types, key=str.lower)), f"*{key}*"] for (runs, key), types in ordered]


def _by_note(target: Target) -> list[tuple[str, Row]]:
    """Types with the same note together, and one of their rows."""
    groups: dict[str, list[str]] = {}
    for kind, row in target.rows.items():
        if row.note:
            groups.setdefault(row.note, []).append(kind)
    return [(", ".join(types), target.rows[types[0]]) for types in groups.values()]


def _rule(rule: Rule) -> list[str]:
    where = f", where `{_code(rule.when.text)}`" if rule.when else ""
    outcome = {"refused": "refused", "cpu": "on the CPU", "silent": "other numbers"}[rule.otherwise]
    off = f": {rule.off_by}" if rule.off_by else f": as {_acts(rule)}" if rule.acts_as else ""
    of = f"{_types(rule)}: `{rule.field}`{where}"
    return [rule.id, of, _plain(rule.allowed), outcome + _plain(off), f"*{rule.source.key}*"]


def _acts(rule: Rule) -> str:
    told = []
    for path, value in rule.acts_as.items():
        if value is None:
            told.append(f"without `{path}`")
        else:
            shown = value.text if isinstance(value, expressions.Expression) else value
            told.append(f"`{path}` {shown}")
    return ", ".join(told)


def _types(rule: Rule) -> str:
    return ", ".join({"*": "every layer", "network": "the network"}.get(kind, kind) for kind in rule.types)


def _fields(target: Target) -> list[str]:
    fields = target.fields
    lines = []
    if fields.numbers:
        told = ", ".join(f"{name} {number}" for name, number in sorted(fields.numbers.items(), key=lambda one: one[1]))
        lines += ["", f"Private fields in its files: {told}."]
    if fields.lacks:
        lines += ["", f"Its reader stops at {', '.join(f'`{name}`' for name in fields.lacks)}."]
    if lines and fields.source is not None:
        lines[-1] = f"{lines[-1]} (*{fields.source.key}*)"
    return lines


def _source(source: Source) -> str:
    repository = r"^([A-Za-z][\w-]*/[\w.-]*\w)(?=[, ])"
    text = re.sub(repository, r"[\1](https://github.com/\1)", _plain(source.text))
    excerpt = ", an excerpt of it" if source.excerpt else ""
    return f"{text} ({source.kind}{excerpt}; version {source.version}, {source.date})"


def _words() -> str:
    """What conditions are made of, from where it is implemented."""
    grammar = (expressions.__doc__ or "").partition("\n\n")[2].strip()
    grammar = grammar.replace(" (see facts.py)", "")
    told = (facts.__doc__ or "").partition("\n\n")[2].strip()
    told = re.sub(r"^(\S.*)\n: ", r"- **\1:** ", told, flags=re.MULTILINE)
    return f"\n### Conditions\n\n{grammar}\n\nFacts that they can ask for:\n\n{told}\n"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *others = rows
    lines = [f"| {' | '.join(row)} |" for row in (head, *others)]
    return [lines[0], f"|{'---|' * len(head)}", *lines[1:]]


def _plain(text: str) -> str:
    """A text that Markdown shows as it stands."""
    return re.sub(r"([*_|<>\[\]])", r"\\\1", text) if "`" not in text else text.replace("|", "\\|")


def _code(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write_bytes(PATH, page().encode("utf-8"))
