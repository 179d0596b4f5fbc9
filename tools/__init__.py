"""What keeps files of the repository up to date; each is run as `python tools/NAME.py`, none is installed."""
