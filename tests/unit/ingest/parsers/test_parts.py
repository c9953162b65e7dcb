"""A text too large for one document comes in parts: nothing lost, cut at lines, decoded as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import UnsupportedFormat
from ingest.parsers import text
from ingest.parsers.parts import parse_parts

LINES = "".join(f"Zeile {number}: über {number * 7} Kräne\n" for number in range(500))


def parts_of(path: Path, content: bytes, characters: int = 1000) -> list[str]:
    path.write_bytes(content)
    return [parsed.text for parsed in parse_parts(path, part_characters=characters)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_parts_are_the_whole_in_order_and_end_at_lines(tmp_path: Path, encoding: str) -> None:
    parts = parts_of(tmp_path / "big.txt", LINES.encode(encoding))

    assert "".join(parts) == LINES
    assert all(part.endswith("\n") and len(part) <= 1000 for part in parts)
    assert len(parts) > 10


def test_newlines_of_all_kinds_are_one_also_between_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsers.parts._BLOCK_BYTES", 7)

    assert "".join(parts_of(tmp_path / "a.txt", b"one\r\ntwo\rthree\n" * 50, 60)) == "one\ntwo\nthree\n" * 50


def test_a_line_longer_than_a_part_is_cut_between_words_and_one_word_anywhere(tmp_path: Path) -> None:
    assert all(part.endswith(" ") for part in parts_of(tmp_path / "a.txt", b"word " * 100, 33))
    assert [len(part) for part in parts_of(tmp_path / "b.txt", b"x" * 100, 30)] == [30, 30, 30, 10]


def test_a_byte_that_is_no_utf8_near_the_end_decides_for_the_whole_file(tmp_path: Path) -> None:
    late = "Die Kräne über dem Hafen hören früh auf, und die Fähre läuft später aus. " * 20
    (tmp_path / "a.txt").write_bytes(b"plain text\n" * 20_000 + late.encode("cp1252"))

    parsed = list(parse_parts(tmp_path / "a.txt", part_characters=50_000))

    assert parsed[-1].text.endswith(late)
    assert [part.warnings for part in parsed] == [("encoding",), (), (), (), ()]


def test_each_part_names_its_whole(tmp_path: Path) -> None:
    (tmp_path / "sea_log.txt").write_text(LINES, encoding="utf-8")

    first, second, *_ = parse_parts(tmp_path / "sea_log.txt", part_characters=1000)

    assert (first.title, first.record, first.metadata) == (
        "sea log, part 1", "part-1", {"whole": "sea_log.txt", "part": 1},
    )  # fmt: skip
    assert second.metadata == {"whole": "sea_log.txt", "part": 2}


def test_a_file_that_has_grown_keeps_its_parts_but_the_last(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LINES, encoding="utf-8")
    before = [part.content_hash for part in parse_parts(tmp_path / "a.log", part_characters=1000)]
    (tmp_path / "a.log").write_text(LINES + "one line more\n" * 200, encoding="utf-8")
    after = [part.content_hash for part in parse_parts(tmp_path / "a.log", part_characters=1000)]

    assert after[: len(before) - 1] == before[:-1]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(bytes(range(256)) * 400)

    with pytest.raises(UnsupportedFormat):
        list(parse_parts(tmp_path / "a.txt"))


def test_only_a_text_beyond_the_limit_comes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text(LINES, encoding="utf-8")
    whole = list(text.parse(tmp_path / "a.txt"))
    monkeypatch.setattr(text, "WHOLE_BYTES", 1000)
    monkeypatch.setattr("ingest.parsers.parts.PART_CHARACTERS", 1000)

    assert [parsed.record for parsed in whole] == [""]
    assert [parsed.record for parsed in text.parse(tmp_path / "a.txt")] == ["part-1"]
