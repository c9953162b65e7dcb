"""Models that misbehave, their code confined: each run ends as a user would call right."""

from __future__ import annotations

import pytest

from bench.misbehaving import scripts
from bench.robustness import ours

pytestmark = pytest.mark.integration

SCRIPTS = scripts()


def test_there_are_at_least_sixty() -> None:
    assert len(SCRIPTS) >= 60
    assert len({script.kind for script in SCRIPTS.values()}) >= 6


@pytest.mark.parametrize("title", SCRIPTS)
def test_a_misbehaving_model_comes_to_what_a_user_would_call_right(title: str) -> None:
    outcome = ours(SCRIPTS[title])
    assert SCRIPTS[title].is_right(outcome), outcome
