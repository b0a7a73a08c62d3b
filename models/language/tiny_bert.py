"""The network: a small transformer over the command's words and the slots of its logical form.

One sequence ``[CLS] words [SEP] slots`` goes through six pre-norm layers (Vaswani et al. 2017;
Xiong et al. 2020) with attention in both directions (Devlin et al. 2019). Each slot holds a chunk
of the form or a mask; what comes out is a distribution over chunks for every slot, as in
mask-predict (Ghazvininejad et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.language.forms import SLOTS, VOCABULARY
from models.language.words import MAX_TOKENS
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
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(config.width)
        self.projection = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)
        self.norm_hidden = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, config.hidden)
        self.down = nn.Linear(config.hidden, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """``x`` (N, T, width); ``bias`` (N, 1, 1, T) is added to the attention's scores."""
        batch, length, width = x.shape
        heads = self.projection(self.norm_attention(x))
        heads = heads.view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5
        if bias is not None:
            scores = scores + bias
        mixed = (self.dropout(scores.softmax(-1)) @ value).transpose(1, 2)
        x = x + self.dropout(self.output(mixed.reshape(batch, length, width)))
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
        command = self.word(tokens) + self.word_position[:length]
        form = self.chunk(slots) + self.slot_position
        x = self.dropout(torch.cat((command, form), 1))
        bias = None
        if real is not None:
            bias = torch.zeros(x.shape[0], 1, 1, x.shape[1], dtype=x.dtype)
            bias[:, 0, 0, :length].masked_fill_(~real, -1e4)
        for layer in self.layers:
            x = layer(x, bias)
        x = self.norm(x)
        inner = self.slot_norm(F.gelu(self.slot_head(x[:, length:])))
        logits = F.linear(inner, self.chunk.weight) + self.slot_bias
        return Read(logits, x[:, 0], x[:, :length])


class ParseGraph(nn.Module):
    """What is exported: log-probabilities of every slot, and the meaning."""

    def __init__(self, model: TinyBert) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
        """``tokens`` (1, L), ``slots`` (1, SLOTS): (1, SLOTS, chunks) and (1, width)."""
        read = self.model(tokens, slots)
        return read.slot_logits.log_softmax(-1), read.meaning
