"""RNN and LSTM over time, as Caffe unrolls them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from converters.pytorch.layers.builders import BUILDERS, blob

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row

# Blobs in Caffe's order, which is that of the layers in its unrolled network.
_LSTM = ("W_xc", "b_c", "W_xc_static", "W_hc")
_RNN = ("W_xh", "b_h", "W_xh_static", "W_hh", "W_ho", "b_o")


class Recurrent(nn.Module):
    """x (T, N, ...), cont (T, N), [x_static (N, ...)], [states (1, N, D) each] -> (T, N, D), [states].

    cont 0 starts a new sequence. Without expose_hidden every call starts from zeros; Caffe continues where its last
    batch ended if cont is 1 at the first step. To do the same, expose the states and pass them to the next call.
    """

    def __init__(self, row: Row, names: tuple[str, ...], states: int) -> None:
        super().__init__()
        self.exposed = row.layer.recurrent_param.expose_hidden
        self.states = states
        self.static = len(row.bottoms) > 2 + states * self.exposed
        names = tuple(name for name in names if self.static or not name.endswith("_static"))
        for name, shape in zip(names, row.blob_shapes, strict=True):
            self.register_parameter(name, blob(shape))
        self.size = row.layer.recurrent_param.num_output

    def forward(self, x: Tensor, cont: Tensor, *others: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Caffe: recurrent_layer.cpp."""
        blobs = list(self.parameters())
        gates = F.linear(x.flatten(2), blobs[0], blobs[1])
        if self.static:
            gates = gates + F.linear(others[0].flatten(1), blobs[2])
            others = others[1:]
        states = others if self.exposed else (x.new_zeros(1, x.shape[1], self.size),) * self.states
        states = tuple(state[0] for state in states)
        steps = []
        for t in range(x.shape[0]):
            y, states = self.step(gates[t], cont[t, :, None].to(x.dtype), states)
            steps.append(y)
        top = torch.stack(steps)
        return (top, *(state[None] for state in states)) if self.exposed else top

    def step(self, gates: Tensor, cont: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One time step: the output and the new states."""
        raise NotImplementedError


class LSTM(Recurrent):
    """Gates in the order input, forget, output, candidate. Caffe: lstm_layer.cpp, lstm_unit_layer.cpp."""

    W_hc: Tensor

    def step(self, gates: Tensor, cont: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """States: hidden, cell."""
        hidden, cell = states
        gates = gates + F.linear(hidden * cont, self.W_hc)
        keep, forget, give, new = gates.chunk(4, 1)
        cell = cont * torch.sigmoid(forget) * cell + torch.sigmoid(keep) * torch.tanh(new)
        hidden = torch.sigmoid(give) * torch.tanh(cell)
        return hidden, (hidden, cell)


class RNN(Recurrent):
    """Caffe: rnn_layer.cpp."""

    W_hh: Tensor
    W_ho: Tensor
    b_o: Tensor

    def step(self, gates: Tensor, cont: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """States: hidden."""
        hidden = torch.tanh(gates + F.linear(states[0] * cont, self.W_hh))
        return torch.tanh(F.linear(hidden, self.W_ho, self.b_o)), (hidden,)


@BUILDERS.register("LSTM")
def lstm(row: Row) -> nn.Module:
    """Caffe: lstm_layer.cpp."""
    return LSTM(row, _LSTM, states=2)


@BUILDERS.register("RNN")
def rnn(row: Row) -> nn.Module:
    """Caffe: rnn_layer.cpp."""
    return RNN(row, _RNN, states=1)
