"""How long `additive` takes to say which candidate is next: at 500 trained in a space of over 10^12 architectures.

Run: python benchmarks/asking.py [--trained 500] [--asks 12]. Latency is made up from multiply-adds and accuracy from
widths and depths, as in benchmarks/pruning.py: the figures tell how fast the strategy is.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time

import numpy as np
import pruning

from search import BackboneSpace
from search.strategies.additive import Additive
from search.strategies.space_candidates import SpaceCandidates

SPACE = BackboneSpace(depths=((1, 20),) * 3, widths=(24, 32, 48, 64, 96, 128, 192, 256, 512))
NOISE = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trained", type=int, default=500)
    parser.add_argument("--asks", type=int, default=12)
    args = parser.parse_args()
    candidates = SpaceCandidates(SPACE, pruning.made_up_table(SPACE), (2.0, 60.0))
    print(f"space {SPACE}: {SPACE.count():,} architectures, of which those of 2 to 60 ms are candidates")
    begin = time.perf_counter()
    search = Additive(candidates, 0)
    print(f"{'begin':<40} {1e3 * (time.perf_counter() - begin):>8.1f} ms")
    rng = random.Random(0)

    def train(vector: np.ndarray) -> None:
        search.tell(vector, pruning.made_up_accuracy(vector) - NOISE * rng.random())

    none = np.zeros((0, candidates.length), dtype=np.uint8)
    for vector in search.ask(3, none):
        train(vector)
    for vector in candidates.draw(rng, args.trained - args.asks - 3, search.results.vectors):
        train(vector)
    times = []
    for _ in range(args.asks):
        begin = time.perf_counter()
        vector = search.ask(1, none)[0]
        times.append(1e3 * (time.perf_counter() - begin))
        train(vector)
    what = f"ask, {args.trained} trained"
    print(f"{what:<40} {statistics.median(times):>8.1f} ms   {min(times):.1f} to {max(times):.1f}")
    begin = time.perf_counter()
    search.ask(8, none)
    print(f"{'ask for 8 at once, each':<40} {1e3 * (time.perf_counter() - begin) / 8:>8.1f} ms")
    print(f"{'memory at most':<40} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>8.0f} MB")


if __name__ == "__main__":
    main()
