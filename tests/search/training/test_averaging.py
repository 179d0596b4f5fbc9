"""Averaged weights: the average of the steps, with statistics that are theirs."""

import pytest
import torch
from torch import nn

from converters.pytorch.module import to_torch
from prototxt_gen.generator.networks import generate
from search.training.averaging import MovingAverage, take_statistics


def test_the_average_is_that_of_the_steps_and_the_module_goes_on_unchanged():
    module = nn.Linear(1, 1, bias=False)
    average = MovingAverage(module, 0.9)
    expected = module.weight.item()
    for step in range(30):
        with torch.no_grad():
            module.weight.fill_(float(step))
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    with average.in_place([]):
        assert module.weight.item() == pytest.approx(expected, rel=1e-5)
    assert module.weight.item() == 29


def test_a_decay_of_none_at_all_is_the_last_step():
    module = nn.Linear(1, 1, bias=False)
    average = MovingAverage(module, 0.0)
    with torch.no_grad():
        module.weight.fill_(7.0)
    average.update()
    with average.in_place([]):
        assert module.weight.item() == 7.0


@pytest.mark.parametrize("size", [16, 32])
def test_statistics_are_the_means_over_the_batches(size):
    """At 16x16 the last maps are single numbers, for which batch norm is a module of our own."""
    module = to_torch(generate("s4-8_b8_c3", input_shape=(1, 3, size, size)))
    first = next(part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))
    momentum = first.momentum
    batches = [torch.randn(8, 3, size, size) * scale for scale in (1, 2, 3)]
    inputs = []
    first.register_forward_pre_hook(lambda part, taken: inputs.append(taken[0]))
    first.running_mean.fill_(99)
    take_statistics(module, batches)
    means = torch.stack([taken.mean(dim=(0, 2, 3)) for taken in inputs]).mean(dim=0)
    variances = torch.stack([taken.var(dim=(0, 2, 3)) for taken in inputs]).mean(dim=0)
    torch.testing.assert_close(first.running_mean, means)
    torch.testing.assert_close(first.running_var, variances)
    assert first.momentum == momentum and not any(part.training for part in module.modules())


def test_outside_the_context_statistics_are_those_of_the_training():
    module = to_torch(generate("s4-8_b8_c3", input_shape=(1, 3, 32, 32)))
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    average = MovingAverage(module, 0.5)
    with pytest.raises(KeyError), average.in_place([torch.randn(4, 3, 32, 32)]):
        assert any(not torch.equal(before[name], buffer) for name, buffer in module.named_buffers())
        raise KeyError
    for name, buffer in module.named_buffers():
        assert torch.equal(before[name], buffer), name
