"""Makes the small files in tests/truths, which tests compare results with; a clone needs no other files for that.

- layers/FAMILY.prototxt, FAMILY.npz: a network with all layer types of a family, and what BVLC Caffe 1.0 computed.
  `python tools/truths.py write FOLDER` writes the networks in stock Caffe's words, with weights and inputs of
  tests/filling.py; `python tools/run_in_caffe.py FOLDER`, with a Python that has Caffe, runs them; `python
  tools/truths.py collect FOLDER` keeps the numbers of their outputs.
- spelled.npz: what it computed for the network that tests/caffe_files.py writes in old spellings, the same for each;
  saved.json: digests of the files that it saved for all of these. Made by the same commands.
- whole.npz: some of the numbers that it computed for whole networks. Made by the same commands.
- networks.json: costs of every zoo network, and digests of its generated text; `python tools/truths.py networks`.
- schema.json, release.json, cityscapes.json: what tools/reference_facts.py finds in the reference;
  `python tools/truths.py schema` and so on.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from caffe_zoo import card, list_models
from converters import load_weights
from prototxt_gen import generate, generate_text, summarize
from prototxt_gen.generator.arguments import FORMS
from tests.caffe_files import (
    FAMILIES,
    SPELLINGS,
    WHOLE,
    family,
    spelled_network,
    thinned,
    whole,
    write_family,
    write_spelling,
    write_whole,
)
from tests.filling import fill_inputs
from tests.released import RELEASE
from tools import reference_facts

TRUTHS = Path(__file__).resolve().parents[1] / "tests" / "truths"
LAYERS = TRUTHS / "layers"
NETWORKS = TRUTHS / "networks.json"
SCHEMA = TRUTHS / "schema.json"
CITYSCAPES = TRUTHS / "cityscapes.json"
SAVED = TRUTHS / "saved.json"
SPELLED = TRUTHS / "spelled.npz"
WHOLE_NUMBERS = TRUTHS / "whole.npz"


def write(folder: Path) -> None:
    """Writes the networks, weights and inputs for Caffe."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FAMILIES:
        inputs = fill_inputs(family(name))
        np.savez(write_family(name, folder).with_suffix(".inputs.npz"), **inputs)  # type: ignore[arg-type]
    for name in WHOLE:
        inputs = fill_inputs(whole(name))
        np.savez(write_whole(name, folder).with_suffix(".inputs.npz"), **inputs)  # type: ignore[arg-type]
    for name in SPELLINGS:
        inputs = fill_inputs(spelled_network())
        np.savez(write_spelling(name, folder).with_suffix(".inputs.npz"), **inputs)  # type: ignore[arg-type]


def collect(folder: Path) -> None:
    """Keeps the outputs that Caffe gave, and digests of what it saved."""
    saved = {}
    for name in (*FAMILIES, *SPELLINGS):
        net = family(name) if name in FAMILIES else spelled_network()
        with np.load(folder / f"{name}.outputs.npz") as found:
            outputs = {top: found[top] for top in summarize(net).outputs}
        if name in FAMILIES:
            np.savez_compressed(LAYERS / f"{name}.npz", **outputs)
        elif name == "v2":
            np.savez_compressed(SPELLED, **outputs)
        else:
            with np.load(SPELLED) as first:
                assert all(np.array_equal(array, first[top]) for top, array in outputs.items()), name
        data = (folder / f"{name}.saved.caffemodel").read_bytes()
        saved[name] = hashlib.sha256(data).hexdigest()[:16]
        hdf5 = folder / f"{name}.saved.caffemodel.h5"
        if hdf5.exists():
            in_binary, in_hdf5 = load_weights(folder / f"{name}.saved.caffemodel"), load_weights(hdf5)
            assert in_binary.keys() == in_hdf5.keys()
            for layer, blobs in in_binary.items():
                assert all(np.array_equal(one, other) for one, other in zip(blobs, in_hdf5[layer], strict=True)), layer
    numbers = {}
    for name in WHOLE:
        with np.load(folder / f"{name}.outputs.npz") as found:
            (top,) = summarize(whole(name)).outputs
            numbers[name] = thinned(found[top])
    np.savez_compressed(WHOLE_NUMBERS, **numbers)  # type: ignore[arg-type]
    SAVED.write_text(json.dumps(saved, indent=1) + "\n", "utf-8")


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
    """Runs one of the six commands above."""
    made = {
        "networks": (NETWORKS, networks),
        "schema": (SCHEMA, reference_facts.schema),
        "release": (RELEASE, reference_facts.release),
        "cityscapes": (CITYSCAPES, reference_facts.cityscapes),
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
