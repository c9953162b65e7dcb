"""Chunkers: cut documents into the spans that are indexed and embedded."""

from __future__ import annotations

from ingest.errors import ConfigError
from ingest.protocols import Chunker

VERSION = "4"
"""Changes whenever the same text is cut differently."""
MAX_TOKENS = 200
LEAST_TOKENS = 100
"""What a chunk must hold at least: the longest word that is not one unknown token."""
OVERLAP_TOKENS = 30


def load(*, max_tokens: int = MAX_TOKENS, overlap_tokens: int = OVERLAP_TOKENS) -> Chunker:
    """The chunker that ships, with its tokenizer loaded.

    Raises:
        ConfigError: `max_tokens` is less than one word may have.
    """
    if max_tokens < LEAST_TOKENS:
        raise ConfigError(f"a chunk of {max_tokens} tokens does not hold every word", hint=f"allow {LEAST_TOKENS}")
    from ingest.chunkers.sentences import SentenceChunker
    from retrievers.embedders.tokenizer import load_tokenizer

    return SentenceChunker(load_tokenizer(), max_tokens=max_tokens, overlap_tokens=overlap_tokens)
