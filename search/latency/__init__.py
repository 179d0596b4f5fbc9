"""Latency measured on a target: tables of the parts of networks, and predictions as sums of parts."""

from search.latency.checking import Check, check, telling_networks, unseen_networks
from search.latency.measuring import Entry, measure
from search.latency.predicting import predictor, space_parts
from search.latency.table import LatencyTable

__all__ = [
    "Check",
    "Entry",
    "LatencyTable",
    "check",
    "measure",
    "predictor",
    "space_parts",
    "telling_networks",
    "unseen_networks",
]
