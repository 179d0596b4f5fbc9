"""The rewrites for targets, one file a subject; importing this package enters them all, in the order they are tried."""

from importlib import import_module

_FILES = (
    "private_fields",
    "deploying",
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
    "wording",
    "in_place",
    "naming",
)

for _file in _FILES:
    import_module(f"{__name__}.{_file}")
