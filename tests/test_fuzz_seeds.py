"""The seeds of the fuzz targets are files that are read, so that fuzzing starts inside the readers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from converters.targets.checking import check_target
from converters.targets.reading import read_target
from converters.weights.caffemodel import read_caffemodel
from converters.weights.mean import load_mean
from converters.weights.solver_state import read_solver_state
from prototxt_gen.errors import CaffeError
from prototxt_gen.layers import LAYERS
from prototxt_gen.proto import MESSAGES
from prototxt_gen.text import parse_text

SPEC = importlib.util.spec_from_file_location("seeds", Path(__file__).parents[1] / "fuzz" / "seeds.py")
assert SPEC is not None and SPEC.loader is not None
seeds = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(seeds)


@pytest.mark.filterwarnings("ignore::prototxt_gen.text.UnknownFieldWarning")
def test_texts_are_texts():
    types = set()
    for text in seeds.texts():
        message = "SolverParameter" if b"base_lr" in text else "NetParameter"
        net = parse_text(text.decode(), MESSAGES[message]())
        types.update(layer.type for layer in getattr(net, "layer", ()))
    assert types >= set(LAYERS)


def test_bytes_are_weights_means_or_states(tmp_path):
    path = tmp_path / "seed"
    read = dict.fromkeys((read_caffemodel, load_mean, read_solver_state), 0)
    for data in seeds.binaries():
        path.write_bytes(data)
        done = 0
        for reader in read:
            try:
                reader(path)
            except CaffeError:
                continue
            read[reader] += 1
            done += 1
        assert done, data
    assert all(count >= 4 for count in read.values())


def test_targets_are_read_and_networks_are_held_against_them(tmp_path):
    networks = [net for net in seeds.networks() if any(layer.type in ("Pooling", "Concat") for layer in net.layer)]
    for data in seeds.targets():
        (tmp_path / "seed.yaml").write_bytes(data)
        target = read_target(tmp_path / "seed.yaml")
        for net in networks:
            try:
                assert str(check_target(net, target))
            except CaffeError as fault:
                assert str(fault)


def test_models_are_read_or_refused_by_operator():
    pytest.importorskip("onnx")
    from converters.onnx.models.model import parse_model
    from converters.onnx.network import Options
    from converters.onnx.operators import OPERATORS
    from converters.onnx.reading import to_network

    read, seen = set(), set()
    for data in dict.fromkeys(seeds.models()):
        model = parse_model(data, "seed")
        operators = {node.operator for node in model.nodes}
        seen |= operators
        if not operators <= read:
            try:
                to_network(model, Options())
            except CaffeError:
                continue
            read |= operators
    assert seen >= {name for name in OPERATORS if not name.startswith("caffe.")}
    assert read >= {"Conv", "Relu", "Reshape", "Transpose", "Softmax"} and len(read) > 50


def test_the_command_line(tmp_path):
    made = seeds.arguments(["text.py", "-runs=1"], tmp_path / "seeds", iter([b"a", b"b"]))
    assert made == ["text.py", "-runs=1", str(tmp_path / "seeds"), f"-dict={tmp_path / 'seeds.dict'}"]
    assert len(list((tmp_path / "seeds").iterdir())) == 2
    assert '"Convolution"\n' in (tmp_path / "seeds.dict").read_text()
    (tmp_path / "crash").write_bytes(b"")
    alone = ["text.py", str(tmp_path / "crash")]
    assert seeds.arguments(alone, tmp_path / "more", iter([])) == alone
