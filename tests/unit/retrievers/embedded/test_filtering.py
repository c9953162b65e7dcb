"""The engine filters as the reference semantics say."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrievers.embedded import EmbeddedRetriever
from retrievers.errors import FilterError
from retrievers.fields import fields_of
from retrievers.filters import And, Eq, Exists, Filter, In, Not, Or, Prefix, Range, matches
from retrievers.testing import document
from retrievers.types import Document

from .conftest import open_writer, text_only

WORDS = ("", "a", "A", "ab", "abc", "b c", "b\tc", "é", "東京", "x\x1fy", "=", "?3", "#head", "9.*", "long" * 400)
DATES = ("2019-01-01", "2019-12-31T23:59:59Z", "2020-02-29", "2020-03-01T01:00:00+02:00", "9999-12-31")
NUMBERS = (-3, 0, 1, 1.5, 2, 2018, 2**53 + 1, 1e300)

metadata = st.fixed_dictionaries(
    {},
    optional={
        "word": st.sampled_from(WORDS),
        "words": st.lists(st.sampled_from(WORDS), max_size=3),
        "number": st.sampled_from(NUMBERS),
        "date": st.sampled_from(DATES),
        "flag": st.booleans(),
    },
)
bounds = st.sampled_from(["gte", "gt", "lte", "lt"])


def ranges(field: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Filter]:
    return st.dictionaries(bounds, values, min_size=1).map(lambda given: Range(field=field, **given))


def leaves() -> st.SearchStrategy[Filter]:
    word, number = st.sampled_from(WORDS), st.sampled_from(NUMBERS)
    date = st.sampled_from((*DATES, "2019", 2020, "2020-02", "2020-03-01"))
    text_field = st.sampled_from(["word", "words"])
    return st.one_of(
        st.builds(Eq, text_field, word),
        st.builds(In, text_field, st.lists(word, max_size=3).map(tuple)),
        st.builds(Prefix, text_field, word),
        ranges("word", word),
        ranges("words", word),
        st.builds(Eq, st.just("number"), number),
        st.builds(In, st.just("number"), st.lists(number, max_size=3).map(tuple)),
        ranges("number", number),
        st.builds(Eq, st.just("date"), date),
        st.builds(In, st.just("date"), st.lists(date, max_size=2).map(tuple)),
        ranges("date", date),
        st.builds(Eq, st.just("flag"), st.booleans()),
        st.builds(Exists, st.sampled_from(["word", "words", "number", "date", "flag"])),
        st.builds(Eq, st.just("doc_id"), st.sampled_from(["d0", "d1"])),
    )


def branches(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, inner))


filters = st.recursive(leaves(), branches, max_leaves=6)

TYPED = document("typed", "text", word="w", words=["w"], number=1, date="2020-01-01", flag=True)
"""Comes first, so that every field exists with its type."""


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(metadata, max_size=8), st.lists(filters, min_size=1, max_size=12))
def test_every_filter_passes_what_the_reference_passes(
    given_metadata: list[dict[str, Any]], asked: list[Filter]
) -> None:
    documents = [TYPED, *(document(f"d{i}", f"text {i}", **each) for i, each in enumerate(given_metadata))]
    # a reader that is collected while the folder goes may make a lock file in it
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        reader = written(Path(folder) / "index", documents)
        types = reader.snapshot().types
        for each in asked:
            wanted = {one.id for one in documents if matches(each, fields_of(one), types)}
            assert {summary.doc_id for summary in reader.scan(filters=each)} == wanted
            assert {hit.doc_id for hit in reader.search("text", top_k=20, filters=each)} == wanted
            assert reader.count(filters=each) == len(wanted)


def written(path: Path, documents: list[Document]) -> EmbeddedRetriever:
    writer = open_writer(path)
    writer.replace([text_only(each) for each in documents])
    writer.flush()
    writer.close()
    return EmbeddedRetriever(path)


def test_the_first_value_decides_the_type_and_others_are_told(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "index")
    writer.replace([text_only(document("a", "x", year=2019)), text_only(document("b", "x", year="unknown"))])
    assert writer.warnings == ("field `year` is a number: other values of it cannot be filtered",)
    writer.close()
    reader = EmbeddedRetriever(tmp_path / "index")
    assert reader.get("b").metadata == {"year": "unknown"}
    assert reader.count(filters={"year": {"exists": True}}) == 1


def test_types_are_remembered_from_run_to_run(tmp_path: Path) -> None:
    for text in ("one", "two"):
        writer = open_writer(tmp_path / "index")
        writer.replace([text_only(document(text, text, year=len(text), colour=text))])
        writer.close()
    reader = EmbeddedRetriever(tmp_path / "index")
    assert reader.count(filters={"year": 3}) == 2
    assert [(facet.value, facet.count) for facet in reader.facets("colour")] == [("one", 1), ("two", 1)]


def test_more_number_fields_than_columns_are_told(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "index")
    many = replace(document("a", "x"), metadata={f"n{i}": i for i in range(140)})
    writer.replace([text_only(many)])
    writer.close()
    assert len(writer.warnings) == 13
    reader = EmbeddedRetriever(tmp_path / "index")
    assert reader.count(filters={"n100": 100}) == 1
    with pytest.raises(FilterError, match="n139"):
        reader.count(filters={"n139": 139})


def test_dates_and_booleans_come_back_as_they_are(tmp_path: Path) -> None:
    reader = written(tmp_path / "index", [TYPED])
    assert [facet.value for facet in reader.facets("date")] == ["2020-01-01"]
    assert [facet.value for facet in reader.facets("flag")] == [True]
    assert [facet.value for facet in reader.facets("number")] == [1]
    assert [facet.value for facet in reader.facets("words", top_k=0)] == []


def test_metadata_that_cannot_be_filtered_is_kept(tmp_path: Path) -> None:
    odd: dict[str, Any] = {"nested": {"a": [1, 2]}, "huge": 10**30, "none": None, "numbers": [1, 2]}
    reader = written(tmp_path / "index", [document("a", "x", **odd)])
    assert reader.get("a").metadata == {"nested": {"a": [1, 2]}, "huge": str(10**30), "none": None, "numbers": [1, 2]}
    assert "nested" not in reader.snapshot().types
