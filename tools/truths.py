"""The small truths in tests/truths: what a clone is held against where nothing else is at hand.

- layers/FAMILY.prototxt, FAMILY.npz: a network of every type of a family and what BVLC Caffe 1.0 computed of it.
  `python tools/truths.py write FOLDER` writes the networks in stock Caffe's words, with weights and inputs of
  tests/filling.py; `python tools/run_in_caffe.py FOLDER`, with a Python that has Caffe, runs them; `python
  tools/truths.py collect FOLDER` keeps the numbers of their outputs.
- networks.json: costs of every zoo network, and digests of its generated text; `python tools/truths.py networks`.
- schema.json, release.json: what tools/reference_facts.py finds in the reference; `python tools/truths.py schema` and
  `python tools/truths.py release`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from caffe_zoo import card, list_models
from converters import save_weights
from prototxt_gen import generate, generate_text, read_prototxt, stock_weights, summarize, to_stock, write_prototxt
from prototxt_gen.generator.arguments import FORMS
from tests.filling import fill_inputs, fill_weights
from tools import reference_facts

TRUTHS = Path(__file__).resolve().parents[1] / "tests" / "truths"
LAYERS = TRUTHS / "layers"
NETWORKS = TRUTHS / "networks.json"
SCHEMA = TRUTHS / "schema.json"
RELEASE = TRUTHS / "release.json"


def write(folder: Path) -> None:
    """The networks, weights and inputs for Caffe."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(LAYERS.glob("*.prototxt")):
        net = read_prototxt(path)
        stock = to_stock(net)
        target = folder / path.stem
        write_prototxt(stock, target.with_suffix(".prototxt"))
        save_weights(fill_weights(net) | stock_weights(net), target.with_suffix(".caffemodel"), stock)
        np.savez(target.with_suffix(".inputs.npz"), **fill_inputs(net))  # type: ignore[arg-type]


def collect(folder: Path) -> None:
    """The outputs that Caffe gave."""
    for path in sorted(LAYERS.glob("*.prototxt")):
        with np.load(folder / f"{path.stem}.outputs.npz") as found:
            outputs = {name: found[name] for name in summarize(read_prototxt(path)).outputs}
        np.savez_compressed(path.with_suffix(".npz"), **outputs)


def networks() -> dict[str, Any]:
    """Costs of every network of the zoo for one image, and the first 16 digits of the SHA-256 of each text."""
    made = {}
    for name in list_models():
        known = card(name)
        height, width = known.preprocessing.crop
        costs = summarize(generate(known.architecture, input_shape=(1, 3, height, width)))
        texts = {
            f"{form}{' merged' if merged else ''}": hashlib.sha256(
                generate_text(known.architecture, form, merged=merged).encode()
            ).hexdigest()[:16]
            for form in FORMS
            for merged in (False, True)
        }
        made[name] = {
            "input": [1, 3, height, width],
            "parameters": costs.parameters,
            "multiply_adds": costs.multiply_adds,
            "memory": costs.memory,
            "layers": len(costs.layers),
            "texts": texts,
        }
    return made


def main(arguments: list[str]) -> int:
    """Runs one of the five."""
    made = {
        "networks": (NETWORKS, networks),
        "schema": (SCHEMA, reference_facts.schema),
        "release": (RELEASE, reference_facts.release),
    }
    if len(arguments) == 1 and arguments[0] in made:
        path, facts = made[arguments[0]]
        path.write_text(json.dumps(facts(), indent=1) + "\n", "utf-8")
        return 0
    if len(arguments) != 2 or arguments[0] not in ("write", "collect"):
        print(__doc__, file=sys.stderr)
        return 2
    {"write": write, "collect": collect}[arguments[0]](Path(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
