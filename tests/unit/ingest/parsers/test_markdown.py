"""Markdown keeps its text and gives its headings and front matter."""

from __future__ import annotations

from pathlib import Path

from ingest.parsers.markdown import headings_of, parse
from ingest.types import Parsed

PAGE = """---
title: "The Ferry"
author: A. Hale
tags: [a, b]
---
# Overview #

Text with # no heading.

Timetable
---------

```
# a comment
```

- item
---

### Late *and* [early](x.html) `sailings`

| a | b |
|---|---|
"""


def test_headings_stand_where_they_are_in_the_text() -> None:
    headings = list(headings_of(PAGE, PAGE.index("# Overview")))
    assert [(heading.title, heading.level) for heading in headings] == [
        ("Overview", 1),
        ("Timetable", 2),
        ("Late and early sailings", 3),
    ]
    assert [PAGE[heading.start :][:6] for heading in headings] == ["# Over", "Timeta", "### La"]


def test_the_front_matter_is_the_title_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(PAGE)
    (parsed,) = parse(path)
    assert parsed.text == PAGE.replace("| a | b |\n|---|---|\n", "a | b\n")
    assert parsed.title == "The Ferry"
    assert parsed.metadata == {"author": "A. Hale", "tags": ("a", "b")}


def test_without_front_matter_a_heading_of_the_first_level_is_the_title(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("One\n===\n\ntext\n\nTwo\n---\n")
    (parsed,) = parse(path)
    assert parsed.title == "One"
    assert [(heading.title, heading.level) for heading in parsed.headings] == [("One", 1), ("Two", 2)]


def test_a_fence_that_never_closes_hides_the_rest() -> None:
    assert not list(headings_of("~~~\n# no\n```\n# no\n"))


def parsed_of(folder: Path, text: str) -> Parsed:
    path = folder / "page.md"
    path.write_text(text)
    (parsed,) = parse(path)
    assert isinstance(parsed, Parsed)
    return parsed


def test_front_matter_has_the_names_that_all_formats_have(tmp_path: Path) -> None:
    text = "---\nauthors:\n  - A. Hale\n  - 'B. Moe'\ndate: 2024-05-01\nlang: de\nlayout: post\n---\n\n# Harbours\n"
    parsed = parsed_of(tmp_path, text)
    assert parsed.metadata == {
        "author": ("A. Hale", "B. Moe"), "created": "2024-05-01", "language": "de", "layout": "post",
    }  # fmt: skip


def test_the_rows_of_a_table_carry_its_header(tmp_path: Path) -> None:
    text = (
        "# Fares\n\n| Class | Price |\n|:------|------:|\n| Foot  | 3 a\\|b |\n| Car   |       |\n\n"
        "Text | with a pipe.\n\n"
        "```\n| a | b |\n|---|---|\n| 1 | 2 |\n```\n\n## Ships\n"
    )
    parsed = parsed_of(tmp_path, text)
    assert parsed.text == (
        "# Fares\n\nClass | Price\nClass: Foot | Price: 3 a|b\nClass: Car\n\nText | with a pipe.\n\n"
        "```\n| a | b |\n|---|---|\n| 1 | 2 |\n```\n\n## Ships\n"
    )
    assert [parsed.text[heading.start :][:8] for heading in parsed.headings] == ["# Fares\n", "## Ships"]
