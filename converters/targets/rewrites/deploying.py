"""Data layers as Inputs, losses and scores gone: what a target runs of a network made for training."""

from __future__ import annotations
