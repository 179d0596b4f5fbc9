"""The page docs/layers.md: `python -m converters.layers.page > docs/layers.md` writes it from the tables of layers.

What a type can do is said here; its options and its definition in Caffe come from the tables and from caffe.proto. A
test holds the page in docs/ against this.
"""

from __future__ import annotations

import re
import sys

from converters.layers import LAYERS
from prototxt_gen.proto import MESSAGES
from prototxt_gen.shapes import SHAPES

#: Type -> (what it does here, what is refused or differs).
NOTES: dict[str, tuple[str, str]] = {
    "AbsVal": ("absolute value", ""),
    "Accuracy": ("top_k, any axis, ignore_label; per-class accuracy as a second top", ""),
    "ArgMax": ("top_k places or values, along an axis or over each image", "no gradient, as in Caffe"),
    "BNLL": ("log(1 + exp(x))", ""),
    "BatchNorm": ("stored statistics or the batch's; with the Scale behind it one torch batch norm", "the statistics' "
                  "factor comes back as 1, mean and variance divided by it"),
    "BatchReindex": ("rows of the first bottom by the indices in the second", ""),
    "Bias": ("one bottom and a blob, or two bottoms; any axis and num_axes", ""),
    "Clip": ("min and max", ""),
    "Concat": ("any axis, `concat_dim` too", ""),
    "ContrastiveLoss": ("margin, legacy_version", ""),
    "Convolution": ("any number of spatial axes, group, dilation, `*_h` and `*_w`, several bottoms with one set of "
                    "weights, force_nd_im2col", "more than 3 spatial axes are slow: torch has no kernel for them"),
    "Crop": ("from any axis on, one offset or one for each axis", ""),
    "Data": ("an input with the shape that its crop and batch_size state", "the data base is not read: without a crop "
             "give `input_shapes`"),
    "Deconvolution": ("as Convolution, transposed; weights that a file lacks come from a bilinear filler", ""),
    "DepthwiseConvolution": ("as Convolution; the type of forks for mobile networks", ""),
    "Dropout": ("passes through in TEST; drops and rescales in TRAIN", "draws torch's random numbers, not Caffe's"),
    "DummyData": ("tops from its fillers: constants once, random numbers anew at each call", "torch's random numbers"),
    "ELU": ("alpha", ""),
    "Eltwise": ("PROD, SUM with coeff, MAX; two bottoms or more", ""),
    "Embed": ("bias_term", ""),
    "EuclideanLoss": ("", ""),
    "Exp": ("base, scale, shift", ""),
    "Filter": ("rows of every bottom but the last where the last is not 0", "shapes behind it are those of a full "
               "batch; at run time as many rows as are left"),
    "Flatten": ("axis to end_axis", ""),
    "HDF5Data": ("an input", "its files are not read: give `input_shapes`"),
    "HDF5Output": ("left out: it has no top", "no file is written"),
    "HingeLoss": ("L1 and L2", ""),
    "Im2col": ("any number of spatial axes, dilation", ""),
    "ImageData": ("an input of the size that crop_size (the fork's crop_h, crop_w) or new_height, new_width state",
                  "images are not read: without those sizes give `input_shapes`"),
    "InfogainLoss": ("the matrix as a third bottom or as a file; ignore_label, every normalization", ""),
    "InnerProduct": ("any axis, transpose, bias_term", ""),
    "Input": ("an input", ""),
    "Interp": ("every rule of size, a second bottom's size, cropping pads; corners aligned",
               "pads above 0, as in Caffe's fork"),
    "InterpHalfPixel": ("not Caffe's: ncnn's resizing at pixel centres, see [weights.md](weights.md)", "pads"),
    "LRN": ("ACROSS_CHANNELS and WITHIN_CHANNEL, k", "k within a channel is 1, as in Caffe"),
    "LSTM": ("cont, a static input, expose_hidden", "every call starts from zeros: where Caffe goes on from the last "
             "batch use expose_hidden"),
    "Log": ("base, scale, shift", ""),
    "MVN": ("normalize_variance, across_channels, eps", "more than 4 axes, as in Caffe"),
    "MemoryData": ("an input of the stated shape", ""),
    "MultinomialLogisticLoss": ("", ""),
    "Normalize": ("of the SSD fork: across_spatial, channel_shared", ""),
    "PReLU": ("a slope for each channel, or channel_shared", ""),
    "Parameter": ("a blob as a top", ""),
    "Permute": ("of the SSD fork", ""),
    "Pooling": ("MAX with a mask, AVE, STOCHASTIC; Caffe's rounding up, its last window, its divisor with padding; "
                "round_mode, global_pooling", "STOCHASTIC draws in TRAIN with torch's random numbers"),
    "Power": ("power, scale, shift", ""),
    "RNN": ("cont, a static input, expose_hidden", "as LSTM"),
    "ReLU": ("negative_slope", ""),
    "ReLU6": ("of forks: min(max(x, 0), 6)", ""),
    "Reduction": ("SUM, ASUM, SUMSQ, MEAN from any axis on; coeff", ""),
    "Reshape": ("0 and -1, axis, num_axes", ""),
    "SPP": ("MAX, AVE, STOCHASTIC", "levels with padding as large as the kernel, as in Caffe"),
    "Scale": ("one bottom and blobs, or two bottoms; any axis and num_axes, bias_term", ""),
    "ShuffleChannel": ("of the release's fork: group", ""),
    "Sigmoid": ("", ""),
    "SigmoidCrossEntropyLoss": ("ignore_label, every normalization", ""),
    "Silence": ("left out: it has no top", ""),
    "Slice": ("slice_point or equal parts, any axis, `slice_dim` too", ""),
    "Softmax": ("any axis", ""),
    "SoftmaxWithLoss": ("any axis, ignore_label, every normalization; the probabilities as a second top", ""),
    "Split": ("the same tensor under several names", ""),
    "Swish": ("beta", ""),
    "TanH": ("", ""),
    "Threshold": ("", "no gradient, as in Caffe"),
    "Tile": ("any axis", ""),
    "WindowData": ("an input with the shape that crop_size and batch_size state", "windows are not read"),
}  # fmt: skip

