"""Architectures written as networks: blocks, decoders, forms, whole networks, their parts, and solvers."""
