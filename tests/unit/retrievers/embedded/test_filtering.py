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
from retrievers.fields import FieldTypes, fields_of
from retrievers.filters import And, Eq, Exists, Filter, In, Not, Or, Prefix, Range, matches
from retrievers.testing import document
from retrievers.testing_corpus import types_of
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


MIXED_VALUES = (
    *WORDS[:6],
    *DATES,
    *NUMBERS,
    True,
    False,
    "2018",
    "007",
    "1.5",
    "1e3",
    "-0",
    "true",
    "TRUE",
    "2019-02-30",
)
mixed = st.one_of(st.sampled_from(MIXED_VALUES), st.lists(st.sampled_from(MIXED_VALUES), max_size=2))
scalars = st.sampled_from((*MIXED_VALUES, "2019", 2020, 0.5))
mixed_filters = st.one_of(
    st.builds(Eq, st.just("mixed"), scalars),
    st.builds(In, st.just("mixed"), st.lists(scalars, max_size=3).map(tuple)),
    st.builds(Prefix, st.just("mixed"), st.sampled_from(["", "a", "2", "20", "tr", "1"])),
    st.just(Exists("mixed")),
    st.one_of(*(ranges("mixed", st.sampled_from(values)) for values in (WORDS, NUMBERS, DATES, MIXED_VALUES))),
).flatmap(lambda leaf: st.sampled_from([leaf, Not(leaf)]))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 6), st.none() | mixed), max_size=6), max_size=3),
    st.lists(mixed_filters, min_size=1, max_size=15),
)
def test_values_of_any_types_are_found_as_the_reference_finds_them_whatever_came_first(
    runs: list[list[tuple[int, Any]]], asked: list[Filter]
) -> None:
    """A run adds, replaces and (with None) removes documents; what is left then decides, and nothing before it."""
    documents = {"typed": replace(TYPED, metadata={"mixed": "w"})}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "index"
        reader = written(path, [*documents.values()])
        for run in runs:
            writer = open_writer(path)
            for number, value in run:
                writer.delete([f"d{number}"])
                documents.pop(f"d{number}", None)
                if value is not None:
                    documents[f"d{number}"] = document(f"d{number}", "text", mixed=value)
                    writer.replace([text_only(documents[f"d{number}"])])
            writer.close()
        types = types_of(tuple(documents.values()))
        assert reader.snapshot().types["mixed"] == types["mixed"]
        for each in asked:
            assert found_or_refused(reader, each) == passing_or_refused(each, [*documents.values()], types)


def found_or_refused(reader: EmbeddedRetriever, asked: Filter) -> set[str] | str:
    try:
        return {summary.doc_id for summary in reader.scan(filters=asked)}
    except FilterError as error:
        return str(error)


def passing_or_refused(asked: Filter, documents: list[Document], types: FieldTypes) -> set[str] | str:
    try:
        return {each.id for each in documents if matches(asked, fields_of(each), types)}
    except FilterError as error:
        return str(error)


def years(path: Path, values: list[Any]) -> EmbeddedRetriever:
    return written(path, [document(f"d{i}", "x", year=value) for i, value in enumerate(values)])


