"""Images read as sequences: tokens, recurrences, state spaces, attention in more spellings."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import idiom


class Patches(nn.Module):
    """Patches of (N, 3, 6, 6) as nine tokens of six features, what a subclass does with them, their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 2, 2)
        self.fc = nn.Linear(6, 3)

    def mix(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        return self.fc(self.mix(tokens).mean(1))


@idiom(3, 6, 6)
class StateSpace(Patches):
    """A diagonal linear state space, unrolled."""

    def __init__(self) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.rand(6))
        self.into, self.out = nn.Linear(6, 6), nn.Linear(6, 6)

    def mix(self, x: Tensor) -> Tensor:
        state, found = torch.zeros_like(x[:, 0]), []
        for step in self.into(x).unbind(1):
            state = state * torch.sigmoid(self.decay) + step
            found.append(self.out(state))
        return torch.stack(found, 1)


@idiom(3, 6, 6)
class SelectiveStateSpace(Patches):
    """Mamba in small: the decay depends on the token."""

    def __init__(self) -> None:
        super().__init__()
        self.rate, self.write, self.gate = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.log_a = nn.Parameter(torch.zeros(6))

    def mix(self, x: Tensor) -> Tensor:
        decay = torch.exp(-F.softplus(self.rate(x)) * torch.exp(self.log_a))
        state, found = torch.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            state = decay[:, t] * state + (1 - decay[:, t]) * self.write(x[:, t])
            found.append(state)
        return torch.stack(found, dim=1) * F.silu(self.gate(x))


@idiom(3, 6, 6)
class GatedConvolutions(Patches):
    """Hyena in small: causal convolutions over tokens, multiplied by gates."""

    def __init__(self) -> None:
        super().__init__()
        self.split = nn.Linear(6, 18)
        self.filters = nn.Conv1d(6, 6, 4, padding=3, groups=6)

    def mix(self, x: Tensor) -> Tensor:
        value, one, two = self.split(x).chunk(3, dim=-1)
        long = self.filters((value * one).mT)[..., : x.shape[1]].mT
        return two * long


@idiom(3, 6, 6)
class Retention(Patches):
    """Scores without a softmax, with a constant decay."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(6, 6, bias=False) for _ in range(3))
        place = torch.arange(9.0)
        self.register_buffer("decay", (0.8 ** (place[:, None] - place)).tril())

    def mix(self, x: Tensor) -> Tensor:
        scores = self.q(x) @ self.k(x).transpose(-1, -2) * self.decay
        return F.group_norm((scores @ self.v(x)).transpose(1, 2), 2).transpose(1, 2)


@idiom(3, 6, 6)
class RelativeBias(Patches):
    """Attention with a table of biases, gathered by relative place; heads by einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(6, 18)
        self.table = nn.Parameter(torch.randn(17, 2))
        self.register_buffer("places", torch.arange(9)[:, None] - torch.arange(9) + 8)

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).reshape(x.shape[0], 9, 3, 2, 3).permute(2, 0, 3, 1, 4)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(3)
        scores = scores + self.table[self.places].permute(2, 0, 1)
        found = torch.einsum("bhqk,bhkd->bhqd", scores.softmax(-1), v)
        return found.transpose(1, 2).flatten(2) + x


@idiom(3, 6, 6)
class AlibiMask(Patches):
    """A float mask with -inf above the diagonal, given to the fused function."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(6, 18)
        above = torch.full((9, 9), float("-inf")).triu(1)
        self.register_buffer("mask", above - 0.1 * (torch.arange(9)[:, None] - torch.arange(9)).tril())

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 3)).unbind(2)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask.to(x))
        return found.transpose(1, 2).reshape(x.shape)


@idiom(3, 6, 6)
class TalkingHeads(Patches):
    """Heads mixed before and behind the softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.before, self.behind = nn.Linear(6, 18), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).view(-1, 9, 3, 2, 3).permute(2, 0, 3, 1, 4).unbind(0)
        pattern = self.behind(self.before(q @ k.transpose(-2, -1) / 3**0.5).softmax(dim=-1))
        return (pattern @ v).transpose(1, 2).reshape(-1, 9, 6)


