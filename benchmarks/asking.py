"""How long `additive` takes to say which candidate is next: at 500 trained in a space of over 10^12 architectures.

Run: python benchmarks/asking.py [--trained 500] [--asks 100]. The space is that of made_up_networks.py: figures tell
how fast the strategy is. How good its choices are there tells `python benchmarks/strategies.py --made-up`.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Callable

import numpy as np
from made_up_networks import MadeUpNetworks

from search.strategies.additive import Additive


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trained", type=int, default=500)
    parser.add_argument("--asks", type=int, default=100, help="so many of these are asked for, and timed")
    args = parser.parse_args()
    networks = MadeUpNetworks()
    candidates = networks.candidates
    print(f"{networks.count:,} architectures {networks.notes[1]}")
    begin = time.perf_counter()
    search = Additive(candidates, 0)
    print(f"{'begin':<40} {1e3 * (time.perf_counter() - begin):>8.1f} ms")
    rng = random.Random(0)
    none = np.zeros((0, candidates.length), dtype=np.uint8)

    def train(vector: np.ndarray) -> None:
        search.tell(vector, networks.run_of(vector, rng))

    def timed(what: str, ask: Callable[[], np.ndarray], each: int, number: int) -> None:
        times = []
        for _ in range(number):
            begin = time.perf_counter()
            asked = ask()
            times.append(1e3 * (time.perf_counter() - begin) / each)
            train(asked[0])
        middle, high = np.percentile(times, [50, 99])
        print(f"{what:<40} {middle:>8.1f} ms   99 %: {high:.1f}, {min(times):.1f} to {max(times):.1f}")

    for vector in search.ask(3, none):
        train(vector)
    for vector in candidates.draw(rng, args.trained - args.asks - 3, search.results.vectors):
        train(vector)
    timed(f"ask, {args.trained - args.asks} to {args.trained} trained", lambda: search.ask(1, none), 1, args.asks)
    in_training = candidates.draw(rng, 3, search.results.vectors)
    timed("ask for 1, 3 in training", lambda: search.ask(1, in_training), 1, args.asks // 4)
    timed("ask for 4 at once, each", lambda: search.ask(4, none), 4, args.asks // 4)
    print(f"{'memory at most':<40} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>8.0f} MB")


if __name__ == "__main__":
    main()
