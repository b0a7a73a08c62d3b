"""The network: a small transformer over the command's words and the slots of its logical form.

One sequence ``[CLS] words [SEP] slots`` goes through six pre-norm layers (Vaswani et al. 2017;
Xiong et al. 2020) with attention in both directions (Devlin et al. 2019). Each slot holds a chunk
of the form or a mask; what comes out is a distribution over chunks for every slot, as in
mask-predict (Ghazvininejad et al. 2019). The lower layers already have such an answer of their own
(early exit: Teerapittayanon et al. 2016; Schwartz et al. 2020), so that a refinement can end there
or go on with what they computed.
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
    """Sizes. ``words`` is the tokenizer's vocabulary; ``width`` must divide by ``heads``; after
    ``lower`` of the layers there is a first answer."""

    words: int
    layers: int = 6
    lower: int = 1
    width: int = 256
    heads: int = 8
    hidden: int = 1024
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} must be a multiple of heads {self.heads}")
        if not 1 <= self.lower < self.layers:
            raise ConfigError(f"lower {self.lower} must be in [1, {self.layers - 1}]")
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


class SlotHead(nn.Module):
    """From what a layer says of the slots (N, SLOTS, width), normalised, to logits of chunks."""

    def __init__(self, width: int, chunks: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(chunks))

    def forward(self, slots: Tensor, chunks: Tensor) -> Tensor:
        """``chunks`` (chunks, width): the vectors that the slots go in as."""
        return F.linear(self.norm(F.gelu(self.inner(slots))), chunks) + self.bias


class Read(NamedTuple):
    """``slot_logits`` (N, SLOTS, chunks) and ``meaning`` (N, width), the [CLS] vector, of all
    layers; ``early_logits`` and ``early_meaning`` of the lower ones; ``words`` (N, L, width) for
    predicting masked words."""

    slot_logits: Tensor
    meaning: Tensor
    early_logits: Tensor
    early_meaning: Tensor
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
        self.early_norm = nn.LayerNorm(width)
        self.early_head = SlotHead(width, len(VOCABULARY))
        self.norm = nn.LayerNorm(width)
        self.slot_head = SlotHead(width, len(VOCABULARY))
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
        for layer in self.layers[: self.config.lower]:
            x = layer(x, bias)
        early = self.early_norm(x)
        for layer in self.layers[self.config.lower :]:
            x = layer(x, bias)
        x = self.norm(x)
        chunks = self.chunk.weight
        return Read(
            slot_logits=self.slot_head(x[:, length:], chunks),
            meaning=x[:, 0],
            early_logits=self.early_head(early[:, length:], chunks),
            early_meaning=early[:, 0],
            words=x[:, :length],
        )

    def embedded(self, tokens: Tensor, slots: Tensor) -> Tensor:
        """Words, then slots, as vectors (N, L + SLOTS, width)."""
        command = self.word(tokens) + self.word_position[: tokens.shape[1]]
        return torch.cat((command, self.chunk(slots) + self.slot_position), 1)


def _padding_bias(tokens: Tensor, x: Tensor) -> Tensor:
    """(N, 1, 1, L + SLOTS), to be added to the attention's scores."""
    padding = (tokens == PAD_ID).to(x.dtype)
    slots = torch.zeros_like(x[:, tokens.shape[1] :, 0])
    return -1e4 * torch.cat((padding, slots), 1)[:, None, None, :]


class LowerGraph(nn.Module):
    """What is exported of the lower layers: log-probabilities of every slot, the meaning, and the
    hidden vectors with which the upper ones go on.

    It takes commands of several lengths at once, the shorter ones padded: what is padding, the
    graph sees for itself.
    """

    def __init__(self, model: TinyBert) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, slots: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``tokens`` (N, L), ``slots`` (N, SLOTS): (N, SLOTS, chunks), (N, width) and
        (N, L + SLOTS, width)."""
        model = self.model
        x = model.embedded(tokens, slots)
        bias = _padding_bias(tokens, x)
        for layer in model.layers[: model.config.lower]:
            x = layer(x, bias)
        read = model.early_norm(torch.cat((x[:, :1], x[:, tokens.shape[1] :]), 1))
        logits = model.early_head(read[:, 1:], model.chunk.weight)
        return logits.log_softmax(-1), read[:, 0], x


class UpperGraph(nn.Module):
    """What is exported of the upper layers; the last is computed only where something is read."""

    def __init__(self, model: TinyBert) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """``tokens`` (N, L), ``hidden`` (N, L + SLOTS, width): as of the lower, less the last."""
        model, length = self.model, tokens.shape[1]
        x, bias = hidden, _padding_bias(tokens, hidden)
        *layers, last = model.layers[model.config.lower :]
        for layer in layers:
            x = layer(x, bias)
        x = model.norm(last(x, bias, lambda all_: torch.cat((all_[:, :1], all_[:, length:]), 1)))
        return model.slot_head(x[:, 1:], model.chunk.weight).log_softmax(-1), x[:, 0]
