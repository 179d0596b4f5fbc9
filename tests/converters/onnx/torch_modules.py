"""Small modules in the forms that networks have today: backbones' blocks, necks, heads, faces, signals, volumes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Maker = Callable[[], nn.Module]


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: Maker = nn.SiLU):
    """Convolution, batch norm and an activation, as detectors have them."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        act(),
    )


class Fn(nn.Module):
    """A function with the submodules that it uses."""

    def __init__(self, function: Callable[..., object], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *inputs: Tensor) -> object:
        return self.function(self, *inputs)


class Focus(nn.Module):
    """Every second pixel into the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(12, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        return self.conv(torch.cat(parts, 1))


class Bottleneck(nn.Module):
    def __init__(self, width: int, act: Maker = nn.SiLU) -> None:
        super().__init__()
        self.cv1, self.cv2 = conv(width, width, 1, act=act), conv(width, width, 3, act=act)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.cv2(self.cv1(x))


class C3(nn.Module):
    """Two branches, one through bottlenecks."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.cv1, self.cv2, self.cv3 = conv(inputs, half), conv(inputs, half), conv(2 * half, outputs)
        self.m = nn.Sequential(Bottleneck(half), Bottleneck(half))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class C2f(nn.Module):
    """Halves by chunk, each bottleneck's output kept."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.cv1, self.cv2 = conv(inputs, 2 * half), conv(4 * half, outputs)
        self.m = nn.ModuleList([Bottleneck(half), Bottleneck(half)])

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.cv1(x).chunk(2, 1))
        for block in self.m:
            parts.append(block(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class SPPF(nn.Module):
    """One pooling three times on end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = conv(width, width // 2), conv(2 * width, width)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cv1(x)
        y = self.m(x)
        z = self.m(y)
        return self.cv2(torch.cat((x, y, z, self.m(z)), 1))


class SPP(nn.Module):
    """Poolings of several sizes beside each other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.m = nn.ModuleList([nn.MaxPool2d(size, 1, size // 2) for size in (3, 5, 7)])
        self.cv = conv(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.cv(torch.cat([x, *(pool(x) for pool in self.m)], 1))


class Detector(nn.Module):
    """Backbone, path aggregation and heads for boxes, without the decoding of boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Focus()
        self.p3 = nn.Sequential(conv(8, 16, 3, 2), C3(16, 16))
        self.p4 = nn.Sequential(conv(16, 24, 3, 2), C2f(24, 24))
        self.p5 = nn.Sequential(conv(24, 32, 3, 2), SPPF(32))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral4, self.lateral3 = C3(56, 24), C3(40, 16)
        self.down3, self.down4 = conv(16, 16, 3, 2), conv(24, 24, 3, 2)
        self.out4, self.out5 = C3(40, 24), C3(56, 32)
        self.heads = nn.ModuleList([nn.Conv2d(width, 3 * 7, 1) for width in (16, 24, 32)])

    def forward(self, x: Tensor) -> list[Tensor]:
        p3 = self.p3(self.stem(x))
        p4 = self.p4(p3)
        p5 = self.p5(p4)
        n4 = self.lateral4(torch.cat([self.up(p5), p4], 1))
        n3 = self.lateral3(torch.cat([self.up(n4), p3], 1))
        m4 = self.out4(torch.cat([self.down3(n3), n4], 1))
        m5 = self.out5(torch.cat([self.down4(m4), p5], 1))
        return [head(part) for head, part in zip(self.heads, (n3, m4, m5), strict=True)]


class Scores(nn.Module):
    """A detector's head as rows: reshaped, transposed, joined, through a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(6, 2 * 5, 1), nn.Conv2d(6, 2 * 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        rows = []
        for head, part in ((self.a, x), (self.b, F.max_pool2d(x, 2))):
            y = head(part)
            rows.append(y.view(y.shape[0], 2, 5, -1).permute(0, 1, 3, 2).reshape(y.shape[0], -1, 5))
        return torch.cat(rows, 1).sigmoid()


class SqueezeExcitation(nn.Module):
    def __init__(self, width: int, gate: Maker = nn.Hardsigmoid, act: Maker = nn.Hardswish) -> None:
        super().__init__()
        self.conv = conv(3, width, 3, 2, act=act)
        self.fc1, self.fc2 = nn.Conv2d(width, width // 2, 1), nn.Conv2d(width // 2, width, 1)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y = self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1))))
        return x * self.gate(y)


class Shuffle(nn.Module):
    """ShuffleNetV2's unit of stride 1."""

    def __init__(self, width: int, groups: int = 2) -> None:
        super().__init__()
        self.groups = groups
        half = width // 2
        self.branch = nn.Sequential(conv(half, half, act=nn.ReLU), conv(half, half, 3, groups=half, act=nn.ReLU))

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=1)
        y = torch.cat((a, self.branch(b)), 1)
        n, c, h, w = y.shape
        return y.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)


