"""Community checkpoints: DFNet's state_dicts both ways with PyTorch's numbers, and any other by a file of names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters import to_torch, weights_of
from converters.pytorch.checkpoints import (
    LAYOUTS,
    NameMap,
    apply_mapping,
    batch_norm_eps,
    detect_layout,
    from_state_dict,
    layout_mapping,
    propose_mapping,
    read_mapping,
    to_state_dict,
    undo_mapping,
    write_mapping,
)
from prototxt_gen import FormatError, NetParameter, UnsupportedError, WeightsError, generate, to_text
from prototxt_gen.text import parse_text

IMAGE = torch.from_numpy(np.random.default_rng(1).uniform(-1, 1, (1, 3, 224, 224)).astype(np.float32))


class Block(nn.Module):
    """Two 3x3 convolutions and a sum, with the attribute names of torchvision's ResNet."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride > 1 or inputs != width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = x if self.downsample is None else self.downsample(x)
        return (self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())) + skip).relu()


# What the community's dfnet.py files say: stage, width, blocks, stride.
STAGES = {
    "dfnetv1": [("stage2", 64, 3, 2), ("stage3", 128, 3, 2), ("stage4", 256, 3, 2), ("stage5", 512, 1, 1)],
    "dfnetv2": [
        ("stage2_1", 64, 2, 2), ("stage2_2", 128, 1, 1), ("stage3_1", 128, 10, 2), ("stage3_2", 256, 1, 1),
        ("stage4_1", 256, 4, 2), ("stage4_2", 512, 2, 1),
    ],
}  # fmt: skip


class DFNet(nn.Module):
    def __init__(self, layout: str, classes: int) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        )  # fmt: skip
        width = 64
        self.stages = [name for name, *_ in STAGES[layout]]
        for name, outputs, blocks, stride in STAGES[layout]:
            made = [Block(width if not index else outputs, outputs, 1 if index else stride) for index in range(blocks)]
            self.add_module(name, nn.Sequential(*made))
            width = outputs
        self.fc = nn.Linear(512, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage1(x)
        for name in self.stages:
            x = getattr(self, name)(x)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.features(x).mean((2, 3)))


