"""Filters: the dict form, types, and the reference semantics."""

from __future__ import annotations

from typing import Any

import pytest

from retrievers.errors import FilterError
from retrievers.fields import FieldTypes, Form, Types, comparables, date_text, fields_of, instant, type_of, types_among
from retrievers.filters import And, Eq, Exists, In, Not, Or, Prefix, Range, conjunction, matches, parse, resolve
from retrievers.testing import document
from retrievers.types import FieldType

FIELDS: dict[str, FieldType] = {
    "year": "number",
    "company": "keyword",
    "filed": "date",
    "draft": "boolean",
    "tags": "keyword",
}
REPORT = {"year": 2021, "company": "Northwind", "filed": "2022-03-01", "draft": False, "tags": ["wind", "energy"]}


def passes(filters: dict[str, Any], values: dict[str, Any] = REPORT) -> bool:
    parsed = parse(filters)
    return parsed is None or matches(parsed, values, FIELDS)


def test_the_dict_form_reads_as_one_would_say_it() -> None:
    assert parse({"company": "3M"}) == Eq("company", "3M")
    assert parse({"company": ["3M", "AMD"]}) == In("company", ("3M", "AMD"))
    assert parse({"company": {"in": ["3M"], "eq": "3M"}}) == And((In("company", ("3M",)), Eq("company", "3M")))
    assert parse({"company": {"prefix": "3"}}) == Prefix("company", "3")
    assert parse({"or": [{"year": 1}, {"not": {"year": 2}}]}) == Or((Eq("year", 1), Not(Eq("year", 2))))


def test_operators_on_a_field_combine() -> None:
    assert parse({"year": {"gte": 2019, "lt": 2022, "not": 2020}}) == And(
        (Range(field="year", gte=2019, lt=2022), Not(Eq("year", 2020)))
    )


def test_exists_false_means_without_a_value() -> None:
    assert parse({"company": {"exists": False}}) == Not(Exists("company"))


def test_nothing_to_filter_is_none() -> None:
    assert parse(None) is None
    assert parse({}) is None


def test_a_filter_passes_through() -> None:
    assert parse(Eq("a", 1)) == Eq("a", 1)
    assert conjunction([Eq("a", 1)]) == Eq("a", 1)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"year": {"gtee": 2}}, "did you mean `gte`"),
        ({"year": {}}, "year"),
        ({"year": None}, "year"),
        ({"year": [[1]]}, "year"),
        ({"company": {"prefix": 3}}, "prefix"),
        ({"company": {"exists": "yes"}}, "exists"),
        ({"company": {"in": "3M"}}, "in"),
        ({"or": {"year": 1}}, "`or` takes a list"),
        ("year > 3", "a filter is a dict"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(filters: Any, names: str) -> None:
    with pytest.raises(FilterError, match=names):
        parse(filters)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"yeer": 2021}, "did you mean `year`"),
        ({"year": "soon"}, "`year` is a number"),
        ({"year": True}, "`year` is a number"),
        ({"year": float("nan")}, "`year` is a number"),
        ({"filed": "soon"}, "`filed` is a date"),
        ({"filed": "2021-13-40"}, "`filed` is a date"),
        ({"filed": True}, "`filed` is a date"),
        ({"draft": "maybe"}, "`draft` is a boolean"),
        ({"draft": {"gt": False}}, "`draft` is a boolean"),
        ({"company": {"gt": 3}}, "`company` is a keyword"),
        ({"company": 1.5}, "`company` is a keyword"),
        ({"year": {"prefix": "20"}}, "`year` is a number"),
    ],
)
def test_a_wrong_field_or_type_is_refused_by_name(filters: dict[str, Any], names: str) -> None:
    with pytest.raises(FilterError, match=names):
        passes(filters)


def test_an_unknown_field_lists_those_that_exist() -> None:
    with pytest.raises(FilterError) as caught:
        passes({"colour": "red"})
    assert caught.value.hint == "fields: company, draft, filed, tags, year"


@pytest.mark.parametrize(
    "filters",
    [
        {"year": 2021},
        {"year": "2021"},
        {"year": {"gt": 2020.5, "lte": 2021}},
        {"company": {"gte": "N", "lt": "O"}},
        {"filed": 2022},
        {"filed": "2022-03"},
        {"filed": ["2021", "2022"]},
        {"filed": {"gte": 2022, "lt": "2022-03-02"}},
        {"filed": {"gt": "2022-02"}},
        {"filed": {"lte": "2022-03-01T00:00:00+00:00"}},
        {"draft": "false"},
        {"tags": "wind"},
        {"tags": {"prefix": "en"}},
        {"not": {"tags": "solar"}},
        {"and": []},
    ],
    ids=repr,
)
def test_the_report_passes(filters: dict[str, Any]) -> None:
    assert passes(filters)


