"""The rewrites for targets, one file a subject; importing this package enters them all, in the order they are tried."""

from importlib import import_module

_FILES = (
    "private_fields",
    "deploying",
    "idle",
    "folding",
    "spelling",
    "affine",
    "gating",
    "eltwise",
    "activations",
    "pooling",
    "deconvolution",
    "convolution",
    "resizing",
    "dense",
    "arithmetic",
    "arrangement",
    "wording",
    "in_place",
    "naming",
)

for _file in _FILES:
    import_module(f"{__name__}.{_file}")
