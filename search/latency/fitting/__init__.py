"""Devices that time only whole networks: the times of parts by regression, and which networks to time next."""

from search.latency.fitting.choosing import next_networks
from search.latency.fitting.fitting import ERROR_LIMIT, Fitted, fit_networks, fit_remarks

__all__ = ["ERROR_LIMIT", "Fitted", "fit_networks", "fit_remarks", "next_networks"]
