"""Pages become text that reads as they look, without scripts."""

from __future__ import annotations

import pytest

from ingest.errors import ParseError, UnsupportedFormat
from ingest.parsers.html import read

PAGE = b"""<!doctype html><html><head><title>  The
 Ferry </title><meta charset="utf-8"><meta name="author" content="A. Hale">
<meta property="article:published_time" content="2024-05-01T10:00:00Z"><style>p { color: red }</style></head>
<body><script>alert("no")</script><h1>Sailings<br>in <i>May</i></h1>
<p>From  the <b>north</b>ern pier.</p><p>Second&nbsp;paragraph &amp; more<!-- hidden --> text.</p>
<ul><li>first</li><li>second</li></ul>
<table><caption>Fares</caption><tr><th>Class</th><th>Price</th></tr><tr><td>Foot</td><td>3 &euro;</td></tr>
<tr><td>Car</td><td></td></tr></table>
<table><tr><td>a</td><td></td><td>b</td></tr></table>
<pre>  kept
    as it is</pre>after</body></html>"""

TEXT = """Sailings
in May

From the northern pier.

Second paragraph & more text.

- first
- second

Fares
Class | Price
Class: Foot | Price: 3 €
Class: Car

a | b

  kept
    as it is

after"""


def test_a_page_becomes_text_as_it_reads() -> None:
    parsed = read(PAGE)
    assert parsed.text == TEXT
    assert parsed.title == "The Ferry"
    assert parsed.metadata == {"author": "A. Hale", "created": "2024-05-01"}
    assert [(heading.title, heading.level, heading.start) for heading in parsed.headings] == [("Sailings in May", 1, 0)]


def test_a_table_that_lays_out_a_page_is_read_as_a_page() -> None:
    article = b"<p>" + b"A long article. " * 40 + b"</p>"
    text = read(b"<table><tr><td><h2>Menu</h2></td><td>" + article + b"</td></tr></table>").text
    assert text.startswith("Menu\n\nA long article.")


def test_lines_in_a_cell_are_parted_and_words_are_not() -> None:
    cell = b"<td>Foot<br>passenger<script>x</script></td><td><p>nor<b>th</b>ern</p><p>pier</p></td>"
    assert read(b"<table><tr>" + cell + b"</tr></table>").text == "Foot passenger | northern pier"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('<meta charset="iso-8859-2"><p>Źródło</p>'.encode("iso-8859-2"), "Źródło"),
        ("<p>Größe</p>".encode("utf-16"), "Größe"),
        ('<?xml version="1.0" encoding="windows-1252"?><p>Größe</p>'.encode("cp1252"), "Größe"),
        (b"<!-- nothing -->", ""),
        (b"<html></html>", ""),
    ],
)
def test_the_encoding_is_found(content: bytes, text: str) -> None:
    assert read(content).text == text


def test_entities_do_not_explode() -> None:
    bomb = b'<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><p>&b;&b;</p>'
    assert len(read(bomb).text) < 200


def test_no_file_of_the_machine_is_read() -> None:
    page = b'<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]><p>&x;</p><iframe src="file:///etc/passwd">'
    assert "root:" not in read(page).text


def test_elements_nested_beyond_sense_are_an_error_and_not_a_hang() -> None:
    with pytest.raises(ParseError, match="nested too deeply"):
        read(b"<div>" * 200_000 + b"end")


def test_binary_data_is_no_page() -> None:
    with pytest.raises(UnsupportedFormat):
        read(bytes(range(32)) * 100)


def test_several_authors_and_the_title_of_a_paper_are_told() -> None:
    parsed = read(
        b"<meta name=citation_title content='On Harbours'><meta name=citation_author content='A. Hale'>"
        b"<meta name=citation_author content='B. Moe'><meta name=citation_publication_date content='2024/05/01'>"
        b"<meta property=article:author content='https://example.org/a'><p>x"
    )
    assert parsed.title == "On Harbours"
    assert parsed.metadata == {"author": ("A. Hale", "B. Moe"), "created": "2024-05-01"}
