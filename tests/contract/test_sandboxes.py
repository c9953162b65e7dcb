"""The sandboxes are held to the contract that authors of others get."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.monty import monty_sandbox
from rlm_search.sandbox.testing import SandboxContract
from rlm_search.types import Sandbox


@pytest.mark.integration
class TestConfinedSandbox(SandboxContract):
    @pytest.fixture
    def sandbox(self) -> Iterator[Sandbox]:
        with ConfinedSandbox() as sandbox:
            yield sandbox


@pytest.mark.integration
class TestMonty(SandboxContract):
    @pytest.fixture
    def sandbox(self) -> Iterator[Sandbox]:
        with monty_sandbox() as sandbox:
            yield sandbox
