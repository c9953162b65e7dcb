from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Optional, TypeVar, Union

import pytest

from rlm_search.errors import ToldToModel
from rlm_search.sandbox import signatures
from rlm_search.sandbox.functions import HostFunction, fits
from rlm_search.sandbox.protocol import BadCall

if TYPE_CHECKING:
    from decimal import Decimal


def search(query: str, /, top_k: int = 10, *, filters: Mapping[str, Any] | None = None) -> list[str]:
    """Find passages."""
    return [query] * top_k


def many(*texts: str, **options: int) -> int:
    return len(texts) + sum(options.values())


def unresolved(amount: Decimal, name: str) -> str:
    return f"{amount} {name}"


class Tools:
    def read(self, doc_id: str) -> str:
        """Read a document."""
        return doc_id


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (search, "(query: str, /, top_k: int = 10, *, filters: Mapping[str, Any] | None = None) -> list[str]"),
        (many, "(*texts: str, **options: int) -> int"),
        (Tools().read, "(doc_id: str) -> str"),
        (lambda x, y=None: x, "(x, y=None)"),
        (functools.partial(search, "q"), "(top_k: int = 10, *, filters: Mapping[str, Any] | None = None) -> list[str]"),
    ],
)
def test_a_signature_is_described_and_rebuilt_as_it_is_written(function: Callable[..., Any], shown: str) -> None:
    described = HostFunction.of("f", function).described()
    assert str(signatures.rebuild(described)) == shown


def test_the_docstring_of_a_partial_is_that_of_its_function() -> None:
    assert HostFunction.of("f", functools.partial(search, "q")).described()["doc"] == "Find passages."
    assert HostFunction.of("f", Tools().read).described()["doc"] == "Read a document."
    assert HostFunction.of("f", many).described()["doc"] == ""


def test_a_right_call_is_made() -> None:
    assert HostFunction.of("search", search).invoke(["a"], {"top_k": 2, "filters": {"year": 1}}) == ["a", "a"]
    assert HostFunction.of("many", many).invoke(["a", "b"], {"x": 3}) == 5
    assert HostFunction.of("read", Tools().read).invoke([], {"doc_id": "d"}) == "d"


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ([], {}, r"search\(\): missing a required argument: 'query'\. It is search\(query: str, /, top_k: int = 10"),
        (["a", 1, 2], {}, "too many positional arguments"),
        (["a"], {"k": 1}, "unexpected keyword argument 'k'"),
        ([1], {}, "query must be str, not int"),
        (["a"], {"top_k": "1"}, "top_k must be int, not str"),
        (["a"], {"filters": [1]}, r"filters must be Mapping\[str, Any\] \| None, not list of int"),
        ([{"doc_id": "d"}], {}, "give one of its fields"),
        ([None], {}, "query must be str, not None"),
    ],
)
def test_a_wrong_call_is_told_with_what_is_right(args: list[Any], kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message) as caught:
        HostFunction.of("search", search).invoke(args, kwargs)
    assert isinstance(caught.value, ToldToModel | TypeError)


def test_each_of_many_arguments_is_checked() -> None:
    function = HostFunction.of("many", many)
    with pytest.raises(BadCall, match="texts must be str, not int"):
        function.invoke(["a", 1], {})
    with pytest.raises(BadCall, match="options must be int, not str"):
        function.invoke([], {"x": "y"})


def test_an_annotation_that_cannot_be_resolved_leaves_the_others_checked() -> None:
    function = HostFunction.of("unresolved", unresolved)
    assert function.invoke([1, "x"], {}) == "1 x"
    with pytest.raises(BadCall, match="name must be str"):
        function.invoke([1, 2], {})


T = TypeVar("T")


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, int, True),
        (True, int, False),
        (True, bool, True),
        (1, float, True),
        (True, float, False),
        ("1", float, False),
        (None, None, True),
        (None, type(None), True),
        (None, Optional[int], True),  # noqa: UP045  # the old spelling is what is tested
        ("x", Union[int, str], True),  # noqa: UP007  # likewise
        ([1], int | str, False),
        (["a"], list[str], True),
        (["a", 1], list[str], False),
        ("ab", list[str], False),
        ("ab", Sequence[str], False),
        ([1], Sequence[str | int], True),
        ([], list[str], True),
        ({"a": 1}, Mapping[str, int], True),
        ([("a", 1)], Mapping[str, int], False),
        ({}, dict, True),
        ([1, 2], tuple[int, ...], True),
        ("x", tuple[int, ...], False),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        (object(), T, True),
        (object(), Any, True),
        (object(), "a string", True),
        (1, Callable[[], int], True),
        (1, bytes, True),
    ],
)
def test_types_of_plain_data_are_recognised(value: Any, hint: Any, expected: bool) -> None:
    assert fits(value, hint) is expected
