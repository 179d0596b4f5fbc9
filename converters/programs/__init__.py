"""Other programs that time networks: how each is called, and what its output says. One file a program."""

# Importing them fills PROGRAMS; nothing is run.
from converters.programs.program import PROGRAMS, LayerTime, Program, Times

__all__ = ["PROGRAMS", "LayerTime", "Program", "Times"]
