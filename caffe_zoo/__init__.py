"""The released networks: cards, models by name, images to labels, the command `dongfeng`."""

from typing import TYPE_CHECKING, Any

from caffe_zoo.cards import Card, Preprocessing, WeightsFile, card
from caffe_zoo.models import create_model, list_models

if TYPE_CHECKING:
    from caffe_zoo.classification import classify
    from caffe_zoo.segmentation import segment

__all__ = ["Card", "Preprocessing", "WeightsFile", "card", "classify", "create_model", "list_models", "segment"]


def __getattr__(name: str) -> Any:
    # These two bring torch, which takes seconds to import; names and cards should not wait for it.
    if name == "classify":
        from caffe_zoo.classification import classify

        return classify
    if name == "segment":
        from caffe_zoo.segmentation import segment

        return segment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
