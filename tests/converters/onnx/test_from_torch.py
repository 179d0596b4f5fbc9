"""PyTorch modules as networks of Caffe: the numbers, the names, what is said where the two differ or cannot."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from converters import merge_batchnorm, to_torch
from converters.onnx import reading
from converters.onnx.from_torch import compare_with_torch, from_torch
from prototxt_gen.errors import NetworkError, NotInstalledError, UnsupportedError
from prototxt_gen.passes.stock import FORK_TYPES
from tools.torchvision_models import settle

pytest.importorskip("onnx")
pytest.importorskip("onnxscript", reason="torch's exporter needs onnxscript")

from tests.converters.onnx.torch_modules import MODULES, Bottleneck, Detector, Fn, conv


class Together(nn.Module):
    """Modules beside each other, each with an input and outputs of its own: torch.export takes long to begin."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name.replace(".", ""): MODULES[name][0]() for name in names})

    def forward(self, *inputs: torch.Tensor) -> dict[str, object]:
        return {name: part(x) for (name, part), x in zip(self.parts.items(), inputs, strict=True)}


def inputs_of(names: list[str], batch: int = 0) -> list[torch.Tensor]:
    return [torch.randn(batch or MODULES[name][1][0], *MODULES[name][1][1:]) for name in names]


#: One of each kind; the others take half a minute more.
QUICK = [
    "c2f", "sppf", "squeeze and excitation", "channel shuffle of 3 groups", "inception", "pixel shuffle",
    "averages over parts of other sizes", "bilinear without align, odd", "reflected and replicated edges", "signals",
    "grouped transposed convolution", "group norm",
]  # fmt: skip
REST = [name for name in MODULES if name not in QUICK]
GROUPS = [QUICK, *(pytest.param(REST[start::3], marks=pytest.mark.slow) for start in range(3))]


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: names[0])
def test_forms_of_networks(names):
    torch.manual_seed(0)
    module = Together(names)
    for part, data in zip(module.parts.values(), inputs_of(names, 4), strict=True):
        settle(part, data)
    module.eval()
    inputs = inputs_of(names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        net, weights = from_torch(module, inputs, tolerance=2e-5)
    if names == QUICK:
        assert compare_with_torch(module, inputs, net, weights).passed
    assert not set(FORK_TYPES) & {layer.type for layer in net.layer}


class Residual(nn.Module):
    """One ReLU for both places, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Bottleneck(4), conv(4, 4, 3, 2))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.relu(self.norm(self.stem(x)))
        z = self.relu(self.stem(x) + y)
        return {"aux": z, "out": self.layer1(z)}


@pytest.fixture(scope="module")
def residual():
    torch.manual_seed(0)
    module = Residual()
    settle(module, torch.randn(4, 3, 8, 8))
    return module


@pytest.fixture(scope="module")
def converted(residual):
    return from_torch(residual, X)


X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_layers_are_named_by_module_paths(residual, converted):
    net, weights = converted
    names = [layer.name for layer in net.layer]
    assert net.name == "Residual" and names[0] == "x"
    for name in ("stem", "relu", "stem_2", "add", "relu_2", "layer1.0.cv1.0", "layer1.0.add", "layer1.1.2"):
        assert name in names
    assert {"aux", "out"} == {top for layer in net.layer for top in layer.top} - {
        bottom for layer in net.layer for bottom in layer.bottom
    }
    found = to_torch(net, weights)(X)
    for name, expected in residual(X).items():
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-5)


def test_batch_norm_is_kept_by_choice(residual, converted):
    net, weights = from_torch(residual, X, merged=False)
    assert [layer.type for layer in net.layer].count("BatchNorm") == 4
    np.testing.assert_array_equal(weights["stem"][0], residual.stem.weight.detach().numpy())
    merged, blobs = merge_batchnorm(net, weights)
    ours, theirs = converted
    assert [layer.name for layer in merged.layer] == [layer.name for layer in ours.layer]
    for name, arrays in theirs.items():
        for array, other in zip(arrays, blobs[name], strict=True):
            np.testing.assert_allclose(array, other, rtol=1e-6)


def test_the_module_stays_as_it_is(residual):
    residual.train()
    residual.norm.eval()
    residual.stem.weight.requires_grad_(False)
    calls = []
    hook = residual.relu.register_forward_hook(lambda *_: calls.append(1))
    before = {name: tensor.clone() for name, tensor in residual.state_dict().items()}
    try:
        from_torch(residual, X)
        assert residual.training and not residual.norm.training and residual.layer1.training
        assert not residual.stem.weight.requires_grad and residual.norm.weight.requires_grad
        assert len(residual.relu._forward_hooks) == 1
        for name, tensor in residual.state_dict().items():
            torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    finally:
        hook.remove()
        residual.eval()


def test_the_first_layer_that_differs_is_named(residual, converted):
    net, weights = converted
    wrong = dict(weights)
    wrong["layer1.0.cv2.0"] = [blob + 0.1 for blob in weights["layer1.0.cv2.0"]]
    found = compare_with_torch(residual, X, net, wrong)
    assert found.first_fault is not None and found.first_fault.top == "layer1.0.cv2.0"
    assert "DIFFERS from Residual in PyTorch: first at top 'layer1.0.cv2.0'" in str(found)


def test_a_difference_is_an_error(residual, monkeypatch):
    def wrong(*arguments, **choices):
        net, weights = reading.to_network(*arguments, **choices)
        return net, weights | {"layer1.0.cv2.0": [blob + 0.01 for blob in weights["layer1.0.cv2.0"]]}

    monkeypatch.setattr("converters.onnx.from_torch.to_network", wrong)
    expected = (
        r"Residual: the network differs from the module on the example: first at top 'layer1.0.cv2.0', made by .*"
    )
    with pytest.raises(NetworkError, match=expected + r"of the largest value; at the output 'out' "):
        from_torch(residual, X)
    net, _ = from_torch(residual, X, check=False)
    assert net.name == "Residual"


def test_what_float32_rounds_away_is_a_warning():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), Fn(lambda s, x: (x + 1000.0) - 1000.0))
    with pytest.warns(UserWarning, match=r"Sequential: the network differs .* in float64 it differs by"):
        from_torch(module, X, tolerance=1e-9)


OUTPUTS = {
    "a tensor": (lambda s, x: s.a(x), ["a"]),
    "a tuple": (lambda s, x: (s.a(x), s.b(x)), ["a", "b"]),
    "nested": (lambda s, x: {"p": [s.a(x), s.b(x)], "q": {"r": x + 1}}, ["p.0", "p.1", "q.r"]),
    "one twice": (lambda s, x: (s.a(x),) * 2, ["a"]),
    "one that others take": (lambda s, x: [y := s.a(x), F.relu(y)], ["a", "relu"]),
    "a copy of an input": (lambda s, x: {"out": s.a(x), "in": x * 1}, ["out", "in"]),
    "an input": (lambda s, x: {"out": s.a(x), "in": x}, ["out", "in"]),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_outputs(case):
    function, names = OUTPUTS[case]
    module = Fn(function, a=nn.Conv2d(3, 2, 1), b=nn.Conv2d(3, 2, 1)).eval()
    net, _ = from_torch(module, X)
    taken = {bottom for layer in net.layer for bottom in layer.bottom}
    assert {top for layer in net.layer for top in layer.top} - taken == set(names)


def smoothed(size: tuple[int, int], mode: str, corners: bool, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, size=size, mode=mode, align_corners=corners, antialias=True)


# Operations that torch's own exporter drops a part of, writes wrongly or hides, or does not know.
OPERATIONS = {
    "adaptive max 1d": (nn.AdaptiveMaxPool1d(3), (2, 3, 7)),
    "adaptive max, even": (nn.AdaptiveMaxPool2d((2, 1)), (2, 3, 8, 5)),
    "adaptive max, same steps": (nn.AdaptiveMaxPool2d((2, 3)), (1, 3, 5, 7)),
    "adaptive max, uneven": (nn.AdaptiveMaxPool2d((5, None)), (1, 3, 7, 4)),
    "adaptive max, more": (nn.AdaptiveMaxPool3d((2, 5, 3)), (1, 2, 4, 3, 3)),
    "adaptive mean, same steps": (nn.AdaptiveAvgPool2d((2, 3)), (1, 3, 5, 7)),
    "adaptive mean, uneven": (nn.AdaptiveAvgPool2d((5, 2)), (1, 3, 7, 4)),
    "divisor": (nn.AvgPool2d((2, 3), 2, 1, divisor_override=5), (1, 3, 7, 6)),
    "divisor, up": (nn.AvgPool2d(3, 2, ceil_mode=True, divisor_override=1), (2, 3, 6, 8)),
    "divisor, up, padded": (nn.AvgPool2d(3, (2, 3), 1, True, False, 7), (1, 3, 6, 7)),
    "divisor, 3d": (nn.AvgPool3d(2, 3, 1, divisor_override=3), (1, 2, 4, 5, 6)),
    "up, padded": (nn.AvgPool2d(3, (2, 3), 1, True, False), (1, 3, 6, 7)),
    "unbatched": (nn.AvgPool2d(2), (3, 4, 6)),
    "conv3d without bias": (nn.Conv3d(2, 4, (1, 2, 3), 2, (0, 1, 2), (1, 2, 1), 2, bias=False), (1, 2, 4, 5, 6)),
    "conv3d, unbatched": (nn.Conv3d(2, 3, 2), (2, 3, 4, 5)),
    "hardshrink": (nn.Hardshrink(0.3), (2, 30)),
    "softshrink": (nn.Softshrink(0.3), (2, 30)),
    "threshold": (nn.Threshold(-0.2, 3.0), (2, 30)),
    **{
        f"antialias, {mode}, {size}, corners {corners}": (
            nn.Sequential(Fn(partial(smoothed, size, mode, corners))),
            (1, 2, 6, 9),
        )
        for size in ((4, 4), (13, 3), (6, 18))
        for mode in ("bilinear", "bicubic")
        for corners in (True, False)
    },
    "antialias by a scale": (
        Fn(lambda s, x: F.interpolate(x, scale_factor=(1.5, 0.7), mode="bilinear", antialias=True)),
        (1, 2, 7, 9),
    ),
    "adaptive max of one number": (nn.AdaptiveMaxPool2d((3, 2)), (1, 2, 1, 4)),
    "adaptive mean of one number": (nn.AdaptiveAvgPool2d((3, 2)), (1, 2, 1, 4)),
    "response norm 3d": (nn.LocalResponseNorm(3, 0.1, 0.75, 2.0), (2, 6, 3, 4, 2)),
    "rrelu": (nn.RReLU(0.1, 0.3), (2, 30)),
    "threshold to 0": (nn.Threshold(-0.2, 0.0), (2, 30)),
}


def test_operations_that_the_exporter_does_not_write_plainly():
    torch.manual_seed(0)
    parts, shapes = zip(*OPERATIONS.values(), strict=True)
    names = list(OPERATIONS)
    module = Fn(
        lambda s, *xs: {name: part(x) for name, part, x in zip(names, s.parts, xs, strict=True)},
        parts=nn.ModuleList(parts),
    )
    inputs = [torch.randn(shape) for shape in shapes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        net, weights = from_torch(module, inputs, tolerance=1e-6)
    found = {top.top: top.relative for top in compare_with_torch(module, inputs, net, weights).tops}
    assert all((found[name] or 0) <= 1e-6 for name in names)


def test_the_places_of_adaptive_max_pooling_are_refused():
    module = nn.AdaptiveMaxPool2d(2, return_indices=True)
    with pytest.raises(UnsupportedError, match=r"its second output"):
        from_torch(module, X)


@pytest.mark.parametrize("module", [nn.Identity(), nn.BatchNorm2d(3)], ids=["an input", "a batch norm"])
def test_networks_of_one_value(module):
    settle(module, X)
    net, weights = from_torch(module, X)
    torch.testing.assert_close(to_torch(net, weights)(X), module(X))


def test_a_batch_norm_that_is_kept_is_compared():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU())
    settle(module, X)
    net, weights = from_torch(module, X, merged=False)
    assert "1" in {top.top for top in compare_with_torch(module, X, net, weights).tops if top.relative is not None}


def test_several_inputs_and_exported_programs():
    module = Fn(lambda s, x, y: s.c(torch.cat([x, y * 2], 1)), c=nn.Conv2d(6, 2, 3)).eval()
    inputs = (X, torch.randn(2, 3, 8, 8))
    net, weights = from_torch(module, inputs)
    program = torch.export.export(module, inputs)
    again, blobs = from_torch(program)
    assert [layer.name for layer in net.layer] == [layer.name for layer in again.layer]
    assert [layer.type for layer in net.layer][:2] == ["Input", "Input"]
    for name, arrays in weights.items():
        np.testing.assert_array_equal(blobs[name][0], arrays[0])


def test_sizes_that_divide_unevenly_are_said():
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.MaxPool2d(2))
    with pytest.warns(UserWarning, match=r"Sequential: sizes divide unevenly at 1, which state round_mode"):
        from_torch(module, torch.randn(1, 3, 7, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_torch(module, torch.randn(1, 3, 8, 8))
        net, _ = from_torch(module, torch.randn(1, 3, 7, 8), round_mode=False)
    assert not any(layer.pooling_param.HasField("round_mode") for layer in net.layer)


def test_what_caffe_cannot_do_is_listed_with_its_place():
    module = Fn(lambda s, x: s.norm(F.gelu(s.c(x))) @ x.transpose(2, 3), c=nn.Conv2d(3, 3, 1), norm=nn.LayerNorm(8))
    with pytest.raises(UnsupportedError) as fault:
        from_torch(module, X)
    assert str(fault.value).startswith("Fn: Caffe cannot do ") and "(Gelu)" in str(fault.value)
    assert "(MatMul)" in str(fault.value) and "torch_modules.py:" in str(fault.value)


def test_the_tanh_form_of_gelu_is_asked_for():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU())
    net, _ = from_torch(module, X, gelu="tanh")
    assert "TanH" in {layer.type for layer in net.layer}


def test_what_torch_cannot_export_has_its_reason():
    def branch(s: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x

    with pytest.raises(UnsupportedError, match=r"^Fn: torch.export cannot export it: .*[Dd]ata-dependent"):
        from_torch(Fn(branch), X)


def test_what_the_exporter_cannot_write_has_its_place():
    module = nn.Sequential(nn.ReLU(), nn.Softplus(1, threshold=5))
    with pytest.raises(UnsupportedError, match=r"^Sequential: .*softplus with the threshold 5.* \[1, .*\.py:\d+\]$"):
        from_torch(module, X)


@pytest.mark.parametrize("inputs", [None, [], "x", [X, 3]])
def test_inputs_are_tensors(inputs):
    with pytest.raises(UnsupportedError, match=r"example_inputs: found .*, expected a tensor or several"):
        from_torch(nn.ReLU(), inputs)


def test_without_onnxscript(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'dongfeng\[onnx\]'"):
        from_torch(nn.ReLU(), X)


def test_a_fork_says_it_shorter():
    module = nn.Sequential(conv(3, 8, 3), nn.ChannelShuffle(2), nn.Upsample(scale_factor=2), nn.ReLU6())
    settle(module, torch.randn(4, 3, 8, 8))
    net, _ = from_torch(module, X, dialect="fork")
    assert {"ShuffleChannel", "Upsample", "ReLU6"} <= {layer.type for layer in net.layer}


@pytest.mark.slow
def test_one_stage_detectors_have_their_names():
    module = Detector()
    settle(module, torch.randn(2, 3, 64, 64))
    net, _ = from_torch(module, torch.randn(1, 3, 64, 64), check=False)
    names = {layer.name for layer in net.layer}
    assert {"stem.conv.0", "p5.1.m", "p5.1.m_2", "p5.1.m_3", "up", "lateral4.m.0.add", "heads.2"} <= names
