"""Filters as they are written on the command line."""

from __future__ import annotations

import contextlib
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_search.cli.conditions import read_condition, read_conditions


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("year>=2019", {"year": {"gte": 2019}}),
        ("year > 2019", {"year": {"gt": 2019}}),
        ("year<=2019", {"year": {"lte": 2019}}),
        ("filed<2019-03", {"filed": {"lt": "2019-03"}}),
        ("company=3M", {"company": "3M"}),
        ("company==3M", {"company": "3M"}),
        ("company = Northwind Traders ", {"company": "Northwind Traders"}),
        ("year='2019'", {"year": "2019"}),
        ('name="in a > b"', {"name": "in a > b"}),
        ("draft!=true", {"draft": {"not": "true"}}),
        ("year!=2019", {"year": {"not": 2019}}),
        ("title^=Annual", {"title": {"prefix": "Annual"}}),
        ("title^='Annual r'", {"title": {"prefix": "Annual r"}}),
        ("year in 2018,2019", {"year": [2018, 2019]}),
        ("year in [2018, 2019]", {"year": [2018, 2019]}),
        ("company not in 3M, AMD", {"company": {"not": ["3M", "AMD"]}}),
        ("exists:year", {"year": {"exists": True}}),
        ("!exists:year", {"year": {"exists": False}}),
        ("ratio>1.50", {"ratio": {"gt": "1.50"}}),
        ("code=007", {"code": "007"}),
        ("change<-3", {"change": {"lt": -3}}),
        ("größe=klein", {"größe": "klein"}),
        ("url=http://a/b?c=d", {"url": "http://a/b?c=d"}),
        ('{"or": [{"year": 2019}, {"form": "10-K"}]}', {"or": [{"year": 2019}, {"form": "10-K"}]}),
    ],
)
def test_a_condition_is_read(text: str, condition: dict[str, Any]) -> None:
    assert read_condition(text) == condition


@pytest.mark.parametrize(
    "text",
    [
        "", "year", "year>=", "=2019", "a b=3", "{'year': 2019}", "{", "{}", "exists:", "year in ", "year>>1",
        "year=>1", "year<>3", "year>=<3", "year=!3", "year = = 3", "title='abc", "year>='", "year in 2018,,2019",
        "year in [2018", "year in ,", "year in (1]",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_told_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(click.BadParameter):
        read_condition(text)


def test_several_conditions_must_all_hold() -> None:
    assert read_conditions(["year>=2019", "company=3M"]) == {"and": [{"year": {"gte": 2019}}, {"company": "3M"}]}
    assert read_conditions(["year>=2019"]) == {"year": {"gte": 2019}}
    assert read_conditions([]) is None


@given(st.text())
def test_any_text_is_a_condition_or_a_mistake_that_is_told(text: str) -> None:
    with contextlib.suppress(click.BadParameter):
        assert isinstance(read_condition(text), dict)
