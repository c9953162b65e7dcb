"""What is made of what the library `unstructured` tells; a stand-in tells it, the real one in the integration tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers import elements
from ingest.parsers.html import parse
from ingest.types import DEFAULT_OPTIONS, Parsed

MODULES = {
    "unstructured/__init__.py": "",
    "unstructured/nlp/__init__.py": "",
    "unstructured/nlp/tokenize.py": "",
    "unstructured/partition/__init__.py": "",
    "unstructured/partition/html.py": (
        "import os, pathlib\n"
        "IS_QUIET = os.environ['DO_NOT_TRACK'] == '1' and os.environ['SCARF_NO_ANALYTICS'] == 'true'\n"
        "def partition_html(filename, languages):\n"
        "    if 'raise' in pathlib.Path(filename).read_text(): raise KeyError('of any class')\n"
        "    return []\n"
    ),
    "spacy/__init__.py": "from spacy import util\n",
    "spacy/util.py": "def is_package(name): return False\n",
}


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A library that never finds any text."""
    for name, text in MODULES.items():
        path = tmp_path / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for variable in ("DO_NOT_TRACK", "SCARF_NO_ANALYTICS", "UNSTRUCTURED_DISABLE_NOTICE", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(variable, "")
    with monkeypatch.context() as patched:
        patched.syspath_prepend(tmp_path / "lib")
        for name in [name for name in sys.modules if name.partition(".")[0] in ("unstructured", "spacy")]:
            patched.delitem(sys.modules, name)
        yield
        for name in [name for name in sys.modules if name.partition(".")[0] in ("unstructured", "spacy")]:
            del sys.modules[name]


def read(path: Path, text: str) -> list[Parsed]:
    path.write_text(text)
    return [found for found in elements.parser_of("html", parse)(path, DEFAULT_OPTIONS) if isinstance(found, Parsed)]


def test_no_text_where_the_light_reader_finds_some_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="unstructured found no text in it") as failed:
        read(tmp_path / "a.html", "<p>There is text.</p>")
    assert "[ingest] unstructured" in failed.value.hint
    assert [found.text for found in read(tmp_path / "b.html", "<p></p>")] == [""]


def test_an_error_of_any_class_concerns_the_file(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="unstructured cannot read it: KeyError"):
        read(tmp_path / "a.html", "<p>raise</p>")


def test_what_it_would_send_is_turned_off_before_it_is_loaded(tmp_path: Path) -> None:
    read(tmp_path / "a.html", "<p></p>")
    assert sys.modules["unstructured.partition.html"].IS_QUIET
