"""Caffe's losses. Every value is unweighted, as in Caffe's tops; `converters.total_loss` applies loss_weight."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from converters.pytorch.layers.builders import BUILDERS, Apply
from converters.weights.infogain import read_infogain
from prototxt_gen.layers.layer_types import axis_of
from prototxt_gen.proto import LossParameter

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row

_LOG_FLOOR = 1e-20  # Caffe: kLOG_THRESHOLD in loss_layer.hpp
_SMALLEST = torch.finfo(torch.float32).tiny


def _normalization(loss: LossParameter, default: str) -> str:
    """FULL, VALID, BATCH_SIZE or NONE; the older `normalize` stands for VALID or BATCH_SIZE."""
    if loss.HasField("normalization"):
        return ("full", "valid", "batch", "none")[loss.normalization]
    if loss.HasField("normalize"):
        return "valid" if loss.normalize else "batch"
    return default


def _ignored(loss: LossParameter) -> int | None:
    return loss.ignore_label if loss.HasField("ignore_label") else None


def _normalizer(mode: str, outer: int, valid: Tensor) -> Tensor | float:
    """What the sum is divided by, at least 1. valid: bool, of the shape of the labels."""
    if mode == "valid":
        return valid.sum().clamp(min=1)
    return max({"full": valid.numel(), "batch": outer, "none": 1}[mode], 1)


def _columns(x: Tensor, label: Tensor, axis: int, ignore: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (outer, classes, inner), labels (outer, inner) with 0 where ignored, and which of them count."""
    scores = x.reshape(math.prod(x.shape[:axis]), x.shape[axis], -1)
    target = label.long().reshape(scores.shape[0], -1)
    valid = torch.ones_like(target, dtype=torch.bool) if ignore is None else target != ignore
    return scores, target.where(valid, torch.zeros_like(target)), valid


def _rows(x: Tensor) -> Tensor:
    """One row for each item of the batch, also where an item is a single number."""
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


@BUILDERS.register("SoftmaxWithLoss")
def softmax_with_loss(row: Row) -> nn.Module:
    """A second top has the probabilities. Caffe: softmax_loss_layer.cpp."""
    return Apply(
        _softmax_loss,
        axis=axis_of(row.layer, "softmax_param", row.bottom_shapes[0]),
        ignore=_ignored(row.layer.loss_param),
        mode=_normalization(row.layer.loss_param, "valid"),
        probabilities=len(row.tops) > 1,
    )


def _softmax_loss(
    x: Tensor, label: Tensor, axis: int, ignore: int | None, mode: str, probabilities: bool
) -> Tensor | tuple[Tensor, Tensor]:
    scores, target, valid = _columns(x, label, axis, ignore)
    logs = scores.log_softmax(1).gather(1, target[:, None])[:, 0]
    # Caffe limits the probability from below, but not its gradient.
    logs = logs + (logs.clamp(min=math.log(_SMALLEST)) - logs).detach()
    loss = -(logs * valid).sum() / _normalizer(mode, scores.shape[0], valid)
    return (loss, x.softmax(axis)) if probabilities else loss


@BUILDERS.register("SigmoidCrossEntropyLoss")
def sigmoid_cross_entropy_loss(row: Row) -> nn.Module:
    """Divided by the batch size by default. Caffe: sigmoid_cross_entropy_loss_layer.cpp."""
    options = row.layer.loss_param
    return Apply(_sigmoid_loss, ignore=_ignored(options), mode=_normalization(options, "batch"))


def _sigmoid_loss(x: Tensor, target: Tensor, ignore: int | None, mode: str) -> Tensor:
    target = target.reshape(x.shape).to(x.dtype)
    valid = torch.ones_like(x, dtype=torch.bool) if ignore is None else target.int() != ignore
    each = F.binary_cross_entropy_with_logits(x, target, reduction="none")
    return each.where(valid, torch.zeros_like(each)).sum() / _normalizer(mode, x.shape[0], valid)


@BUILDERS.register("InfogainLoss")
def infogain_loss(row: Row) -> nn.Module:
    """Softmax, then its logarithms weighted by the row of a matrix that the label picks.

    The softmax goes along infogain_loss_param's axis, whatever softmax_param says.
    The matrix is the third bottom or a BlobProto file; a second top has the probabilities.
    Caffe: infogain_loss_layer.cpp.
    """
    axis = axis_of(row.layer, "infogain_loss_param", row.bottom_shapes[0])
    settings: dict[str, Any] = {
        "axis": axis,
        "ignore": _ignored(row.layer.loss_param),
        "mode": _normalization(row.layer.loss_param, "valid"),
        "probabilities": len(row.tops) > 1,
    }
    if len(row.bottoms) > 2:
        return Apply(_infogain_loss, **settings)
    return Infogain(
        torch.tensor(read_infogain(row.layer.infogain_loss_param.source, row.bottom_shapes[0][axis])), settings
    )


