"""Passes: functions from a network to a new network, one a file.

A pass says in its first lines which networks it takes, by numbered rules what it changes, and what stays equal. It
leaves the network that it is given as it is. Nothing is imported here, so that passes may use shapes and the tracing of
shapes may use passes, in whatever order they are imported.
"""
