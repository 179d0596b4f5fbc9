"""What the targets of the package say, held against what their toolchains' documents and sources say.

One layer inside of each limit and one outside of it; what the networks of the zoo meet; the form of every file.
"""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

from caffe_zoo import card
from converters.targets.checking import Fault, Report, check_target
from converters.targets.reading import list_targets, read_target
from prototxt_gen import generate
from prototxt_gen.layers import LAYERS
from prototxt_gen.passes.stock import FORK_TYPES
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text

TARGETS = {
    "armnn", "ascend", "bvlc", "horizon-x3", "nncase1", "nnie", "opencv4", "openvino2023", "release", "rknn1", "rknn2",
    "sigmastar", "tensorrt8", "tpu-mlir", "vitis",
}  # fmt: skip

#: Layers and what becomes of them: "Type options, on the shapes of its bottoms | the field that is at fault, how".
#: Without shapes there is one bottom of 1x16x64x64.
SAID = {
    "nnie": """
        InnerProduct num_output: 10                                     | taken
        InnerProduct num_output: 10 axis: 3                             | axis refused
        Convolution num_output: 4 kernel_size: 3                        | taken
        Convolution num_output: 4 kernel_size: 3 axis: 2, on 1x2x16x16x16 | axis refused
        Convolution num_output: 8 kernel_size: 7                        | taken
        Convolution num_output: 16 kernel_size: 3 group: 16             | taken
        DepthwiseConvolution kernel_size: 3 num_output: 16              | type refused
        ReLU                                                            | taken
        ReLU6                                                           | type refused
        Clip min: 0 max: 6                                              | type refused
        BatchNorm                                                       | type refused
        Scale                                                           | type refused
        Interp height: 128 width: 128                                   | type refused
        PassThrough                                                     | taken
        PSROIPooling                                                    | taken
        Convolution num_output: 8 kernel_size: 3 axis: 2, on 1x2x16x16x16 | axis refused
        InnerProduct num_output: 10 axis: 2                             | axis refused
        Reshape shape { dim: 0 dim: -1 }                                | taken
        Reshape shape { dim: 1 dim: -1 }                                | shape refused
        Slice axis: 2 slice_point: 32                                   | taken
        Slice axis: 0 slice_point: 1, on 2x16x8x8                       | axis refused
        Upsample scale: 2                                               | taken
        Upsample scale: 4                                               | scale refused
        Pooling pool: AVE kernel_size: 8                                | taken
        Pooling pool: STOCHASTIC kernel_size: 8                         | pool refused
        Pooling kernel_size: 2 round_mode: FLOOR                        | round_mode refused
    """,
    "ascend": """
        Convolution num_output: 4 kernel_size: 255, on 1x4x300x300      | taken
        Convolution num_output: 4 kernel_size: 256, on 1x4x300x300      | kernel_size refused
        Convolution num_output: 4 kernel_size: 3 pad: 2                 | taken
        Convolution num_output: 4 kernel_size: 3 pad: 3                 | pad refused
        Convolution num_output: 4 kernel_size: 11, on 1x4x11x11         | taken
        Convolution num_output: 4 kernel_size: 12, on 1x4x12x12         | kernel_size refused
        Convolution num_output: 4 kernel_h: 1 kernel_w: 64              | top refused
        Convolution num_output: 16 group: 16 kernel_size: 3 stride: 2, on 1x16x400x400 | taken
        Convolution num_output: 16 group: 16 kernel_size: 3 stride: 2, on 1x16x600x600 | kernel_size refused
        Convolution num_output: 16 kernel_size: 3 stride: 2, on 1x16x600x600 | taken
        DepthwiseConv kernel_size: 3 num_output: 16                     | type refused
        ConvolutionDepthwise kernel_size: 3 num_output: 16              | type refused
        DepthwiseConvolution kernel_size: 3 num_output: 16              | type refused
        Deconvolution num_output: 4 kernel_size: 16 stride: 15          | taken
        Deconvolution num_output: 4 kernel_size: 16 stride: 16          | stride refused
        Deconvolution num_output: 4 kernel_size: 8 stride: 8, on 1x4x512x512 | taken
        Deconvolution num_output: 4 kernel_size: 8 stride: 8, on 1x4x513x512 | stride refused, top refused
        Deconvolution num_output: 4 kernel_size: 32 stride: 2, on 1x4x32x32 | taken
        Deconvolution num_output: 4 kernel_size: 33 stride: 2, on 1x4x32x32 | kernel_size refused
        Deconvolution num_output: 4 kernel_size: 4 pad: 3, on 1x4x4x4   | taken
        Deconvolution num_output: 4 kernel_size: 5 pad: 3, on 1x4x3x3   | kernel_size refused
        Pooling pool: AVE kernel_size: 8 stride: 8, on 1x16x64x120      | taken
        Pooling pool: AVE kernel_size: 8 stride: 8, on 1x16x64x121      | kernel_size refused
        Pooling pool: AVE kernel_size: 16 stride: 16, on 1x16x64x128    | kernel_size refused
        Pooling pool: AVE kernel_size: 32 stride: 32, on 1x16x32x64     | kernel_size refused
        Pooling pool: AVE kernel_size: 4 stride: 4, on 1x16x32x64       | taken
        Pooling kernel_size: 256, on 1x4x300x300                        | kernel_size refused
        Pooling kernel_size: 2 stride: 4                                | taken
        Pooling kernel_size: 2 stride: 5                                | stride refused
        Pooling kernel_size: 3 pad: 2                                   | taken
        Pooling pool: STOCHASTIC kernel_size: 3                         | pool refused
        ArgMax axis: 1                                                  | taken
        ArgMax axis: 1 top_k: 2                                         | top_k refused
        Softmax axis: -1                                                | taken
        Softmax axis: -1, on 4x8x8                                      | axis refused
        BatchNorm use_global_stats: false                               | use_global_stats refused
        InnerProduct num_output: 10 axis: 2                             | taken
        InnerProduct num_output: 10 axis: 3                             | axis refused
        Eltwise coeff: 1 coeff: -1, on 1x4x8x8 1x4x8x8                  | taken
        Eltwise, on 32*1x4                                              | taken
        Eltwise, on 33*1x4                                              | bottom refused
        Concat, on 1000*1x4                                             | taken
        Concat, on 1001*1x4                                             | bottom refused
        Interp height: 128 width: 128                                   | taken
        Interp height: 128 width: 4097                                  | top refused
        Clip min: 0 max: 6                                              | taken
        ReLU6                                                           | taken
        ShuffleChannel group: 4                                         | taken
        Upsample scale: 1                                               | taken
        Upsample scale: 2                                               | scale silent
        Swish                                                           | type refused
    """,
    "rknn1": """
        InnerProduct num_output: 10                                     | taken
        InnerProduct num_output: 10 axis: 3                             | axis refused
        Convolution num_output: 4 kernel_size: 3                        | taken
        Convolution num_output: 4 kernel_size: 3 axis: 2, on 1x2x16x16x16 | axis refused
        ConvolutionDepthwise kernel_size: 3 num_output: 16              | taken
        Convolution num_output: 16 group: 16 kernel_size: 3             | taken
        ShuffleChannel group: 4                                         | taken
        Reorg                                                           | taken
        InnerProduct num_output: 10                                     | taken
        InnerProduct num_output: 10 axis: 2                             | axis refused
        Convolution num_output: 8 kernel_size: 3 axis: 2, on 1x2x16x16x16 | axis refused
        Interp height: 128 width: 128                                   | type refused
        Clip min: 0 max: 6                                              | type refused
        ReLU6                                                           | type refused
        ArgMax axis: 1                                                  | type refused
        Power                                                           | type refused
    """,
    "tensorrt8": """
        Convolution num_output: 4 kernel_size: 3 dilation: 2            | taken
        Deconvolution num_output: 4 kernel_size: 3                      | taken
        Deconvolution num_output: 4 kernel_size: 3 dilation: 2          | dilation refused
        Deconvolution num_output: 4 kernel_size: 3 kernel_size: 5       | kernel_size silent
        Deconvolution num_output: 4 kernel_h: 3 kernel_w: 5             | taken
        Deconvolution num_output: 4 kernel_size: 4 stride: 1 stride: 2  | stride silent
        Deconvolution num_output: 4 kernel_size: 4 pad: 0 pad: 1        | pad silent
        Convolution num_output: 4 kernel_size: 3 axis: 2, on 1x2x16x16x16 | axis silent
        Eltwise, on 1x4x8x8 1x4x8x8                                     | taken
        Eltwise coeff: 1 coeff: -1, on 1x4x8x8 1x4x8x8                  | coeff silent
        Eltwise operation: MAX, on 1x4x8x8 1x4x8x8                      | taken
        Eltwise, on 1x4x8x8 1x4x8x8 1x4x8x8                             | bottom refused
        Scale                                                           | taken
        Scale, on 1x4x8x8 4                                             | bottom refused
        Scale axis: 0 num_axes: 2                                       | axis refused
        Pooling pool: AVE kernel_size: 2                                | taken
        Pooling pool: STOCHASTIC kernel_size: 2                         | pool refused
        Pooling kernel_size: 2 round_mode: FLOOR                        | round_mode refused
        Concat axis: 1, on 1x4x8x8 1x4x8x8                              | taken
        Concat axis: -1, on 1x4x8x8 1x4x8x8                             | axis refused
        Concat axis: 0, on 1x4x8x8 1x4x8x8                              | axis refused
        Concat concat_dim: 2, on 1x4x8x8 1x4x8x8                        | concat_dim silent
        Softmax axis: 3                                                 | taken
        Softmax axis: -1                                                | axis refused
        Softmax axis: 0                                                 | axis refused
        Reshape shape { dim: 0 dim: -1 }                                | taken
        Reshape shape { dim: 1 dim: -1 }                                | shape refused
        Permute order: 0 order: 2 order: 3 order: 1                     | taken
        Permute order: 1 order: 0 order: 2 order: 3                     | order refused
        Crop axis: 2, on 1x4x9x9 1x4x8x8                                | taken
        Crop axis: 1, on 1x4x9x9 1x4x8x8                                | axis refused
        Crop axis: 2 offset: 1 offset: 0, on 1x4x9x9 1x4x8x8            | taken
        Reduction axis: 2                                               | taken
        Reduction axis: 0                                               | axis refused
        InnerProduct num_output: 10                                     | taken
        InnerProduct num_output: 10 axis: 2                             | axis refused
        InnerProduct num_output: 10 transpose: true                     | transpose silent
        LRN norm_region: WITHIN_CHANNEL                                 | norm_region silent
        Clip min: 0 max: 6                                              | taken
        Slice axis: 1 slice_point: 8                                    | type refused
        Interp height: 128 width: 128                                   | type refused
        Upsample scale: 2                                               | type refused
        ArgMax axis: 1                                                  | type refused
        Tile tiles: 2                                                   | type refused
        MVN                                                             | type refused
        Log                                                             | type refused
        Exp                                                             | type refused
        Bias                                                            | type refused
        Threshold                                                       | type refused
        Embed num_output: 4 input_dim: 4, on 3                          | type refused
        ShuffleChannel group: 4                                         | type refused
        Split                                                           | type refused
    """,
    "tpu-mlir": """
        Interp height: 128 width: 128                                   | taken
        Interp pad_beg: -1 height: 128 width: 128                       | pad_beg refused
        ArgMax axis: 1                                                  | taken
        ArgMax                                                          | axis refused
        ArgMax axis: 1 top_k: 2                                         | top_k refused
        BatchNorm                                                       | taken
        BatchNorm use_global_stats: true                                | taken
        BatchNorm use_global_stats: false                               | use_global_stats refused
        Scale                                                           | taken
        Scale, on 1x16x8                                                | bottom refused
        Scale axis: 0, on 2x16x8x8 2x16                                 | taken
        Scale axis: 1, on 2x16x8x8 16                                   | axis refused
        Eltwise coeff: 1 coeff: -1, on 1x4x8x8 1x4x8x8                  | taken
        Pooling pool: STOCHASTIC kernel_size: 2                         | pool refused
        Convolution num_output: 4 kernel_size: 3                        | taken
        Convolution num_output: 4 kernel_h: 3 kernel_w: 5               | taken
        Convolution num_output: 4 kernel_size: 3 kernel_size: 5         | kernel_size silent
        Convolution num_output: 4 kernel_size: 3 stride: 1 stride: 2    | stride silent
        Convolution num_output: 4 kernel_size: 3 pad: 1 pad: 0          | pad silent
        Convolution num_output: 4 kernel_size: 3 dilation: 1 dilation: 2 | dilation silent
        InnerProduct num_output: 10 axis: 2                             | axis refused
        Flatten                                                         | taken
        Flatten axis: 2                                                 | axis refused
        Crop axis: 2, on 1x4x9x9 1x4x8x8                                | taken
        Crop axis: -1, on 1x4x9x9 1x4x8x8                               | axis refused
        Reduction operation: MEAN axis: 3                               | taken
        Reduction operation: SUM axis: 3                                | operation refused
        Reduction operation: MEAN axis: 1                               | axis refused
        PReLU                                                           | taken
        PReLU channel_shared: true                                      | channel_shared refused
        Normalize across_spatial: false                                 | taken
        Normalize across_spatial: true                                  | across_spatial refused
        LRN norm_region: WITHIN_CHANNEL                                 | norm_region silent
        Upsample scale: 2                                               | taken
        ConvolutionDepthwise kernel_size: 3 num_output: 16              | taken
        ReLU6                                                           | taken
        ShuffleChannel group: 4                                         | taken
        Power                                                           | type refused
        Tile tiles: 2                                                   | type refused
        Clip min: 0 max: 6                                              | type refused
    """,
    "horizon-x3": """
        Convolution num_output: 8 kernel_size: 7                        | taken
        Convolution num_output: 8 kernel_size: 8                        | kernel_size cpu
        Convolution num_output: 4096 kernel_size: 1                     | taken
        Convolution num_output: 4097 kernel_size: 1                     | num_output cpu
        Convolution num_output: 4096 kernel_size: 3 dilation: 2         | num_output cpu
        Convolution num_output: 4096 kernel_size: 1 group: 2            | taken
        Convolution num_output: 8 kernel_size: 5, on 1x1310x8x8         | taken
        Convolution num_output: 8 kernel_size: 5, on 1x1311x8x8         | kernel_size cpu
        Convolution num_output: 8 kernel_size: 3 dilation: 4            | taken
        Convolution num_output: 8 kernel_size: 3 dilation: 3            | dilation cpu
        Convolution num_output: 8 kernel_size: 3 dilation: 1 stride: 2  | taken
        Convolution num_output: 8 kernel_size: 3 dilation: 2 stride: 4  | dilation cpu
        Convolution num_output: 8 kernel_size: 3 axis: 2, on 1x2x16x16x16 | axis refused
        Deconvolution num_output: 8 kernel_size: 14 stride: 2           | taken
        Deconvolution num_output: 8 kernel_size: 16 stride: 2           | kernel_size cpu
        Deconvolution num_output: 8 kernel_size: 4 stride: 4            | taken
        Deconvolution num_output: 8 kernel_size: 16 stride: 8           | kernel_size cpu, stride cpu
        Deconvolution num_output: 8 kernel_size: 4 stride: 2 pad: 1     | taken
        Deconvolution num_output: 8 kernel_size: 4 stride: 2 pad: 2     | pad cpu
        Deconvolution num_output: 8 kernel_size: 4 stride: 2 dilation: 2 | dilation cpu
        Deconvolution num_output: 2049 kernel_size: 4 stride: 2, on 1x4x8x8 | num_output cpu
        Pooling pool: AVE kernel_size: 7                                | taken
        Pooling pool: AVE kernel_size: 8                                | kernel_size cpu
        Pooling pool: MAX kernel_size: 64                               | taken
        Pooling pool: MAX kernel_size: 65, on 1x4x80x80                 | kernel_size cpu
        Pooling pool: MAX kernel_size: 2 stride: 186, on 1x4x400x400    | stride cpu
        Pooling pool: AVE global_pooling: true, on 1x4x64x128           | taken
        Pooling pool: AVE global_pooling: true, on 1x4x64x129           | global_pooling cpu
        Pooling pool: MAX global_pooling: true, on 1x4x8x1025           | global_pooling cpu
        Pooling pool: STOCHASTIC kernel_size: 2                         | pool refused
        InnerProduct num_output: 10, on 1x16384                         | taken
        InnerProduct num_output: 10, on 1x16385                         | bottom cpu
        InnerProduct num_output: 10, on 1x2048x8x8                      | taken
        InnerProduct num_output: 10, on 1x2049x8x8                      | bottom cpu
        InnerProduct num_output: 10 axis: 2                             | axis cpu
        Sigmoid, on 1x4x32x64                                           | taken
        Sigmoid, on 1x4x64x64                                           | bottom cpu
        Eltwise, on 1x4x8x8 1x4x8x8                                     | taken
        Eltwise operation: PROD, on 1x4x8x8 1x4x8x8                     | taken
        Eltwise operation: MAX, on 1x4x8x8 1x4x8x8                      | operation cpu
        Eltwise, on 1x2049x8x8 1x2049x8x8                               | bottom cpu
        Scale, on 1x2048x8x8                                            | taken
        Scale, on 1x2049x8x8                                            | bottom cpu
        Scale axis: 0, on 2x4x8x8 2x4                                   | bottom cpu
        ArgMax axis: 1, on 1x19x1024x2048                               | taken
        ArgMax axis: 1, on 1x64x8x8                                     | taken
        ArgMax axis: 1, on 1x65x8x8                                     | axis cpu
        ArgMax axis: 1 top_k: 2                                         | top_k cpu
        Concat, on 1x1024x8x8 1x1024x8x8                                | taken
        Concat, on 1x1024x8x8 1x1025x8x8                                | bottom cpu
        Upsample scale: 4                                               | taken
        Upsample scale: 3                                               | scale cpu
        ReLU, on 128x4x8x8                                              | taken
        ReLU, on 129x4x8x8                                              | batch cpu
        LSTM recurrent_param { num_output: 8 }, on 3x1x4 3x1            | taken
        LSTM recurrent_param { num_output: 8 }, on 3x2x4 3x2            | bottom cpu
        Softmax                                                         | type cpu
        Flatten                                                         | type cpu
        Flatten axis: 1 end_axis: 2                                     | end_axis refused, type cpu
        Reshape shape { dim: 0 dim: -1 }                                | type cpu
        Reshape shape { dim: 0 dim: -1 dim: 1 dim: 1 dim: 1 }           | shape refused, type cpu
        SPP pyramid_height: 3                                           | type cpu
        SPP pyramid_height: 7, on 1x4x128x128                           | pyramid_height refused, type cpu
        MVN                                                             | type cpu
        Interp height: 128 width: 128                                   | type refused
        ShuffleChannel group: 4                                         | type refused
        Tile tiles: 2                                                   | type refused
        ReLU6                                                           | type refused
        Swish                                                           | type refused
    """,
    "sigmastar": """
        InnerProduct num_output: 10                                     | taken
        InnerProduct num_output: 10 axis: 3                             | axis refused
        Convolution num_output: 4 kernel_size: 3                        | taken
        Convolution num_output: 4 kernel_size: 3 axis: 2, on 1x2x16x16x16 | axis refused
        Convolution num_output: 8 kernel_size: 7                        | taken
        Convolution num_output: 8 kernel_size: 8                        | kernel_size refused
        Convolution num_output: 8 kernel_h: 3 kernel_w: 21              | taken
        Deconvolution num_output: 8 kernel_size: 7 stride: 2            | taken
        Deconvolution num_output: 8 kernel_size: 16 stride: 8           | kernel_size refused
        Convolution num_output: 8192 kernel_size: 1, on 1x16368x1x1     | taken
        Convolution num_output: 8192 kernel_size: 1, on 1x16384x1x1     | num_output refused
        InnerProduct num_output: 8192, on 1x16368                       | taken
        InnerProduct num_output: 8192, on 1x16384                       | num_output refused
        ConvolutionDepthwise kernel_size: 3 pad: 1 num_output: 16       | taken
        ConvolutionDepthwise kernel_size: 5 pad: 2 num_output: 16       | pad refused
        Eltwise operation: MAX, on 1x4x8x8 1x4x8x8                      | taken
        Eltwise coeff: 1 coeff: -1, on 1x4x8x8 1x4x8x8                  | taken
        Eltwise coeff: 0.5 coeff: 0.5, on 1x4x8x8 1x4x8x8               | coeff refused
        InnerProduct num_output: 10 axis: 2                             | axis refused
        Convolution num_output: 8 kernel_size: 3 axis: 2, on 1x2x16x16x16 | axis refused
        Concat, on 256*1x4                                              | taken
        Concat, on 257*1x4                                              | bottom refused
        Pooling kernel_size: 19                                         | taken
        Pooling kernel_size: 20                                         | kernel_size refused
        Pooling global_pooling: true, on 1x4x255x255                    | taken
        Pooling global_pooling: true, on 1x4x255x256                    | global_pooling refused
        Pooling pool: STOCHASTIC kernel_size: 2                         | pool refused
        Power power: 2                                                  | taken
        Power power: 0.5                                                | power refused
        ReLU, on 1x2x2x2x2                                              | bottom refused
        Threshold                                                       | taken
        Threshold, on 1x4                                               | bottom refused
        Softmax, on 1x16384                                             | taken
        Softmax, on 1x16385                                             | bottom refused
        ArgMax axis: 1                                                  | taken
        ArgMax axis: 1 top_k: 2                                         | top_k refused
        Upsample scale: 2                                               | taken
        Tile tiles: 2                                                   | taken
        Interp height: 128 width: 128                                   | type refused
        ShuffleChannel group: 4                                         | type refused
        Clip min: 0 max: 6                                              | type refused
    """,
    "armnn": """
        Convolution num_output: 4 kernel_size: 3                        | taken
        Convolution num_output: 4 kernel_size: 3, on 4x8x8              | bottom refused
        Convolution num_output: 4 kernel_size: 3 dilation: 2            | dilation silent
        Convolution num_output: 4 kernel_size: 3 axis: 2, on 1x2x16x16x16 | axis silent, bottom refused
        Convolution num_output: 4 kernel_size: 3 kernel_size: 5         | kernel_size silent
        Convolution num_output: 4 kernel_size: 3 stride: 1 stride: 2    | stride silent
        Convolution num_output: 4 kernel_size: 3 pad: 1 pad: 0          | pad silent
        Concat, on 1x4x8x8 1x4x8x8                                      | taken
        Concat, on 1x4 1x4                                              | bottom refused
        Concat axis: 2, on 1x4x8x8 1x4x8x8                              | axis silent
        Eltwise, on 1x4x8x8 1x4x8x8                                     | taken
        Eltwise, on 1x4x8x8 1x4x8x8 1x4x8x8                             | bottom refused
        Eltwise coeff: 1 coeff: -1, on 1x4x8x8 1x4x8x8                  | coeff silent
        Eltwise operation: MAX, on 1x4x8x8 1x4x8x8                      | operation refused
        InnerProduct num_output: 10                                     | taken
        InnerProduct num_output: 10 bias_term: false                    | bias_term refused
        InnerProduct num_output: 10 axis: 2                             | axis refused
        InnerProduct num_output: 10 transpose: true                     | transpose silent
        LRN local_size: 5 alpha: 0.1 beta: 0.75                         | taken
        LRN                                                             | lrn_param refused
        Pooling pool: AVE kernel_size: 2 stride: 2                      | taken
        Pooling pool: STOCHASTIC kernel_size: 2 stride: 2               | pool refused
        Pooling kernel_size: 2 stride: 2                                | pool refused
        Pooling pool: MAX kernel_size: 2                                | stride silent
        Pooling pool: MAX kernel_size: 2 stride_h: 1 stride_w: 2        | stride_w silent
        Pooling pool: MAX kernel_size: 2 stride: 2 round_mode: FLOOR    | round_mode silent
        Softmax                                                         | taken
        Softmax axis: 2                                                 | axis silent
        BatchNorm use_global_stats: false                               | use_global_stats refused
        Scale bias_term: true                                           | taken
        Scale bias_term: false                                          | bias_term refused
        Scale axis: 2                                                   | axis refused
        Scale, on 1x4x8x8 4                                             | bottom refused
        ArgMax axis: 1 top_k: 2                                         | top_k refused
        Interp height: 128 width: 128                                   | type refused
        Sigmoid                                                         | type refused
        Flatten                                                         | type refused
    """,
    "vitis": """
        Convolution num_output: 8 kernel_size: 16                       | taken
        Convolution num_output: 8 kernel_size: 17                       | kernel_size cpu
        Convolution num_output: 8 kernel_size: 3 stride: 8              | taken
        Convolution num_output: 8 kernel_size: 3 stride: 9              | stride cpu
        Convolution num_output: 8 kernel_size: 3 dilation: 256, on 1x16x600x600 | taken
        Convolution num_output: 8 kernel_size: 3 dilation: 257, on 1x16x600x600 | dilation cpu
        Convolution num_output: 8 kernel_size: 3 pad: 2                 | taken
        Convolution num_output: 8 kernel_size: 3 pad: 3                 | pad cpu
        Convolution num_output: 4096 kernel_size: 1                     | taken
        Convolution num_output: 4097 kernel_size: 1                     | num_output cpu
        Convolution num_output: 8 kernel_size: 3, on 1x3632x8x8         | taken
        Convolution num_output: 8 kernel_size: 3, on 1x3648x8x8         | kernel_size cpu
        Convolution num_output: 8 kernel_size: 1 dilation: 1, on 1x4097x8x8 | dilation cpu
        Convolution num_output: 16 kernel_size: 3 group: 16             | taken
        Convolution num_output: 16 kernel_size: 3 group: 2              | group refused
        Eltwise, on 1x4x8x8 1x4x8x8                                     | taken
        Eltwise operation: PROD, on 1x4x8x8 1x4x8x8                     | operation refused
        Eltwise operation: MAX, on 1x4x8x8 1x4x8x8                      | operation refused
        Concat, on 1x4x8x8 1x4x8x8                                      | taken
        Concat axis: 2, on 1x4x8x8 1x4x8x8                              | axis cpu
        Concat axis: -3, on 1x4x8x8 1x4x8x8                             | axis refused
        Pooling kernel_size: 2 stride: 2                                | taken
        Pooling kernel_size: 2                                          | stride refused
        Pooling pool: STOCHASTIC kernel_size: 2 stride: 2               | pool refused
        InnerProduct num_output: 10 axis: 2                             | axis refused
        ReLU negative_slope: 0.1                                        | taken
        ReLU negative_slope: -0.1                                       | negative_slope refused
        ReLU6                                                           | taken
        Reshape shape { dim: 0 dim: -1 }                                | type cpu
        Slice slice_point: 8                                            | type cpu
        Slice                                                           | slice_point refused, type cpu
        Sigmoid                                                         | type refused
        Interp height: 128 width: 128                                   | type refused
    """,
    "nncase1": """
        Convolution num_output: 4 kernel_size: 3                        | taken
        Convolution num_output: 4 kernel_size: 3 bias_term: false       | bias_term refused
        Convolution num_output: 4 kernel_size: 3 stride_h: 2 stride_w: 2 | stride_h silent
        Eltwise coeff: 1 coeff: -1, on 1x4x8x8 1x4x8x8                  | taken
        Eltwise coeff: 1 coeff: 0.5, on 1x4x8x8 1x4x8x8                 | coeff silent
        ReLU                                                            | taken
        ReLU negative_slope: 0.1                                        | negative_slope silent
        Pooling kernel_size: 2                                          | taken
        Pooling global_pooling: true                                    | global_pooling refused
        Pooling pool: STOCHASTIC kernel_size: 2                         | pool refused
        BatchNorm use_global_stats: false                               | use_global_stats refused
        Scale                                                           | taken
        Scale, on 1x4x8x8 4                                             | bottom refused
        Scale axis: 2                                                   | axis silent
        Scale bias_term: false                                          | bias_term refused
        InnerProduct num_output: 10 axis: 2, on 1x3x4                   | taken
        InnerProduct num_output: 10                                     | axis refused
        InnerProduct num_output: 10 axis: 2 transpose: true, on 1x3x4   | transpose refused
        Reshape shape { dim: 0 dim: -1 }                                | taken
        Reshape shape { dim: -1 } axis: 1                               | axis silent
        Slice axis: 1 slice_point: 8                                    | taken
        Slice axis: -1 slice_point: 8                                   | axis refused
        Slice axis: 1                                                   | slice_point refused
        Deconvolution num_output: 4 kernel_size: 4 stride: 2            | type refused
        Dropout                                                         | type refused
        ImageData                                                       | type refused
    """,
    "bvlc": """
        Convolution num_output: 4 kernel_size: 3                        | taken
        Clip min: 0 max: 6                                              | taken
        Swish                                                           | taken
        Interp height: 128 width: 128                                   | type refused
        ShuffleChannel group: 4                                         | type refused
        ReLU6                                                           | type refused
        Softmax label_mode: 1                                           | label_mode refused
    """,
    "release": """
        Interp height: 128 width: 128                                   | taken
        ShuffleChannel group: 4                                         | taken
        Swish                                                           | taken
        Clip min: 0 max: 6                                              | type refused
        Pooling kernel_size: 2 round_mode: FLOOR                        | round_mode refused
        ReLU6                                                           | type refused
        Upsample scale: 2                                               | type refused
    """,
}