@pytest.mark.parametrize(
    "filters",
    [
        {"year": {"gt": 2021}},
        {"filed": {"gt": "2022"}},
        {"filed": {"lt": "2022"}},
        {"filed": "2022-03-02"},
        {"filed": {"lt": "2022-03-01"}},
        {"draft": True},
        {"company": "northwind"},
        {"tags": []},
        {"or": []},
        {"company": {"exists": False}},
    ],
    ids=repr,
)
def test_the_report_does_not_pass(filters: dict[str, Any]) -> None:
    assert not passes(filters)


def test_a_value_of_another_type_than_the_field_is_no_value() -> None:
    assert not passes({"year": {"exists": True}}, {"year": "unknown"})
    assert passes({"year": {"not": 2021}}, {"year": "unknown"})


def test_resolved_dates_are_ranges_of_seconds() -> None:
    day = 24 * 3600.0
    resolved = resolve(Eq("filed", "1970-01-02"), FIELDS)
    assert resolved == Range(field="filed", gte=day, lte=2 * day - 1e-6, type="date")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "boolean"),
        (3, "number"),
        (3.5, "number"),
        ("2019-03-01", "date"),
        ("2019-03-01T12:00:00Z", "date"),
        (["2019-03-01", "2020-01-01"], "date"),
        ("2019", "keyword"),
        ("2019-03-41", "keyword"),
        (["a", "b"], "keyword"),
        (("2019-03-01", "b"), "keyword"),
        ([], None),
        ([1, 2], "number"),
        ([None], None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_values_tell_their_type(value: Any, kind: str | None) -> None:
    assert type_of(value) == kind


@pytest.mark.parametrize(
    ("documents", "types"),
    [
        ({"number": 2, "keyword": 1}, ("number", "keyword")),
        ({"number": 1, "keyword": 1}, ("keyword", "number")),
        ({"date": 3, "number": 3}, ("number", "date")),
        ({"numeral": 5}, ("keyword", "number")),
        ({"numeral": 5, "number": 1}, ("number",)),
        ({"numeral": 2, "number": 1, "keyword": 3}, ("keyword", "number")),
        ({"flag": 1}, ("keyword", "boolean")),
        ({"flag": 2, "boolean": 1, "keyword": 2}, ("boolean", "keyword")),
        ({}, ("keyword",)),
    ],
    ids=repr,
)
def test_the_type_of_a_field_is_that_of_most_documents(documents: dict[Form, int], types: Types) -> None:
    assert types_among(documents) == types


MIXED: FieldTypes = {
    "year": ("number", "keyword"),
    "filed": ("date", "number", "keyword"),
    "code": ("keyword", "number"),
}


@pytest.mark.parametrize(
    ("filters", "values"),
    [
        ({"year": "unknown"}, {"year": "unknown"}),
        ({"year": [2019, "unknown"]}, {"year": "unknown"}),
        ({"year": "2019"}, {"year": 2019}),
        ({"year": 2019}, {"year": "2019"}),
        ({"year": "007"}, {"year": "007"}),
        ({"year": {"prefix": "un"}}, {"year": "unknown"}),
        ({"year": {"gte": 2019}}, {"year": ["n/a", 2020]}),
        ({"filed": 2019}, {"filed": 2019}),
        ({"filed": 2019}, {"filed": "2019-03-01"}),
        ({"filed": {"gte": 2019, "lt": 2020}}, {"filed": 2019}),
        ({"filed": "spring 2019"}, {"filed": "spring 2019"}),
        ({"code": {"gte": 10}}, {"code": "11"}),
        ({"code": {"lt": "2"}}, {"code": "11"}),
        ({"code": 11}, {"code": 11}),
    ],
    ids=repr,
)
def test_a_value_of_another_type_is_found_by_what_it_says(filters: dict[str, Any], values: dict[str, Any]) -> None:
    parsed = parse(filters)
    assert parsed is not None
    assert matches(parsed, values, MIXED)


def test_a_range_of_numbers_says_nothing_of_words() -> None:
    parsed = parse({"year": {"gte": 2019}})
    assert parsed is not None
    assert not matches(parsed, {"year": "unknown"}, MIXED)


def test_numbers_that_no_double_holds_are_no_values() -> None:
    assert comparables(10**400, "number") == ()
    assert comparables(float("inf"), "number") == ()


@pytest.mark.parametrize(
    "text", ["2019-03-01", "2019-03-01T12:30:00Z", "1969-12-31T23:59:59Z", "9999-12-31", "0001-01-01"]
)
def test_dates_survive_the_round_trip(text: str) -> None:
    seconds = instant(text)
    assert seconds is not None
    assert date_text(seconds) == text


def test_zones_are_heard() -> None:
    assert instant("2019-03-01T12:00:00+02:00") == instant("2019-03-01T10:00:00Z")


def test_a_document_has_built_in_fields_and_its_metadata() -> None:
    fields = fields_of(document("d", "text", title="T", pages=(0, 2), year=3))
    assert fields == {
        "doc_id": "d",
        "source": ["archive/d.txt"],
        "title": "T",
        "language": "en",
        "media_type": "text/plain",
        "pages": 2,
        "year": 3,
    }


def test_metadata_does_not_hide_a_built_in_field() -> None:
    assert fields_of(document("d", "text", source="other"))["source"] == ["archive/d.txt"]
