"""What `rlm_search` exports is there, documented, and costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rlm_search


@pytest.mark.parametrize("name", rlm_search.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    assert (getattr(rlm_search, name).__doc__ or "").strip()
    assert name in dir(rlm_search)


def test_other_names_are_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Rlm'"):
        rlm_search.Rlm  # noqa: B018  # the access is what is tested


def test_importing_the_package_loads_none_of_its_parts() -> None:
    code = (
        "import sys, rlm_search; print([m for m in sys.modules if m.startswith(('rlm_search.', 'numpy', 'msgspec'))])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_loop_loads_nothing_that_only_engines_servers_and_async_programs_need() -> None:
    heavy = ("numpy", "httpx", "asyncio", "importlib.metadata", "tantivy", "onnxruntime", "rich", "click", "lxml")
    code = f"import sys, rlm_search; rlm_search.RLM; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
