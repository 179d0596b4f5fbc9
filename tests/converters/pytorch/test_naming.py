"""Layer names as module paths and back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from converters.pytorch.module import to_torch
from converters.pytorch.naming import layer_name, module_paths
from prototxt_gen import generate


def test_state_dict_keys_follow_layer_names():
    keys = set(to_torch(generate("s32-64_b64x3_b128x3_b256x3-512_c1000")).state_dict())
    assert {"conv1.weight", "conv1/bn.weight", "conv1/bn.running_mean", "res2.1.conv1.weight", "fc.bias"} <= keys
    assert not any("scale" in key for key in keys)


@pytest.mark.parametrize(
    "names",
    [
        ["res2.1.conv1", "res2.1skipConv/bn", "conv1/bn"],
        ["forward", "training", "a.forward", "graph", "weight"],
        ["self", "x.self", "Self", "in", "None", "a.class", "getattr", "torch", "operator", "x"],
        ["", ".", ".a", "a.", "a..b", "..."],
        ["res2", "res2.conv", "res2.conv.bn", "res2.1.x"],
        ["relu", "relu", "relu", "relu%~2", "a%2Eb", "a.b", "%", "%25"],
        ['quote"', "back\\slash", "new\nline", "tab\t", "卷积", "a b", "1.2", "-"],
    ],
)
def test_any_layer_name_can_be_a_module(names, net_of):
    paths = module_paths(names)
    assert len(set(paths)) == len(names)
    assert [layer_name(path) for path in paths] == names
    quoted = [
        name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") for name in names
    ]
    net = net_of(
        "".join(
            f'layer {{ name: "{name}" type: "Bias" bottom: "t{index}" top: "t{index + 1}" }}'
            for index, name in enumerate(quoted)
        ),
        t0=(1, 2),
    )
    module = to_torch(net)
    assert sorted(module.state_dict()) == sorted(f"{path}.bias" for path in paths)
    for index, parameter in enumerate(module.parameters()):
        nn.init.constant_(parameter, 2.0**index)
    assert module(torch.zeros(1, 2)).tolist() == [[2.0 ** len(names) - 1] * 2]
