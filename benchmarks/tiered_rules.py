"""Where the rules of Tiered Pruning lead under noise: Prunodes with a known best width, their logits trained by Adam.

    python benchmarks/tiered_rules.py
    python benchmarks/tiered_rules.py --set '{"lead": 0.2, "rate": 0.5}'

A path's loss is a square of its width, or has the form of an accuracy that saturates beside a latency that grows. Noise
is that of one step, in units of the square's loss across the widths. Errors are shares of the range, in percent.
"""

from __future__ import annotations

import argparse
import json
from itertools import product

import numpy as np
from numpy.typing import NDArray

from search.strategies.tiered import LayerChoices, LayerProbabilities, Rules, TieredPruning

WIDTHS, DECISIONS, NOISES = (12, 50, 176), (40, 60, 150), (0.05, 0.3, 1.0)
RATES, SHARES, FORMS = (0.02, 0.05), (0.05, 0.3, 0.6, 0.95), ("square", "saturating")


def losses(form: str, widths: NDArray, best: NDArray, number: int) -> NDArray[np.float64]:
    """The loss of each width (n,), by index; 0 at the best one."""
    if form == "square":
        return ((widths - best) / (number - 1)) ** 2
    times = (widths + 1) / (best + 1)
    return 0.3 * (times - np.log(times) - 1)


def errors(
    rules: Rules, number: int, decisions: int, noise: float, rate: float, form: str, repeats: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far from the best width each of many Prunodes ends (n,), and after how many decisions (n,)."""
    rng = np.random.default_rng(0)
    best = np.repeat(np.array(SHARES) * (number - 1), repeats)
    pruning = TieredPruning([LayerChoices(1, tuple(range(1, number + 1)), False)] * len(best), rules)
    nodes = [layer.prunodes[0] for layer in pruning.layers]
    logits, first, second = (np.zeros(len(best)) for _ in range(3))
    ended = np.full(len(best), float(decisions))
    step = 0
    for decision in range(1, decisions + 1):
        small, large = (np.array([getattr(one, name) for one in nodes]) for name in ("small", "large"))
        gain = losses(form, large, best, number) - losses(form, small, best, number)
        for _ in range(rules.every):
            step += 1
            large_share = 1 / (1 + np.exp(-logits))
            gradient = large_share * (1 - large_share) * (gain + noise * rng.standard_normal(len(best)))
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            # Two logits move, each by the rate.
            logits -= 2 * rate * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-12)
            seen = (1 / (1 + np.exp(-logits))).tolist()
            pruning.observe([LayerProbabilities({0: 1.0}, {0: one}) for one in seen])
        for event in pruning.decide(decision / decisions):
            if event.kind == "frozen":
                ended[event.layer] = decision
            else:
                logits[event.layer] = first[event.layer] = 0
    return np.abs(np.array([one.small for one in nodes]) - best) / (number - 1), ended


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--set", type=json.loads, default={}, help="fields of Rules as JSON")
    parser.add_argument("--repeats", type=int, default=12)
    options = parser.parse_args()
    rules = Rules(**options.set)
    print("| decisions | widths | noise | median error, % | 90 % of errors below, % | decisions until frozen |")
    print("|---:|---:|---:|---:|---:|---:|")
    for decisions, number, noise in product(DECISIONS, WIDTHS, NOISES):
        parts = [
            errors(rules, number, decisions, noise, rate, form, options.repeats) for rate, form in product(RATES, FORMS)
        ]
        far, ended = (np.concatenate(one) for one in zip(*parts, strict=True))
        print(
            f"| {decisions} | {number} | {noise} | {100 * np.median(far):.1f} | {100 * np.quantile(far, 0.9):.1f} "
            f"| {np.median(ended):.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
