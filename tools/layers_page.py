"""Writes docs/layers.md from the table of layers. Run as `python tools/layers_page.py`."""

from __future__ import annotations

from pathlib import Path

from converters.onnx.layers import EMITTERS
from prototxt_gen.files import write_bytes
from prototxt_gen.layers import LAYERS, is_input

PATH = Path(__file__).resolve().parent.parent / "docs" / "layers.md"

_INTRODUCTION = """# Layers

Every layer type that is known here: {known}. Written by `python tools/layers_page.py` from the table; a test
keeps it true.

- **Options** are those of [caffe.proto](../prototxt_gen/caffe.proto), all of them read. `engine`, fillers of layers
  that come with weights, and the storage options of data layers change no number and are passed over.
- **What Caffe 1.0 refuses is refused** with the layer, the field, what was found and what was expected: all faults of a
  network in one error, before any weight is read.
- **Everywhere:** tops in place, several bottoms and tops, `param {{ name }}` for shared weights of one shape,
  `loss_weight`, rules of phase, level and stage. A layer's own `phase` decides about Dropout, BatchNorm and STOCHASTIC
  pooling, whatever the network's is.
- **In place** a layer here sees its bottom as it was. Caffe lets some write over it before they have read it all
  (Eltwise SUM onto its first bottom, LRN, Pooling, Convolution, ...): what it computes then is not imitated.
- **Memory** is shared as in Caffe: the tops of Reshape, Flatten and Split, of a Concat of one bottom and of a Slice
  into one top are their bottom's memory. A layer in place on one of them changes what later layers read from the
  others. Where it writes over only a part of that memory, later readers are refused.
- **Other sizes** than the network states may be given at run time. What Caffe refuses when it reshapes the network is a
  NetworkError with the layer and the shapes.
- **ONNX** says whether [a network goes out as ONNX](caffe-to-onnx.md) with it: by nodes of its own, as an input, or
  without a node, since it makes no number. Refused there: whatever draws random numbers, that is Dropout and STOCHASTIC
  pooling whose own phase is TRAIN, and DummyData with a random filler.
- **Gradients** are torch's, and equal Caffe's wherever Caffe has them.
- A **type that is not here**, `Python` layers among them, is listed with all others of its network in one
  UnsupportedError. To add your own, see the end of this page.
"""

_OWN = """
## A type of your own

A shape rule, a builder and an emitter, registered before the network is read; without an emitter it does not go out as
ONNX:

```python
import torch

from converters.onnx.layers import EMITTERS
from converters.pytorch.layers import BUILDERS
from prototxt_gen.layers import LayerShape, layer_type


@layer_type("Mish")
def mish_shape(layer, bottoms):
    return LayerShape(tops=(bottoms[0],))  # blobs=((C,),) if it has weights


@BUILDERS.register("Mish")
def mish(row):  # row: the LayerParameter and the shapes around it
    return torch.nn.Mish()


@EMITTERS.register("Mish")
def mish_nodes(layer):  # nodes from layer.bottoms to layer.tops
    factor = layer.node("Tanh", [layer.node("Softplus", layer.bottoms)])
    layer.node("Mul", [*layer.bottoms, factor], layer.tops[0])
```

A builder or an emitter raises `UnsupportedError("reason")` for what it cannot do. Options that caffe.proto does not
have are left out of what is read, with a warning: a type with options needs its message there.
"""


def page() -> str:
    """The page as Markdown."""
    rows = ["| type | here | options | refused, or different | ONNX | Caffe |", "|---|---|---|---|---|---|"]
    for kind in LAYERS:
        known = LAYERS[kind]
        options = ", ".join(f"`{name}`" for name in known.options)
        source = f"`{known.source}`" if known.source else ""
        rows.append(
            f"| `{kind}` | {known.does or 'as in Caffe'} | {options} | {known.differs} | {_onnx(kind)} | {source} |"
        )
    return _INTRODUCTION.format(known=f"{len(LAYERS)} types") + "\n" + "\n".join(rows) + "\n" + _OWN


def _onnx(kind: str) -> str:
    if kind in EMITTERS:
        return "yes"
    if is_input(kind):
        return "an input"
    return "no node" if kind in ("HDF5Output", "Silence", "Split") else "no"


if __name__ == "__main__":
    write_bytes(PATH, page().encode())
