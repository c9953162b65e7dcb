"""Markdown keeps its text and gives its headings and front matter."""

from __future__ import annotations

from pathlib import Path

from ingest.parsers.markdown import headings_of, parse

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
    assert parsed.text == PAGE
    assert parsed.title == "The Ferry"
    assert parsed.metadata == {"author": "A. Hale", "tags": "[a, b]"}


def test_without_front_matter_a_heading_of_the_first_level_is_the_title(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("One\n===\n\ntext\n\nTwo\n---\n")
    (parsed,) = parse(path)
    assert parsed.title == "One"
    assert [(heading.title, heading.level) for heading in parsed.headings] == [("One", 1), ("Two", 2)]


def test_a_fence_that_never_closes_hides_the_rest() -> None:
    assert not list(headings_of("~~~\n# no\n```\n# no\n"))
