"""Embedders: text to vectors, on this machine or by an API."""

from __future__ import annotations

from typing import Final

LOCAL_EMBEDDERS: Final = ("minilm", "hashing")
"""What an index may name for itself: nothing that reaches the network or loads a foreign model unasked."""


def spec_of(name: str) -> str:
    """How the embedder is asked for that an index knows by this name: a built-in local one by its first word."""
    return name.partition("-")[0] if name.startswith(LOCAL_EMBEDDERS) else name