@pytest.mark.parametrize("values", [["unknown", 2020, 2022, 2023], [2023, 2022, 2020, "unknown"]], ids=repr)
def test_one_unknown_year_changes_nothing_for_the_others(tmp_path: Path, values: list[Any]) -> None:
    reader = years(tmp_path / "index", values)
    assert reader.count(filters={"year": {"gte": 2022}}) == 2
    assert reader.count(filters={"year": 2022}) == 1
    assert reader.count(filters={"year": "unknown"}) == 1
    assert [(facet.value, facet.count) for facet in reader.facets("year")] == [
        (2020, 1), (2022, 1), (2023, 1), ("unknown", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("asked", [0, -0.0, "-0", "0"])
@pytest.mark.parametrize("held", [0, -0.0, "-0"])
def test_zero_has_no_sign(tmp_path: Path, held: Any, asked: Any) -> None:
    reader = written(tmp_path / "index", [document("a", "text", balance=held), document("b", "text", balance=1)])
    assert reader.count(filters={"balance": asked}) == 1
    assert reader.count(filters={"balance": {"gte": asked}}) == 2


def test_a_conflict_is_told_once_with_the_first_document_that_has_it(tmp_path: Path) -> None:
    for _ in range(2):
        writer = open_writer(tmp_path / "index")
        writer.replace([text_only(document(f"d{i}", "x", year=year)) for i, year in enumerate([1, "?", 2, "n/a", 3])])
        writer.flush()
        assert writer.warnings == (
            "field `year` is a number, and not so in 2 documents (first archive/d1.txt: '?'); "
            "equality finds them all the same",
        )
        writer.close()
    writer = open_writer(tmp_path / "index")
    writer.replace([text_only(document("other", "x", colour="red"))])
    writer.close()
    assert writer.warnings == ()


def test_a_description_tells_types_conflicts_and_examples(tmp_path: Path) -> None:
    reader = years(tmp_path / "index", [2020, 2020, "soon", "2021", [2022, 2023]])
    told = {info.name: info for info in reader.describe().fields}["year"]
    assert (told.type, told.also, told.documents, told.conflicts) == ("number", ("keyword",), 5, 1)
    assert told.examples == (2020, 2021, 2022, 2023, "soon")
    assert (told.lowest, told.highest, told.distinct) == (2020, 2023, 5)


def test_a_description_tells_the_range_of_dates(tmp_path: Path) -> None:
    reader = written(tmp_path / "index", [document(day, "x", filed=day) for day in ("2019-03-01", "2024-05-06")])
    told = {info.name: info for info in reader.describe().fields}
    assert (told["filed"].lowest, told["filed"].highest) == ("2019-03-01", "2024-05-06")
    assert told["source"].lowest is None


def test_the_type_follows_what_is_left(tmp_path: Path) -> None:
    reader = years(tmp_path / "index", ["a", "b", 3])
    assert reader.snapshot().types["year"] == ("keyword", "number")
    writer = open_writer(tmp_path / "index")
    writer.delete(["d0", "d1"])
    writer.close()
    assert reader.snapshot().types["year"] == ("number",)


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
    assert len(writer.warnings) == 12
    reader = EmbeddedRetriever(tmp_path / "index")
    assert reader.count(filters={"n100": {"gt": 99}}) == 1
    assert reader.count(filters={"n139": 139}) == 1
    with pytest.raises(FilterError, match="n139"):
        reader.count(filters={"n139": {"gt": 100}})


def test_dates_and_booleans_come_back_as_they_are(tmp_path: Path) -> None:
    reader = written(tmp_path / "index", [TYPED])
    assert [facet.value for facet in reader.facets("date")] == ["2020-01-01"]
    assert [facet.value for facet in reader.facets("flag")] == [True]
    assert [facet.value for facet in reader.facets("number")] == [1]
    assert [facet.value for facet in reader.facets("words", top_k=0)] == []


def test_metadata_that_cannot_be_filtered_is_kept(tmp_path: Path) -> None:
    odd: dict[str, Any] = {"nested": {"a": [1, 2]}, "huge": 10**30, "none": None, "numbers": [[1, 2]]}
    reader = written(tmp_path / "index", [document("a", "x", **odd)])
    assert reader.get("a").metadata == {"nested": {"a": [1, 2]}, "huge": str(10**30), "none": None, "numbers": [[1, 2]]}
    assert "nested" not in reader.snapshot().types


def test_a_range_of_very_long_keywords_goes_by_their_beginnings(tmp_path: Path) -> None:
    reader = written(tmp_path / "index", [document("a", "x", word="long" * 400)])
    assert reader.count(filters={"word": {"gte": "long" * 400}}) == 1
    assert reader.count(filters={"word": {"gt": "long" * 400}}) == 0
