from __future__ import annotations

import datetime
import decimal
import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_search.sandbox.guest import Document, Failed, Hits, Record
from rlm_search.sandbox.plain import MAX_DEPTH, NotPlain, plain

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_plain_data_stays_what_it_is(value: Any) -> None:
    assert plain(value) == value


@given(st.text(alphabet=st.characters(categories=["Cs", "Lu", "So"])))
def test_any_text_can_travel_afterwards(text: str) -> None:
    assert plain(text).encode().decode() == plain(text)


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Finding:
    year: int
    tags: tuple[str, ...] = ()


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Real(float):
    pass


def lazily() -> Iterator[int]:
    yield from (1, 2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2,)), [1, [2]]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"a"}), ["a"]),
        (deque([1]), [1]),
        (range(3), [0, 1, 2]),
        (lazily(), [1, 2]),
        (map(str, [1]), ["1"]),
        ({"a": 1}.items(), [["a", 1]]),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        ({1: "a", 2.5: "b", None: "d"}, {"1": "a", "2.5": "b", "None": "d"}),
        ({datetime.date(2020, 1, 2): 1}, {"2020-01-02": 1}),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (datetime.time(3, 4), "03:04:00"),
        (Colour.RED, "red"),
        (Level.LOW, 1),
        (Point(1, 2), [1, 2]),
        (Finding(2019, ("x",)), {"year": 2019, "tags": ["x"]}),
        (Text("t"), "t"),
        (Number(5), 5),
        (Real(1.5), 1.5),
        (Failed("late"), {"failed": True, "reason": "late"}),
        (Record(a=Record(b=1)), {"a": {"b": 1}}),
        (Hits([Record(a=1)]), [{"a": 1}]),
        ("\ud83d\ude00", "😀"),
        ({"\ud800": 1}, {"\ufffd": 1}),
    ],
)
def test_what_is_nearly_plain_is_made_plain(value: Any, expected: Any) -> None:
    made = plain(value)
    assert made == expected
    assert json.loads(json.dumps(made)) == made


def test_a_document_goes_without_its_text_as_an_argument_only() -> None:
    document = Document(doc_id="d", content="long")
    assert plain([document], whole=False) == [{"doc_id": "d"}]
    assert plain([document]) == [{"doc_id": "d", "content": "long"}]


def endless() -> Iterator[int]:
    while True:
        yield 0


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "it is of type object, which is not plain data"),
        ({"a": [1, b"x"]}, r"\['a'\]\[1\] is of type bytes"),
        ([Finding], r"\[0\] is of type type"),
        (float("nan"), "it is nan"),
        ([float("inf")], r"\[0\] is inf"),
        ([10**400], r"\[0\] is an integer of 1,329 bits"),
        (Number(10**400), "too long to cross"),
        ({(1, 2): 3}, "key of type tuple; keys must be strings"),
        (decimal.Decimal(1), "of type Decimal"),
        (lambda: 1, "of type function"),
        (nested(MAX_DEPTH + 1), "nests more than 50 deep"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(NotPlain, match=message):
        plain(value)


def test_what_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NotPlain, match="holds itself"):
        plain(loop)


def test_an_endless_iterator_is_refused() -> None:
    with pytest.raises(NotPlain, match="more than 2,000,000 items"):
        plain(endless())


def test_a_set_without_an_order_becomes_a_list_all_the_same() -> None:
    assert sorted(map(str, plain({1, "a"}))) == ["1", "a"]


def test_nesting_up_to_the_limit_is_plain() -> None:
    assert plain(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
