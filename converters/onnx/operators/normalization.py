"""BatchNormalization, LRN, InstanceNormalization, LayerNormalization, Softmax, LogSoftmax."""

from __future__ import annotations