def _lines() -> list[tuple[str, str, str]]:
    found = []
    for target, text in SAID.items():
        for line in text.strip().splitlines():
            layer, _, becomes = (part.strip() for part in line.rpartition("|"))
            found.append((target, layer, becomes))
    return found


@cache
def _met(target: str, said: str) -> list[Fault]:
    """What one layer of a short text meets on a target, beside an Input for each of its bottoms."""
    layer, _, shapes = said.partition(", on ")
    kind, _, options = layer.partition(" ")
    bottoms = shapes.split() or ["1x16x64x64"]
    if "*" in shapes:
        times, _, shape = shapes.partition("*")
        bottoms = [shape] * int(times)
    text = ""
    for number, shape in enumerate(bottoms):
        dims = " ".join(f"dim: {size}" for size in shape.split("x"))
        text += f'layer {{ name: "in{number}" type: "Input" top: "in{number}" input_param {{ shape {{ {dims} }} }} }}\n'
    tops = 2 if kind == "Slice" else 1
    named = "".join(f' top: "out{number}"' for number in range(tops))
    read = " ".join(f'bottom: "in{number}"' for number in range(len(bottoms)))
    if options and "_param {" not in options:
        known = LAYERS["DepthwiseConvolution" if "Depthwise" in kind else kind].options
        options = f"{known[0]} {{ {options} }}"
    text += f'layer {{ name: "it" type: "{kind}" {read}{named} {options} }}'
    report = check_target(parse_text(text, NetParameter()), read_target(target))
    return [fault for fault in (*report.faults, *report.on_cpu) if fault.layer == "it"]


