"""What a server must be able to do: answer a request, and say the few things that the two products say differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A JSON object."""


class Dialect(Protocol):
    """One server product, connected. Safe to share between threads.

    Raises:
        EngineUnavailable: by every method that asks the server, for what may go away by itself.
        EngineRejected: for what will not.
        ConfigError: for credentials and certificates that the server does not take.
    """

    @property
    def name(self) -> str:
        """`opensearch` or `elasticsearch`."""
        ...

    @property
    def place(self) -> str:
        """Host and port, for messages to the user; never credentials."""
        ...

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        lines: Sequence[bytes] | None = None,
    ) -> Json:
        """One request; `lines` are the encoded lines of a bulk or a multi-search.

        What is to be got or deleted and is not there is `{}`.
        """
        ...

    def vector_field(self, dimensions: int, kind: str = "") -> Json:
        """The mapping of a vector that is searched by cosine, kept as `kind` says; "" is the default.

        Raises:
            ConfigError: this server does not keep vectors in such a way.
        """
        ...

    def index_settings(self) -> Json:
        """What the settings of an index need beside analysis, shards and replicas."""
        ...

    def nearest(self, vector: Sequence[float], count: int, condition: Json, *, field: str = "vector") -> Json:
        """The body of a search for the `count` nearest vectors among the rows that hold the condition."""
        ...

    def mixing(self, legs: Sequence[Json], fusion: str, size: int) -> Json:
        """The body of a search whose legs, by words and by meaning, the server mixes (`retrievers.servers.fusing`).

        Args:
            legs: bodies of searches, as `nearest` makes them or with a `query`.
            fusion: which way.
            size: results, and candidates of each leg.
        """
        ...

    def with_vectors(self, body: Json) -> Json:
        """The body of a search whose rows bring their vectors; only an export asks for them."""
        ...

    def vector_in(self, row: Json) -> Sequence[float]:
        """The vector of such a row."""
        ...

    def open_point_in_time(self, index: str, keep_alive: str, *, routing: str = "") -> str:
        """Its id; with a routing value only of the shard of the rows that have it."""
        ...

    def close_point_in_time(self, point: str) -> None:
        """Let go of it."""
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...
