"""The real search servers that tests run against, as the environment names them.

`OPENSEARCH_URL` and `ELASTICSEARCH_URL` are those of every run: without one its tests are skipped or, where
`RLM_SEARCH_TEST_SERVERS=required` says so, fail. `ELASTICSEARCH8_URL` adds an older Elasticsearch to all of them.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from retrievers.servers.connecting import parse_url
from retrievers.servers.dialect import Dialect
from retrievers.servers.opening import connect

_OLDER = ("elasticsearch8",) if os.environ.get("ELASTICSEARCH8_URL") else ()
ENGINES = ("opensearch", "elasticsearch", *_OLDER)
"""Servers: what `VARIABLE_URL` names, in lower case."""


def product_of(engine: str) -> str:
    """The product that a server runs, whatever its version: the scheme of its URLs."""
    return engine.rstrip("0123456789")


def index_url(engine: str, index: str) -> str:
    """The URL of an index on the server that the environment names."""
    scheme, _, host = server_url(engine).partition("://")
    return f"{product_of(engine)}+{scheme}://{host.rstrip('/')}/{index}"


def server_url(engine: str) -> str:
    """The URL of a server; without one the test is skipped, or fails where servers are required."""
    variable = f"{engine.upper()}_URL"
    url = os.environ.get(variable, "")
    if not url and os.environ.get("RLM_SEARCH_TEST_SERVERS") == "required":
        pytest.fail(f"{variable} is not set, and RLM_SEARCH_TEST_SERVERS says that servers are required")
    if not url:
        pytest.skip(f"{variable} is not set")
    return url


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
