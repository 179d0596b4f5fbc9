"""What a target is: the layers that a toolchain takes, how it runs them, its limits, each with its source."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from converters.targets.expressions import Expression

#: How a layer runs: on the accelerator, or on its CPU beside it; "refused" by the toolchain; "silent": taken, and the
#: numbers are others than Caffe's.
Outcome: TypeAlias = Literal["accelerated", "cpu", "refused", "silent"]

#: What a source is: a vendor's document, its code as read, a run of the tool, notes of third persons, a judgement of
#: ours that no one states.
Kind: TypeAlias = Literal["document", "code", "run", "notes", "judgement"]


@dataclass(frozen=True)
class Source:
    """Where a row is known from. `date` is when it was published or run: YYYY, YYYY-MM or YYYY-MM-DD.

    `version`: of the tool that it speaks of. `excerpt`: only an excerpt of it was read.
    """

    key: str
    text: str
    kind: Kind
    version: str
    date: str
    excerpt: bool = False


@dataclass(frozen=True)
class Row:
    """One layer type of a target. `runs` is "accelerated", "cpu" or "refused". `note` is for readers."""

    type: str
    runs: Outcome
    source: Source
    note: str = ""


@dataclass(frozen=True)
class Rule:
    """What must hold of some layers: of `types` ("*": of every layer), and of these of those that `when` holds of.

    `types` of a rule for the network as a whole are ("network",). `needs`: the condition. `otherwise`: what becomes of
    a layer of which it does not hold. `field`: the option or property that is at fault, as in
    "pooling_param.kernel_size". `allowed`: in words. `acts_as`: for "silent", what the target computes instead, as
    fields of the layer ("eltwise_param.coeff", or "type"): a value that it takes the field for, an Expression where
    that depends on the layer, None where it takes the default. `off_by`: for "silent" layers of which that cannot be
    said in fields, what was seen, in words. `id`: by which a file that extends the target corrects or drops the rule.
    """

    types: tuple[str, ...]
    needs: Expression
    otherwise: Outcome
    field: str
    allowed: str
    source: Source
    when: Expression | None = None
    acts_as: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    off_by: str = ""
    id: str = ""


@dataclass(frozen=True)
class Fields:
    """The fields of layers in a target's own proto, where it differs from BVLC Caffe 1.0's; by path, as in
    "clip_param" or "pooling_param.round_mode".

    `numbers`: of private fields that it has. `knows`: private fields that it has, whose numbers nobody states. `lacks`:
    fields of BVLC Caffe that it does not have, each with its source; its reader stops at them.
    """

    numbers: Mapping[str, int] = dataclasses.field(default_factory=dict)
    lacks: Mapping[str, Source] = dataclasses.field(default_factory=dict)
    source: Source | None = None
    knows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """What a toolchain takes. `rows` by layer type; other types are refused. `others` says on whose word.

    `title` names the toolchain in words, `version` is the one that the table is of, `date` when it was last looked at.
    """

    name: str
    title: str
    version: str
    date: str
    about: str
    rows: Mapping[str, Row]
    rules: tuple[Rule, ...]
    fields: Fields
    others: Source
    sources: Mapping[str, Source]

    @cached_property
    def asked(self) -> frozenset[str]:
        """The facts that some rule asks for."""
        return frozenset().union(
            *(rule.needs.names | (rule.when.names if rule.when else frozenset()) for rule in self.rules)
        )

    @cached_property
    def answers(self) -> dict[Any, Any]:
        """What checking.py found of layers before, so that none is looked at again that is like one of them."""
        return {}

    @cached_property
    def digest(self) -> str:
        """What tells it from other targets, and from itself once its file has changed: 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True, default=str).encode()).hexdigest()[
            :16
        ]

    def as_json(self) -> dict[str, Any]:
        """What a file says of the target that it was made for: plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "version": self.version,
            "date": self.date,
            "digest": self.digest,
        }
