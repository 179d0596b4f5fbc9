"""Training: repeatable, exact to load again, on images that cannot fill a batch too."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from converters.pytorch.module import to_torch
from converters.weights import load_weights, save_weights
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.generator.networks import generate
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import read_prototxt, write_prototxt
from search.training.dataset import Dataset, Split
from search.training.schedule import Schedule
from search.training.training import check_device, evaluate, train
from tests.search.training.bars import SHAPE, bars

NET = generate("s4-8_b8_c3", input_shape=SHAPE)

DATA = Dataset("bars", ("0", "1", "2"), bars(96, 0), bars(50, 1))
SCHEDULE = Schedule(epochs=6, batch_size=16)


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:99"])
def test_a_device_that_is_not_here(name):
    with pytest.raises(UnsupportedError, match=f"device '{name}': PyTorch cannot train there"):
        check_device(name)


def test_it_learns_and_the_files_give_the_same_accuracy(tmp_path):
    steps = []
    weights, accuracy = train(NET, DATA, SCHEDULE, report=lambda *told: steps.append(told))
    assert len(steps) == SCHEDULE.steps(96) == 36
    assert accuracy > 0.8
    write_prototxt(NET, tmp_path / "deploy.prototxt")
    save_weights(weights, tmp_path / "weights.caffemodel", NET)
    module = to_torch(read_prototxt(tmp_path / "deploy.prototxt"), load_weights(tmp_path / "weights.caffemodel"))
    assert evaluate(module, DATA.held_out) == accuracy


def test_trained_again_it_comes_out_the_same_whatever_came_before():
    one, _ = train(NET, DATA, SCHEDULE)
    state = torch.random.get_rng_state()
    torch.rand(7)
    two, _ = train(NET, DATA, SCHEDULE)
    for name, blobs in one.items():
        for blob, other in zip(blobs, two[name], strict=True):
            assert np.array_equal(blob, other), name
    torch.random.set_rng_state(state)
    before = torch.random.get_rng_state()
    other_seed, _ = train(NET, DATA, Schedule(epochs=1, seed=1))
    assert torch.equal(before, torch.random.get_rng_state()), "the caller's random numbers are the caller's"
    assert not np.array_equal(other_seed["fc"][0], one["fc"][0])


@pytest.mark.parametrize("count", [2, 5, 17])
def test_few_images(count):
    data = Dataset("few", ("0", "1", "2"), bars(count, 0), bars(3, 1))
    schedule = Schedule(epochs=2, batch_size=16)
    steps = []
    _, accuracy = train(NET, data, schedule, report=lambda *told: steps.append(told))
    assert len(steps) == schedule.steps(count) and 0 <= accuracy <= 1


def test_accuracy_is_the_share_of_right_answers():
    class Fixed(torch.nn.Module):
        def forward(self, images):
            return torch.eye(3)[torch.zeros(len(images), dtype=torch.long)]

    # 250 images are judged in three goes, the last of which is short.
    assert evaluate(Fixed(), bars(250, 0)) == 84 / 250


def test_a_broken_image_stops_training_with_its_own_message():
    def images(indices, rng):
        raise OSError("red/3.png: cannot be read")

    data = Dataset("broken", ("0", "1"), Split(torch.zeros(20, dtype=torch.long), images), DATA.held_out)
    with pytest.raises(OSError, match=r"red/3\.png"):
        train(NET, data, SCHEDULE)


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "mixed"},
        {"channels_last": True},
        {"precision": "mixed", "channels_last": True, "ema": 0.9, "label_smoothing": 0.1},
        {"ema": 0.95},
        {"label_smoothing": 0.2},
    ],
    ids=lambda change: "+".join(change),
)
def test_ways_of_training_learn_and_come_out_the_same_again(change, tmp_path):
    schedule = replace(SCHEDULE, **change)
    told = []
    weights, accuracy = train(NET, DATA, schedule, report=lambda *now: told.append(now), looks=(0.5, 1.0))
    assert accuracy > 0.8
    again, same = train(NET, DATA, schedule)
    assert same == accuracy, "looks change nothing"
    assert all(np.array_equal(blobs[0], again[name][0]) for name, blobs in weights.items())
    plain, _ = train(NET, DATA, SCHEDULE)
    if change != {"channels_last": True}:
        assert not np.array_equal(weights["fc"][0], plain["fc"][0])
    # What is written is what was measured: float32, in Caffe's order.
    save_weights(weights, tmp_path / "weights.caffemodel", NET)
    module = to_torch(NET, load_weights(tmp_path / "weights.caffemodel"))
    assert evaluate(module, DATA.held_out) == accuracy == [now for _, now in told if now is not None][-1]


def test_augmentation_that_the_images_cannot_have_is_refused():
    for change in ({"jitter": 0.4}, {"least_area": 0.08}):
        with pytest.raises(UnsupportedError, match=r"at hand preprocessed .*found least_area .*, expected None and 0"):
            train(NET, DATA, replace(SCHEDULE, **change))


def test_dropout_follows_the_seed_alone_too():
    net = NetParameter()
    net.CopyFrom(NET)
    net.layer.add(name="drop", type="Dropout", bottom=["fc"], top=["drop"])
    schedule = Schedule(epochs=1, batch_size=16)
    one, _ = train(net, DATA, schedule)
    torch.rand(5)
    two, _ = train(net, DATA, schedule)
    assert all(np.array_equal(blobs[0], two[name][0]) for name, blobs in one.items())
