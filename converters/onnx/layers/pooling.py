"""Pooling and SPP, with Caffe's windows."""

from __future__ import annotations
