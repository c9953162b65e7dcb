"""Texts with light markup stay as they are written; their headings, titles and authors are found."""

from __future__ import annotations

from pathlib import Path

from ingest.parsers import parser_for
from ingest.types import DEFAULT_OPTIONS, Parsed


def parsed_of(folder: Path, name: str, text: str) -> Parsed:
    path = folder / name
    path.write_text(text)
    (parsed,) = parser_for(path)(path, DEFAULT_OPTIONS)
    assert isinstance(parsed, Parsed)
    assert parsed.text == text
    return parsed


def outline_of(parsed: Parsed) -> list[tuple[str, int]]:
    return [(heading.title, heading.level) for heading in parsed.headings]


def test_restructured_text(tmp_path: Path) -> None:
    text = (
        "========\nHarbours\n========\n\n:Author: A. Hale\n\nFares\n=====\n\ntext\n\nFoot\n----\n\nShips\n=====\n\n"
        "====  ====\na     b\n====  ====\n1     2\n====  ====\n\n- not\n  a heading\n"
    )
    parsed = parsed_of(tmp_path, "a.rst", text)
    assert outline_of(parsed) == [("Harbours", 1), ("Fares", 2), ("Foot", 3), ("Ships", 2)]
    assert [text[heading.start :][:5] for heading in parsed.headings] == ["=====", "Fares", "Foot\n", "Ships"]
    assert (parsed.title, parsed.metadata) == ("Harbours", {"author": "A. Hale"})


def test_org(tmp_path: Path) -> None:
    text = "#+TITLE: Harbours\n#+AUTHOR: A. Hale\n* Fares :money:\n** TODO Foot\ntext\n"
    parsed = parsed_of(tmp_path, "a.org", text)
    assert outline_of(parsed) == [("Fares", 1), ("Foot", 2)]
    assert (parsed.title, parsed.metadata) == ("Harbours", {"author": "A. Hale"})


def test_asciidoc(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, "a.adoc", "= Harbours\n:author: A. Hale\n\n== Fares\n\ntext\n")
    assert outline_of(parsed) == [("Harbours", 1), ("Fares", 2)]
    assert (parsed.title, parsed.metadata) == ("Harbours", {"author": "A. Hale"})


def test_latex(tmp_path: Path) -> None:
    text = (
        "\\documentclass{article}\n\\title{On \\emph{Harbours}\\thanks{Paid.}}\n"
        "\\author{A. Hale\\inst{1} \\and B. Moe}\n"
        "\\section{Fares}\n% \\section{No}\n\\subsection*{Foot}\\label{x}\ntext\n\\section{Ships}\n"
    )
    parsed = parsed_of(tmp_path, "a.tex", text)
    assert outline_of(parsed) == [("Fares", 1), ("Foot", 2), ("Ships", 1)]
    assert (parsed.title, parsed.metadata) == ("On Harbours", {"author": ("A. Hale", "B. Moe")})
