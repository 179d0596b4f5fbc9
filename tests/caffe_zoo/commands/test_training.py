"""Options of the training: what they ask for, and that nothing asked for is the default."""

import argparse

import pytest

from caffe_zoo.commands.training import add_training, schedule_of
from prototxt_gen.errors import CaffeError
from search import Schedule


def asked(*words: str) -> Schedule:
    parser = argparse.ArgumentParser()
    add_training(parser)
    parser.add_argument("--seed", type=int, default=0)
    return schedule_of(parser.parse_args(words))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["--epochs", "3", "--seed", "7"], {"epochs": 3, "seed": 7}),
        (["--batch-size", "64", "--lr", "0.1"], {"batch_size": 64, "base_lr": 0.1}),
        (["--weight-decay", "0"], {"weight_decay": 0.0}),
        (["--label-smoothing", "0.1", "--ema", "0.99"], {"label_smoothing": 0.1, "ema": 0.99}),
        (["--mixed", "--channels-last"], {"precision": "mixed", "channels_last": True}),
        (["--crop-area", "0.08", "--jitter", "0.4"], {"least_area": 0.08, "jitter": 0.4}),
        (["--no-mirror", "--scales", "0.75,1.5"], {"mirror": False, "scales": (0.75, 1.5)}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_asked_for_is_in_the_schedule(words, expected):
    assert asked(*words) == Schedule(**expected)


@pytest.mark.parametrize("words", [["--scales", "2"], ["--lr", "fast"], ["--ema", "nan"]])
def test_words_that_are_no_numbers_are_refused_by_the_parser(words, capsys):
    with pytest.raises(SystemExit):
        asked(*words)
    assert f"argument {words[0]}: found '{words[1]}', expected" in capsys.readouterr().err


def test_numbers_out_of_their_range_are_refused_by_the_schedule():
    with pytest.raises(CaffeError, match=r"ema: found 1\.0, expected 0 to less than 1"):
        asked("--ema", "1")
