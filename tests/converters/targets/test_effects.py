"""What silent faults do to numbers, held against the same network computed by hand."""

import numpy as np
import pytest

from converters import to_torch
from converters.targets.checking import check_target
from converters.targets.comparing import drawn_inputs
from converters.targets.effects import with_effects
from converters.targets.expressions import Expression
from converters.targets.target import Rule
from prototxt_gen import NetParameter
from prototxt_gen.text import parse_text
from prototxt_gen.trace import trace
from tests.targets import SOURCE, made_target

INPUT = 'layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 2 dim: 5 dim: 6 } } }'
DIFFERENCE = 'layer { name: "d" type: "Eltwise" bottom: "a" bottom: "p" top: "d" eltwise_param { coeff: 1 coeff: -1 } }'
POWER = 'layer { name: "p" type: "Power" bottom: "a" top: "p" power_param { scale: 0.5 shift: 3 } }'
KERNEL = 'name: "c" type: "Convolution" bottom: "a" top: "c" convolution_param { num_output: 1 bias_term: false'


def network(*layers: str) -> NetParameter:
    return parse_text("\n".join(['name: "small"', INPUT, *layers]), NetParameter())


def silent(kind: str, needs: str, **acts_as) -> Rule:
    paths = {path.replace("__", "."): value for path, value in acts_as.items()}
    return Rule((kind,), Expression(needs), "silent", "numbers", "as Caffe", SOURCE, acts_as=paths)


def report(net: NetParameter, *rules: Rule, weights=None):
    target = made_target(*{layer.type for layer in net.layer}, rules=rules)
    return with_effects(check_target(net, target), net, weights)


@pytest.fixture
def image():
    """What the networks are run on."""
    return drawn_inputs(trace(network()), np.random.default_rng(0))["a"].astype(np.float64)


IGNORES_COEFF = silent("Eltwise", "coeff == []", eltwise_param__coeff=None)
IGNORES_SHIFT = silent("Power", "shift == 0", power_param__shift=None)


def test_a_coefficient_that_is_ignored(image):
    found = report(network(POWER, DIFFERENCE), IGNORES_COEFF)
    power = 0.5 * image + 3
    expected = np.abs((image + power) - (image - power)).max() / np.abs(image - power).max()
    assert found.faults[0].off_by == pytest.approx(expected, rel=1e-5)
    assert found.off_by == found.faults[0].off_by


def test_faults_are_tried_one_at_a_time_and_all_together(image):
    found = report(network(POWER, DIFFERENCE), IGNORES_COEFF, IGNORES_SHIFT)
    right = image - (0.5 * image + 3)
    largest = np.abs(right).max()
    wrong = {"d": image + 0.5 * image + 3, "p": image - 0.5 * image}
    assert {fault.layer: fault.off_by for fault in found.faults} == {
        layer: pytest.approx(np.abs(values - right).max() / largest, rel=1e-5) for layer, values in wrong.items()
    }
    assert found.off_by == pytest.approx(np.abs(image + 0.5 * image - right).max() / largest, rel=1e-5)


def test_width_and_height_taken_for_each_other(image):
    """The blob's numbers stay in their order, the shape is the target's."""
    kernel = np.arange(1.0, 4.0, dtype=np.float32).reshape(1, 1, 1, 3)
    net = network(
        'layer { name: "s" type: "Slice" bottom: "a" top: "s" top: "t" }',
        f"layer {{ {KERNEL} kernel_size: [1, 3] pad: [0, 1] }} }}".replace('"a"', '"s"'),
    )
    swapped = silent(
        "Convolution",
        "not repeated_kernel",
        convolution_param__kernel_size=Expression("[kernel_w, kernel_h]"),
        convolution_param__pad=Expression("[pad_w, pad_h]"),
    )
    found = report(net, swapped, weights={"c": [kernel]})
    padded = np.pad(image[0, 0], 1)
    across = sum(weight * padded[1:-1, index : index + 6] for index, weight in enumerate((1, 2, 3)))
    down = sum(weight * padded[index : index + 5, 1:-1] for index, weight in enumerate((1, 2, 3)))
    assert found.faults[0].off_by == pytest.approx(np.abs(across - down).max() / np.abs(across).max(), rel=1e-5)
    assert not found.notes


def test_without_weights_both_have_the_same_ones_and_it_is_said():
    net = network(
        f"layer {{ {KERNEL} kernel_size: 1 }} }}",
        'layer { name: "r" type: "ReLU" bottom: "c" top: "r" relu_param { negative_slope: 1 } }',
    )
    found = report(net, silent("ReLU", "negative_slope == 0", relu_param__negative_slope=None))
    assert 0 < found.faults[0].off_by <= 1  # the negative half is gone, nothing else
    assert found.notes == ("Numbers are of weights drawn by the network's fillers: none were given.",)
    assert report(net, silent("ReLU", "negative_slope == 0", relu_param__negative_slope=None)).off_by == found.off_by


def test_many_layers_of_one_rule_are_tried_together():
    layers = [POWER.replace('"p"', f'"p{index}"') for index in range(5)]
    found = report(network(*layers), IGNORES_SHIFT)
    assert len(found.faults) == 5 and len({fault.off_by for fault in found.faults}) == 1
    assert found.notes[-1] == "Of 5 silent faults, those of one rule were tried together."


def test_networks_that_cannot_be_run_so_say_why():
    stretched = silent("Pooling", "stride_h == 1", pooling_param__stride=1)
    pooling = 'layer { name: "p" type: "Pooling" bottom: "a" top: "p" pooling_param { kernel_size: 2 stride: 2 } }'
    found = report(network(pooling), stretched)
    assert "it cannot be run as the target reads it: output 'p': found shape (1, 2, 4, 5)" in found.faults[0].off_by
    assert found.off_by is None
    unknown = network(POWER, 'layer { name: "m" type: "Mystery" bottom: "p" top: "m" }')
    found = report(unknown, IGNORES_SHIFT)
    assert found.faults[0].off_by is None
    assert "What silent faults do to the numbers was not computed: " in found.notes[0] and "Mystery" in found.notes[0]


def test_without_silent_faults_nothing_is_run(monkeypatch):
    monkeypatch.setattr("converters.targets.effects.compare_outputs", None)
    refused = Rule(("Power",), Expression("shift == 0"), "refused", "power_param.shift", "0", SOURCE)
    net = network(POWER)
    target = made_target("Power", rules=[refused])
    assert with_effects(check_target(net, target), net) == check_target(net, target)


def test_a_network_with_weights_runs_as_to_torch_runs_it(image):
    """The share is of what `to_torch` gives."""
    net = network(POWER, DIFFERENCE)
    import torch

    right = to_torch(net)(torch.from_numpy(image.astype(np.float32))).numpy()
    assert np.allclose(right, image - (0.5 * image + 3), atol=1e-4)
