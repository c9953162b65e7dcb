"""A session whose code runs confined, as a user's does."""

from __future__ import annotations

import pytest

from rlm_search import RLM, ScriptedModel
from rlm_search.testing import MemoryRetriever
from tests.unit.rlm_search.conftest import ARCHIVE, METADATA, python
from tests.unit.rlm_search.test_session import SEARCH

pytestmark = pytest.mark.integration


def test_a_confined_session_keeps_its_variables_and_citations() -> None:
    again = python('hits = es_search("berthing")\nFINAL(f"still {mark} {len(ctx.text)} {len(hits)}")')
    model = ScriptedModel([SEARCH, python('FINAL(f"32 knots {mark}")'), again])

    with RLM(model=model, retriever=MemoryRetriever(ARCHIVE, METADATA)).session(context="text") as session:
        assert [session.run("?").text for _ in range(2)] == ["32 knots [1]", "still [1] 4 1"]