def trained(module: nn.Module) -> nn.Module:
    """Weights and statistics that differ everywhere, some variances so small that eps counts."""
    torch.manual_seed(7)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.3, 0.9)
            nn.init.uniform_(norm.bias, -0.2, 0.2)
            nn.init.uniform_(norm.running_mean, -0.2, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
            norm.running_var[0] = 2e-5
            norm.weight.data[0] = 1e-3
    return module.eval()


@pytest.fixture(scope="module", params=sorted(STAGES))
def dfnet(request):
    return request.param, trained(DFNet(request.param, 10))


def output(net, weights, **options) -> np.ndarray:
    size = {"data": tuple(IMAGE.shape)}
    with torch.no_grad():
        return to_torch(net, weights, input_shapes=size, **options)(IMAGE).numpy()


@pytest.mark.parametrize("eps", [1e-5, 1e-4])
def test_a_dfnet_computes_the_same_here(dfnet, eps: float) -> None:
    _layout, module = dfnet
    net, weights = from_state_dict(module.state_dict(), eps=eps)
    assert {layer.batch_norm_param.eps for layer in net.layer if layer.type == "BatchNorm"} == {np.float32(eps)}
    with torch.no_grad():
        expected = module.features(IMAGE).numpy()
    last = [layer.top[0] for layer in net.layer if layer.type == "ReLU"][-1]
    np.testing.assert_allclose(output(net, weights, outputs=[last]), expected, rtol=1e-3, atol=1e-4)


def test_eps_is_not_passed_over(dfnet) -> None:
    _layout, module = dfnet
    net, weights = from_state_dict(module.state_dict())
    with torch.no_grad():
        expected = module.features(IMAGE).numpy()
    last = [layer.top[0] for layer in net.layer if layer.type == "ReLU"][-1]
    wrong = output(batch_norm_eps(net, 1e-4), weights, outputs=[last])
    assert np.abs(wrong - expected).max() > 1e-3


def test_with_the_release_s_eps_the_network_is_the_release_s(dfnet) -> None:
    layout, module = dfnet
    net, _ = from_state_dict(module.state_dict(), layout, eps=1e-4)
    assert to_text(net) == to_text(generate(LAYOUTS[layout].architecture.replace("c1000", "c10")))


@pytest.mark.parametrize("eps", [1e-5, 1e-4])
def test_there_and_back_is_the_same_state_dict(dfnet, eps: float) -> None:
    layout, module = dfnet
    state = module.state_dict()
    again = to_state_dict(from_state_dict(state, eps=eps)[1], layout, eps=eps)
    assert list(again) == [name for name in again if name in state] and again.keys() == state.keys()
    for name, tensor in state.items():
        assert again[name].dtype == tensor.dtype or name.endswith("tracked")
        np.testing.assert_allclose(again[name].numpy(), tensor.numpy(), rtol=0, atol=1e-7 if eps != 1e-5 else 0)
    DFNet(layout, 10).load_state_dict(again)


def test_our_weights_run_in_their_code(dfnet) -> None:
    layout, _ = dfnet
    net = generate(LAYOUTS[layout].architecture.replace("c1000", "c10"))
    module = to_torch(net)
    torch.manual_seed(2)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_var, 1e-5, 1.5)
    weights = weights_of(module.eval())
    theirs = DFNet(layout, 10).eval()
    theirs.load_state_dict(to_state_dict(weights, layout, eps=1e-4))
    with torch.no_grad():
        expected, found = module(IMAGE).flatten(), theirs(IMAGE).flatten()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_a_batch_norm_factor_is_divided_out() -> None:
    _net, weights = from_state_dict(DFNet("dfnetv1", 10).state_dict())
    mean, variance, _ = weights["conv1/bn"]
    weights["conv1/bn"] = [mean + 3, variance * 4, np.float32([4])]
    state = to_state_dict(weights, "dfnetv1", eps=1e-5)
    assert state["stage1.1.running_var"].eq(1).all() and state["stage1.1.running_mean"].eq(0.75).all()


def test_names_of_the_layouts() -> None:
    first, second = layout_mapping("dfnetv1").layers, layout_mapping("dfnetv2").layers
    assert first["stage1.0"] == "conv1" and first["stage1.4"] == "conv2/bn"
    assert first["stage2.0.downsample.0"] == "res2.1.skipConv" and "stage2.1.downsample.0" not in first
    assert first["stage5.0.conv2"] == "res4.4.conv2"
    assert second["stage2_2.0.bn1"] == "res2.3.conv1/bn" and second["stage4_2.1.conv1"] == "res4.6.conv1"


def test_data_parallel_prefix_and_missing_classifier(dfnet) -> None:
    layout, module = dfnet
    state = {f"module.{name}": value for name, value in module.state_dict().items() if not name.startswith("fc.")}
    assert detect_layout(state) == layout
    net, weights = from_state_dict(state)
    assert "fc" not in weights and all(layer.type != "InnerProduct" for layer in net.layer)
    with torch.no_grad():
        np.testing.assert_allclose(output(net, weights), module.features(IMAGE).numpy(), rtol=1e-3, atol=1e-4)
    assert "fc.weight" not in to_state_dict(weights, layout, eps=1e-5)


def test_a_backbone_inside_a_larger_network_is_taken_by_its_prefix(dfnet) -> None:
    _layout, module = dfnet
    state = {f"module.backbone.{name}": value for name, value in module.state_dict().items()}
    state["module.head.weight"] = torch.zeros(3)
    _, weights = from_state_dict(state, prefix="backbone.")
    _, expected = from_state_dict(module.state_dict())
    assert all(np.array_equal(a, b) for name in expected for a, b in zip(weights[name], expected[name], strict=True))


