"""Who mixes the legs of a hybrid search: this side by default, or the server by a query of its own.

`ours` is the normalised mix of `retrievers.fusion` with the document's name as a prior, the same as in the embedded
engine, over one multi-search. `server` leaves a normalised mix of two legs, words and meaning, to the server (min-max
scaling and a weighted mean): OpenSearch's `hybrid` query with a pipeline that is sent along, so that nothing has to be
made on the cluster, or Elasticsearch's `linear` retriever. `server-rrf` is reciprocal rank fusion by the server.
"""

from __future__ import annotations

import re
from typing import Final

from retrievers.errors import ConfigError, RetrieverError
from retrievers.fusion import LEXICAL_WEIGHT, SEMANTIC_WEIGHT

OURS: Final = "ours"
BY_SERVER: Final = "server"
RRF_BY_SERVER: Final = "server-rrf"

FUSIONS: Final = (OURS, BY_SERVER, RRF_BY_SERVER)

WEIGHTS: Final = (
    round(LEXICAL_WEIGHT / (LEXICAL_WEIGHT + SEMANTIC_WEIGHT), 3),
    round(SEMANTIC_WEIGHT / (LEXICAL_WEIGHT + SEMANTIC_WEIGHT), 3),
)
"""Of words and meaning, as in our own mix; a server wants them to be 1 together."""

RANK_CONSTANT: Final = 60
"""Of reciprocal rank fusion, as its authors have it."""

_LACKING: Final = re.compile(
    r"unknown retriever|license is non-compliant|unknown query \[hybrid\]|processor type exists|query is disabled",
    re.IGNORECASE,
)


def checked(fusion: str) -> str:
    """The fusion that the settings name.

    Raises:
        ConfigError: there is no such one.
    """
    if fusion not in FUSIONS:
        raise ConfigError(f"there is no fusion `{fusion}`", hint=f"fusion in the table [server]: {', '.join(FUSIONS)}")
    return fusion


def told(place: str, error: RetrieverError) -> RetrieverError:
    """What a server's refusal to mix by itself comes to: most often it is its licence or its version that lacks it."""
    if not _LACKING.search(error.message):
        return error
    return ConfigError(
        f"the server {place} cannot mix a hybrid search by itself: its version or its licence lacks it",
        hint='leave it to this side: fusion = "ours" in the table [server]',
    )