class Infogain(nn.Module):
    """InfogainLoss with the matrix of a file."""

    def __init__(self, matrix: Tensor, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("matrix", matrix, persistent=False)

    def forward(self, x: Tensor, label: Tensor) -> Any:
        """The loss, and the probabilities where they have a top."""
        return _infogain_loss(x, label, self.get_buffer("matrix"), **self.settings)


def _infogain_loss(
    x: Tensor, label: Tensor, matrix: Tensor, axis: int, ignore: int | None, mode: str, probabilities: bool
) -> Tensor | tuple[Tensor, Tensor]:
    scores, target, valid = _columns(x, label, axis, ignore)
    classes = scores.shape[1]
    logs = scores.log_softmax(1)
    logs = logs + (logs.clamp(min=math.log(_LOG_FLOOR)) - logs).detach()
    weights = matrix.reshape(classes, classes)[target].movedim(-1, 1)  # (outer, classes, inner)
    loss = -((weights * logs).sum(1) * valid).sum() / _normalizer(mode, scores.shape[0], valid)
    return (loss, x.softmax(axis)) if probabilities else loss


@BUILDERS.register("MultinomialLogisticLoss")
def multinomial_logistic_loss(row: Row) -> nn.Module:
    """-log of the probability at the label, over the batch. Caffe: multinomial_logistic_loss_layer.cpp."""
    return Apply(_multinomial_logistic_loss)


def _multinomial_logistic_loss(x: Tensor, label: Tensor) -> Tensor:
    own = _rows(x).gather(1, label.long().reshape(-1, 1))
    # Caffe limits the probability from below and uses the gradient at the limit; that of clamp is 0 there.
    limited = own.detach().clamp(min=_LOG_FLOOR)
    return -(limited.log() + (own - own.detach()) / limited).sum() / x.shape[0]


@BUILDERS.register("EuclideanLoss")
def euclidean_loss(row: Row) -> nn.Module:
    """Half the squared distance, over the batch. Caffe: euclidean_loss_layer.cpp."""
    return Apply(_euclidean_loss)


def _euclidean_loss(x: Tensor, target: Tensor) -> Tensor:
    return (x - target.reshape(x.shape)).square().sum() / (2 * x.shape[0])


@BUILDERS.register("HingeLoss")
def hinge_loss(row: Row) -> nn.Module:
    """One against all with margin 1, L1 or L2, over the batch. Caffe: hinge_loss_layer.cpp."""
    options = row.layer.hinge_loss_param
    return Apply(_hinge_loss, squared=options.norm == options.L2)


def _hinge_loss(x: Tensor, label: Tensor, squared: bool) -> Tensor:
    scores = _rows(x)
    own = F.one_hot(label.long().reshape(-1)[: len(scores)], scores.shape[1]).bool()
    margins = F.relu(1 + torch.where(own, -scores, scores))
    return (margins.square() if squared else margins).sum() / x.shape[0]


@BUILDERS.register("ContrastiveLoss")
def contrastive_loss(row: Row) -> nn.Module:
    """Squared distance of similar pairs; for others the square of what is missing to the margin.

    Caffe: contrastive_loss_layer.cpp.
    """
    options = row.layer.contrastive_loss_param
    return Apply(_contrastive_loss, margin=options.margin, legacy=options.legacy_version)


def _contrastive_loss(a: Tensor, b: Tensor, similar: Tensor, margin: float, legacy: bool) -> Tensor:
    difference = _rows(a) - _rows(b)
    squares = difference.square().sum(1)
    if legacy:
        apart = F.relu(margin - squares)
    else:
        distance = squares.detach().sqrt()
        # Caffe's gradient of the distance divides by distance + 1e-4, so that equal items have a gradient, too.
        slope = difference.detach() / (distance + 1e-4)[:, None]
        distance = distance + (difference * slope).sum(1) - (difference.detach() * slope).sum(1)
        apart = F.relu(margin - distance).square()
    each = torch.where(similar.reshape(-1)[: len(squares)].int() != 0, squares, apart)
    return each.sum() / (2 * a.shape[0])
