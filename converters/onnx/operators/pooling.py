"""MaxPool, AveragePool and pooling of the whole map."""

from __future__ import annotations
