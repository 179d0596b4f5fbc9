"""Targets made for a test, and networks held against what was rewritten of them, by PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from converters.targets.expressions import Expression
from converters.targets.rewriting import Rewritten
from converters.targets.spellings import net_in_known_words
from converters.targets.target import Fields, Outcome, Row, Rule, Source, Target
from prototxt_gen import NetParameter
from tests.filling import levels

SOURCE = Source("test", "made for a test", "judgement", "1", "2026")


def made_target(
    *types: str, cpu: Sequence[str] = (), rules: Sequence[Rule] = (), lacks: Sequence[str] = (), **numbers: int
) -> Target:
    """A target that takes these types and Input, those of `cpu` on its CPU, under rules."""
    rows = {kind: Row(kind, "accelerated", SOURCE) for kind in ("Input", *types)}
    rows |= {kind: Row(kind, "cpu", SOURCE) for kind in cpu}
    fields = Fields(numbers, lacks=dict.fromkeys(lacks, SOURCE), source=SOURCE)
    return Target("made", "Made", "1", "2026", "", rows, tuple(rules), fields, SOURCE, {"test": SOURCE})


def rule(kind: str, needs: str, otherwise: Outcome = "refused", when: str | None = None, **more: Any) -> Rule:
    """A rule on layers of one type, or of "*"."""
    condition = None if when is None else Expression(when)
    return Rule((kind,), Expression(needs), otherwise, needs, needs, SOURCE, when=condition, **more)


def largest_difference(
    net: NetParameter,
    weights: Mapping[str, Sequence[np.ndarray]] | None,
    made: Rewritten,
    outputs: Mapping[str, str] | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> float:
    """How far the outputs of a rewritten network are from those of the old one, as a share of the largest value.

    `outputs`: what of the old network is held against what of the new; without it all outputs of both, by name.
    """
    import torch

    from converters.pytorch.module import to_torch

    wanted = None if outputs is None else list(outputs)
    old = to_torch(net_in_known_words(net), weights, outputs=wanted, input_shapes=input_shapes)
    new = to_torch(net_in_known_words(made.net), made.weights, outputs=outputs and list(outputs.values()))
    inputs = {name: torch.from_numpy(levels(name, shape) * 8) for name, shape in old.meta["caffe"]["inputs"].items()}
    with torch.no_grad():
        expected = _by_name(old, old(*inputs.values()))
        found = _by_name(new, new(*(inputs[name] for name in new.meta["caffe"]["inputs"])))
    names = outputs or {name: made.renamed.get(name, name) for name in expected}
    assert set(names.values()) == set(found)
    differences = []
    for before, after in names.items():
        assert expected[before].shape == found[after].shape
        largest = float(expected[before].abs().max())
        assert largest > 0, f"{before} is zero"
        differences.append(float((expected[before] - found[after]).abs().max()) / largest)
    return max(differences)


def _by_name(module: Any, result: Any) -> dict[str, Any]:
    return result if isinstance(result, Mapping) else {module.meta["caffe"]["outputs"][0]: result}
