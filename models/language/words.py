"""Command words to token numbers: a WordPiece tokenizer, kept as ``tokenizer.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sage.irp.errors import ModelError
from sage.skills.entities import CLASS_TOKENS

MAX_TOKENS: Final = 34
"""Of a command, with [CLS] and [SEP]; what is longer is cut."""

SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD_ID, UNK_ID, CLS_ID, SEP_ID, MASK_ID = range(len(SPECIAL))
FIRST_WORD_ID: Final = len(SPECIAL) + len(CLASS_TOKENS)
"""Smaller numbers are special or class tokens."""


class WordTokenizer:
    """Words to numbers, by the ``tokenizers`` library.

    Args:
        content: the JSON that :func:`build` made.
        name: what errors call it.
        remedy: the command that restores the file.

    Raises:
        ModelError: the content is no such tokenizer.
    """

    def __init__(self, content: str, name: str = "tokenizer.json", remedy: str = "") -> None:
        from tokenizers import Tokenizer

        advice = f"; restore it with `{remedy}`" if remedy else ""
        try:
            self._tokenizer = Tokenizer.from_str(content)
        except Exception as error:  # the library raises plain Exception
            reason = str(error).splitlines()[0] if str(error) else "empty"
            raise ModelError(f"{name} is no usable tokenizer ({reason}){advice}") from error
        for index, token in enumerate((*SPECIAL, *CLASS_TOKENS)):
            if self._tokenizer.token_to_id(token) != index:
                raise ModelError(f"{name} does not have {token!r} as token {index}{advice}")

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, words: Sequence[str]) -> tuple[int, ...]:
        """``[CLS]``, the words' pieces, ``[SEP]``: at most ``MAX_TOKENS`` numbers."""
        pieces = self._tokenizer.encode(" ".join(words), add_special_tokens=False).ids
        return (CLS_ID, *pieces[: MAX_TOKENS - 2], SEP_ID)

    def vocabulary(self) -> list[str]:
        """Every token, by number."""
        tokens = self._tokenizer.get_vocab()
        return sorted(tokens, key=tokens.__getitem__)


def build(words: Sequence[str], pieces: Sequence[str]) -> str:
    """A tokenizer as JSON.

    Args:
        words: whole words to know.
        pieces: continuations (``##ing``); single letters are always known.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.pre_tokenizers import WhitespaceSplit

    letters = "abcdefghijklmnopqrstuvwxyz0123456789'äöüßéèêàáíóúñçãåęłşığ"
    known = [*SPECIAL, *CLASS_TOKENS, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {
        token: index for index, token in enumerate(dict.fromkeys((*known, *words, *pieces)))
    }
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=40))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return str(tokenizer.to_str())


def load(path: Path, remedy: str = "") -> WordTokenizer:
    """The tokenizer in a file; ModelError if it is missing or damaged."""
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{path} is missing; run `{remedy}`") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is damaged (not UTF-8); run `{remedy}`") from error
    return WordTokenizer(content, str(path), remedy)