_INTRODUCTION = """# Layers

Every layer type that is known here: {known}. Written by `python -m converters.layers.page` from the tables; a test
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
- **Gradients** are torch's, and equal Caffe's wherever Caffe has them.
- A **type that is not here**, `Python` layers among them, is listed with all others of its network in one
  UnsupportedError. To add your own, see the end of this page.
"""

_OWN = """
## A type of your own

A shape rule and a builder, registered before the network is read:

```python
import torch

from converters.layers import LAYERS
from prototxt_gen.shapes import SHAPES, LayerShape


@SHAPES.register("Mish")
def mish_shape(layer, bottoms):
    return LayerShape(tops=(bottoms[0],))  # blobs=((C,),) if it has weights


@LAYERS.register("Mish")
def mish(row):  # row: the LayerParameter and the shapes around it
    return torch.nn.Mish()
```

A builder raises `UnsupportedError("reason")` for what it cannot do. Options that caffe.proto does not have are left out
of what is read, with a warning: a type with options needs its message there.
"""


# Where the name of the options is not that of the type.
_OPTIONS = {
    "Deconvolution": "convolution_param",
    "DepthwiseConvolution": "convolution_param",
    "Im2col": "convolution_param",
    "InterpHalfPixel": "interp_param",
    "LSTM": "recurrent_param",
    "Normalize": "norm_param",
    "RNN": "recurrent_param",
}


def page() -> str:
    """The page as Markdown. KeyError names a registered type without a note, or a note without a type."""
    types = sorted(set(SHAPES) | set(LAYERS))
    if odd := sorted(set(types) ^ set(NOTES)):
        raise KeyError(f"converters.layers.page.NOTES: registered or noted, not both: {', '.join(odd)}")
    rows = ["| type | here | options | refused, or different | Caffe |", "|---|---|---|---|---|"]
    for kind in types:
        does, limits = NOTES[kind]
        options = ", ".join(f"`{name}`" for name in option_messages(kind))
        rows.append(f"| `{kind}` | {does or 'as in Caffe'} | {options} | {limits} | {source(kind)} |")
    return _INTRODUCTION.format(known=f"{len(types)} types") + "\n" + "\n".join(rows) + "\n" + _OWN


def option_messages(kind: str) -> list[str]:
    """The fields of a layer that hold the options of a type."""
    fields = MESSAGES["LayerParameter"].DESCRIPTOR.fields_by_name
    wanted = _OPTIONS.get(kind)
    found = [name for name in fields if name == wanted or name.replace("_", "") == f"{kind.lower()}param"]
    if kind in ("SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "InfogainLoss"):
        found.append("loss_param")
    if kind == "SoftmaxWithLoss":
        found.append("softmax_param")
    if kind in ("Data", "ImageData", "WindowData", "MemoryData"):
        found.append("transform_param")
    return found


def source(kind: str) -> str:
    """Caffe's file that defines the type, as the docstrings of its rule and its builder name it."""
    texts = [table[kind].__doc__ or "" for table in (LAYERS, SHAPES) if kind in table]
    own = kind.lower()
    named = list(dict.fromkeys(name for text in texts for name in re.findall(r"\w+\.(?:cpp|hpp)", text)))
    named.sort(key=lambda name: not name.replace("_", "").startswith(own))  # neuron_layer.cpp is everybody's
    return f"`{named[0]}`" if named else ""


if __name__ == "__main__":
    sys.stdout.write(page())
