"""Networks trained on from a supernet: they begin as what they are in it, with statistics of their own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from converters.pytorch.module import to_torch
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from search.training.inheriting import InheritingTrainer, digest_of, settings_from
from search.training.one_shot import inherited_weights, train_one_shot
from search.training.schedule import Schedule
from search.training.supernet import Supernet
from search.training.trainer import as_trainer
from search.training.training import evaluate, train
from tests.search.training.small_ponas import DATA, SETTINGS, SPACE, Rows

CHOICES = (1, 0, 1)
NET = generate(SPACE.of_choices(CHOICES), input_shape=SPACE.input_shape)
SCHEDULE = Schedule(epochs=1, batch_size=16, base_lr=0.01)


def silent(share: float, accuracy: float | None) -> None:
    pass


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    torch.set_num_threads(1)
    return train_one_shot(SPACE, DATA, Rows(), SETTINGS)


def trainer(supernet: Supernet, schedule: Schedule = SCHEDULE) -> InheritingTrainer:
    return InheritingTrainer(supernet, DATA, SETTINGS, schedule)


def test_it_begins_with_the_inherited_weights(supernet):
    """At a rate at which nothing moves, what comes out is what went in, but for batch norm's statistics."""
    begin = inherited_weights(supernet, CHOICES, DATA, SETTINGS)
    _, weights = trainer(supernet, replace(SCHEDULE, base_lr=1e-30, weight_decay=0.0))(NET, 0, silent)
    assert weights is not None
    kinds = {layer.name: layer.type for layer in NET.layer}
    for name, blobs in begin.items():
        if kinds[name] != "BatchNorm":
            for one, other in zip(blobs, weights[name], strict=True):
                assert torch.equal(torch.as_tensor(one), torch.as_tensor(other)), name


def test_it_is_the_training_of_all_others_from_there(supernet):
    begin = inherited_weights(supernet, CHOICES, DATA, SETTINGS)
    weights, accuracy = train(NET, DATA, SCHEDULE, seed=4, begin=begin)
    assert trainer(supernet)(NET, 4, silent).accuracy == accuracy
    assert evaluate(to_torch(NET, weights), DATA.held_out) == accuracy
    _, anew = train(NET, DATA, SCHEDULE, seed=4)
    assert accuracy > anew, "images of three bars are learnt faster from there"


def test_its_settings_say_which_supernet_it_is(supernet):
    own = trainer(supernet).settings
    assert json.loads(json.dumps(own)) == own
    assert own.items() >= {"data": "bars", "epochs": 1, "supernet": digest_of(supernet)}.items()
    assert settings_from(own["one-shot"]) == SETTINGS
    other = Supernet(SPACE, 1)
    assert digest_of(other) != digest_of(supernet) == digest_of(supernet.to(memory_format=torch.channels_last))
    assert as_trainer(trainer(supernet), SCHEDULE).settings == own


def test_networks_of_other_spaces_are_refused(supernet):
    other = generate(replace(SPACE, stem=(4,)).of_choices(CHOICES), input_shape=SPACE.input_shape)
    with pytest.raises(ArchitectureError, match="this space has networks such as"):
        trainer(supernet)(other, 0, silent)
