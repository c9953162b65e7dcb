"""The meaning of a query as a vector, by the embedder that the vectors of an index were made with."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from retrievers.embedded.analysis import is_cjk
from retrievers.errors import ConfigError, EngineUnavailable, IndexMismatch
from retrievers.protocols import Embedder
from retrievers.servers.looking import Seen
from retrievers.types import Vector


class Meaning:
    """Embeds queries. Safe to share between threads.

    Args:
        place: of the index, for messages.
        embedder: makes the embedder when it is needed, given the name of the index's own; None for none.
    """

    def __init__(self, place: str, embedder: Callable[[str], Embedder | None] | None) -> None:
        self._place, self._make = place, embedder
        self._embedder: Embedder | None = None
        self._lock = Lock()

    @property
    def languages(self) -> frozenset[str] | None:
        """Codes of the languages that the embedder knows; None for all, and before it was needed."""
        return self._embedder.languages if self._embedder else None

    def where_known(self, seen: Seen, query: str) -> Vector | None:
        """The vector of a query, None where the index has no vectors or the embedder does not know the language."""
        if self._make is None or not seen.dimensions or not seen.vectors:
            return None
        embedder = self._loaded(seen)
        known = embedder.languages
        if known is not None and is_cjk(query) and not known & {"zh", "ja", "ko"}:
            return None
        return embedder.embed_query(query)

    def required(self, seen: Seen, query: str) -> Vector:
        """The vector of a query.

        Raises:
            ConfigError: the index has no vectors, or no embedder was given.
            EngineUnavailable: its vectors are still to be made.
            IndexMismatch: the embedder is another one than the index's.
        """
        if not seen.dimensions:
            raise ConfigError(
                f"the index {self._place} was built without vectors",
                hint="search by words, or give it vectors: ingest reembed --embedder SPEC",
            )
        if self._make is None:
            raise ConfigError("searching by meaning needs an embedder, and none was given", hint="search by words")
        if not seen.vectors:
            raise EngineUnavailable(
                f"the vectors of the index {self._place} are still to be made",
                hint="search by words meanwhile; the same `ingest` command again makes them",
            )
        return self._loaded(seen).embed_query(query)

    def _loaded(self, seen: Seen) -> Embedder:
        with self._lock:
            if self._embedder is None:
                assert self._make is not None
                embedder = self._make(seen.embedder)
                if embedder is None or embedder.name != seen.embedder or embedder.dimensions != seen.dimensions:
                    raise IndexMismatch(
                        f"index {self._place} was built with {seen.embedder},"
                        f" not {embedder.name if embedder else 'none'}",
                        hint="use that embedder, or make all vectors anew: ingest reembed --embedder SPEC",
                    )
                self._embedder = embedder
            return self._embedder
