"""The released networks: cards, models by name, the command `dongfeng`."""

from caffe_zoo.cards import Card, Preprocessing, WeightsFile, card
from caffe_zoo.models import create_model, list_models

__all__ = ["Card", "Preprocessing", "WeightsFile", "card", "create_model", "list_models"]