def _in_short(faults: list[Fault]) -> str:
    return ", ".join(sorted({f"{fault.field.rpartition('.')[2]} {fault.outcome}" for fault in faults})) or "taken"


@pytest.mark.parametrize(("target", "layer", "becomes"), _lines())
def test_a_layer_at_the_limit(target, layer, becomes):
    assert _in_short(_met(target, layer)) == becomes


#: Networks and what of them is at fault: "Type of the layer: the field, how".
NETWORKS = [
    ("nnie", {"name": "x" * 32}, ""),
    ("nnie", {"name": "x" * 33}, "ReLU: name refused"),
    ("nnie", {"top": "x" * 33}, "ReLU: name refused"),
    ("tensorrt8", {}, ""),
    ("tensorrt8", {"top": "data"}, "ReLU: top refused"),
    ("armnn", {"top": "data"}, ""),
    ("tensorrt8", {"more": "phase: TEST"}, "ReLU: phase refused"),
    ("armnn", {"more": "phase: TEST"}, ""),
    ("tensorrt8", {"shape": "dim: 1 dim: 16 dim: 64"}, "Input: shape refused"),
    ("armnn", {"inputs": ["data", "second"]}, "Input: top refused"),
    ("vitis", {"inputs": ["data", "second"]}, ""),
    ("vitis", {"layer": 'type: "Eltwise" bottom: "data" bottom: "data" top: "out"'}, "Eltwise: bottom refused"),
    ("horizon-x3", {"layer": 'type: "Eltwise" bottom: "data" bottom: "data" top: "out"'}, ""),
    (
        "vitis",
        {
            "inputs": ["data", "second"],
            "layer": 'type: "Convolution" bottom: "data" bottom: "second" top: "out" top: "other"'
            " convolution_param { num_output: 4 kernel_size: 1 }",
        },
        "Convolution: top refused",
    ),
]
#: Rules that a layer on inputs of its own cannot meet, by target; the networks above do.
ELSEWHERE = {
    "armnn": {"Convolution.bottoms", "Input.top"},
    "nnie": {"every.name", "network.layers"},
    "tensorrt8": {"AbsVal.bottom", "every.phase", "every.top", "Input.shape"},
    "vitis": {"Concat.top", "every.bottom"},
}