class ASPP(nn.Module):
    """Dilated branches and one of the whole image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [nn.Conv2d(width, 4, 1), *(nn.Conv2d(width, 4, 3, padding=rate, dilation=rate) for rate in (2, 3))]
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, 4, 1), nn.ReLU())
        self.project = conv(16, 5, act=nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        whole = F.interpolate(self.pool(x), size=size, mode="bilinear", align_corners=False)
        y = self.project(torch.cat([*(branch(x) for branch in self.branches), whole], 1))
        return F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)


class UNet(nn.Module):
    """Down by pooling, up by transposed convolutions, skips joined."""

    def __init__(self) -> None:
        super().__init__()
        self.d1, self.d2, self.mid = conv(3, 8, 3, act=nn.ReLU), conv(8, 12, 3, act=nn.ReLU), conv(12, 16, 3)
        self.u2, self.u1 = nn.ConvTranspose2d(16, 12, 2, 2), nn.ConvTranspose2d(12, 8, 4, 2, 1)
        self.e2, self.e1 = conv(24, 12, 3, act=nn.ReLU), conv(16, 4, 3, act=nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        c = self.mid(F.max_pool2d(b, 2))
        c = self.e2(torch.cat((self.u2(c), b), 1))
        return self.e1(torch.cat((self.u1(c), a), 1)).softmax(1)


class PyramidPooling(nn.Module):
    """Averages over parts of the image, brought back and joined."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            [nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Conv2d(width, 3, 1), nn.ReLU()) for size in (1, 2, 3, 6)]
        )

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        ups = [F.interpolate(part(x), size=size, mode="bilinear", align_corners=True) for part in self.parts]
        return torch.cat([x, *ups], 1)


class Inception(nn.Module):
    """Branches with kernels of 1x7 and 7x1, and an average that counts no padding."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(4, 3, (1, 7), padding=(0, 3)), nn.Conv2d(3, 5, (7, 1), padding=(3, 0)))
        self.b = nn.Conv2d(4, 6, 3, stride=2)
        self.c = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        same = torch.cat([self.a(x), self.c(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))], 1)
        small = torch.cat([self.b(x), F.max_pool2d(x, 3, 2)], 1)
        return torch.cat([F.avg_pool2d(same, 3, 2), small], 1)


class Face(nn.Module):
    """PReLU, a depthwise convolution over the whole map, and an embedding of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 8, 3, 2, act=lambda: nn.PReLU(8))
        self.depthwise = nn.Conv2d(8, 8, (6, 5), groups=8, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 6, bias=False)
        self.last = nn.BatchNorm1d(6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.depthwise(self.stem(x))).flatten(1)
        return F.normalize(self.last(self.fc(y)))


class BlurPool(nn.Module):
    """Reflected edges, then a fixed blur of stride 2 on every channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("filter", (row[:, None] * row / 16)[None, None].repeat(width, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.filter, stride=2, groups=x.shape[1])


class MinusMean(nn.Module):
    """Preprocessing within the network: constants for every channel."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv((x / 255.0 - self.mean) / self.std)


class StandardConv(nn.Conv2d):
    """Weights brought to mean 0 and variance 1 whenever it runs, of a size that exporters do not compute."""

    def forward(self, x: Tensor) -> Tensor:
        rows = self.weight.reshape(1, self.out_channels, -1)
        weight = F.batch_norm(rows, None, None, training=True, momentum=0.0).reshape_as(self.weight)
        return F.conv2d(x, weight, self.bias, padding=1)


