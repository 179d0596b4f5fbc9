"""The networks of torchvision with random weights, as tests and docs/torchvision.md take them."""

from __future__ import annotations

import importlib
import zlib
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

# The smallest sizes that networks take; and where 96 would leave a map of one pixel to all the last layers.
_SIZES = {"alexnet": 224, "inception_v3": 128, "vgg": 224, "vit_": 224, "swin_": 128, "maxvit": 224}
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def load_torchvision() -> tuple[ModuleType, torch.library.Library]:
    """torchvision, and what must be kept as long as it is used.

    Its published wheel is built for a torch with CUDA, and beside another build it finds none of its own operators. It
    asks for these two when it is imported; no classifier and no segmentation network uses any.
    """
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, arguments in (
        ("nms", "Tensor dets, Tensor scores, float iou_threshold"),
        ("qnms", "Tensor dets, Tensor scores, float iou_threshold"),
    ):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}({arguments}) -> Tensor")
    return importlib.import_module("torchvision"), library


def names(torchvision: ModuleType) -> dict[str, list[str]]:
    """The networks by what they do: "classification", "segmentation"."""
    models = torchvision.models
    return {
        "classification": list(models.list_models(module=models)),
        "segmentation": list(models.list_models(module=models.segmentation)),
    }


def size_of(name: str) -> int:
    """The height and width at which a network is converted."""
    return next((size for start, size in _SIZES.items() if name.startswith(start)), 96)


def build(torchvision: ModuleType, name: str) -> tuple[nn.Module, Tensor]:
    """A network in eval() and an input for it, the same on every machine.

    Batch norm has random factors and shifts, and the statistics of random data, so that no rule hides behind ones and
    zeros and signals stay alive.
    """
    torch.manual_seed(zlib.crc32(name.encode()))
    options: dict[str, Any] = {"weights": None}
    if name in names(torchvision)["segmentation"]:
        options["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    module: nn.Module = torchvision.models.get_model(name, **options)
    size = size_of(name)
    settle(module, torch.randn(4, 3, size, size))
    return module, torch.randn(1, 3, size, size)


def settle(module: nn.Module, data: Tensor) -> None:
    """Random factors and shifts for every batch norm of the module, and statistics of the data; then eval().

    To every variance the mean of its layer's is added: where the data happen to vary little, the division would make
    the rounding of float32 large.
    """

    def take_statistics(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        axes = [axis for axis in range(inputs[0].ndim) if axis != 1]
        variance, mean = torch.var_mean(inputs[0], axes)
        norm.running_mean.copy_(mean)  # type: ignore[operator]
        norm.running_var.copy_(variance + variance.mean())  # type: ignore[operator]

    norms = [part for part in module.modules() if isinstance(part, _BATCH_NORMS)]
    # Each block of random weights makes differences greater; smaller factors hold that back in the deepest networks.
    calm = 1.0 if len(norms) <= 100 else 0.5
    for norm in norms:
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.2 * calm, 0.6 * calm)
            nn.init.uniform_(norm.bias, -0.3, 0.3)
    hooks = [norm.register_forward_pre_hook(take_statistics) for norm in norms if norm.track_running_stats]
    module.eval()
    if hooks:
        with torch.no_grad():
            module(data)
    for hook in hooks:
        hook.remove()
