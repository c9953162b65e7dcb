from __future__ import annotations

import builtins
import inspect
from typing import Any

import pytest

from rlm_search.sandbox import signatures
from rlm_search.sandbox.cells import Cells, Output
from rlm_search.sandbox.namespace import ALLOWED, BOUND, Namespace, help_on, preload, stub


def out(cells: Cells, code: str) -> str:
    result = cells.run(code, 5)
    return str(result["stdout"] + result["error"])


def test_every_allowed_module_can_be_loaded_and_imported(cells: Cells) -> None:
    preload()
    assert out(cells, "\n".join(f"import {name}" for name in sorted(ALLOWED) if name != "__future__")) == ""


def test_the_bound_modules_are_there_and_may_be_replaced_for_good(cells: Cells) -> None:
    assert out(cells, f"print(all([{', '.join(BOUND)}]))") == "True\n"
    out(cells, "from datetime import datetime")
    assert out(cells, "datetime(2020, 1, 1).year") == "2020\n"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import socket", "No module named 'socket' in this sandbox. There are: abc, array"),
        ("import os.nothing", "No module named 'os.nothing'"),
        ("from . import x", "No module named ''"),
        ("import os\nos.remove('x')", "os.remove does not exist in this sandbox: no files"),
        ("from sys import modules, settrace", "cannot import name 'settrace'"),
        ("open('x', 'w')", "open() does not work in this sandbox: there are no files here"),
        ("input('?')", "input() does not work in this sandbox: nobody is there"),
    ],
)
def test_what_is_not_there_is_refused_with_a_sentence(code: str, told: str, cells: Cells) -> None:
    assert told in out(cells, code)


def test_harmless_parts_of_other_modules_are_there(cells: Cells) -> None:
    code = """
import os, sys, io, os.path
from pathlib import Path
print(os.path.basename('a/b.txt'), os.environ, os.getenv('HOME', 'none'), os.cpu_count(), Path('a/b.pdf').stem)
print(sys.version_info.major, sys.argv, io.StringIO('x').read())
"""
    assert out(cells, code) == "b.txt {} none 1 b\n3 [''] x\n"


def test_builtins_and_functions_are_bound_anew_and_variables_are_not(names: Namespace) -> None:
    names.offer({"search": len})
    assert names.rebind() == []
    guest = names.names["__builtins__"]
    guest["len"] = None
    names.names.update(search=5, kept=6, __builtins__=None)
    real, builtins.len = builtins.len, None  # type: ignore[assignment]  # what a cell may reach and break
    try:
        assert names.rebind() == ["search"]
        assert builtins.len is real
    finally:
        builtins.len = real
    assert names.names["__builtins__"] is guest
    assert guest["len"] is real
    assert (names.names["search"], names.names["kept"]) == (real, 6)


def test_variables_are_described_without_modules_and_functions_of_the_host(names: Namespace) -> None:
    names.offer({"search": len})
    names.names.update(x=[1, 2], text="a\n" * 500, _hidden=1, _=3, math=names.names["math"])
    assert names.described() == {"x": "list of 2: [1, 2]", "text": names.described()["text"], "_hidden": "int: 1"}
    assert names.described()["text"].startswith("str of 1,000: 'a\\na\\n")
    assert len(names.described()["text"]) < 120


def search(query: str, top_k: int = 10) -> list[str]:
    """Find passages."""
    return [query] * top_k


def test_a_stub_looks_like_its_function_and_calls_by_name(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    called: list[Any] = []
    described = {"name": "search", "doc": search.__doc__, **signatures.describe(inspect.signature(search))}
    made = stub(described, lambda *call: called.append(call))
    made("tax", top_k=3)
    assert called == [("search", ("tax",), {"top_k": 3})]
    help_on(made)
    assert capsys.readouterr().out == "search(query: str, top_k: int = 10) -> list[str]\nFind passages.\n"


def test_help_speaks_about_anything(capsys: pytest.CaptureFixture[str]) -> None:
    help_on()
    help_on(dict)
    help_on(3)
    text = capsys.readouterr().out
    assert "help(f) shows" in text
    assert "dict(…)" in text
    assert "int" in text
