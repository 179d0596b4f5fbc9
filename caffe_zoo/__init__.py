"""The released networks: cards, models by name, images to labels, the command `dongfeng`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from caffe_zoo.cards import Card, Preprocessing, WeightsFile, card
from caffe_zoo.models import create_model, list_models, load_network

if TYPE_CHECKING:
    from caffe_zoo.classification import classify
    from caffe_zoo.segmentation import segment

__all__ = [
    "Card",
    "Preprocessing",
    "WeightsFile",
    "card",
    "classify",
    "create_model",
    "list_models",
    "load_network",
    "segment",
]

# What runs networks brings torch, which takes seconds to import; names and cards should not wait for it.
_LAZY = {"classify": "caffe_zoo.classification", "segment": "caffe_zoo.segmentation"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
