"""The language of a document is told from its text, or not at all."""

from __future__ import annotations

import pytest

from ingest.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The ferry left the harbour at seven in the morning.", "en"),
        ("Die Fähre verließ den Hafen um sieben Uhr morgens.", "de"),
        ("Le ferry a quitté le port à sept heures du matin.", "fr"),
        ("El transbordador salió del puerto a las siete de la mañana.", "es"),
        ("渡轮早上七点离开了港口。", "zh"),
        ("フェリーは朝七時に港を出ました。", "ja"),
        ("배는 아침 일곱 시에 항구를 떠났습니다.", "ko"),
        ("\u03a4\u03bf πλοίο έφυγε", "el"),
        ("", ""),
        ("12 345 67,8 %", ""),
        ("OK", ""),
        ("https://example.org/the/path/of/a/long/link", ""),
    ],
)
def test_the_language_of_a_text(text: str, language: str) -> None:
    assert language_of(text) == language


def test_the_middle_of_a_long_text_counts_too() -> None:
    cover = "FORM 10-K 001-3285 41-0417775 " * 10
    assert language_of(cover + "Die Gesellschaft hat ihren Sitz in Hamburg und betreibt drei Schiffe. " * 60) == "de"