@pytest.mark.parametrize(("target", "said", "becomes"), NETWORKS)
def test_a_network_at_the_limit(target, said, becomes):
    shape = said.get("shape", "dim: 1 dim: 16 dim: 64 dim: 64")
    tops = said.get("inputs", ["data"])
    text = 'layer { name: "data" type: "Input"'
    text += "".join(f' top: "{top}"' for top in tops) + f" input_param {{ shape {{ {shape} }} }} }}\n"
    layer = said.get("layer", f'type: "ReLU" bottom: "data" top: "{said.get("top", "out")}" {said.get("more", "")}')
    text += f'layer {{ name: "{said.get("name", "it")}" {layer} }}'
    report = check_target(parse_text(text, NetParameter()), read_target(target))
    found = [f"{fault.type}: {fault.field.rpartition('.')[2]} {fault.outcome}" for fault in report.faults]
    assert ", ".join(found) == becomes


@pytest.mark.parametrize(("layers", "becomes"), [(4, []), (5, ["layers"])])
def test_nnie_pools_four_times_in_regions(layers, becomes):
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 dim: 8 dim: 8 } } }\n'
    for number in range(layers):
        text += f'layer {{ name: "roi{number}" type: "ROIPooling" bottom: "data" top: "roi{number}" }}\n'
    report = check_target(parse_text(text, NetParameter()), read_target("nnie"))
    assert [fault.field for fault in report.faults] == becomes


