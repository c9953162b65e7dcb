"""A server of models that plays a script, at the address where the examples look for theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from rlm_search import assemble
from rlm_search.models.providers import known_variables
from rlm_search.testing import InProcessSandbox
from tests.servers.openai_server import OpenAIServer, Say

Serve = Callable[..., OpenAIServer]
VARIABLES = ("LLM_BASE_URL", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL")
KEYS = ("LLM_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts of these tests run here; in tests/integration some of them run confined, as a user's do."""
    monkeypatch.setattr(assemble, "default_sandbox", InProcessSandbox)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server that says these things, and point the environment at it."""
    for name in (*known_variables(), *VARIABLES, *KEYS):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:

        def start(*replies: str | Callable[[dict[str, Any]], Say]) -> OpenAIServer:
            script: Any = replies[0] if callable(replies[0]) else [Say(text=str(reply)) for reply in replies]
            server = stack.enter_context(OpenAIServer(script))
            for name in VARIABLES:
                monkeypatch.setenv(name, server.base_url)
            for name in KEYS:
                monkeypatch.setenv(name, "sk-of-the-test")
            return server

        yield start
