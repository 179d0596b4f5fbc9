"""Fields that a target's proto lacks go where they say nothing, and stay where they do."""

from __future__ import annotations

import pytest

from converters.targets.rewriting import rewritten
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text
from tests.targets import made_target

NET = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } %s }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 2 stride: 2 %s } }
layer { name: "conv" type: "Convolution" bottom: "pool" top: "conv" %s
        convolution_param { num_output: 3 kernel_size: 1 %s } }
"""


@pytest.mark.parametrize(
    ("lacking", "at", "said", "goes"),
    [
        ("pooling_param.round_mode", 1, "round_mode: CEIL", True),
        ("convolution_param.engine", 3, "engine: CUDNN", True),
        ("convolution_param.weight_filler", 3, 'weight_filler { type: "msra" }', True),
        ("convolution_param.dilation", 3, "dilation: 1", True),
        ("transform_param", 0, "transform_param { scale: 2 }", True),
        ("transform_param.scale", 0, "transform_param { scale: 2 }", True),
        ("param", 2, "param { lr_mult: 2 }", True),
        ("param", 2, 'param { name: "w" }', True),
        ("loss_weight", 2, "loss_weight: 0", True),
    ],
)
def test_which_fields_go(lacking, at, said, goes):
    parts = ["", "", "", ""]
    parts[at] = said
    net = parse_text(NET % tuple(parts), NetParameter())
    made = rewritten(net, None, made_target("Pooling", "Convolution", lacks=[lacking]))
    assert [fault.field for fault in made.report.faults] == ([] if goes else [lacking])
    assert bool(made.changes) is goes