@pytest.mark.parametrize("target", sorted(SAID))
def test_every_rule_is_met(target):
    met = {fault.rule.id for one, layer, _ in _lines() if one == target for fault in _met(target, layer) if fault.rule}
    assert {rule.id for rule in read_target(target).rules} - met - ELSEWHERE.get(target, set()) == set()


def test_all_targets_are_there():
    assert set(list_targets()) == TARGETS


@pytest.mark.parametrize("name", list_targets())
def test_a_file_says_where_everything_is_known_from(name):
    target = read_target(name)
    said = [*target.rows.values(), *target.rules]
    spoken_of = {one.source.key for one in said} | {target.others.key}
    spoken_of |= {one.key for one in (target.fields.source, *target.fields.lacks.values()) if one is not None}
    assert spoken_of == set(target.sources), "a source that nothing speaks of"
    assert target.title and target.version and target.date and target.about
    assert all(source.text and source.version and source.date for source in target.sources.values())
    taken = {kind for kind, row in target.rows.items() if row.runs != "refused"}
    assert all(set(rule.types) <= {"*", "network", *taken} for rule in target.rules), "a rule of a type not taken"


def test_bvlc_has_every_type_of_stock_caffe():
    """No more, too: what the layers here have beyond it is that of forks."""
    forks = {*FORK_TYPES, "DepthwiseConvolution", "InterpHalfPixel", "Normalize", "Permute"}
    assert set(read_target("bvlc").rows) - {"LSTMUnit", "Python"} == set(LAYERS) - forks


