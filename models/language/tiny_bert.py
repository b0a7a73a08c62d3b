"""The network: a small transformer over the command's words and the slots of its logical form.

One sequence ``[CLS] words [SEP] slots`` goes through six pre-norm layers (Vaswani et al. 2017;
Xiong et al. 2020) with attention in both directions (Devlin et al. 2019). Each slot holds a chunk
of the form or a mask; what comes out is a distribution over chunks for every slot, as in
mask-predict (Ghazvininejad et al. 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.language.forms import SLOTS, VOCABULARY
from models.language.words import MAX_TOKENS, PAD_ID
from sage.irp.errors import ConfigError


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes. ``words`` is the tokenizer's vocabulary; ``width`` must divide by ``heads``."""

    words: int
    layers: int = 6
    width: int = 256
    heads: int = 8
    hidden: int = 1024
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} must be a multiple of heads {self.heads}")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"dropout {self.dropout} must be in [0, 1)")


class Layer(nn.Module):
    """Attention and a feed-forward part, each normalised first and added."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.width, self.heads = config.width, config.heads
        self.norm_attention = nn.LayerNorm(config.width)
        self.projection = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)
        self.norm_hidden = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, config.hidden)
        self.down = nn.Linear(config.hidden, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, bias: Tensor | None, asked: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """One layer.

        Args:
            x: (N, T, width).
            bias: (N, 1, 1, T), added to the attention's scores.
            asked: takes the positions that are wanted from (N, T, ...); all of them without it.
        """
        width, size = self.width, self.width // self.heads
        query, key, value = self.projection(self.norm_attention(x)).split(width, -1)
        if asked is not None:
            x, query = asked(x), asked(query)
        query, key, value = (
            part.reshape(x.shape[0], -1, self.heads, size).transpose(1, 2)
            for part in (query, key, value)
        )
        scores = query @ key.transpose(-2, -1) * size**-0.5
        if bias is not None:
            scores = scores + bias
        mixed = (self.dropout(scores.softmax(-1)) @ value).transpose(1, 2)
        x = x + self.dropout(self.output(mixed.reshape(x.shape[0], -1, width)))
        inner = F.gelu(self.up(self.norm_hidden(x)))
        return x + self.dropout(self.down(inner))


class Read(NamedTuple):
    """``slot_logits`` (N, SLOTS, chunks); ``meaning`` (N, width), the [CLS] vector; ``words``
    (N, L, width) for predicting masked words."""

    slot_logits: Tensor
    meaning: Tensor
    words: Tensor


class TinyBert(nn.Module):
    """Command and partly masked form in, a distribution for every slot out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.word = nn.Embedding(config.words, width)
        self.word_position = nn.Parameter(torch.zeros(MAX_TOKENS, width))
        self.chunk = nn.Embedding(len(VOCABULARY), width)
        self.slot_position = nn.Parameter(torch.zeros(SLOTS, width))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.slot_head = nn.Linear(width, width)
        self.slot_norm = nn.LayerNorm(width)
        self.slot_bias = nn.Parameter(torch.zeros(len(VOCABULARY)))
        self.dropout = nn.Dropout(config.dropout)
        for parameter in (self.word_position, self.slot_position):
            nn.init.normal_(parameter, std=0.05)
        for embedding in (self.word, self.chunk):
            nn.init.normal_(embedding.weight, std=0.05)
        for layer in self.layers:
            assert isinstance(layer, Layer)
            for part in (layer.output, layer.down):
                nn.init.normal_(part.weight, std=0.02 / (2 * config.layers) ** 0.5)

    def forward(self, tokens: Tensor, slots: Tensor, real: Tensor | None = None) -> Read:
        """Read a batch.

        Args:
            tokens: (N, L) int64 word pieces.
            slots: (N, SLOTS) int64 chunks, masks among them.
            real: (N, L) bool, false where a token is padding; None where none is.
        """
        length = tokens.shape[1]
        x = self.dropout(self.embedded(tokens, slots))
        bias = None
        if real is not None:
            bias = torch.zeros(x.shape[0], 1, 1, x.shape[1], dtype=x.dtype)
            bias[:, 0, 0, :length].masked_fill_(~real, -1e4)
        for layer in self.layers:
            x = layer(x, bias)
        x = self.norm(x)
        return Read(self.slot_logits(x[:, length:]), x[:, 0], x[:, :length])

    def embedded(self, tokens: Tensor, slots: Tensor) -> Tensor:
        """Words, then slots, as vectors (N, L + SLOTS, width)."""
        command = self.word(tokens) + self.word_position[: tokens.shape[1]]
        return torch.cat((command, self.chunk(slots) + self.slot_position), 1)

    def slot_logits(self, slots: Tensor) -> Tensor:
        """Of what the last layer says of the slots (N, SLOTS, width): (N, SLOTS, chunks)."""
        inner = self.slot_norm(F.gelu(self.slot_head(slots)))
        return F.linear(inner, self.chunk.weight) + self.slot_bias


class ParseGraph(nn.Module):
    """What is exported: log-probabilities of every slot, and the meaning.

    It takes commands of several lengths at once, the shorter ones padded: what is padding, the
    graph sees for itself. The last layer is computed only where something is read from it.
    """

    def __init__(self, model: TinyBert) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
        """``tokens`` (N, L), ``slots`` (N, SLOTS): (N, SLOTS, chunks) and (N, width)."""
        model, length = self.model, tokens.shape[1]
        x = model.embedded(tokens, slots)
        padding = torch.cat(
            ((tokens == PAD_ID).to(x.dtype), torch.zeros_like(slots).to(x.dtype)), 1
        )
        bias = -1e4 * padding[:, None, None, :]
        *layers, last = model.layers
        for layer in layers:
            x = layer(x, bias)
        x = model.norm(last(x, bias, lambda all_: torch.cat((all_[:, :1], all_[:, length:]), 1)))
        return model.slot_logits(x[:, 1:]).log_softmax(-1), x[:, 0]
