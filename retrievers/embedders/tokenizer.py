"""The tokenizer of the model that ships: the one measure of length for the chunker and the embedder alike."""

from __future__ import annotations

import threading
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL_TOKENS = 2
"""What the model adds to every text: one token before it and one after."""

_loading = threading.Lock()


def load_tokenizer() -> Tokenizer:
    """The tokenizer, loaded once per process; without truncation and without padding.

    It is shared: do not change its settings. It refuses lone surrogates: see `encodable`.
    """
    with _loading:  # `cache` alone would let two threads load it twice
        return _tokenizer()


@cache
def _tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer

    data = files("retrievers.embedders") / "minilm" / "tokenizer.json"
    return Tokenizer.from_str(data.read_text(encoding="utf-8"))


def count_tokens(text: str) -> int:
    """How many tokens the text has for the model, the two special ones not counted."""
    return len(load_tokenizer().encode(encodable(text), add_special_tokens=False))


def encodable(text: str) -> str:
    """The text with `?` for each lone surrogate, which no UTF-8 can hold; every offset stays where it was."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