def test_every_wrong_entry_is_listed_at_once() -> None:
    state = DFNet("dfnetv1", 10).state_dict()
    del state["stage3.1.bn2.running_var"]
    state["stage2.0.conv1.weight"] = torch.zeros(64, 32, 3, 3)
    state["head.weight"] = torch.zeros(1)
    state["stage1.0.bias"] = torch.zeros(32)
    with pytest.raises(WeightsError) as fault:
        from_state_dict(state)
    text = str(fault.value)
    assert "'stage3.1.bn2.running_var' (layer 'res3.2.conv2/bn'): missing" in text
    assert "'stage2.0.conv1.weight' (layer 'res2.1.conv1'): found shape (64, 32, 3, 3), expected (64, 64, 3, 3)" in text
    assert "'head.weight': unexpected" in text and "'stage1.0.bias': unexpected" in text


def test_weights_that_do_not_fit_are_listed_at_once() -> None:
    _, weights = from_state_dict(DFNet("dfnetv1", 10).state_dict())
    weights["conv1"] = []
    weights["conv2"] = [np.zeros((2, 2), np.float32)]
    weights["more"] = [np.zeros(2, np.float32)]
    with pytest.raises(
        WeightsError, match=r"'conv1': blob 0 is missing.*'conv2': blob 0: found.*'more': no module is mapped"
    ):
        to_state_dict(weights, "dfnetv1", eps=1e-5)


