"""Printed documents are read page by page, line by line."""

from __future__ import annotations

from pathlib import Path

from ingest.parsers import parser_for
from ingest.types import DEFAULT_OPTIONS, Parsed
from tests.unit.ingest.parsers.packages import packed


def a_page(*runs: tuple[int, str]) -> str:
    inner = "".join(f'<Glyphs OriginY="{height}" UnicodeString="{text}"/>' for height, text in runs)
    return f"<FixedPage>{inner}</FixedPage>"


def test_pages_come_in_order_and_runs_at_one_height_are_a_line(tmp_path: Path) -> None:
    path = tmp_path / "printed"
    pages = {f"Documents/1/Pages/{n}.fpage": a_page((8, "Page"), (8, str(n)), (20, "{}{x}")) for n in (10, 2, 1)}
    path.write_bytes(packed(pages | {"FixedDocSeq.fdseq": "<x/>"}))
    (parsed,) = parser_for(path)(path, DEFAULT_OPTIONS)
    assert isinstance(parsed, Parsed)
    assert parsed.text == "Page 1\n{x}\n\nPage 2\n{x}\n\nPage 10\n{x}\n"
    assert len(parsed.pages) == 3
