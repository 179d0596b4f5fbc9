"""What Python environments of other tools run, by `converters.programs.worker`: a file a tool, `serving.py` for all.

These files are run by another Python than this package's. They import that tool, numpy and the standard library, never
this package, and keep to Python 3.8.
"""
