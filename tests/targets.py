"""Targets made for a test, and networks held against what was rewritten of them, by PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from converters.targets.expressions import Expression
from converters.targets.forms import LAYER_REWRITES, Form, Place
from converters.targets.rewriting import Rewritten
from converters.targets.spellings import net_in_known_words
from converters.targets.target import Fields, Outcome, Row, Rule, Source, Target
from prototxt_gen import NetParameter
from prototxt_gen.text import parse_text
from prototxt_gen.trace import trace
from tests.filling import fill_weights, levels

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
        old_names = {after: before for before, after in made.renamed.items()}
        found = _by_name(new, new(*(inputs[old_names.get(name, name)] for name in new.meta["caffe"]["inputs"])))
    names = outputs or {name: made.renamed.get(name, name) for name in expected}
    assert set(names.values()) == set(found)
    differences = []
    for before, after in names.items():
        assert expected[before].shape == found[after].shape
        largest = float(expected[before].abs().max())
        assert largest > 0, f"{before} is zero"
        differences.append(float((expected[before] - found[after]).abs().max()) / largest)
    return max(differences)


def one_layer(layer: str, *shapes: Sequence[int]) -> NetParameter:
    """A network of one layer, in text without name, bottoms and top, and an Input for each of its bottoms."""
    net = NetParameter(name="one")
    for place, shape in enumerate(shapes):
        net.layer.add(name=f"x{place}", type="Input", top=[f"x{place}"]).input_param.shape.add(dim=shape)
    made = parse_text(f"layer {{ {layer} }}", NetParameter()).layer[0]
    made.name, made.bottom[:] = "old", [f"x{place}" for place in range(len(shapes))]
    made.top[:] = made.top or ["y"]
    net.layer.append(made)
    return net


def forms_of(
    net: NetParameter, target: Target | None = None, weights: Mapping[str, Sequence[np.ndarray]] | None = None
) -> list[tuple[str, Form]]:
    """All forms that the rewrites offer for the last layer of a network, with the names of the rewrites."""
    row = trace(net)[-1]
    blobs = None if weights is None else weights.get(row.name)
    taken = frozenset(name for layer in net.layer for name in (layer.name, *layer.top))
    place = Place(row, blobs, (), target or made_target(), taken)
    if row.type not in LAYER_REWRITES:
        return []
    return [(name, form) for name, rewrite in LAYER_REWRITES[row.type].items() for form in rewrite(place)]


def check_forms(
    net: NetParameter, target: Target | None = None, weights: Mapping[str, Sequence[np.ndarray]] | None = None
) -> dict[str, list[str]]:
    """Asserts that every exact form of a network's last layer computes what the layer does.

    The types of the layers of each form, by the rewrite that offered it; those of several forms one after another.
    """
    weights = fill_weights(net) if weights is None else weights
    found: dict[str, list[str]] = {}
    for name, form in forms_of(net, target, weights):
        new = NetParameter(layer=[*net.layer[:-1], *form.layers])
        made = {**weights, **form.blobs}
        made = {layer.name: made[layer.name] for layer in new.layer if layer.name in made}
        if form.exact:
            assert difference((net, weights), (new, made)) <= 1e-5, f"{name}: {form.what}"
        found.setdefault(name, []).append(" ".join(layer.type for layer in form.layers))
    return found


def difference(old: tuple[NetParameter, Any], new: tuple[NetParameter, Any]) -> float:
    """How far the outputs of two networks are apart, as a share of the largest value of the old one's."""
    import torch

    from converters.pytorch.module import to_torch

    results = []
    for net, weights in (old, new):
        module = to_torch(net_in_known_words(net), weights).double()
        inputs = [levels(name, shape) * 8 for name, shape in module.meta["caffe"]["inputs"].items()]
        with torch.no_grad():
            results.append(_by_name(module, module(*(torch.from_numpy(array).double() for array in inputs))))
    expected, found = results
    assert set(expected) == set(found)
    differences = []
    for name, array in expected.items():
        assert array.shape == found[name].shape
        largest = float(array.abs().max()) or 1.0
        differences.append(float((array - found[name]).abs().max()) / largest)
    return max(differences)


def _by_name(module: Any, result: Any) -> dict[str, Any]:
    return result if isinstance(result, Mapping) else {module.meta["caffe"]["outputs"][0]: result}