MODULES: dict[str, tuple[Maker, tuple[int, ...]]] = {
    "focus": (Focus, (1, 3, 16, 20)),
    "csp": (lambda: C3(6, 8), (1, 6, 8, 8)),
    "c2f": (lambda: C2f(6, 8), (2, 6, 8, 8)),
    "spp": (lambda: SPP(6), (1, 6, 9, 9)),
    "sppf": (lambda: SPPF(6), (1, 6, 9, 9)),
    "detector": (Detector, (1, 3, 64, 96)),
    "rows of scores": (Scores, (1, 6, 4, 6)),
    "pixel shuffle": (lambda: nn.Sequential(nn.Conv2d(3, 12, 3), nn.PixelShuffle(2)), (2, 3, 8, 7)),
    "pixel unshuffle": (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 3, 1)), (1, 3, 8, 6)),
    "squeeze and excitation": (lambda: SqueezeExcitation(8), (1, 3, 16, 16)),
    "squeeze and excitation, batch of 2": (lambda: SqueezeExcitation(8, nn.Sigmoid, nn.SiLU), (2, 3, 16, 16)),
    "channel shuffle": (lambda: Shuffle(8), (1, 8, 6, 6)),
    "channel shuffle of 3 groups": (lambda: Shuffle(12, 3), (2, 12, 5, 5)),
    "nn.ChannelShuffle": (lambda: nn.Sequential(nn.Conv2d(3, 12, 1), nn.ChannelShuffle(4)), (1, 3, 5, 5)),
    "aspp": (lambda: ASPP(6), (1, 6, 9, 11)),
    "u-net": (UNet, (1, 3, 16, 24)),
    "pyramid pooling": (lambda: PyramidPooling(4), (1, 4, 12, 17)),
    "inception": (Inception, (1, 4, 14, 15)),
    "face": (Face, (2, 3, 12, 10)),
    "blur pool": (lambda: BlurPool(4), (1, 4, 9, 8)),
    "minus mean": (MinusMean, (1, 3, 8, 8)),
    "mish and elu": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Mish(), nn.ELU(0.7)), (1, 3, 8, 8)),
    "leaky and relu6": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.1), nn.Conv2d(4, 4, 1), nn.ReLU6()),
        (1, 3, 8, 8),
    ),
    "softplus, tanh, hardtanh": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Tanh(), nn.Hardtanh(-0.5, 0.4)),
        (1, 3, 8, 8),
    ),
    "instance norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, affine=True)), (2, 3, 8, 8)),
    "reflected and replicated edges": (
        lambda: nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(3, 4, 5), nn.ReplicationPad2d((1, 0, 2, 1))),
        (1, 3, 7, 8),
    ),
    "padding of zeros on two sides": (
        lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2)),
        (1, 3, 8, 8),
    ),
    "signals": (
        lambda: nn.Sequential(
            nn.Conv1d(2, 6, 5, 2, 2), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 4, 3, dilation=2),
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3),
        ),
        (2, 2, 40),
    ),
    "volumes": (
        lambda: nn.Sequential(
            nn.Conv3d(2, 4, 3, (1, 2, 2), 1), nn.BatchNorm3d(4), nn.ReLU(), nn.Conv3d(4, 4, (1, 3, 3)),
            nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 3),
        ),
        (1, 2, 5, 9, 8),
    ),
    "classifier": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 9, 8), nn.ReLU(),
            nn.Linear(8, 5), nn.LogSoftmax(1),
        ),
        (2, 3, 8, 8),
    ),
    "grouped transposed convolution": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), (1, 4, 5, 6)),
    "floor and ceil pooling": (
        lambda: nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2), nn.MaxPool2d(2, padding=1)),
        (1, 3, 16, 19),
    ),
    "averages over parts of other sizes": (lambda: nn.AdaptiveAvgPool2d((2, 3)), (2, 3, 5, 7)),
    "averages that enlarge": (lambda: nn.AdaptiveAvgPool2d((6, 4)), (1, 3, 3, 4)),
    "averages of signals": (lambda: nn.AdaptiveAvgPool1d(3), (2, 3, 7)),
    "averages of volumes": (lambda: nn.AdaptiveAvgPool3d((2, 3, 2)), (1, 3, 5, 4, 4)),
    "averages over equal parts": (lambda: nn.AdaptiveAvgPool2d((2, None)), (1, 3, 6, 4)),
    "softplus with a factor": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softplus(2.0)), (1, 3, 6, 4)),
    "nearest to a size": (lambda: nn.Upsample(size=(9, 7), mode="nearest"), (1, 3, 3, 5)),
    "bilinear, halves": (lambda: nn.Upsample(scale_factor=0.5, mode="bilinear", align_corners=False), (1, 3, 8, 6)),
    "a gate for every pixel": (
        lambda: Fn(lambda s, x: x * torch.sigmoid(s.c(x)) + x.mean(1, keepdim=True), c=nn.Conv2d(4, 1, 1)),
        (1, 4, 5, 6),
    ),
    "max over channels": (
        lambda: Fn(lambda s, x: torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)),
        (1, 4, 5, 6),
    ),
    "group norm": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8)), (2, 3, 7, 7)),
    "maxout": (lambda: Fn(lambda s, x: torch.maximum(*s.c(x).split(3, 1)), c=nn.Conv2d(4, 6, 3)), (1, 4, 6, 6)),
    "weight norm": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)),
        (1, 3, 6, 6),
    ),
    "standardised weights": (lambda: StandardConv(3, 400, 3), (1, 3, 5, 5)),
    "sum of three": (
        lambda: Fn(lambda s, x: s.a(x) + s.b(x) * 0.5 - 2 * s.a(x), a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(3, 4, 1)),
        (1, 3, 6, 6),
    ),
    "bilinear without align, odd": (
        lambda: nn.Upsample(size=(11, 13), mode="bilinear", align_corners=False),
        (1, 3, 5, 6),
    ),
    "strided slices and a crop": (lambda: Fn(lambda s, x: x[:, 1:4:2, 1:-1, ::3]), (1, 5, 6, 10)),
    "global max": (lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()), (2, 3, 6, 5)),
}  # fmt: skip