def test_the_release_is_what_its_proto_says(reference):
    said = json.loads((reference / "schema" / "release_fork_differences.json").read_text("utf-8"))["messages"]
    fields = read_target("release").fields
    own = said["LayerParameter"]
    assert fields.numbers == {field["name"]: field["number"] for field in own["added_or_changed"]}
    absent = {*own["absent"], *(f"pooling_param.{name}" for name in said["PoolingParameter"]["absent"])}
    assert set(fields.lacks) == absent
    rows = {kind for kind, row in read_target("release").rows.items() if row.runs == "accelerated"}
    stock = set(read_target("bvlc").rows)
    assert rows - stock == {"Interp", "ShuffleChannel"}
    assert stock - rows == {"Clip", "LSTMUnit"}


def test_numbers_differ_between_forks():
    """The same field stands at different places, so that a binary file for one tool is none for another."""
    numbers = {
        name: {read_target(target).fields.numbers.get(name) for target in list_targets()} - {None}
        for name in ("upsample_param", "interp_param", "shuffle_channel_param", "reorg_param", "proposal_param")
    }
    assert numbers["interp_param"] >= {148, 161}
    assert numbers["shuffle_channel_param"] >= {149, 159, 164}
    assert numbers["reorg_param"] >= {149, 155, 159}
    assert numbers["proposal_param"] >= {201, 304, 1200}
    assert numbers["upsample_param"] >= {160, 402}