@idiom(3, 6, 6)
class CosineAttention(Patches):
    """Swin's second version: cosines, a learnt temperature that is clamped."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.scale = nn.Linear(6, 18), nn.Parameter(torch.tensor(2.0))

    def mix(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT
        return (cosines * self.scale.clamp(max=math.log(100)).exp()).softmax(-1) @ v


@idiom(3, 6, 6)
class AttentionPooling(Patches):
    """One learnt query looks at all tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, 6))
        self.attend = nn.MultiheadAttention(6, 2, batch_first=True)

    def mix(self, x: Tensor) -> Tensor:
        found, _ = self.attend(self.query.expand(x.shape[0], -1, -1), x, x)
        return found


@idiom(3, 6, 6)
class SeedsFirst(Patches):
    """``nn.TransformerEncoder`` over (tokens, batch, features), pre-norm, GELU."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(6, 3, 8, activation="gelu", norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(6), enable_nested_tensor=False)

    def mix(self, x: Tensor) -> Tensor:
        return self.encoder(x.transpose(0, 1)).transpose(0, 1)


@idiom(3, 6, 6)
class EncoderAndDecoder(Patches):
    """``nn.Transformer`` with learnt queries as its targets."""

    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(2, 6))
        self.net = nn.Transformer(6, 2, 1, 1, 8, batch_first=True)

    def mix(self, x: Tensor) -> Tensor:
        return self.net(x, self.queries.unsqueeze(0).repeat(len(x), 1, 1))


@idiom(3, 6, 6)
class DistilledTokens(Patches):
    """DeiT: a class token and one of distillation, two heads, their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Parameter(torch.randn(1, 2, 6)), nn.Parameter(torch.randn(1, 11, 6))
        self.block = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)
        self.other = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.tokens.expand(tokens.shape[0], -1, -1), tokens), dim=1) + self.places
        tokens = self.block(tokens)
        return (self.fc(tokens[:, 0]) + self.other(tokens[:, 1])) / 2


@idiom(3, 6, 6)
class LayerScaleBlock(Patches):
    """A residual block whose branches are scaled by learnt vectors and dropped in training."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (nn.Parameter(1e-1 * torch.ones(6)) for _ in range(2))
        self.norm1, self.norm2 = nn.LayerNorm(6), nn.LayerNorm(6)
        self.attend = nn.MultiheadAttention(6, 3, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Dropout(0.1), nn.Linear(12, 6))

    def drop(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * torch.empty((x.shape[0], 1, 1)).bernoulli_(0.9)

    def mix(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.drop(self.one * self.attend(y, y, y, need_weights=False)[0])
        return x + self.drop(self.two * self.mlp(self.norm2(x)))


@idiom(3, 6, 6)
class GruWithAttention(Patches):
    """A GRU in both directions, and additive attention over its states."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(6, 3, batch_first=True, bidirectional=True)
        self.score = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1, bias=False))

    def mix(self, x: Tensor) -> Tensor:
        states, _ = self.gru(x)
        weight = torch.softmax(self.score(states).squeeze(-1), dim=1)
        return torch.bmm(weight.unsqueeze(1), states)


@idiom(3, 6, 6)
class TwoLayersOfLstm(Patches):
    """A projected LSTM of two layers whose first states are learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 8, num_layers=2, proj_size=6)
        self.h, self.c = nn.Parameter(torch.randn(2, 1, 6)), nn.Parameter(torch.randn(2, 1, 8))

    def mix(self, x: Tensor) -> Tensor:
        n = x.size(0)
        found, (h, _) = self.lstm(
            x.permute(1, 0, 2), (self.h.repeat(1, n, 1), self.c.repeat(1, n, 1).contiguous())
        )
        return torch.stack([found[-1], h[0]], 1)


@idiom(3, 6, 6)
class MinimalGatedUnit(Patches):
    """A recurrence by hand with one gate."""

    def __init__(self) -> None:
        super().__init__()
        self.forget, self.new = nn.Linear(12, 6), nn.Linear(12, 6)

    def mix(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], 6)
        for t in range(x.shape[1]):
            f = torch.sigmoid(self.forget(torch.cat([x[:, t], h], -1)))
            new = torch.tanh(self.new(torch.cat([x[:, t], f * h], -1)))
            h = torch.lerp(h, new, f)
        return h.unsqueeze(1)


@idiom(3, 6, 6)
class IndependentRecurrence(Patches):
    """IndRNN over tokens, read from both ends."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.u = nn.Linear(6, 6), nn.Parameter(torch.rand(6))

    def scan(self, x: Tensor) -> Tensor:
        h = torch.zeros_like(x[:, 0])
        for step in torch.unbind(x, dim=1):
            h = F.relu(self.w(step) + self.u * h)
        return h

    def mix(self, x: Tensor) -> Tensor:
        return torch.stack((self.scan(x), self.scan(x.flip(1))), dim=1)


