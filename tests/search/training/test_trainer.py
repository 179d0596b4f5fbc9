"""Trainers: ours of a dataset, functions of the user's, and what is no trainer."""

import numpy as np
import pytest
import torch

from prototxt_gen.architectures import Pyramid, parse_backbone
from prototxt_gen.errors import CaffeError, TrainingError, UnsupportedError
from prototxt_gen.generator.networks import generate
from search.spaces import DecoderSpace, parse_space
from search.training.augmentation import Augmentation
from search.training.dataset import Dataset, Split, on_device, preprocess
from search.training.scenes import Scenes
from search.training.schedule import Schedule
from search.training.trainer import EndedEarly, Training, as_trainer, mean_of, trainer_for, trainer_of
from search.training.training import evaluate, train

NET = generate("s4-8_b8_c2", input_shape=(1, 3, 16, 16))
SCHEDULE = Schedule(epochs=3, batch_size=8)


def split(count: int, seed: int) -> Split:
    """Dark images and bright ones, in noise."""
    labels = torch.arange(count) % 2
    images = torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (count, 3, 16, 16)).astype(np.float32))
    images += labels[:, None, None, None]
    return Split(labels, lambda indices, rng: images[list(indices)])


DATA = Dataset("dark and bright", ("dark", "bright"), split(48, 0), split(30, 1))


def silent(share, accuracy):
    pass


def test_ours_is_train():
    trainer = trainer_of(DATA, SCHEDULE)
    result = trainer(NET, 7, silent)
    weights, accuracy = train(NET, DATA, SCHEDULE, seed=7)
    assert result.accuracy == accuracy
    assert all(
        np.array_equal(a, b) for name in weights for a, b in zip(weights[name], result.weights[name], strict=True)
    )
    assert trainer.classes == 2
    assert trainer.settings == {"data": "dark and bright", **SCHEDULE.settings()}


def test_looks_are_told_and_change_nothing():
    told = []
    looked = trainer_of(DATA, SCHEDULE, looks=(0.3, 0.5, 1.0))(NET, 0, lambda *now: told.append(now))
    plain = trainer_of(DATA, SCHEDULE)(NET, 0, silent)
    assert looked.accuracy == plain.accuracy
    assert np.array_equal(looked.weights["fc"][0], plain.weights["fc"][0])
    steps = SCHEDULE.steps(48)
    assert [share for share, _ in told] == [(step + 1) / steps for step in range(steps)]
    # The first step at which a share is reached; the last look is the result.
    assert [share for share, accuracy in told if accuracy is not None] == [6 / 18, 9 / 18, 1.0]
    assert told[-1][1] == looked.accuracy


def test_what_a_report_raises_ends_the_training():
    steps = []

    def report(share, accuracy):
        steps.append(share)
        if share >= 0.5:
            raise EndedEarly

    with pytest.raises(EndedEarly):
        trainer_of(DATA, SCHEDULE)(NET, 0, report)
    assert len(steps) == 9


def test_a_loss_that_is_no_number_is_named():
    with pytest.raises(TrainingError, match=r"network s4-8_b8_c2: the loss is (nan|inf) at step \d+: the"):
        trainer_of(DATA, Schedule(epochs=3, batch_size=8, base_lr=1e30))(NET, 0, silent)


def test_functions_of_the_users_take_what_they_name():
    def plain(net):
        return 0.25

    def seeded(net, seed):
        return seed / 100

    def reporting(net, seed, report, epochs=3):
        report(0.5, 0.1)
        return Training(0.5, {"fc": [np.zeros(1)]})

    told = []
    assert as_trainer(plain, SCHEDULE)(NET, 3, silent) == (0.25, None)
    assert as_trainer(seeded, SCHEDULE)(NET, 3, silent) == (0.03, None)
    assert as_trainer(reporting, SCHEDULE)(NET, 3, lambda *now: told.append(now)).weights.keys() == {"fc"}
    assert told == [(0.5, 0.1)]
    assert as_trainer(lambda net: (0.5, None), SCHEDULE)(NET, 0, silent) == (0.5, None)
    assert as_trainer(lambda net: torch.tensor(0.5), SCHEDULE)(NET, 0, silent).accuracy == 0.5
    own = as_trainer(plain, SCHEDULE)
    assert as_trainer(own, SCHEDULE) is own


