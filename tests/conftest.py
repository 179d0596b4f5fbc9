"""Where the outside truth lies, how tests skip without it, and networks from text."""

from __future__ import annotations

import importlib.util
import lzma
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from converters import change_dialect, save_weights
from prototxt_gen import NetParameter, generate
from prototxt_gen.text import parse_text
from tests.filling import fill_weights
from tests.released import architecture
from tools.reference_facts import REFERENCE

# How long an example takes says something of the machine, not of what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of files from real Caffe and from the DF release."""
    if not REFERENCE.is_dir():
        pytest.skip("no ../shared/reference beside this checkout")
    return REFERENCE


@pytest.fixture(scope="session")
def fill(reference: Path) -> ModuleType:
    """The rule that fills any network with the same weights on every machine."""
    spec = importlib.util.spec_from_file_location("fill", reference / "nets" / "fill.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory):
    """Gives the path of our own weights for a network of the release, in the bytes of a dialect."""
    folder = tmp_path_factory.mktemp("weights")

    def make(name: str, dialect: str = "bvlc") -> Path:
        path = folder / dialect / f"{name}.caffemodel"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            net = generate(architecture(name), merged=name.endswith("_mergebn"))
            save_weights(fill_weights(net), path, net)
            if dialect == "release":
                change_dialect(path, path, "release")
        return path

    return make


@pytest.fixture(scope="session")
def unpacked(reference: Path, tmp_path_factory: pytest.TempPathFactory):
    """Gives the path of a reference file whose name there ends in .xz, unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")

    def unpack(name: str) -> Path:
        target = folder / Path(name).name
        if not target.exists():
            target.write_bytes(lzma.decompress((reference / f"{name}.xz").read_bytes()))
        return target

    return unpack


@pytest.fixture(scope="session")
def net_of() -> Callable[..., NetParameter]:
    """A network from its inputs' shapes by top name and the text of its layers."""

    def make(layers: str, **inputs: tuple[int, ...]) -> NetParameter:
        text = ""
        for top, shape in inputs.items():
            dims = " ".join(f"dim: {size}" for size in shape)
            text += f'layer {{ name: "{top}" type: "Input" top: "{top}" input_param {{ shape {{ {dims} }} }} }}\n'
        return parse_text(text + layers, NetParameter())

    return make
