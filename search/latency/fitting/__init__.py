"""Devices that time only whole networks: the times of parts by regression, and which networks to time next."""

from search.latency.fitting.choosing import next_networks
from search.latency.fitting.fitting import ERROR_LIMIT, Fitted, Outlier, fit_networks

__all__ = ["ERROR_LIMIT", "Fitted", "Outlier", "fit_networks", "next_networks"]
