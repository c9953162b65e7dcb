"""Models that misbehave: each run ends as a user would call right (walls and waits: see the integration tests)."""

from __future__ import annotations

import pytest

from bench.misbehaving import scripts
from bench.robustness import ours
from rlm_search.testing import InProcessSandbox

SCRIPTS = {title: script for title, script in scripts().items() if not (script.has_walls or "seconds" in script.limits)}


@pytest.mark.parametrize("title", SCRIPTS)
def test_a_misbehaving_model_comes_to_what_a_user_would_call_right(title: str) -> None:
    outcome = ours(SCRIPTS[title], InProcessSandbox)
    assert SCRIPTS[title].is_right(outcome), outcome
