"""Plain text comes through whole whatever its encoding, and binary data does not come through at all."""

# ruff: noqa: RUF001 - text of many scripts
from __future__ import annotations

import random
from pathlib import Path

import pytest

from ingest.errors import UnsupportedFormat
from ingest.parsers.text import decode, parse

GERMAN = "Größe, Maß und Übermut: die Fähre fährt täglich über den Fluß.\n" * 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_unicode_is_decoded_without_doubt(encoding: str) -> None:
    decoded = decode(GERMAN.encode(encoding))
    assert decoded.text == GERMAN
    assert not decoded.warnings


def test_an_older_encoding_is_guessed_and_the_guess_is_said() -> None:
    decoded = decode(GERMAN.encode("cp1252"))
    assert decoded.text == GERMAN
    assert decoded.warnings == ("encoding",)


def test_damaged_utf8_stays_utf8() -> None:
    decoded = decode(GERMAN.encode() + b"\xc3")
    assert decoded.text == GERMAN + "\ufffd"
    assert decoded.warnings == ("encoding",)


def test_newlines_of_every_kind_become_one() -> None:
    assert decode(b"a\r\nb\rc\nd").text == "a\nb\nc\nd"


@pytest.mark.parametrize(
    "content",
    [
        random.Random(1).randbytes(5_000),
        b"\0\1\2\3" * 1_000,
        bytes(5_000),
        b"text" + b"\x01" * 100,
    ],
)
def test_binary_data_is_no_text(content: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="binary data"):
        decode(content)


def test_a_text_is_one_document(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffLine one\r\nline two".encode())
    (parsed,) = parse(path)
    assert (parsed.text, parsed.media_type, parsed.title) == ("Line one\nline two", "text/plain", "")


SENTENCE = "Der Hafen wurde 1890 gebaut. Die Fähren fahren täglich außer sonntags; das „Zollhaus“ – kostet 3 €. "
FRENCH = "Le port a été bâti au dix-neuvième siècle. Les bacs partent chaque jour ; déjà vu, ça coûte 3 €. "
POLISH = "Port został zbudowany w dziewiętnastym wieku. Promy kursują codziennie oprócz niedziel; kosztuje złote. "
RUSSIAN = "Порт был построен в девятнадцатом веке. Паромы ходят каждый день, кроме воскресенья; билет стоит рубль. "
JAPANESE = "港は十九世紀に建設されました。フェリーは日曜日を除いて毎日運航しています。切符は三百円です。"
CHINESE = "港口建于十九世纪。除星期日外，渡轮每天都有班次，票价三元。乘客应提前到达码头。"
KOREAN = "항구는 십구 세기에 건설되었습니다. 페리는 일요일을 제외하고 매일 운항합니다. 표는 삼백 원입니다. "


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", SENTENCE), ("cp1252", FRENCH), ("cp1250", POLISH), ("iso8859-2", POLISH), ("koi8-r", RUSSIAN),
        ("cp1251", RUSSIAN), ("cp866", RUSSIAN), ("shift_jis", JAPANESE), ("euc_jp", JAPANESE), ("gb18030", CHINESE),
        ("euc_kr", KOREAN),
    ],
)  # fmt: skip
@pytest.mark.parametrize("times", [1, 20])
def test_a_paragraph_is_enough_to_tell_an_older_encoding(encoding: str, text: str, times: int) -> None:
    decoded = decode((text * times).encode(encoding))
    assert decoded == (text * times, True)


@pytest.mark.parametrize("text", [SENTENCE, RUSSIAN, JAPANESE, CHINESE, KOREAN])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_text_of_every_script_is_read_with_and_without_a_mark(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == (text, False)


def test_no_run_of_random_bytes_passes_for_text() -> None:
    for seed in range(200):
        content = random.Random(seed).randbytes(2_000)
        with pytest.raises(UnsupportedFormat):
            decode(content)