@idiom(3, 6, 6)
class TemporalBlock(Patches):
    """TCN: dilated causal convolutions with weight norm and a chopped end."""

    def __init__(self) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        self.convs = nn.ModuleList([norm(nn.Conv1d(6, 6, 2, padding=d, dilation=d)) for d in (1, 2, 4)])

    def mix(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        for conv, chop in zip(self.convs, (1, 2, 4), strict=True):
            x = F.relu(x + F.relu(conv(x)[:, :, :-chop].contiguous()))
        return x.transpose(1, 2)


@idiom(3, 6, 6)
class VectorOfLocallyAggregated(Patches):
    """NetVLAD: soft assignment to clusters, residuals summed, normalised within and all."""

    def __init__(self) -> None:
        super().__init__()
        self.assign, self.centres = nn.Linear(6, 4), nn.Parameter(torch.randn(4, 6))
        self.fc = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        soft = self.assign(tokens).softmax(-1)
        apart = tokens.unsqueeze(2) - self.centres
        found = (soft.unsqueeze(-1) * apart).sum(1)
        found = F.normalize(found, p=2, dim=2).flatten(1)
        return self.fc(F.normalize(found, p=2, dim=1))


@idiom(3, 6, 6)
class Perceiver(Patches):
    """Learnt latents read the tokens twice with shared weights."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(3, 6))
        self.q, self.kv, self.ff = nn.Linear(6, 6), nn.Linear(6, 12), nn.Linear(6, 6)

    def mix(self, x: Tensor) -> Tensor:
        latents = self.latents[None].expand(len(x), 3, 6)
        k, v = self.kv(x).split(6, dim=-1)
        for _ in range(2):
            pattern = torch.baddbmm(x.new_zeros(1), self.q(latents), k.mT, alpha=0.4).softmax(-1)
            latents = latents + torch.bmm(pattern, v)
            latents = latents + F.gelu(self.ff(latents))
        return latents


@idiom(3, 6, 6)
class HardMixture(Patches):
    """Experts of which the best is taken for every token, straight through a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.route = nn.Linear(6, 3)
        self.experts = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])

    def mix(self, x: Tensor) -> Tensor:
        soft = self.route(x).softmax(-1)
        hard = F.one_hot(soft.argmax(-1), 3).to(soft.dtype)
        gate = hard + soft - soft.detach()
        return sum(gate[..., i : i + 1] * F.silu(expert(x)) for i, expert in enumerate(self.experts))


@idiom(3, 6, 6)
class BestTwoExperts(Patches):
    """Sparse gates: all but the two largest are masked with -inf before the softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.route, self.experts = nn.Linear(6, 4), nn.Parameter(torch.randn(4, 6, 6))

    def mix(self, x: Tensor) -> Tensor:
        scores = self.route(x)
        least = scores.topk(2, dim=-1).values[..., -1:]
        gates = scores.masked_fill(scores < least, float("-inf")).softmax(-1)
        found = torch.einsum("btd,edf->btef", x, self.experts)
        return (gates.unsqueeze(-2) @ F.gelu(found)).squeeze(-2)


@idiom(3, 6, 6)
class Codebook(Patches):
    """Distances to a codebook, softly assigned."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Embedding(5, 6)

    def mix(self, x: Tensor) -> Tensor:
        distance = torch.cdist(x, self.codes.weight.unsqueeze(0)) ** 2
        return (-distance).softmax(-1) @ self.codes.weight


@idiom(3, 6, 6)
class LookedUpPlaces(Patches):
    """Sums of embeddings of row and column, by ``nn.Embedding`` and ``F.embedding_bag``."""

    def __init__(self) -> None:
        super().__init__()
        self.row, self.column = nn.Embedding(3, 6), nn.Embedding(3, 6)
        self.bag = nn.EmbeddingBag(9, 6, mode="sum")

    def mix(self, x: Tensor) -> Tensor:
        place = torch.arange(9, device=x.device)
        found = x + self.row(place // 3) + self.column(torch.remainder(place, 3))
        return F.relu(found * self.bag(place.view(9, 1)))