def test_the_settings_of_a_users_trainer_are_its_identity():
    class Mine:
        identity = "mine, 3 epochs"
        classes = ("cat", "dog")

        def __call__(self, net, seed):
            return 0.5

    trainer = as_trainer(Mine(), SCHEDULE)
    assert (trainer.settings, trainer.classes) == ({"trainer": "mine, 3 epochs"}, 2)
    named = as_trainer(silent_training, SCHEDULE)
    assert named.settings == {"trainer": f"{__name__}.silent_training"} and named.classes is None


def silent_training(net):
    return 0.5


@pytest.mark.parametrize("result", [1.01, -0.1, float("nan"), None, "good", (0.5, None, 3)])
def test_what_is_no_accuracy_is_refused(result):
    with pytest.raises(TrainingError, match=r"trainer .*: found "):
        as_trainer(lambda net: result, SCHEDULE)(NET, 0, silent)


@pytest.mark.parametrize("thing", ["digits", lambda: 0.5, lambda net, seed, report, more: 0.5])
def test_what_is_no_trainer_is_refused(thing):
    with pytest.raises(CaffeError, match=r"expected .*train\(net, seed, report\)"):
        as_trainer(thing, SCHEDULE)


def test_a_device_that_is_not_here_is_refused_before_any_training():
    with pytest.raises(UnsupportedError, match="device 'cuda:99'"):
        trainer_of(DATA, SCHEDULE, "cuda:99")


def test_the_accuracy_is_that_of_the_weights():
    from converters.pytorch.module import to_torch

    accuracy, weights = trainer_of(DATA, SCHEDULE)(NET, 0, silent)
    assert evaluate(to_torch(NET, weights), DATA.held_out) == accuracy


def decoders(trunk: str) -> DecoderSpace:
    return DecoderSpace(parse_backbone(trunk), ((8,), (8,), (8,)), 2, pyramid=Pyramid(4, 8), input_shape=(1, 3, 32, 64))


@pytest.mark.parametrize(
    ("space", "differs"),
    [
        (parse_space("s4-8_b1-2_w8-16_c2_i3x16x16"), False),
        (parse_space("t4-8_u1-2_w8-16_c2_i3x16x16"), True),
        (parse_space("r8_v1-2_w8-16_c2_i3x16x16"), False),
        (decoders("s4-8_b8_b16_b16_c2"), False),
        (decoders("t4-8_u8_u16_u16_c2"), True),
    ],
    ids=str,
)
def test_networks_are_trained_on_what_their_own_data_layers_would_give(space, differs):
    pixels = np.random.default_rng(0).integers(0, 256, (4, *space.input_shape[2:], 3)).astype(np.uint8)
    labels = torch.arange(4) % 2
    train_val = generate(space.at(0), form="train_val", input_shape=(4, *space.input_shape[1:]))
    (mean,) = {tuple(one.transform_param.mean_value) for one in train_val.layer if one.transform_param.mean_value}
    expected = preprocess(pixels, mean)
    if isinstance(space, DecoderSpace):
        part = Scenes((), space.input_shape[2:], 2)
        examples = trainer_for(space, Dataset("scenes", ("0", "1"), part, part), SCHEDULE).data.train
        made = on_device(torch.from_numpy(pixels), examples.mean, "cpu", torch.contiguous_format)
        assert torch.allclose(made, expected, atol=1e-6, rtol=0)
    else:
        at_hand = Split(labels, lambda indices, rng: preprocess(pixels[list(indices)]))
        to_preprocess = Split(labels, at_hand.images, lambda indices, rng, augmentation: pixels[list(indices)])
        for part in (at_hand, to_preprocess):
            trainer = trainer_for(space, Dataset("images", ("0", "1"), part, part), SCHEDULE)
            for examples in (trainer.data.train, trainer.data.held_out):
                read = examples.read(range(4), None, Augmentation()).inputs
                made = on_device(read, examples.mean, "cpu", torch.contiguous_format)
                assert torch.allclose(made, expected, atol=1e-6, rtol=0)
                assert torch.allclose(examples.images(range(4), None), expected, atol=1e-6, rtol=0)
    settings = trainer_for(space, Dataset("images", ("0", "1"), part, part), SCHEDULE).settings
    # So a study that was begun with another mean is not gone on with.
    assert settings.get("mean") == (list(mean_of(space)) if differs else None)
