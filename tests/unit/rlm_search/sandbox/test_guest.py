from __future__ import annotations

import json
from typing import Any

import pytest

from rlm_search.sandbox.guest import (
    Document,
    Failed,
    Hit,
    Hits,
    Page,
    Pages,
    Record,
    Table,
    fold,
    page_words,
    revive,
    short,
    tail,
)


def hit(n: int, **more: Any) -> dict[str, Any]:
    return {
        "doc_id": f"3M_2018_10K-4f2a9c{n:02d}",
        "chunk_id": f"3M_2018_10K-4f2a9c{n:02d}#p{n}",
        "preview": "Purchases of property, plant and equipment " * 20,
        "score": 0.9 - n / 100,
        "start": 10,
        "end": 500,
        "pages": [n],
        "title": "3M Company: Annual report on form 10-K for the fiscal year ended December 31, 2018, as filed",
        "source": "financebench/pdfs/archive/reports/2018/3M_2018_10K.pdf",
        "metadata": {"year": 2018},
        **more,
    }


def revived(value: Any) -> Any:
    return json.loads(json.dumps(value), object_hook=revive)


def hits(count: int) -> Hits:
    found = revived({"__type__": "Hits", "items": [hit(n) for n in range(1, count + 1)]})
    assert isinstance(found, Hits)
    return found


def test_ten_hits_print_under_4000_characters_each_with_its_passage() -> None:
    text = str(hits(10))
    assert len(text) < 4_000
    assert len(text.splitlines()) == 20
    for n in range(1, 11):
        assert f"3M_2018_10K-4f2a9c{n:02d}  p.{n}" in text
    assert text.splitlines()[0].startswith(" 1. 3M_2018_10K-4f2a9c01  p.1  0.890  3M Company: Annual report")
    assert text.splitlines()[0].endswith("3M_2018_10K.pdf")
    assert "Purchases of property" in text.splitlines()[19]
    assert len(text.splitlines()[1]) > 150


def test_thirty_hits_are_all_shown_with_shorter_passages_and_beyond_forty_a_slice_is_named() -> None:
    assert len(str(hits(30)).splitlines()) == 60
    text = str(hits(45))
    assert text.endswith("… and 5 more; print a slice such as [40:80]")
    assert len(str(hits(45)[40:]).splitlines()) == 10


def test_slices_sums_and_copies_of_a_hit_list_are_hit_lists() -> None:
    found = hits(4)
    for part in (found[1:3], found + found, found.copy(), found[::-1]):
        assert isinstance(part, Hits)
        assert all(isinstance(item, Hit) for item in part)
    assert isinstance(found[0], Hit)
    assert [h.pages for h in found[1:3]] == [[2], [3]]
    assert str(found[:0]) == "no hits"


def test_a_hit_list_that_holds_something_else_still_prints() -> None:
    found = Hits([Hit(hit(1)), "odd", {"plain": 1}, Failed("late")])
    assert "'odd'" in str(found)
    assert "plain=1" in str(found)
    assert "Failed('late')" in str(found)


def test_one_hit_prints_with_its_whole_passage_and_metadata() -> None:
    text = str(Hit(hit(3, preview="word " * 200)))
    assert text.count("word") == 200
    assert "metadata: {'year': 2018}" in text


def test_hits_in_a_plain_list_print_as_short_as_in_a_table() -> None:
    text = str([h for h in hits(10) if h.score > 0])
    assert len(text) < 4_000
    assert text.count("Purchases of property") >= 10


def test_a_hit_without_pages_title_or_score_prints() -> None:
    assert str(Hit(doc_id="d", preview="p")) == "d\n  p"
    assert str(Hit()) == "?\n  "


def test_a_record_reads_by_key_and_by_attribute() -> None:
    record = revived({"__type__": "Record", "name": "x", "nested": {"__type__": "Record", "n": 1}})
    assert isinstance(record, Record)
    assert (record.name, record["name"], record.nested.n) == ("x", "x", 1)
    record.name = "y"
    assert record["name"] == "y"
    assert repr(record) == "Record(name='y', nested=Record(n=1))"
    assert isinstance(record.copy(), Record)
    rows = Record(n=1, fields=Table([Record(name="year", type="number"), Record(name="title", type="keyword")]))
    assert repr(rows) == "Record(n=1)\nfields:\n  name='year'  type='number'\n  name='title'  type='keyword'"
    with pytest.raises(AttributeError, match="Record has no 'nmae'; it has: name, nested"):
        _ = record.nmae
    with pytest.raises(KeyError):
        _ = record["nmae"]


def test_a_document_never_prints_its_whole_text() -> None:
    document = revived({"__type__": "Document", "doc_id": "d", "title": "", "content": "A long story. " * 10_000})
    assert isinstance(document, Document)
    assert len(repr(document)) < 400
    assert len(str(document)) < 800
    assert ".content of 140,000 characters: 'A long story." in str(document)
    assert "title" not in repr(document)
    assert document[:6] == "A long"
    assert document["doc_id"] == document.doc_id == "d"
    assert document.sendable() == {"doc_id": "d", "title": ""}


def test_pages_print_short_and_join() -> None:
    items = [{"doc_id": "d", "number": n, "text": f"text of page {n} " * 100} for n in (1, 2)]
    pages = revived({"__type__": "Pages", "items": items})
    assert isinstance(pages, Pages)
    assert isinstance(pages[0], Page)
    assert pages[1].number == 2
    assert pages.text.count("text of page") == 200
    assert len(str(pages)) < 1_200
    assert ".text of 1,500 characters" in str(pages)


def test_a_table_prints_a_row_a_line_without_what_is_empty() -> None:
    table = revived(
        {"__type__": "Table", "items": [{"value": "en", "count": 3, "note": ""}, {"value": 2019, "count": 1}]}
    )
    assert isinstance(table, Table)
    assert str(table) == "value='en'  count=3\nvalue=2019  count=1"
    assert table[0].value == "en"
    assert str(Table()) == "no table"


def test_a_failure_is_falsy_and_says_why() -> None:
    failed = revived({"__type__": "Failed", "reason": "timed out"})
    assert not failed
    assert (str(failed), repr(failed), failed.reason) == ("Failed: timed out", "Failed('timed out')", "timed out")
    assert failed == Failed("timed out")
    assert len({failed, Failed("timed out"), Failed()}) == 2
    assert failed.sendable() == {"failed": True, "reason": "timed out"}


def test_a_tag_that_we_do_not_know_is_data() -> None:
    for value in ({"__type__": "os.system", "x": 1}, {"__type__": 5}, {"__type__": ["Hits"]}, {"x": 1}):
        assert revived(value) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x" * 300, "'" + "x" * 200 + "'… (300 characters)"),
        ([0] * 300, "<list of 300>"),
        ({"a": 1}, "{'a': 1}"),
        (("y" * 150, "z" * 150), None),
    ],
)
def test_short_reprs_tell_the_true_length(value: Any, expected: str | None) -> None:
    assert short(value) == expected or (expected is None and len(short(value)) == 201)


def test_lines_are_folded_and_paths_keep_their_ends() -> None:
    assert fold("a\n  b\tc", 10) == "a b c"
    assert fold("abcdef", 4) == "abc…"
    assert tail("a/long/path.pdf", 9) == "…path.pdf"
    assert tail(None, 9) == ""
    assert [page_words(p) for p in ([], [3], (3, 4, 5), None)] == ["", "p.3", "p.3-5", ""]
