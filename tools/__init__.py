"""Scripts that keep files of the repository up to date. Run one by `python tools/NAME.py`; none is installed."""
