"""These tests count the processes that a run leaves: what other tests keep for themselves ends before."""

from __future__ import annotations

import pytest

from rlm_search.sandbox import launch


@pytest.fixture(autouse=True, scope="module")
def no_process_of_other_tests() -> None:
    """The process that sandboxes are forked from lives as long as the one that asked for it."""
    launch.nursery().leave()
    launch.nursery.cache_clear()
