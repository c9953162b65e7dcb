"""Public names that are imported when they are first asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import retrievers
from rlm_search.compat import dspy_rlm, pyrlm_runtime, rlm, rlm_loop, rlm_minimal


@pytest.mark.parametrize("package", [retrievers, dspy_rlm, pyrlm_runtime, rlm, rlm_loop, rlm_minimal])
def test_every_public_name_is_there_and_no_other(package: object) -> None:
    names = package.__all__  # type: ignore[attr-defined]
    assert [name for name in names if getattr(package, name, None) is None] == []
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        package.Nonsense  # type: ignore[attr-defined]  # noqa: B018  # the access is what is tested


def test_importing_a_package_loads_none_of_its_modules_and_a_name_its_own() -> None:
    code = (
        "import sys, retrievers; loaded = lambda: [m for m in sys.modules if m.startswith('retrievers.')]\n"
        "print(loaded()); retrievers.RetrieverError; print(loaded(), 'RetrieverError' in vars(retrievers))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["['retrievers.lazy']", "['retrievers.lazy', 'retrievers.errors'] True"]
