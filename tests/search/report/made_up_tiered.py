"""A made-up search by Tiered Pruning: its decisions are by the real rules and written down as a training does it.

Probabilities are made up so that each kind of decision is met: the fused blocks win; that of layer 1 grows, that
of layer 2 shrinks. Layer 3 is left out, and layer 4, a convolution, has no width to search.
"""

from __future__ import annotations

import json
from pathlib import Path

from search.spaces.tiered import Pick, TieredSpace, TieredStage
from search.strategies.tiered import LayerProbabilities, Rules
from search.study.folder import TIERED
from search.study.tiered import FOUND, FoundNetwork, goal_folder, new_pruning
from search.training.tiered import HISTORY
from search.training.tiered_history import History, state_lines

SPACE = TieredSpace(
    (
        TieredStage(8, (2, 3), 2, ("inverted", "fused"), (3,)),
        TieredStage(16, (1, 1), 2, ("convolution",), (3, 5)),
    ),
    stem=(8,),
    classes=5,
    input_shape=(1, 3, 16, 16),
    head=None,
    granularity=4,
    expansion=4,
)
DECISIONS, EVERY = 40, 2
LARGE = (0.9, 0.2, 0.6, 0.5)


def write_search(folder: Path, goal: float, decisions: int = DECISIONS, done: bool = True) -> Path:
    """A search in the folder of a run, after so many of its decisions; with its network, if it is done."""
    rules = Rules(every=EVERY, decay=0.5)
    pruning = new_pruning(SPACE, rules)
    own = goal_folder(folder, goal)
    own.mkdir(parents=True)
    layers = [
        {"candidates": [str(one) for one in layer.candidates], "optional": layer.optional} for layer in SPACE.layers
    ]
    history = History(own / HISTORY, {"space": str(SPACE), "goal": goal, "layers": layers})
    history.begin(0, [])
    for number in range(1, decisions + 1):
        progress = number / DECISIONS
        for _ in range(EVERY):
            pruning.observe([_seen(*pair) for pair in enumerate(pruning.layers)])
            history.took(0.1 * (1.5 - progress))
        history.losses.append(2.0 - progress)
        events = pruning.decide(progress)
        line = {
            "step": EVERY * number,
            "progress": progress,
            "temperature": 5.0 - 4 * progress,
            "latency": goal * (1.5 - 0.5 * progress),
            "layers": state_lines(pruning.layers),
            "events": [list(event) for event in events],
            "parameters": 1000 - 10 * number,
            "multiply_adds": 90000 - 1000 * number,
        }
        history.add(line)
    begun = {"space": str(SPACE), "data": "made up", "goals": [goal], "rules": rules.settings()}
    (folder / TIERED).write_text(json.dumps({"format": "dongfeng tiered run 1", "settings": begun}))
    if done:
        code = str(SPACE.of_picks([pick and Pick(*pick) for pick in pruning.picks()]))
        found = FoundNetwork(goal, code, code, goal * 0.99, goal * 1.01, "")
        document = {"format": "dongfeng tiered network 1", "settings": begun, **found._asdict()}
        (own / FOUND).write_text(json.dumps(document))
    return own


def _seen(number: int, layer) -> LayerProbabilities:
    shares = {candidate: 1.0 + 2 * candidate for candidate in layer.prunodes}
    total = sum(shares.values())
    large = dict.fromkeys(layer.prunodes, LARGE[number])
    return LayerProbabilities({one: share / total for one, share in shares.items()}, large, 0.8)
