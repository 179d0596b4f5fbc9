"""Searching architectures under a latency measured on the target."""

from search.latency import LatencyTable
from search.partial_order import PartialOrderPruning
from search.spaces import BackboneSpace

__all__ = ["BackboneSpace", "LatencyTable", "PartialOrderPruning"]
