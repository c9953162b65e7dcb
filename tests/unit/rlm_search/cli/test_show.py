"""`rlm-search show`."""

from __future__ import annotations

import json

import pytest

from retrievers.testing_corpus import PAGES
from tests.unit.rlm_search.cli.conftest import Command
from tests.unit.rlm_search.cli.test_search import FOREIGN


def test_a_document_is_printed_page_by_page(command: Command) -> None:
    ended = command("show", "northwind")

    assert ended.code == 0
    assert [line for line in ended.out.splitlines() if line.startswith("──")] == [f"── page {n} ──" for n in (1, 2, 3)]
    assert PAGES[2].strip() in ended.out


@pytest.mark.parametrize(("pages", "numbers"), [("2", [2]), ("2-3", [2, 3]), ("3, 1", [3, 1]), ("2-99", [2, 3])])
def test_only_the_pages_asked_for_are_printed(command: Command, pages: str, numbers: list[int]) -> None:
    shown = json.loads(command("show", "northwind", "--pages", pages, "--json").out)

    assert [page["number"] for page in shown["pages"]] == numbers
    assert [page["text"] for page in shown["pages"]] == [PAGES[number - 1] for number in numbers]


def test_a_document_as_json_has_what_is_known_about_it_and_its_text_once(command: Command) -> None:
    shown = json.loads(command("show", "northwind", "--json").out)

    assert (shown["doc_id"], shown["title"], shown["source"]) == (
        "northwind", "Northwind annual report", "archive/northwind.txt"
    )  # fmt: skip
    assert shown["metadata"]["company"] == "Northwind"
    assert [page["text"] for page in shown["pages"]] == list(PAGES)
    assert "content" not in shown


def test_a_document_without_pages_is_printed_whole(command: Command) -> None:
    assert command("show", "theirs", index=FOREIGN).out == "their text\n"
    assert json.loads(command("show", "theirs", "--json", index=FOREIGN).out)["content"] == "their text"


def test_an_unknown_document_is_told_with_one_that_looks_like_it(command: Command) -> None:
    ended = command("show", "northwin")

    assert (ended.code, ended.out) == (3, "")
    assert "no document `northwin`" in ended.err
    assert "did you mean northwind?" in ended.err


def test_a_document_that_looks_like_none_is_told_too(command: Command) -> None:
    ended = command("show", "zzz")

    assert ended.code == 3
    assert "did you mean" not in ended.err


def test_pages_beyond_the_last_are_told_with_how_many_there_are(command: Command) -> None:
    ended = command("show", "northwind", "--pages", "4-9")

    assert ended.code == 3
    assert "only the pages 1 to 3" in ended.err


def test_pages_of_a_document_without_pages_are_told(command: Command) -> None:
    ended = command("show", "theirs", "--pages", "1", index=FOREIGN)

    assert ended.code == 3
    assert "has no pages" in ended.err


@pytest.mark.parametrize("pages", ["0", "5-3", "x", "-1", "1-", "", "1,,2"])
def test_pages_that_are_none_are_a_mistake_of_usage(command: Command, pages: str) -> None:
    ended = command("show", "northwind", "--pages", pages)

    assert ended.code == 2
    assert "names no pages" in ended.err
