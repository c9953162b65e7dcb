"""Sandboxes for the tests: real worker processes, ended after each test, and a check that none is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.protocol import SandboxLimits

Begin = Callable[..., ConfinedSandbox]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Start sandboxes with functions, variables and limits; all are closed at the end."""
    started: list[ConfinedSandbox] = []

    def start(
        functions: Mapping[str, Callable[..., Any]] | None = None,
        variables: Mapping[str, Any] | None = None,
        **limits: Any,
    ) -> ConfinedSandbox:
        sandbox = ConfinedSandbox(SandboxLimits(**limits))
        started.append(sandbox)
        sandbox.start(functions or {}, variables)
        return sandbox

    yield start
    for sandbox in started:
        sandbox.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[ConfinedSandbox]:
    """One sandbox for all tests of a module that leave it as it was."""
    with ConfinedSandbox(SandboxLimits(grace_seconds=10)) as sandbox:  # on a busy machine a soft stop takes its time
        sandbox.start({})
        yield sandbox


@pytest.fixture
def sandbox(begin: Begin) -> ConfinedSandbox:
    """A sandbox without functions."""
    return begin()
