"""Expected latencies: of one network what the table predicts, of a mixture the mean over all its networks."""

from __future__ import annotations

import itertools
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from prototxt_gen.architectures import Backbone
from search.latency.curves import Curve
from search.latency.layer_latencies import layer_latencies
from search.latency.overview import Overview
from search.training.expecting import expected_latency, latency_range
from search.training.shares import Logits, Shares, places_of
from tests.search.latency.test_layer_latencies import SPACE, VARIANTS, made_up_table
from tests.search.training.small_tiered import Widths, picks_of, some_of

CURVE = Curve((3.0, 7.0, 40.0), (3.3, 6.0, 41.0))


def alone(picks: list, left: list) -> Shares:
    """The shares of one network: 1 for what it is, 0 for all else."""
    most = max(len(layer.candidates) for layer in SPACE.layers)
    shares = Shares(torch.zeros(len(picks), most), torch.ones(len(picks), most), torch.zeros(len(picks)))
    for number, pick in enumerate(picks):
        if pick is None:
            shares.bypass[number] = 1
            continue
        shares.candidates[number, pick.candidate] = 1
        widths = SPACE.layers[number].widths
        if widths and widths.index(pick.inner) != left[number].prunodes[pick.candidate].large:
            shares.large[number, pick.candidate] = 0
    return Shares(*(tensor.double() for tensor in shares))


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_network_takes_what_the_table_predicts(variant):
    table = made_up_table(**VARIANTS[variant])
    times, rng = layer_latencies(SPACE, table), random.Random(0)
    for _ in range(20):
        left = some_of(SPACE, rng)
        picks = picks_of(SPACE, left, rng)
        architecture = SPACE.of_picks(picks)
        assert isinstance(architecture, Backbone)
        expected = float(expected_latency(times, places_of(left, 4), alone(picks, left)))
        assert expected == pytest.approx(table.predict(architecture, input_shape=SPACE.input_shape), rel=1e-12)


def test_a_mixture_takes_the_mean_over_all_its_networks():
    """Each as often as its layers, candidates and widths come together by chance."""
    rng = random.Random(1)
    times = layer_latencies(SPACE, made_up_table(call_ms=0.1))
    left = [
        SimpleNamespace(
            prunodes={
                number: Widths(0, len(layer.widths) - 1) if layer.widths else Widths(0, 0)
                for number in sorted(rng.sample(range(len(layer.candidates)), min(2, len(layer.candidates))))
            },
            bypass=layer.optional,
            gone=False,
        )
        for layer in SPACE.layers
    ]
    left[4].prunodes, left[4].gone = {}, True
    places = places_of(left, 4)
    torch.manual_seed(0)
    logits = Logits(len(left), 4)
    logits.load_state_dict({name: torch.randn_like(value) for name, value in logits.state_dict().items()})
    shares = Shares(*(tensor.detach() for tensor in logits.probabilities(places)))
    columns = []
    for number, (layer, state) in enumerate(zip(SPACE.layers, left, strict=True)):
        column = [(None, float(shares.bypass[number]))] if layer.optional else []
        for candidate, widths in state.prunodes.items():
            large = float(shares.large[number, candidate])
            for index, share in zip(widths, (1 - large, large), strict=True):
                weight = float((1 - shares.bypass[number]) * shares.candidates[number, candidate]) * share
                column.append(((candidate, index), weight))
        columns.append([entry for entry in column if entry[1] > 0])
    mean = total = 0.0
    for choice in itertools.product(*columns):
        weight = float(np.prod([weight for _, weight in choice]))
        sum_, after = times.base, "Convolution"
        for layer, (pick, _) in zip(times.layers, choice, strict=True):
            if pick is not None:
                sum_ += int(layer.blocks[after][pick[0]][pick[1]])
                after = layer.maker
        mean += weight * (sum_ + times.heads[after])
        total += weight
    assert total == pytest.approx(1)
    assert float(expected_latency(times, places, shares)) == pytest.approx(mean / 1e6, rel=1e-9)


@pytest.mark.parametrize("curve", [None, CURVE, Curve((1.0, 2.0), (1.5, 2.0)), Curve((50.0, 90.0), (45.0, 99.0))])
def test_gradients_are_the_slopes(curve):
    times = layer_latencies(SPACE, made_up_table(curve=curve))
    left = some_of(SPACE, random.Random(5))
    places, logits = places_of(left, 4), Logits(len(left), 4)

    def expected(*values: torch.Tensor) -> torch.Tensor:
        logits._values.update(zip(("candidates", "large", "bypass"), values, strict=True))  # type: ignore[arg-type]
        return expected_latency(times, places, logits.probabilities(places))

    torch.manual_seed(0)
    values = [torch.randn_like(value, requires_grad=True) for value in logits.parameters()]
    assert torch.autograd.gradcheck(expected, values)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_fastest_and_the_slowest_network_are_those_of_the_table(variant):
    table = made_up_table(**VARIANTS[variant])
    found = latency_range(layer_latencies(SPACE, table), [layer.optional for layer in SPACE.layers])
    overview = Overview(SPACE, table)
    assert found == pytest.approx((overview.fastest.ms, overview.slowest.ms), rel=1e-12)
