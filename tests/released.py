"""The networks of the DF release, made by the generator: their fingerprints are those of the released files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prototxt_gen import NetParameter, fingerprint, generate

NETWORKS: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).resolve().parents[1] / "weights_manifest.json").read_text("utf-8")
)["networks"]
RELEASE = Path(__file__).resolve().parent / "truths" / "release.json"
FACTS: dict[str, Any] = json.loads(RELEASE.read_text("utf-8"))


def architecture(name: str) -> str:
    """The code of a released network, batch norm merged (NAME_mergebn) or not."""
    return NETWORKS[name]["architecture"]


def released(name: str) -> NetParameter:
    """The released network; an AssertionError where the generator makes another one."""
    net = generate(architecture(name), form="release", merged=name.endswith("_mergebn"))
    assert fingerprint(net) == NETWORKS[name]["fingerprint"], name
    return net
