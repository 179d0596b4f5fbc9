"""Weights of a network, `{layer: [arrays]}`, from and to every kind of file that holds them; never torch."""

from converters.weights.load_save import Weights, load_weights, save_weights

__all__ = ["Weights", "load_weights", "save_weights"]
