"""The rewrites for targets, one file a subject; importing this package enters them all, in the order they are tried."""

from importlib import import_module

for _file in ("deploying", "folding", "activations", "pooling", "spelling", "naming"):
    import_module(f"{__name__}.{_file}")