@cache
def _report(network: str, target: str, merged: bool = False) -> Report:
    """A network of the zoo at its own size, with batch norm or folded, on a target."""
    known = card(network)
    net = generate(known.architecture, input_shape=(1, 3, *known.preprocessing.crop), merged=merged)
    return check_target(net, read_target(target))


ALL_BUT_NNCASE = sorted(TARGETS - {"nncase1"})
TAKE_INTERP = ("ascend", "opencv4", "openvino2023", "release", "tpu-mlir")


@pytest.mark.parametrize("target", ALL_BUT_NNCASE)
@pytest.mark.parametrize("network", ["df1", "df2", "df2a"])
def test_df_networks_run_as_they_are(network, target):
    """Layers on the CPU are none. NNIE wants batch norm folded into the convolutions before."""
    report = _report(network, target, merged=target == "nnie")
    assert (report.faults, report.on_cpu, report.unchecked) == ((), (), ())


def test_nnie_takes_no_batch_norm():
    assert {(fault.type, fault.field) for fault in _report("df1", "nnie").faults} == {
        ("BatchNorm", "type"),
        ("Scale", "type"),
    }


def test_nncase_takes_df_networks_but_for_the_classifier():
    """Its importer reads an InnerProduct along the last of three axes alone."""
    assert {(fault.type, fault.field) for fault in _report("df1", "nncase1", merged=True).faults} == {
        ("InnerProduct", "inner_product_param.axis")
    }


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_interp_is_what_stops_df1_seg(target):
    faults = [fault for fault in _report("df1seg", target, merged=True).faults if fault.type == "Interp"]
    assert len(faults) == (0 if target in TAKE_INTERP else 4)
    assert all((fault.field, fault.outcome) == ("type", "refused") for fault in faults)


