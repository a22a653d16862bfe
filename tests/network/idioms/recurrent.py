"""Recurrence: loops over steps, LSTM and GRU on top of a CNN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import dense, idiom


@idiom(3, 6, 6)
class UnrolledLoop(nn.Module):
    """A recurrent convolution, unrolled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.recur = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        drive = self.stem(x)
        state = torch.zeros_like(drive)
        for _ in range(3):
            state = F.relu(drive + self.recur(state))
        return self.head(state)


class OverRows(nn.Module):
    """A CNN whose rows are the steps of a recurrent layer."""

    def __init__(self, layer: nn.Module, features: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.layer = layer
        self.fc = nn.Linear(features, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x)).permute(0, 2, 1, 3).flatten(2)
        out, _ = self.layer(x)
        return self.fc(out[:, -1])


@idiom(3, 4, 4)
def lstm_over_rows() -> nn.Module:
    return OverRows(nn.LSTM(8, 5, batch_first=True), 5)


@idiom(3, 4, 4)
def gru_over_rows() -> nn.Module:
    return OverRows(nn.GRU(8, 5, num_layers=2, batch_first=True), 5)


@idiom(3, 4, 4)
def bidirectional_lstm() -> nn.Module:
    return OverRows(nn.LSTM(8, 4, batch_first=True, bidirectional=True), 8)


@idiom(3, 4, 4)
def rnn_relu() -> nn.Module:
    return OverRows(nn.RNN(8, 5, nonlinearity="relu", batch_first=True), 5)


@idiom(3, 4, 4)
class LstmLastState(nn.Module):
    """Sequence first, states given as zeros, ``h_n`` used."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(12, 5)
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        rows = x.permute(2, 0, 1, 3).flatten(2)
        h, c = (torch.zeros(1, n, 5, dtype=x.dtype) for _ in range(2))
        _, (h, _) = self.lstm(rows, (h, c))
        return self.fc(h[-1])


@idiom(3, 4, 4)
class LstmCellLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(12, 4)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], 4)
        c = x.new_zeros(x.shape[0], 4)
        for row in range(x.shape[2]):
            h, c = self.cell(x[:, :, row].flatten(1), (h, c))
        return self.fc(h)


@idiom(3, 4, 4)
class GruCellLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(12, 4)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], 4)
        outs = []
        for row in x.unbind(2):
            h = self.cell(row.flatten(1), h)
            outs.append(h)
        return self.fc(torch.stack(outs, 1).mean(1))


@idiom(3, 4, 4)
class RnnByHand(nn.Module):
    """``torch.tanh(Wx + Uh)`` in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.u, self.fc = nn.Linear(12, 4), nn.Linear(4, 4, bias=False), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.size(0), 4, dtype=x.dtype)
        for t in range(x.size(2)):
            h = torch.tanh(self.w(x[:, :, t].reshape(x.size(0), -1)) + self.u(h))
        return self.fc(h)


@idiom(2, 4, 4)
class ConvLstm(nn.Module):
    """Two steps of a ConvLSTM over the channels as frames."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Conv2d(3, 8, 3, padding=1)
        self.head = dense(2)

    def forward(self, x: Tensor) -> Tensor:
        n, t, h, w = x.shape
        hidden = cell = torch.zeros(n, 2, h, w, dtype=x.dtype)
        for frame in range(t):
            gates = self.gates(torch.cat([x[:, frame : frame + 1], hidden], 1))
            i, f, o, g = gates.chunk(4, 1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
        return self.head(hidden)
