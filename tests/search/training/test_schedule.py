"""The learning rate over a training."""

import pytest

from prototxt_gen.errors import CaffeError
from search.training.schedule import WARM_UP, Schedule, rate


def test_the_rate_rises_then_falls_along_a_cosine():
    assert [rate(0), rate(0.5), rate(1)] == pytest.approx([0, 0.5, 0])
    rates = [rate(step / 100) for step in range(101)]
    highest = rates.index(max(rates))
    assert highest == round(WARM_UP * 100)
    assert rates[: highest + 1] == sorted(rates[: highest + 1])
    assert rates[highest:] == sorted(rates[highest:], reverse=True)


def test_settings_are_those_of_a_study_begun_before_there_were_others():
    first = {
        "epochs": 8,
        "batch_size": 32,
        "base_lr": 0.05,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "seed": 0,
    }
    assert Schedule().settings() == first
    assert Schedule(ema=0.99, scales=(1, 2)).settings() == first | {"ema": 0.99, "scales": [1, 2]}
    assert Schedule(epochs=3).settings() == first | {"epochs": 3}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("base_lr", 0.0),
        ("base_lr", float("nan")),
        ("momentum", 1.0),
        ("weight_decay", -1e-4),
        ("label_smoothing", 1.0),
        ("precision", "float16"),
        ("ema", 1.0),
        ("least_area", 0.0),
        ("jitter", 1.0),
        ("scales", (2.0, 0.5)),
        ("scales", (0.5,)),
    ],
)
def test_fields_out_of_their_range_are_named_all_at_once(field, value):
    with pytest.raises(CaffeError, match=rf"schedule: {field}: found .*, expected"):
        Schedule(**{field: value})
    with pytest.raises(CaffeError, match=r"epochs: found 0, expected at least 1; ema: found 2, expected 0 to less"):
        Schedule(epochs=0, ema=2)
