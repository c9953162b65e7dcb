"""The real search servers that tests run against: told by `OPENSEARCH_URL` and `ELASTICSEARCH_URL`, skipped without."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from retrievers.servers.connecting import parse_url
from retrievers.servers.dialect import Dialect
from retrievers.servers.opening import connect

ENGINES = ("opensearch", "elasticsearch")


def index_url(engine: str, index: str) -> str:
    """The URL of an index on the server that the environment names."""
    url = os.environ.get(f"{engine.upper()}_URL")
    if not url:
        pytest.skip(f"{engine.upper()}_URL is not set")
    scheme, _, host = url.partition("://")
    return f"{engine}+{scheme}://{host.rstrip('/')}/{index}"


def dialect_of(engine: str, index: str) -> Dialect:
    return connect(parse_url(index_url(engine, index)))


@contextmanager
def fresh_index(engine: str) -> Iterator[str]:
    """The URL of an index that is not there yet; whatever is made of it is removed afterwards."""
    index = f"test-{uuid.uuid4().hex[:12]}"
    yield index_url(engine, index)
    dialect = dialect_of(engine, index)
    for name in dialect.request("GET", "/_mapping", params={"expand_wildcards": "all"}):
        if name == index or name.startswith(f"{index}-"):
            dialect.request("DELETE", f"/{name}")
    dialect.close()