@pytest.mark.parametrize(
    ("target", "others"),
    [
        # AVE poolings of 32 and 16 on maps of 32x64; the Deconvolution of 16x16.
        ("ascend", ["Pooling 16", "Pooling 32"]),
        ("sigmastar", ["Deconvolution 16", "Pooling 32"]),
        ("tensorrt8", []),
        ("rknn2", []),
        ("rknn1", []),
        ("release", []),
        ("tpu-mlir", []),
        ("horizon-x3", []),
    ],
)
def test_what_else_stops_df1_seg(target, others):
    report = _report("df1seg", target, merged=True)
    assert _by_kernel(report.faults) == others


def test_what_of_df1_seg_is_left_to_horizons_cpu():
    report = _report("df1seg", "horizon-x3", merged=True)
    assert _by_kernel(report.on_cpu) == ["Deconvolution 16", "Pooling 16", "Pooling 32", "Pooling 8"]


def _by_kernel(faults: tuple[Fault, ...]) -> list[str]:
    """Types with kernels, without Interp."""
    told = set()
    for fault in faults:
        kernel = re.search(r"kernel_h (\d+)", fault.found)
        told.add(f"{fault.type} {kernel[1]}" if kernel else fault.type)
    return sorted(
        one for one in told if one != "Interp" and not (one == "Deconvolution" and "Deconvolution 16" in told)
    )


def test_names_of_the_zoo_fit_nnie():
    assert not [fault for fault in _report("df1seg", "nnie", merged=True).faults if fault.field == "name"]


@pytest.mark.parametrize("target", ["rknn2", "horizon-x3", "sigmastar", "release", "nnie"])
def test_ponas_needs_another_clip(target):
    faults = _report("ponas_a", target, merged=True).faults
    assert {(fault.type, fault.outcome) for fault in faults if fault.type == "Clip"} == {("Clip", "refused")}
