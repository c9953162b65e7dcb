"""Ordinary code, as models write it, gives exactly what plain CPython gives."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.namespace import BOUND

pytestmark = pytest.mark.integration

SNIPPETS = {
    title: body.split("# %%\n")
    for title, _, body in (
        part.partition("\n") for part in Path(__file__).with_name("snippets.txt").read_text().split("## ")[1:]
    )
}


def plain_cpython(cells: list[str]) -> str:
    """What the cells print when run one after the other in this interpreter."""
    module = type(sys)("__main__")
    names = vars(module)
    names.update({name: __import__(name) for name in BOUND})
    real, sys.modules["__main__"] = sys.modules["__main__"], module
    out = io.StringIO()
    try:
        with redirect_stdout(out):
            for cell in cells:
                exec(compile(cell, "<cell>", "exec", dont_inherit=True), names)
    finally:
        sys.modules["__main__"] = real
    return out.getvalue()


@pytest.mark.parametrize("title", SNIPPETS)
def test_a_snippet_gives_what_plain_cpython_gives(title: str, shared: ConfinedSandbox) -> None:
    cells = SNIPPETS[title]
    shared.start({})
    outputs = []
    for cell in cells:
        execution = shared.execute(f"{cell}\nNone", timeout=20)
        assert execution.error == ""
        outputs.append(execution.stdout)
    assert "".join(outputs) == plain_cpython(cells)
