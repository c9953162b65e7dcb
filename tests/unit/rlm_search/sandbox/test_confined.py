from __future__ import annotations

import sys

import pytest

from rlm_search.errors import SandboxError
from rlm_search.sandbox.confined import ConfinedSandbox


def test_windows_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SandboxError, match="needs Unix") as caught:
        ConfinedSandbox().start({})
    assert "WSL" in caught.value.hint


def test_a_sandbox_that_was_never_started_has_no_process() -> None:
    with ConfinedSandbox() as sandbox:
        assert sandbox.pid is None
        assert sandbox.confinement == {}
