"""Networks that begin with weights in files of their own, which another training left."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
import torch

from converters.pytorch.module import to_torch
from converters.weights import save_weights
from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError, FileError, UnsupportedError
from prototxt_gen.generator.networks import generate
from search.training.beginning import BegunTrainer, beginning_file, begun_trainer
from search.training.schedule import Schedule
from search.training.trainer import as_trainer, mean_of
from search.training.training import evaluate, train
from tests.search.training.small_tiered_training import DATA, SPACE

CODES = ("g4_f8h8-h12_i12h24_h12_c3", "g4_i8h16_i12h16-k5h20_h12_c3")
NETS = {code: generate(parse_architecture(code), input_shape=SPACE.input_shape) for code in CODES}
SCHEDULE = Schedule(epochs=1, batch_size=16, base_lr=0.05)


def silent(share: float, accuracy: float | None) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The first has learnt something, the second is as it is drawn."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    images = DATA.with_mean(mean_of(SPACE))
    for code, rate in zip(CODES, (0.1, 1e-30), strict=True):
        weights, _ = train(NETS[code], images, replace(SCHEDULE, epochs=4, base_lr=rate), seed=1)
        path = beginning_file(folder, code)
        path.parent.mkdir(exist_ok=True)
        save_weights(weights, path, NETS[code])
    return folder


def trainer(folder, schedule=SCHEDULE, codes=CODES) -> BegunTrainer:
    return begun_trainer(SPACE, DATA, folder, codes, schedule)


def test_training_goes_on_from_the_file(folder):
    """As a training that is given these weights, and not as one that begins anew."""
    begun = trainer(folder)
    first, second = (begun(NETS[code], 0, silent).accuracy for code in CODES)
    images = DATA.with_mean(mean_of(SPACE))
    given = train(NETS[CODES[0]], images, SCHEDULE, seed=0, begin=begun.weights_of(NETS[CODES[0]]))
    assert first == given[1]
    assert first > train(NETS[CODES[0]], images, SCHEDULE, seed=0)[1], "three bars are learnt faster from there"
    assert first > second, "each has its own file"


def test_untrained_it_is_what_lies_there(folder):
    weights = trainer(folder).weights_of(NETS[CODES[0]])
    found = trainer(folder).untrained(NETS[CODES[0]])
    assert found.accuracy == evaluate(to_torch(NETS[CODES[0]], weights), DATA.with_mean(mean_of(SPACE)).held_out) > 0.5


def test_its_settings_tell_the_files(folder, tmp_path):
    own = trainer(folder).settings
    assert json.loads(json.dumps(own)) == own
    digests = {code: hashlib.sha256(beginning_file(folder, code).read_bytes()).hexdigest()[:16] for code in CODES}
    assert own["begun"] == digests and len(set(digests.values())) == 2
    assert own.items() >= {"data": "bars", "mean": list(mean_of(SPACE)), "epochs": 1}.items()
    assert as_trainer(trainer(folder), SCHEDULE).settings == own
    other = beginning_file(tmp_path, CODES[0])
    other.parent.mkdir()
    other.write_bytes(beginning_file(folder, CODES[1]).read_bytes())
    assert trainer(tmp_path, codes=CODES[:1]).settings["begun"] == {CODES[0]: digests[CODES[1]]}


def test_all_files_that_are_missing_are_told(folder, tmp_path):
    with pytest.raises(FileError) as found:
        trainer(tmp_path)
    for code in CODES:
        assert str(beginning_file(tmp_path, code)) in str(found.value)
    assert str(found.value).endswith("not there; they are in the folder that the search began in")


def test_other_networks_and_devices_are_refused(folder):
    code = "g4_i8h8_i12h8_h12_c3"
    net = generate(parse_architecture(code), input_shape=SPACE.input_shape)
    with pytest.raises(ArchitectureError, match=f"network {code}: has no weights to begin with, as {CODES[0]}, "):
        trainer(folder)(net, 0, silent)
    with pytest.raises(UnsupportedError, match="device 'cuda:77'"):
        begun_trainer(SPACE, DATA, folder, CODES, SCHEDULE, "cuda:77")
