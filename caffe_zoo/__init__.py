"""The released networks: cards, models by name, images to labels, the command `dongfeng`."""

from typing import TYPE_CHECKING

from caffe_zoo.cards import Card, Preprocessing, WeightsFile, card
from prototxt_gen.lazy import lazy_names

if TYPE_CHECKING:
    from caffe_zoo.classification import classify
    from caffe_zoo.models import create_model, list_models, load_network
    from caffe_zoo.segmentation import segment
else:
    # What runs networks brings torch, which takes seconds to import; names and cards should not wait for it.
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "classify": "caffe_zoo.classification",
            "create_model": "caffe_zoo.models",
            "list_models": "caffe_zoo.models",
            "load_network": "caffe_zoo.models",
            "segment": "caffe_zoo.segmentation",
        },
    )

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
