"""BatchNorm, LRN, MVN, Normalize and Softmax."""

from __future__ import annotations
