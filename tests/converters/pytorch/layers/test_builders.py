"""The table of builders: it knows the types of prototxt_gen, in files of the same names, and takes others."""

from __future__ import annotations

import numpy as np
import torch

from converters.pytorch.layers import BUILDERS
from converters.pytorch.module import to_torch, weights_of
from prototxt_gen.layers import LAYERS, LayerShape, is_input, layer_type


def test_a_layer_type_of_ones_own(net_of):
    @layer_type("Twice")
    def shape(layer, bottoms):
        return LayerShape(tops=(bottoms[0],), blobs=((1,),))

    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = torch.nn.Parameter(torch.tensor([2.0]))

        def forward(self, x):
            return x * self.factor

    @BUILDERS.register("Twice")
    def build(row):
        return Twice()

    try:
        net = net_of('layer { name: "t" type: "Twice" bottom: "x" top: "t" }', x=(1, 2))
        module = to_torch(net)
        assert module(torch.ones(1, 2)).tolist() == [[2, 2]]
        assert weights_of(module)["t"][0].tolist() == [2]
        assert to_torch(net, {"t": [np.float32([5])]})(torch.ones(1, 2)).tolist() == [[5, 5]]
    finally:
        LAYERS.remove("Twice")
        BUILDERS.remove("Twice")


def test_every_shape_rule_has_a_layer():
    without = {"Split", "Silence", "HDF5Output", *filter(is_input, LAYERS)}
    assert set(LAYERS) - without == set(BUILDERS)


def test_every_builder_stands_in_the_file_of_its_family():
    families = {kind: BUILDERS[kind].__module__.rpartition(".")[2] for kind in BUILDERS}
    assert families == {kind: LAYERS[kind].family for kind in BUILDERS}