def test_an_unknown_layout_is_named() -> None:
    with pytest.raises(WeightsError, match=r"found entries layer1\.weight"):
        from_state_dict({"layer1.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match="expected one of dfnetv1, dfnetv2"):
        from_state_dict({}, "dfnetv3")


# Any other network, by a file of names


class Inverted(nn.Module):
    """A small inverted block with the attribute names of timm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(3, 4, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4, eps=1e-3)
        self.conv_pw = nn.Conv2d(4, 8, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(8, eps=1e-3)
        self.conv_dw = nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False)
        self.bn3 = nn.BatchNorm2d(8, eps=1e-3)
        self.act = nn.PReLU(8)
        self.conv_reduce = nn.Conv2d(8, 2, 1)
        self.classifier = nn.Linear(2, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(self.conv_stem(x)).relu()
        x = self.bn2(self.conv_pw(x)).relu()
        x = self.act(self.bn3(self.conv_dw(x)))
        return self.classifier(self.conv_reduce(x.mean((2, 3), keepdim=True)).relu().flatten(1))


def norm(bottom: str) -> str:
    return f"""
    layer {{ name: "{bottom}/bn" type: "BatchNorm" bottom: "{bottom}" top: "{bottom}/bn" batch_norm_param {{ eps: 0.001 }} }}
    layer {{ name: "{bottom}/s" type: "Scale" bottom: "{bottom}/bn" top: "{bottom}/bn" scale_param {{ bias_term: true }} }}
    """  # noqa: E501


def convolution(name: str, bottom: str, param: str) -> str:
    return f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
        convolution_param {{ bias_term: false {param} }} }} {norm(name)}"""


INVERTED = f"""
name: "inverted"
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 2 dim: 3 dim: 64 dim: 96 }} }} }}
{convolution("stem", "data", "num_output: 4 kernel_size: 3 stride: 2 pad: 1")}
layer {{ name: "r1" type: "ReLU" bottom: "stem/bn" top: "stem/bn" }}
{convolution("expand", "stem/bn", "num_output: 8 kernel_size: 1")}
layer {{ name: "r2" type: "ReLU" bottom: "expand/bn" top: "expand/bn" }}
{convolution("depthwise", "expand/bn", "num_output: 8 kernel_size: 3 pad: 1 group: 8")}
layer {{ name: "act" type: "PReLU" bottom: "depthwise/bn" top: "depthwise/bn" }}
layer {{ name: "pool" type: "Pooling" bottom: "depthwise/bn" top: "pool"
    pooling_param {{ pool: AVE global_pooling: true }} }}
layer {{ name: "reduce" type: "InnerProduct" bottom: "pool" top: "reduce" inner_product_param {{ num_output: 2 }} }}
layer {{ name: "r3" type: "ReLU" bottom: "reduce" top: "reduce" }}
layer {{ name: "fc" type: "InnerProduct" bottom: "reduce" top: "fc" inner_product_param {{ num_output: 5 }} }}
"""


@pytest.fixture(scope="module")
def inverted():
    return trained(Inverted()), parse_text(INVERTED, NetParameter())


def test_names_proposed_by_order_give_the_same_numbers(inverted, tmp_path: Path) -> None:
    module, net = inverted
    write_mapping(propose_mapping(module.state_dict(), net), tmp_path / "names.json")
    mapping = read_mapping(tmp_path / "names.json")
    assert mapping.layers["conv_reduce"] == "reduce" and mapping.layers["bn3"] == "depthwise/bn"
    weights = apply_mapping(module.state_dict(), mapping, net)
    with torch.no_grad():
        expected = module(IMAGE).numpy()
    np.testing.assert_allclose(output(net, weights), expected, rtol=1e-4, atol=1e-5)
    back = undo_mapping(weights, mapping, net)
    for name, tensor in module.state_dict().items():
        assert np.array_equal(back[name].numpy().reshape(tensor.shape), tensor.numpy()), name


def test_the_order_proposes_the_names_of_a_dfnet(dfnet) -> None:
    layout, module = dfnet
    net, _ = from_state_dict(module.state_dict())
    assert dict(propose_mapping(module.state_dict(), net).layers) == dict(layout_mapping(layout).layers)


def test_what_is_not_ours_can_be_ignored(inverted) -> None:
    module, net = inverted
    state = {**module.state_dict(), "aux.fc.weight": torch.zeros(3, 3), "aux.fc.bias": torch.zeros(3)}
    with pytest.raises(WeightsError, match="found 7 layers with weights, expected 6"):
        propose_mapping(state, net)
    mapping = propose_mapping(state, net, ignore=["aux.*"])
    assert apply_mapping(state, mapping, net).keys() == apply_mapping(module.state_dict(), mapping, net).keys()


def test_names_that_do_not_fit_are_listed(inverted) -> None:
    module, net = inverted
    mapping = NameMap({"conv_stem": "stem", "bn1": "nowhere"}, ("*.bias",))
    with pytest.raises(WeightsError) as fault:
        apply_mapping(module.state_dict(), mapping, net)
    text = str(fault.value)
    assert "'bn1': its layer 'nowhere' has no weights" in text and "'conv_pw.weight': unexpected" in text
    assert "layer 'expand': no module is mapped to it" in text


def test_a_type_without_a_torch_module_is_refused() -> None:
    text = """layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }
    layer { name: "b" type: "Bias" bottom: "x" top: "y" }"""
    with pytest.raises(UnsupportedError, match=r"layer 'b' \(Bias\)"):
        apply_mapping({}, NameMap({}), parse_text(text, NetParameter()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "layers: found None"),
        ({"layers": {"a": 1}}, "layers: found"),
        ({"layers": {"a": "b"}, "ignore": "x"}, "ignore: found 'x'"),
        ({"layers": {"a": "b"}, "transpose": []}, "transpose"),
        ({"layers": {"a": "b", "c": "b"}}, r"two names for \['b'\]"),
    ],
)
def test_a_wrong_file_of_names_says_what_is_wrong(content, message: str, tmp_path: Path) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "names.json").write_text(text)
    with pytest.raises(FormatError, match=rf"names\.json: .*{message}"):
        read_mapping(tmp_path / "names.json")
